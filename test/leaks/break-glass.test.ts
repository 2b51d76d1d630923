/**
 * LEAKS 21, 32: emergency access through the API. Nobody but a registered hospital in an emergency finds out anything by it, the
 * patient finds all of it in their log, and what a window does not show is like what never was.
 */
import assert from 'node:assert/strict';
import { sql } from '../../src/db/sql.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { canary, givenLeakWorld, hidden, open, saidBy, type LeakWorld } from './world.ts';
import { resource } from '../spec/world.ts';

const reason = 'brought in unconscious by ambulance';
const parameters = (values: Record<string, string | number>): AnyResource => ({
  resourceType: 'Parameters',
  parameter: Object.entries(values).map(([name, value]) =>
    typeof value === 'number' ? { name, valuePositiveInt: value } : { name, valueString: value },
  ),
});
const asking = { 'reason-code': 'unconscious', reason };

describe('LEAKS 21, 32: emergency access', () => {
  let world: LeakWorld;
  let er: string;
  const send = (path: string, values: Record<string, string | number> = asking, token = er) =>
    world.hub.send('POST', path, token, { body: parameters(values) });
  const get = (path: string, token = er) => world.hub.send('GET', path, token);

  before(async () => {
    world = await givenLeakWorld();
    const { database, url } = world.hub;
    await database.query(sql`
      insert into client (issuer, id, kind, organization, purposes) values
        (${url}, 'er', 'hospital', 'Organization/er', 3), (${url}, 'robot', 'ai', 'Organization/er', 3),
        (${url}, 'ward', 'hospital', 'Organization/er', 1)`);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    er = await emergency('er');
    await world.write([...open, ...hidden]);
    await world.write([
      resource('Patient/carded', { identifier: [{ system: 'urn:card', value: 'C1' }] }),
      ...['a', 'b'].map((id) => resource(`Patient/two-${id}`, { identifier: [{ system: 'urn:card', value: 'C2' }] })),
    ]);
  });
  after(() => world.close());

  function emergency(client: string, claims: object = {}): Promise<string> {
    return world.token('hospital', {
      client_id: client,
      organization: 'Organization/er',
      purpose_of_use: 'ETREAT',
      scope: 'system/*.rs',
      ...claims,
    });
  }

  it('opens one patient, shows the ordinary record, and closes early', async () => {
    assert.equal((await get('Patient/p')).status, 404);
    const opened = await send('Patient/p/$break-glass', { ...asking, minutes: 30 });
    assert.equal(opened.status, 200, opened.text);
    const parts = (opened.json.parameter as { part: { name: string; valueInstant?: string }[] }[])[0]?.part ?? [];
    const at = (name: string): number => Date.parse(parts.find((part) => part.name === name)?.valueInstant ?? '');
    assert.equal(at('closes') - at('opened'), 30 * 60_000);
    assert.equal((await get('Patient/p')).status, 200);
    const everything = await get('Patient/p/$everything');
    assert.match(everything.text, /Observation\/seen/);
    assert.doesNotMatch(everything.text, new RegExp(canary));
    assert.equal((await send('Patient/p/$break-glass-end', {})).status, 200);
    assert.equal((await get('Patient/p')).status, 404);
    assert.equal((await send('Patient/p/$break-glass-end', {})).status, 404);
  });

  it('finds who it is about by an identifier', async () => {
    const { status, json } = await send('Patient/$break-glass', { ...asking, identifier: 'urn:card|C1' });
    assert.equal(status, 200);
    assert.match(JSON.stringify(json), /Patient\/carded/);
    assert.equal((await get('Patient/carded')).status, 200);
    assert.equal((await send('Patient/$break-glass-end', { identifier: 'urn:card|C1' })).status, 200);
    assert.equal((await send('Patient/$break-glass', { ...asking, identifier: 'urn:card|C2' })).status, 412);
    assert.equal((await send('Patient/$break-glass', { ...asking, identifier: 'urn:card|C3' })).status, 404);
  });

  const paths = [
    'Observation/{id}',
    'Observation/{id}/_history',
    'Observation/{id}/_history/1',
    'Observation?_id={id}',
    'Observation/{id}/$meta',
  ];
  for (const path of paths) {
    it(`LEAKS 21: what the window does not show is like what never was: ${path}`, async () => {
      await send('Patient/p/$break-glass');
      const [closed, never] = ['hidden', 'neveri'];
      assert.deepEqual(
        saidBy(await get(path.replace('{id}', closed)), [closed]),
        saidBy(await get(path.replace('{id}', never)), [never]),
      );
      await send('Patient/p/$break-glass-end', {});
    });
  }

  it('sensitive records open by their label, asked for by name', async () => {
    await send('Patient/p/$break-glass', { ...asking, 'security-label': 'HIV' });
    assert.equal((await get('Observation/hidden')).status, 200);
    await send('Patient/p/$break-glass-end', {});
    assert.equal((await get('Observation/hidden')).status, 404);
  });

  const refusals: readonly [title: string, values: Record<string, string | number>, status: number][] = [
    ['no reason', { 'reason-code': 'unconscious' }, 422],
    ['a reason that says nothing', { 'reason-code': 'unconscious', reason: 'x' }, 422],
    ['blanks', { 'reason-code': 'unconscious', reason: ' '.repeat(40) }, 422],
    ['a reason of a novel', { 'reason-code': 'unconscious', reason: 'x'.repeat(501) }, 422],
    ['no code', { reason }, 422],
    ['another code', { 'reason-code': 'curious', reason }, 422],
    ['no minutes at all', { ...asking, minutes: 0 }, 422],
    ['a label that is none', { ...asking, 'security-label': 'NONE' }, 422],
    ['id and identifier', { ...asking, identifier: 'urn:card|C1' }, 422],
    ['an unknown parameter', { ...asking, hurry: 'yes' }, 400],
  ];
  for (const [title, values, status] of refusals) {
    it(`refused: ${title}`, async () => {
      assert.equal((await send('Patient/p/$break-glass', values)).status, status);
      assert.equal((await get('Patient/p')).status, 404);
    });
  }

  it('minutes are bounded', async () => {
    const { json } = await send('Patient/p/$break-glass', { ...asking, minutes: 9999 });
    const parts = (json.parameter as { part: { name: string; valueInstant?: string }[] }[])[0]?.part ?? [];
    const at = (name: string): number => Date.parse(parts.find((part) => part.name === name)?.valueInstant ?? '');
    assert.equal(at('closes') - at('opened'), 240 * 60_000);
    await send('Patient/p/$break-glass-end', {});
  });

  it('LEAKS 32: everybody else is refused, in the same words for a patient who is there and one who is not', async () => {
    const tokens = [
      await emergency('robot'),
      await emergency('er', { purpose_of_use: 'TREAT' }),
      await emergency('er', { purpose_of_use: ['ETREAT', 'TREAT'] }),
      await world.token('ai'),
      await world.token('payment'),
      await world.token('hospital'),
      await world.token('patient', { patient: 'p', fhirUser: 'Patient/p' }),
    ];
    for (const [index, token] of tokens.entries()) {
      const there = await send('Patient/p/$break-glass', asking, token);
      const nowhere = await send('Patient/n/$break-glass', asking, token);
      assert.equal(there.status, 403, `${index}: ${there.text}`);
      assert.deepEqual(saidBy(there), saidBy(nowhere));
    }
    // Not allowed the purpose at all.
    assert.equal((await send('Patient/p/$break-glass', asking, await emergency('ward'))).status, 403);
    assert.equal((await send('Patient/p/$break-glass', asking, await emergency('unknown'))).status, 403);
  });

  it('is a POST alone', async () => {
    assert.equal((await get('Patient/p/$break-glass?reason-code=unconscious&reason=0123456789')).status, 405);
  });

  it('the patient finds the opening and each use in their log, with who, when and why', async () => {
    await send('Patient/p/$break-glass');
    await get('Observation/seen');
    await send('Patient/p/$break-glass-end', {});
    const self = await world.token('patient', { patient: 'p', fhirUser: 'Patient/p', scope: 'patient/*.rs' });
    const { json } = await world.hub.send('GET', 'AuditEvent?patient=Patient/p&_count=3', self);
    const events = (json.entry as { resource: AnyResource }[]).map((entry) => entry.resource);
    const told = events.map((event) => ({
      what: (event['subtype'] as { code: string }[]).at(-1)?.code,
      why: (event['purposeOfEvent'] as { text?: string; coding: { code: string }[] }[]).find(
        ({ coding }) => coding[0]?.code === 'BTG',
      )?.text,
      who: (event['agent'] as { who: { reference?: string } }[]).at(-1)?.who.reference,
    }));
    const why = `unconscious: ${reason}`;
    assert.deepEqual(told, [
      { what: 'break-glass-end', why, who: 'Organization/er' },
      { what: 'read', why, who: 'Organization/er' },
      { what: 'break-glass', why, who: 'Organization/er' },
    ]);
  });

  it('the console has the report, without the words', async () => {
    const operator = await world.token('operator');
    const { status, text, json } = await world.hub.send('GET', '/ops/break-glass', operator);
    assert.equal(status, 200);
    assert.doesNotMatch(text, new RegExp(reason));
    assert.ok((json as unknown as { uses: number }[]).some(({ uses }) => uses > 0));
    assert.equal((await world.hub.send('GET', '/ops/break-glass', er)).status, 403);
    assert.equal((await world.hub.send('GET', '/ops/break-glass?x=1', operator)).status, 400);
  });
});
