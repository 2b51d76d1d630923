/**
 * The facade with JWT, consent and audit on: an AI service reads what patients granted it. Data come in through the same
 * facade (a hospital's creates are the `create` figure, patients' consents follow), so nothing is measured past the gate.
 */
import pg from 'pg';
import type { BenchOptions } from '../run.ts';
import { databaseLimit } from '../lib/database-limit.ts';
import {
  connections,
  createPatients,
  grantAll,
  headers,
  load,
  resultOf,
  token,
  type Measured,
  type Requests,
} from '../lib/facade.ts';
import { startHub, type HubProcess } from '../lib/hub-process.ts';
import { round, type Result } from '../lib/result.ts';

const patients = 200;
const observationsPerPatient = 100;
const loincCodes = ['718-7', '6690-2', '789-8', '777-3', '4544-3', '2951-2', '2823-3', '2160-0', '2345-7', '1742-6'];

export async function measure({ seconds }: BenchOptions): Promise<Result[]> {
  const hub = await startHub();
  const database = new pg.Client({ connectionString: hub.databaseUrl });
  try {
    await database.connect();
    const hospital = await token(hub, { preset: 'hospital', organization: 'Organization/hospital-a' });
    const ids = await createPatients(hub, hospital, patients);
    const created = await createObservations(hub, hospital, ids);
    await grantAll(hub, ids);
    const ai = await token(hub, { preset: 'ai', organization: 'Organization/assistant' });
    const get = (path: string): Requests[number] => ({ method: 'GET', path, headers: headers(ai) });

    const observations = await database.query<{ bucket: number; type: number; id: string }>(
      'select bucket, type, id from resource where patient is not null and body like \'{"resourceType":"Observation"%\' order by id limit 4000',
    );
    const reads = observations.rows.map(({ id }) => get(`/fhir/R4/Observation/${id}`));
    const searches = ids.map((id) => get(`/fhir/R4/Observation?patient=Patient/${id}&_count=20`));
    const latest = ids.map((id, n) =>
      get(
        `/fhir/R4/Observation?patient=Patient/${id}&code=http://loinc.org%7C${loincCodes[n % loincCodes.length]}&_sort=-date&_count=5`,
      ),
    );
    for (const warm of [reads, searches, latest]) await load(hub, warm, { seconds: 2 });

    const limits = limitsOf(hub, database, observations.rows, seconds);
    const read = await load(hub, reads, { seconds });
    const readLimit = await limits.read();
    const search = await load(hub, searches, { seconds });
    const searchLimit = await limits.page(20);
    const last = await load(hub, latest, { seconds });
    const latestLimit = await limits.page(5);
    return [
      resultOf('create (Observation)', created.outcome, { expected: '201', target: 1_600, limit: created.limit }),
      resultOf('read by id', read, { expected: '200', target: 6_000, limit: readLimit }),
      resultOf('search by patient, 20 a page', search, { expected: '200', target: 3_000, limit: searchLimit }),
      resultOf('latest 5 by code', last, { expected: '200', target: 3_500, limit: latestLimit }),
      { work: 'memory of the hub process under load', figure: round(await hub.rssMb(), 0), unit: 'MB' },
    ];
  } finally {
    await database.end();
    await hub.stop();
  }
}

async function createObservations(
  hub: HubProcess,
  bearer: string,
  ids: readonly string[],
): Promise<{ outcome: Measured; limit: number }> {
  const bodies = Array.from({ length: patients * observationsPerPatient }, (_, n) =>
    JSON.stringify({
      resourceType: 'Observation',
      status: 'final',
      category: [
        { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'laboratory' }] },
      ],
      code: {
        coding: [{ system: 'http://loinc.org', code: loincCodes[Math.floor(n / patients) % loincCodes.length] }],
        text: 'Result',
      },
      subject: { reference: `Patient/${ids[n % patients]}` },
      effectiveDateTime: new Date(Date.UTC(2020, 0, 1) + Math.floor(n / patients) * 86_400_000).toISOString(),
      valueQuantity: { value: 100 + (n % 57), unit: 'g/L', system: 'http://unitsofmeasure.org', code: 'g/L' },
    }),
  );
  const requests = bodies.map((body) => ({
    method: 'POST',
    path: '/fhir/R4/Observation',
    headers: { ...headers(bearer), 'content-type': 'application/fhir+json' },
    body,
  }));
  const outcome = await load(hub, requests, { seconds: 120, requestsMax: requests.length });
  const limit = await databaseLimit({
    kind: 'insert',
    url: hub.databaseUrl,
    seconds: 3,
    connections,
    body: bodies[0] ?? '',
  });
  return { outcome, limit };
}

/** The same rows by plain statements on the same database: by primary key, and a patient's newest. */
function limitsOf(
  hub: HubProcess,
  database: pg.Client,
  rows: readonly { bucket: number; type: number; id: string }[],
  seconds: number,
): { read(): Promise<number>; page(count: number): Promise<number> } {
  const job = { kind: 'read', url: hub.databaseUrl, seconds: Math.min(seconds, 5), connections: 2, depth: 16 } as const;
  return {
    read: () =>
      databaseLimit({
        ...job,
        text: 'select body from resource where bucket = $1 and type = $2 and id = $3',
        values: rows.map(({ bucket, type, id }) => [bucket, type, id]),
      }),
    page: async (count) => {
      const owners = await database.query<{ bucket: number; patient: string; type: number }>(
        'select distinct bucket, patient, type from resource where type = $1 and patient is not null',
        [rows[0]?.type],
      );
      return databaseLimit({
        ...job,
        text: `select body from resource where bucket = $1 and patient = $2 and type = $3 order by date_low desc, id limit ${count}`,
        values: owners.rows.map(({ bucket, patient, type }) => [bucket, patient, type]),
      });
    },
  };
}
