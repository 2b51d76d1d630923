/**
 * LEAKS 25: what is told is decided when it is sent. A client that subscribes learns what it could find by asking at that
 * moment, over both channels: no more, not by a number, not after a revocation was answered.
 */
import assert from 'node:assert/strict';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import type { AnyResource } from '../../src/fhir/types.ts';
import { givenWebsocket, type WebsocketClient } from '../api/subscription/client.ts';
import { givenSubscription, statusOf, type GivenSubscription, type Json } from '../api/subscription/given.ts';
import { givenSink, type Sink } from '../feeds/subscription/sink.ts';
import { given } from '../given.ts';
import { givenConsent } from '../given-consent.ts';
import { givenHub, type GivenHub } from '../given-hub.ts';
import { until } from '../until.ts';

const scope = 'system/*.rs system/Subscription.cruds';
const roundsMax = 50;
const roundsMin = 5;
/** What a slow machine has not done by then it leaves, down to the least number of rounds. */
const roundsMs = 40_000;
const turnsMax = 10;

describe('LEAKS 25: subscriptions', () => {
  let hub: GivenHub;
  let sink: Sink;
  let hospital: string;
  let paths = 0;
  const sockets: WebsocketClient[] = [];
  before(async () => {
    sink = await givenSink();
    hub = await givenHub({ HUB_SUBSCRIPTION_ALLOW: sink.url });
    hospital = await hub.token('hospital');
  });
  after(async () => {
    await Promise.all(sockets.map((one) => one.close()));
    await hub.close();
    await sink.close();
  });

  async function put(resource: AnyResource, token = hospital): Promise<void> {
    const { status, text } = await hub.send('PUT', `${resource.resourceType}/${resource.id}`, token, {
      body: resource,
    });
    assert.ok(status === 200 || status === 201, text);
  }
  const selfOf = async (patient: string): Promise<string> => hub.token('patient', { fhirUser: `Patient/${patient}` });
  /** A Consent that permits, narrowed, or that is withdrawn. */
  async function consent(patient: string, changes: Json = {}, status = 'active'): Promise<void> {
    const body = givenConsent(patient, 'Organization/ai-health-manager', changes);
    await put({ ...body, status, id: `c-${patient}` }, await selfOf(patient));
  }

  /** What a client is told, over one of the channels. */
  interface Listener {
    readonly bundles: () => readonly Json[];
    readonly events: () => readonly Json[];
    readonly text: () => string;
  }
  async function listen(channel: 'rest-hook' | 'websocket', token: string, more: GivenSubscription): Promise<Listener> {
    const path = `/${++paths}`;
    const endpoint = channel === 'rest-hook' ? { endpoint: `${sink.url}${path}` } : {};
    const body = givenSubscription({ ...endpoint, ...more });
    const { json, status, text } = await hub.send('POST', 'Subscription', token, { body });
    assert.equal(status, 201, text);
    let bundles = (): Json[] => sink.received.filter((one) => one.path === path).map((one) => one.json);
    if (channel === 'websocket') {
      const binding = await hub.send('GET', `Subscription/${json['id']}/$get-ws-binding-token`, token);
      const client = await givenWebsocket(`${hub.fhir.replace('http', 'ws')}/_ws`);
      sockets.push(client);
      client.send(`bind-with-token ${binding.json['parameter'][0].valueString}`);
      bundles = () => client.told.map((one) => one.json);
    }
    const listener = {
      bundles,
      events: () => bundles().flatMap((bundle) => statusOf(bundle).events),
      text: () => JSON.stringify(bundles()),
    };
    await until('it is told', () => listener.bundles().length > 0);
    return listener;
  }

  it('a client is told exactly what it finds by a search, and its numbers count nothing else', async () => {
    for (const id of ['open', 'narrow', 'shut']) await put(given.patient({ id }));
    await consent('open');
    await consent('narrow', { class: [{ system: 'http://hl7.org/fhir/resource-types', code: 'Condition' }] });
    const ai = await hub.token('ai', { scope });
    const listeners = await Promise.all(
      (['rest-hook', 'websocket'] as const).map(async (channel) =>
        listen(channel, ai, { topic: 'record-changed', filters: [], content: 'full-resource' }),
      ),
    );
    const psychiatric = {
      meta: { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'PSY' }] },
    };
    const condition = (id: string, patient: string, more = {}): AnyResource => ({
      resourceType: 'Condition',
      id,
      subject: { reference: `Patient/${patient}` },
      code: { text: `CANARY-${id}` },
      ...more,
    });
    const written = ['open', 'narrow', 'shut'].flatMap((patient) => [
      given.observation({ id: `o-${patient}`, patient }),
      condition(`c-${patient}`, patient),
      condition(`psy-${patient}`, patient, psychiatric),
      { ...given.observation({ id: `about-two-${patient}`, patient }), focus: [{ reference: 'Patient/shut' }] },
    ]);
    for (const resource of written) await put(resource);
    const found: string[] = [];
    for (const type of ['Observation', 'Condition']) {
      const { json } = await hub.send('GET', `${type}?_count=100`, ai);
      found.push(...(json['entry'] ?? []).map(({ resource }: { resource: AnyResource }) => `${type}/${resource.id}`));
    }
    assert.deepEqual(found.toSorted(), ['Condition/c-narrow', 'Condition/c-open', 'Observation/o-open']);
    for (const { events, text } of listeners) {
      await until('it is told', () => events().length >= found.length);
      await sleep(200);
      const foci = events().map((event) => String(event['focus'].reference).slice(hub.fhir.length + 1));
      assert.deepEqual(foci.toSorted(), found.toSorted());
      assert.deepEqual(
        events().map((event) => event['event-number']),
        ['1', '2', '3'],
      );
      assert.deepEqual([...text().matchAll(/CANARY-([\w-]+)/g)].map(([, id]) => String(id)).toSorted(), [
        'c-narrow',
        'c-open',
      ]);
    }
  });

  it('a granular scope of the creation is held to', async () => {
    await consent('open');
    const token = await hub.token('ai', {
      client_id: 'granular',
      scope: 'system/Observation.rs?code=http://loinc.org|2345-7 system/Subscription.cruds',
    });
    const { events } = await listen('rest-hook', token, { topic: 'record-changed', filters: [] });
    await put(given.observation({ id: 'other-code', patient: 'open' }));
    await put(given.observation({ id: 'that-code', patient: 'open', code: '2345-7' }));
    await until('it is told', () => events().length > 0);
    await sleep(200);
    assert.deepEqual(
      events().map((event) => event['focus'].reference),
      [`${hub.fhir}/Observation/that-code`],
    );
  });

  it('a patient is told of their own record alone', async () => {
    const self = await hub.token('patient', {
      fhirUser: 'Patient/shut',
      patient: 'shut',
      scope: 'patient/*.rs patient/Subscription.cruds',
    });
    const { events } = await listen('websocket', self, { topic: 'record-changed', filters: [] });
    await put(given.observation({ id: 'of-open', patient: 'open' }));
    await put(given.observation({ id: 'of-shut', patient: 'shut' }));
    await until('it is told', () => events().length > 0);
    await sleep(200);
    assert.deepEqual(
      events().map((event) => event['focus'].reference),
      [`${hub.fhir}/Observation/of-shut`],
    );
  });

  it('a payment service is told the minimal Patient', async () => {
    await consent('narrow', {
      purpose: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: 'HPAYMT' }],
      actor: [
        {
          role: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code: 'IRCP' }] },
          reference: { reference: 'Organization/payment-service' },
        },
      ],
    });
    const payment = await hub.token('payment', { scope: 'system/Patient.rs system/Subscription.cruds' });
    const { events, text } = await listen('rest-hook', payment, { filters: ['Patient?'], content: 'full-resource' });
    await put({ ...given.patient({ id: 'narrow' }), address: [{ city: 'CANARY-city' }] });
    await until('it is told', () => events().length > 0);
    assert.equal(text().includes('SUBSETTED'), true);
    assert.equal(text().includes('CANARY-city'), false);
  });

  it('no notification with the record leaves after a revocation was answered: round after round, both channels', async () => {
    await put(given.patient({ id: 'flip' }));
    const ai = await hub.token('ai', { scope, client_id: 'flipping' });
    const more = { filters: ['Observation?patient=flip'], content: 'full-resource', maxCount: 3 };
    const listeners = await Promise.all([listen('rest-hook', ai, more), listen('websocket', ai, more)]);
    const writing = new AbortController();
    let writes = 0;
    const writers = Promise.all(
      [1, 2].map(async (writer) => {
        while (!writing.signal.aborted) {
          await put({
            ...given.observation({ id: `flip-${writer}`, patient: 'flip' }),
            note: [{ text: `CANARY-flip-${++writes}` }],
          });
        }
      }),
    );
    const tellings = (): number[] => listeners.map(({ text }) => [...text().matchAll(/CANARY-flip-/g)].length);
    try {
      const begun = performance.now();
      const isTime = (): boolean => performance.now() - begun < roundsMs;
      for (let round = 0; round < roundsMin || (round < roundsMax && isTime()); round++) {
        const before = tellings();
        await consent('flip');
        // Until both have told something more, so that something is on its way at any moment of what follows.
        await until('it is told', () => tellings().every((count, at) => count > (before[at] as number)));
        await sleep(Math.random() * 10);
        await consent('flip', {}, 'inactive');
        // What had left is read from our own sockets: connections accepted, and read to their end.
        for (let turns = 0; turns < turnsMax; turns++) await turn();
        const answered = tellings();
        await sleep(10 + Math.random() * 20);
        assert.deepEqual(tellings(), answered, `round ${round}`);
      }
    } finally {
      writing.abort();
      await writers;
    }
    for (const { events } of listeners) {
      const numbers = events().map((event) => Number(event['event-number']));
      // Counted without gaps, whatever was hidden in between; a number may come twice, none is left out.
      const distinct = [...new Set(numbers)];
      assert.deepEqual(
        distinct,
        Array.from({ length: distinct.length }, (_, index) => index + 1),
      );
    }
  });
});
