/**
 * Whole records: `$everything` of 235 entries and `$lastn` over them, for an AI service that reads by consent and for the
 * hospital that wrote them; and a bulk export, collected and downloaded. The limit beside `$everything` is the same rows by a
 * plain statement.
 */
import pg from 'pg';
import { openDatabase, type Database } from '../../src/db.ts';
import { deriveId, ownBucket } from '../../src/fhir/ids.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { commit } from '../../src/store/commit.ts';
import { databaseLimit } from '../lib/database-limit.ts';
import { grantAll, headers, load, resultOf, token, type Requests } from '../lib/facade.ts';
import { startHub, type HubProcess } from '../lib/hub-process.ts';
import { round, type Result } from '../lib/result.ts';
import type { BenchOptions } from '../run.ts';

const patients = 60;
/** With the Patient and an organization they make 235 entries. */
const observations = 233;
const owner = 'Organization/hospital-a';
/** An answer has 300 kB: fewer clients than for single reads keep both cores busy. */
const connections = 16;

export async function measure({ seconds }: BenchOptions): Promise<Result[]> {
  const hub = await startHub();
  const [database, plain] = [
    openDatabase({ url: hub.databaseUrl }),
    new pg.Client({ connectionString: hub.databaseUrl }),
  ];
  try {
    await plain.connect();
    const ids = await fill(database);
    await plain.query('vacuum analyze');
    await grantAll(hub, ids);
    const results: Result[] = [];
    const limit = await databaseLimit({
      kind: 'read',
      url: hub.databaseUrl,
      seconds: Math.min(seconds, 3),
      connections: 2,
      depth: 4,
      text: 'select type, id, body from resource where bucket = $1 and patient = $2 order by type, date_low, id',
      values: ids.map((id) => [ownBucket(id), id]),
    });
    for (const [who, request] of [
      ['by consent', { preset: 'ai', organization: 'Organization/assistant' }],
      ['by its source', { preset: 'hospital', organization: owner }],
    ] as const) {
      const bearer = await token(hub, request);
      const get = (path: (id: string) => string): Requests =>
        ids.map((id) => ({ method: 'GET', path: `/fhir/R4/${path(id)}`, headers: headers(bearer) }));
      const everything = get((id) => `Patient/${id}/$everything`);
      const last = get((id) => `Observation/$lastn?patient=${id}&category=laboratory&max=3`);
      await load(hub, everything, { seconds: 2, connections });
      const whole = await load(hub, everything, { seconds, connections });
      results.push(
        resultOf(`$everything, ${observations + 2} entries, ${who}`, whole, { expected: '200', target: 160, limit }),
      );
      await load(hub, last, { seconds: 1, connections });
      results.push(
        resultOf(`$lastn, 3 of each of 10 codes, ${who}`, await load(hub, last, { seconds, connections }), {
          expected: '200',
        }),
      );
    }
    results.push(...(await measureExport(hub, await token(hub, { preset: 'hospital', organization: owner }))));
    return results;
  } finally {
    await Promise.all([database.close(), plain.end()]);
    await hub.stop();
  }
}

/** Through the door that every write goes through, past HTTP: what is measured is reading. */
async function fill(database: Database): Promise<string[]> {
  const write = async (resources: AnyResource[]): Promise<unknown> =>
    database.inTransaction((tx) =>
      commit(
        tx,
        resources.map((resource) => ({ kind: 'create' as const, owner, resource })),
        { at: new Date() },
      ),
    );
  const organization = deriveId(undefined, ['bench', 'organization']);
  await write([{ resourceType: 'Organization', id: organization, name: 'Laboratory' }]);
  const ids = Array.from({ length: patients }, (_, n) => deriveId(undefined, ['bench', String(n)]));
  await write(
    ids.map((id, n) => ({
      resourceType: 'Patient',
      id,
      name: [{ family: `Bench${n}`, given: ['Test'] }],
      gender: 'unknown',
    })),
  );
  for (const id of ids) {
    await write(Array.from({ length: observations }, (_, n) => observation(id, n, organization)));
  }
  return ids;
}

function observation(patient: string, n: number, organization: string): AnyResource {
  const at = new Date(Date.UTC(2020, 0, 1) + n * 86_400_000).toISOString();
  return {
    resourceType: 'Observation',
    id: deriveId(ownBucket(patient), ['bench', patient, String(n)]),
    status: 'final',
    category: [
      { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'laboratory' }] },
    ],
    code: {
      coding: [{ system: 'http://loinc.org', code: `718-${n % 10}`, display: 'Hemoglobin in Blood' }],
      text: 'Hb',
    },
    subject: { reference: `Patient/${patient}` },
    performer: [{ reference: `Organization/${organization}` }],
    effectiveDateTime: at,
    issued: at,
    valueQuantity: { value: 100 + (n % 57), unit: 'g/L', system: 'http://unitsofmeasure.org', code: 'g/L' },
    referenceRange: [{ low: { value: 120, unit: 'g/L' }, high: { value: 170, unit: 'g/L' }, text: '120-170' }],
    note: [{ text: 'x'.repeat(300) }],
  };
}

/** Lines a second, one file after the other, as a client downloads them. */
async function measureExport(hub: HubProcess, bearer: string): Promise<Result[]> {
  const asynchronous = { ...headers(bearer), prefer: 'respond-async' };
  const location = (await fetch(`${hub.fhirUrl}/$export`, { headers: asynchronous })).headers.get('content-location');
  const manifest = await untilComplete(location as string, bearer);
  const startedAt = performance.now();
  let lines = 0;
  for (const { url } of manifest.output) {
    const text = await (
      await fetch(url, { headers: { ...headers(bearer), accept: 'application/fhir+ndjson' } })
    ).text();
    lines += text.split('\n').length - 1;
  }
  const perSecond = lines / ((performance.now() - startedAt) / 1000);
  return [{ work: 'bulk export, download by one client', figure: round(perSecond, 0), unit: 'lines/s' }];
}

interface Manifest {
  readonly output: readonly { readonly url: string }[];
}

async function untilComplete(location: string, bearer: string): Promise<Manifest> {
  for (;;) {
    const response = await fetch(location, { headers: headers(bearer) });
    const text = await response.text();
    if (response.status === 200) return JSON.parse(text) as Manifest;
    if (response.status !== 202) throw new Error(`the status of the export was answered ${response.status}: ${text}`);
    await new Promise((done) => setTimeout(done, 600));
  }
}
