/**
 * rest-hook, from the write to the receiver: a whole hub and a real HTTP sink.
 * @see https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html#rest-hook
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from '../../../src/db/sql.ts';
import type { AnyResource } from '../../../src/fhir/types.ts';
import { given } from '../../given.ts';
import { givenConsent } from '../../given-consent.ts';
import { givenHub, type GivenHub } from '../../given-hub.ts';
import { until } from '../../until.ts';
import { givenSink, type Received, type Sink } from '../../feeds/subscription/sink.ts';
import { givenSubscription, statusOf, topics, type GivenSubscription, type Json } from './given.ts';

const scope = 'system/*.rs system/Subscription.cruds';

describe('rest-hook', () => {
  let hub: GivenHub;
  let sink: Sink;
  /** Of one test: whatever the others are still told, nothing of it comes here. */
  let quiet: Sink;
  let ai: string;
  let hospital: string;
  let clients = 0;
  before(async () => {
    [sink, quiet] = await Promise.all([givenSink(), givenSink()]);
    hub = await givenHub({ HUB_SUBSCRIPTION_ALLOW: `${sink.url},${quiet.url}` });
    hospital = await hub.token('hospital');
    ai = await hub.token('ai', { scope });
    for (const id of ['p', 'q', 'closed']) await put(given.patient({ id }));
    for (const id of ['p', 'q']) await grant(id);
  });
  after(async () => {
    await hub.close();
    await Promise.all([sink.close(), quiet.close()]);
  });

  async function put(resource: AnyResource, token = hospital): Promise<void> {
    const { status, text } = await hub.send('PUT', `${resource.resourceType}/${resource.id}`, token, {
      body: resource,
    });
    assert.ok(status === 200 || status === 201, text);
  }
  async function grant(patient: string, changes: Record<string, unknown> = {}): Promise<void> {
    const self = await hub.token('patient', { fhirUser: `Patient/${patient}` });
    const body = { ...givenConsent(patient, 'Organization/ai-health-manager', changes), id: `c-${patient}` };
    await put(body, self);
  }
  async function revoke(patient: string): Promise<void> {
    const self = await hub.token('patient', { fhirUser: `Patient/${patient}` });
    assert.equal((await hub.send('DELETE', `Consent/c-${patient}`, self)).status, 204);
  }

  /** At a path of its own. */
  async function subscribed(
    more: GivenSubscription = {},
    token = ai,
    to = sink,
  ): Promise<{ id: string; path: string; told: () => Received[]; events: () => Json[] }> {
    const path = `/hook-${++clients}`;
    const body = givenSubscription({ endpoint: `${to.url}${path}`, ...more });
    const { json, status, text } = await hub.send('POST', 'Subscription', token, { body });
    assert.equal(status, 201, text);
    const told = (): Received[] => to.received.filter((one) => one.path === path);
    await to.until(() => told().length > 0);
    const events = (): ReturnType<typeof statusOf>['events'] => told().flatMap((one) => statusOf(one.json).events);
    const id = json['id'] as string;
    await until('it is active', async () => (await stateOf(id, token))['status'] === 'active');
    return { id, path, told, events };
  }
  const stateOf = async (id: string, token = ai): Promise<ReturnType<typeof statusOf>> =>
    statusOf((await hub.send('GET', `Subscription/${id}/$status`, token)).json);
  let observations = 0;
  async function observe(patient = 'p', more: Partial<AnyResource> = {}): Promise<string> {
    const id = `o-${++observations}`;
    await put({ ...given.observation({ id, patient }), ...more });
    return id;
  }

  it('greets with a handshake, and is active when it is answered', async () => {
    const { id, told } = await subscribed({ header: ['Authorization: Bearer secret', 'X-Tenant: a'], maxCount: 3 });
    const [handshake] = told() as [Received];
    assert.deepEqual([handshake.json['resourceType'], handshake.json['type']], ['Bundle', 'history']);
    assert.equal(handshake.headers['content-type'], 'application/fhir+json');
    assert.equal(handshake.headers.authorization, 'Bearer secret');
    assert.equal(handshake.headers['x-tenant'], 'a');
    const status = statusOf(handshake.json);
    assert.equal(status['type'], 'handshake');
    assert.equal(status['status'], 'requested');
    assert.equal(status['topic'], `${topics}/resource-changed`);
    assert.equal(status['events-since-subscription-start'], '0');
    assert.deepEqual(status['subscription'], { reference: `${hub.fhir}/Subscription/${id}` });
    const [entry] = handshake.json['entry'];
    assert.deepEqual(entry.request, { method: 'GET', url: `${hub.fhir}/Subscription/${id}/$status` });
    assert.equal((await hub.send('GET', `Subscription/${id}`, ai)).json['status'], 'active');
  });

  for (const [content, hasFocus, hasBody] of [
    ['empty', false, false],
    ['id-only', true, false],
    ['full-resource', true, true],
  ] as const) {
    it(`tells an event as ${content}`, async () => {
      const { told, events } = await subscribed({ content });
      const id = await observe();
      await sink.until(() => events().length > 0);
      const [, notification] = told() as [Received, Received];
      const status = statusOf(notification.json);
      assert.equal(status['type'], 'event-notification');
      assert.equal(status['status'], 'active');
      assert.equal(status['events-since-subscription-start'], '1');
      assert.equal('topic' in status, content !== 'empty');
      const [event] = status.events;
      assert.equal(event?.['event-number'], '1');
      assert.match(event?.['timestamp'], /^\d{4}-/);
      assert.deepEqual(event?.['focus'], hasFocus ? { reference: `${hub.fhir}/Observation/${id}` } : undefined);
      const [, entry] = notification.json['entry'];
      assert.equal(entry?.resource.id, hasBody ? id : undefined);
      if (hasBody) assert.deepEqual(entry.request, { method: 'POST', url: 'Observation' });
      else assert.equal(notification.text.includes('718-7'), false);
    });
  }

  it('numbers without gaps, over several notifications, each of at most max-count', async () => {
    const { told, events } = await subscribed({ maxCount: 3 });
    const entry = Array.from({ length: 10 }, () => ({
      resource: given.observation({ patient: 'p' }),
      request: { method: 'POST', url: 'Observation' },
    }));
    await hub.send('POST', '', hospital, { body: { resourceType: 'Bundle', type: 'transaction', entry } });
    await sink.until(() => events().length >= 10);
    assert.deepEqual(
      events().map((event) => Number(event['event-number'])),
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    );
    for (const one of told()) assert.ok(statusOf(one.json).events.length <= 3);
  });

  describe('tells only what matches', () => {
    it('the filter: by patient, by code, by several', async () => {
      const { events } = await subscribed({
        filters: ['Observation?patient=q', 'Observation?patient=p&code=http://loinc.org|2345-7', 'Encounter?'],
      });
      await observe('p');
      const other = await observe('q');
      const glucose = await observe('p', given.observation({ patient: 'p', code: '2345-7' }));
      await put(given.encounter({ id: 'visit-1', patient: 'q', start: '2026-01-01' }));
      await sink.until(() => events().length >= 3);
      await sleep(300);
      const foci = events().map((event) => event['focus'].reference.slice(hub.fhir.length + 1));
      assert.deepEqual(foci, [`Observation/${other}`, `Observation/${glucose}`, 'Encounter/visit-1']);
    });
    it('the record: any type of the patient, and no other patient', async () => {
      const { events } = await subscribed({ topic: 'record-changed', filters: ['Resource?patient=q'] });
      await observe('p');
      const id = await observe('q');
      await put(given.organization({ id: 'elsewhere' }));
      await sink.until(() => events().length >= 1);
      await sleep(300);
      assert.deepEqual(
        events().map((event) => event['focus'].reference),
        [`${hub.fhir}/Observation/${id}`],
      );
    });
    it('visits that begin and end: a change of status, not every version', async () => {
      const [begun, ended] = [
        await subscribed({ topic: 'encounter-start', filters: [] }),
        await subscribed({ topic: 'encounter-end', filters: [] }),
      ];
      const visit = given.encounter({ id: 'visit-2', patient: 'p', start: '2026-01-01' });
      await put({ ...visit, status: 'planned' });
      await put(visit);
      await put({ ...visit, serviceType: { text: 'x' } });
      await put({ ...visit, status: 'finished' });
      await put({ ...visit, status: 'finished', serviceType: { text: 'y' } });
      await sink.until(() => begun.events().length > 0 && ended.events().length > 0);
      await sleep(300);
      assert.deepEqual([begun.events().length, ended.events().length], [1, 1]);
    });
    it('what was there before it began is not told', async () => {
      await observe();
      const { events } = await subscribed();
      const id = await observe();
      await sink.until(() => events().length > 0);
      assert.deepEqual(
        events().map((event) => event['focus'].reference),
        [`${hub.fhir}/Observation/${id}`],
      );
    });
    it('a deletion, to its source', async () => {
      const token = await hub.token('hospital', { client_id: 'his', scope: 'system/*.cruds' });
      const { told, events } = await subscribed(
        { filters: ['Observation?patient=p'], content: 'full-resource' },
        token,
      );
      const id = await observe();
      await sink.until(() => events().length >= 1);
      await hub.send('DELETE', `Observation/${id}`, hospital);
      await sink.until(() => events().length >= 2);
      const entry = told().at(-1)?.json['entry'][1];
      assert.deepEqual([entry.request, entry.resource], [{ method: 'DELETE', url: `Observation/${id}` }, undefined]);
    });
  });

  describe('LEAKS 25: what is hidden', () => {
    it('makes no event, no number and no connection', async () => {
      const { events } = await subscribed({}, ai, quiet);
      const before = quiet.connections();
      await observe('closed');
      await observe('closed');
      await sleep(600);
      assert.equal(quiet.connections(), before);
      await observe('p');
      await quiet.until(() => events().length >= 1);
      assert.equal(events()[0]?.['event-number'], '1');
    });
    it('after a revocation is told no more, what waited included', async () => {
      await grant('closed');
      const { id, path, told, events } = await subscribed({ content: 'full-resource' });
      await observe('closed');
      await sink.until(() => events().length >= 1);
      sink.answers.set(path, 503);
      await observe('closed');
      await sink.until(() => events().length >= 2);
      await revoke('closed');
      // What was on its way when it was allowed has been received.
      const held = sql`select from subscription where id = ${id} and lease_until is not null`;
      await until('nothing is on its way', async () => (await hub.database.query(held)).length === 0);
      const seen = told().length;
      sink.answers.delete(path);
      await observe('closed');
      await until('it is active', async () => (await stateOf(id))['status'] === 'active');
      await observe('p');
      await sink.until(() => events().some((event) => event['event-number'] === '3'));
      for (const { text } of told().slice(seen)) assert.equal(text.includes('Patient/closed'), false, text);
      const again = told()
        .slice(seen)
        .flatMap(({ json }) => statusOf(json).events);
      // The second was on its way when it was allowed, so its number is taken; what it was is not said again.
      assert.deepEqual(
        again.map((event) => [event['event-number'], 'focus' in event]),
        [
          ['2', false],
          ['3', true],
        ],
      );
    });
  });

  describe('errors', () => {
    it('a handshake that is refused makes it error, one that is answered later active', async () => {
      const path = `/hook-${++clients}`;
      sink.answers.set(path, 500);
      const { json } = await hub.send('POST', 'Subscription', ai, {
        body: givenSubscription({ endpoint: `${sink.url}${path}` }),
      });
      const id = json['id'] as string;
      await until('it is in error', async () => (await stateOf(id))['status'] === 'error');
      const read = await hub.send('GET', `Subscription/${id}`, ai);
      assert.deepEqual([read.json['status'], read.json['error']], ['error', 'the receiver answered 500']);
      sink.answers.delete(path);
      await until('it is active', async () => (await stateOf(id))['status'] === 'active');
      const after = await hub.send('GET', `Subscription/${id}`, ai);
      assert.deepEqual([after.json['status'], after.json['error']], ['active', undefined]);
    });
    it('what was refused is sent again under the same number, and nothing is lost', async () => {
      const { path, events, told } = await subscribed();
      sink.answers.set(path, 503);
      const first = await observe();
      await sink.until(() => events().length > 0);
      const refused = events().length;
      sink.answers.delete(path);
      const second = await observe();
      await sink.until(() => events().some((event) => event['event-number'] === '2'));
      const names = events().map((event) => `${event['event-number']} ${event['focus'].reference.split('/').at(-1)}`);
      assert.deepEqual(
        names,
        [...Array.from({ length: refused + 1 }, () => `1 ${first}`), `2 ${second}`],
        told()
          .map(({ text }) => text)
          .join(),
      );
    });
    it('410 ends it, and its creator may begin it again', async () => {
      const { id, path, events } = await subscribed();
      sink.answers.set(path, 410);
      await observe();
      await until('it is off', async () => (await stateOf(id))['status'] === 'off');
      sink.answers.delete(path);
      await observe();
      const { json } = await hub.send('GET', `Subscription/${id}`, ai);
      assert.equal(
        (await hub.send('PUT', `Subscription/${id}`, ai, { body: { ...json, status: 'requested' } })).status,
        200,
      );
      await until('it is active', async () => (await stateOf(id))['status'] === 'active');
      const seen = events().length;
      const third = await observe();
      await sink.until(() => events().length > seen);
      assert.equal(events().at(-1)?.['focus'].reference, `${hub.fhir}/Observation/${third}`);
    });
    it('a redirect is not followed', async () => {
      const { id, path } = await subscribed();
      sink.answers.set(path, 307);
      await observe();
      const settled = sql`
        select from subscription s where id = ${id} and (attempts > 0 or exists (
          select from subscription_event e where e.subscription = s.id and told_at is not null))`;
      await until('it is so', async () => (await hub.database.query(settled)).length > 0);
      assert.equal((await stateOf(id))['status'], 'error');
      assert.equal(
        sink.received.some(({ path }) => path === '/elsewhere'),
        false,
      );
    });
  });

  it('off ends it at once, and so does deletion', async () => {
    const [one, two] = [await subscribed(), await subscribed()];
    const { json } = await hub.send('GET', `Subscription/${one.id}`, ai);
    assert.equal(
      (await hub.send('PUT', `Subscription/${one.id}`, ai, { body: { ...json, status: 'off' } })).status,
      200,
    );
    assert.equal((await hub.send('DELETE', `Subscription/${two.id}`, ai)).status, 204);
    await observe();
    await sleep(400);
    assert.deepEqual([one.events().length, two.events().length], [0, 0]);
  });

  it('ends with the registration of its client', async () => {
    await hub.database.query(sql`
      insert into client (issuer, id, kind, organization, purposes, scopes) values (${hub.url}, 'registered', 'ai',
        'Organization/ai-health-manager', (select bit_or(purposes) from consent_rule), array['system/*.rs', 'system/Subscription.cruds'])`);
    await sleep(1_100);
    const token = await hub.token('ai', { scope, client_id: 'registered' });
    const path = `/hook-${++clients}`;
    const { json, text } = await hub.send('POST', 'Subscription', token, {
      body: givenSubscription({ endpoint: `${sink.url}${path}` }),
    });
    const id = json['id'] as string;
    await sink.until((received) => received.some((one) => one.path === path));
    await observe();
    await sink.until((received) => received.filter((one) => one.path === path).length >= 2);
    await hub.database.query(sql`update client set is_active = false, updated_at = now() where id = 'registered'`);
    await observe();
    await until('it is off', async () => {
      const [row] = await hub.database.query<{ status: string }>(sql`select status from subscription where id = ${id}`);
      return row?.status === 'off';
    });
    assert.equal(sink.received.filter((one) => one.path === path).length, 2, text);
  });

  it('sends a heartbeat when nothing else was sent for so long', async () => {
    const { id, told } = await subscribed({ heartbeat: 5 });
    await hub.database.query(
      sql`update subscription set sent_at = now() - interval '1 minute', due_at = now() where id = ${id}`,
    );
    await sink.until(() => told().length >= 2);
    const status = statusOf(told()[1]?.json ?? {});
    assert.deepEqual([status['type'], status['events-since-subscription-start']], ['heartbeat', '0']);
  });

  it('$events tells them again by number, as they may be seen now', async () => {
    await grant('closed');
    const { id, events } = await subscribed();
    const first = await observe('p');
    await observe('closed');
    const third = await observe('p');
    await sink.until(() => events().length >= 3);
    const askedFor = async (query: string): Promise<[string, string][]> => {
      const { json, status, text } = await hub.send('GET', `Subscription/${id}/$events${query}`, ai);
      assert.equal(status, 200, text);
      assert.equal(statusOf(json)['type'], 'query-event');
      return statusOf(json).events.map((event) => [event['event-number'], event['focus']?.reference.split('/').at(-1)]);
    };
    assert.equal((await askedFor('')).length, 3);
    assert.deepEqual(await askedFor('?eventsSinceNumber=3'), [['3', third]]);
    assert.deepEqual(await askedFor('?eventsSinceNumber=1&eventsUntilNumber=1'), [['1', first]]);
    await revoke('closed');
    assert.deepEqual(await askedFor(''), [
      ['1', first],
      ['3', third],
    ]);
    const whole = await hub.send('GET', `Subscription/${id}/$events?content=full-resource`, ai);
    assert.equal(whole.text.includes('718-7'), false);
  });

  it('each notification stands in the log of the patients it is about: who was told and why, and not by which subscription', async () => {
    const client_id = 'told-of-q';
    const { id, events } = await subscribed({}, await hub.token('ai', { scope, client_id }));
    await observe('q');
    await sink.until(() => events().length >= 1);
    const self = await hub.token('patient', { fhirUser: 'Patient/q' });
    const log = async (query: string): Promise<AnyResource[]> => {
      const { status, text, json } = await hub.send('GET', `AuditEvent?patient=q&${query}`, self);
      assert.equal(status, 200, text);
      return ((json['entry'] ?? []) as { resource: AnyResource }[]).map(({ resource }) => resource);
    };
    // Those of other tests are told of q as well.
    const [found, ...more] = (await log('_count=50')).filter((one) => JSON.stringify(one).includes(client_id));
    assert.ok(found);
    assert.deepEqual(more, []);
    assert.match(
      JSON.stringify(found),
      /Subscription\/\$notify.*allowed by consent:c-q|allowed by consent:c-q.*Subscription\/\$notify/,
    );
    const { text } = await hub.send('GET', `AuditEvent/${found.id}`, self);
    for (const said of [JSON.stringify(found), text]) assert.equal(said.includes(id), false, said);
    // Neither can it be asked for.
    assert.deepEqual(await log(`entity=Subscription/${id}`), []);
    assert.deepEqual(await log(`entity=${id}`), []);
    assert.ok((await log('entity=Patient/q')).length > 0);
  });
});
