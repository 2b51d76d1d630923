/** A file of all hospitals of a country: as many statements as it has hundreds of lines, not as it has lines. */
import assert from 'node:assert/strict';
import type { Database, Tx } from '../../../src/db.ts';
import { sql } from '../../../src/db/sql.ts';
import type { EndpointState } from '../../../src/ingest/contract.ts';
import { changeEndpoint, writePlanned, type ChangeOptions } from '../../../src/ingest/registry/change.ts';
import type { NewEndpoint } from '../../../src/ingest/registry/description.ts';
import { importEndpoints, planImport } from '../../../src/ingest/registry/import.ts';
import { readKnown } from '../../../src/ingest/registry/known.ts';
import { planNew } from '../../../src/ingest/registry/plan.ts';
import { publishEndpoints } from '../../../src/ingest/registry/resources.ts';
import { findEndpoint, listEndpoints } from '../../../src/ingest/registry/rows.ts';
import { listVersions } from '../../../src/ingest/registry/versions.ts';
import { givenDatabase } from '../../given.ts';

const places = { publicUrl: 'https://hub.example.org', mllpPort: 2575, isMllpTls: false };
const signed: ChangeOptions = {
  by: 'lin',
  at: new Date('2026-03-01T08:00:00Z'),
  publish: (tx, endpoints, at) => publishEndpoints(tx, endpoints, places, at),
};
const hospitals = 1_200;

/** Three endpoints of each organization, each with facilities of its own. */
function hospital(place: number, more: Partial<NewEndpoint> = {}): NewEndpoint {
  const organization = `Organization/h${Math.floor(place / 3)}`;
  const facilities = [`F${place}`, `G${place}`];
  return { name: `e${place}`, kind: 'hl7v2-mllp', organization, facilities, zone: 'Asia/Shanghai', ...more };
}

const file = (count: number, more?: (place: number) => Partial<NewEndpoint>) =>
  Array.from({ length: count }, (_, place) => {
    return { at: `hub.yaml:${place + 2}`, wanted: hospital(place, more?.(place)) };
  });

describe('a file of endpoints of a whole country', () => {
  let world: Awaited<ReturnType<typeof givenDatabase>>;
  before(async () => {
    world = await givenDatabase();
  });
  after(() => world.close());
  const here = (): Database => world.database;
  const count = async (table: 'endpoint' | 'endpoint_version' | 'resource'): Promise<number> => {
    const tables = {
      endpoint: sql`select count(*)::int as n from endpoint`,
      endpoint_version: sql`select count(*)::int as n from endpoint_version`,
      resource: sql`select count(*)::int as n from resource`,
    };
    return (await here().query<{ n: number }>(tables[table]))[0]?.n ?? 0;
  };
  const counted = (tx: Tx): { readonly tx: Tx; readonly statements: () => number } => {
    let statements = 0;
    const query: Tx['query'] = (statement) => {
      statements += 1;
      return tx.query(statement);
    };
    return { tx: { query }, statements: () => statements };
  };

  it('given a fault in its last line, nothing of it is there', async () => {
    const rival = file(hospitals, (place) => (place === hospitals - 1 ? { facilities: ['F7'] } : {}));
    await assert.rejects(importEndpoints(here(), rival, signed), /hub\.yaml:1201: the endpoint e7 already takes/);
    const failing = { ...signed, note: 'x'.repeat(2_001) };
    await assert.rejects(importEndpoints(here(), file(hospitals), failing), { code: 'too-long' });
    for (const table of ['endpoint', 'endpoint_version', 'resource'] as const) assert.equal(await count(table), 0);
  });

  it('is planned by the same statements whatever its length, and written by those of each 500 lines', async () => {
    const statementsFor = async (length: number): Promise<[planned: number, written: number]> => {
      const planning = counted(here());
      await planImport(planning.tx, file(length), signed);
      let written = 0;
      const undone = here().inTransaction(async (tx) => {
        const writing = counted(tx);
        const known = await readKnown(tx);
        const planned = file(length).map(({ wanted }) => planNew(known, wanted, signed));
        await writePlanned(writing.tx, planned, signed);
        written = writing.statements();
        throw new Error('undone');
      });
      await assert.rejects(undone, /undone/);
      return [planning.statements(), written];
    };
    const [few, many] = [await statementsFor(3), await statementsFor(hospitals)];
    assert.equal(many[0], few[0]);
    assert.ok(many[1] <= Math.ceil(hospitals / 500) * (few[1] + 5), `${few[1]} and ${many[1]}`);
  });

  it('is there whole, in its order, each endpoint with its version and its resource', async () => {
    const imported = await importEndpoints(here(), file(hospitals), signed);
    assert.deepEqual(
      [imported.length, new Set(imported.map(({ outcome }) => outcome))],
      [hospitals, new Set(['added'])],
    );
    const there = (await listEndpoints(here())).toSorted((one, other) => one.id - other.id);
    assert.deepEqual(
      there.map(({ name }) => name),
      Array.from({ length: hospitals }, (_, place) => `e${place}`),
    );
    assert.equal(await count('endpoint_version'), hospitals);
    assert.equal(await count('resource'), hospitals + hospitals / 3);
    const last = hospital(hospitals - 1);
    const found = await findEndpoint(here(), last.name);
    assert.deepEqual([found?.facilities, found?.zone, found?.port], [last.facilities, last.zone, undefined]);
  });

  it('imported again with changes, it changes those alone', async () => {
    await changeEndpoint(here(), 'e5', { state: 'paused' }, signed);
    const changed = (place: number): Partial<NewEndpoint> => {
      const state: EndpointState = place === 5 ? 'live' : place === 6 ? 'paused' : 'live';
      return { state, ...(place === 7 && { zone: 'Europe/Berlin', config: { title: 'Ward "7" \\ west' } }) };
    };
    const imported = await importEndpoints(here(), file(hospitals, changed), { ...signed, note: 'spring' });
    assert.deepEqual(
      imported.filter(({ outcome }) => outcome !== 'unchanged').map(({ name }) => name),
      ['e5', 'e6', 'e7'],
    );
    const [latest, first] = await listVersions(here(), 'e7');
    assert.deepEqual([latest?.version, latest?.note, first?.version], [2, 'spring', 1]);
    assert.deepEqual((await findEndpoint(here(), 'e7'))?.config, { title: 'Ward "7" \\ west' });
    assert.deepEqual(
      (await listVersions(here(), 'e5')).map(({ state }) => state),
      ['live', 'paused', 'live'],
    );
    assert.equal((await listVersions(here(), 'e8')).length, 1);
  });
});
