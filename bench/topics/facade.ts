/**
 * The facade with JWT, consent and audit on: an AI service reads what patients granted it. Data come in through the same
 * facade (a hospital's creates are the `create` figure, patients' consents follow), so nothing is measured past the gate.
 */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { composeClaims, issueToken, type TokenRequest } from '../../src/access/issue.ts';
import { loadIssuerKeys } from '../../src/access/keys.ts';
import type { BenchOptions } from '../run.ts';
import { databaseLimit } from '../lib/database-limit.ts';
import { startHub, type HubProcess } from '../lib/hub-process.ts';
import { httpLoad, type HttpJob, type HttpOutcome } from '../lib/http-load.ts';
import { round, type Result } from '../lib/result.ts';

/** As many as the accept figures have: an answer waits for the disk twice (row, audit), and fewer clients would measure that wait. */
const connections = 64;
const patients = 200;
const observationsPerPatient = 100;
const loincCodes = ['718-7', '6690-2', '789-8', '777-3', '4544-3', '2951-2', '2823-3', '2160-0', '2345-7', '1742-6'];

export async function measure({ seconds }: BenchOptions): Promise<Result[]> {
  const hub = await startHub();
  const database = new pg.Client({ connectionString: hub.databaseUrl });
  try {
    await database.connect();
    const hospital = await token(hub, { preset: 'hospital', organization: 'Organization/hospital-a' });
    const ids = await createPatients(hub, hospital);
    const created = await createObservations(hub, hospital, ids);
    await grantAll(hub, ids);
    const ai = await token(hub, { preset: 'ai', organization: 'Organization/assistant' });
    const get = (path: string): HttpJob['requests'][number] => ({ method: 'GET', path, headers: headers(ai) });
    const load = (requests: HttpJob['requests']): Promise<HttpOutcome> =>
      httpLoad({ port: portOf(hub), connections, seconds, requests });

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
    for (const warm of [reads, searches, latest])
      await httpLoad({ port: portOf(hub), connections, seconds: 2, requests: warm });

    const limits = limitsOf(hub, database, observations.rows, seconds);
    const read = await load(reads);
    const readLimit = await limits.read();
    const search = await load(searches);
    const searchLimit = await limits.page(20);
    const last = await load(latest);
    const latestLimit = await limits.page(5);
    return [
      result('create (Observation)', created.outcome, 1_600, created.limit, '201'),
      result('read by id', read, 6_000, readLimit, '200'),
      result('search by patient, 20 a page', search, 3_000, searchLimit, '200'),
      result('latest 5 by code', last, 3_500, latestLimit, '200'),
      { work: 'memory of the hub process under load', figure: round(await hub.rssMb(), 0), unit: 'MB' },
    ];
  } finally {
    await database.end();
    await hub.stop();
  }
}

function result(work: string, outcome: HttpOutcome, target: number, limit: number, expected: string): Result {
  const others = Object.entries(outcome.statuses).filter(([status]) => status !== expected);
  return {
    work,
    figure: round(outcome.perSecond, 0),
    unit: '/s',
    target,
    limit,
    p50Ms: outcome.p50Ms,
    p99Ms: outcome.p99Ms,
    ...(others.length > 0 ? { note: `VOID: ${JSON.stringify(outcome.statuses)}` } : {}),
  };
}

function headers(bearer: string): Record<string, string> {
  return { authorization: `Bearer ${bearer}`, accept: 'application/fhir+json' };
}

function portOf(hub: HubProcess): number {
  return Number(new URL(hub.baseUrl).port);
}

/** As `hub token` does, without starting a process for each of hundreds. */
async function token(hub: HubProcess, request: TokenRequest): Promise<string> {
  return issueToken(await loadIssuerKeys(hub.dataDir), composeClaims(request), {
    issuer: hub.baseUrl,
    audience: hub.fhirUrl,
    jti: randomUUID(),
    now: Math.trunc(Date.now() / 1000),
  });
}

async function post(hub: HubProcess, bearer: string, type: string, body: object): Promise<{ id: string }> {
  const response = await fetch(`${hub.fhirUrl}/${type}`, {
    method: 'POST',
    headers: { ...headers(bearer), 'content-type': 'application/fhir+json' },
    body: JSON.stringify(body),
  });
  const answer = (await response.json()) as { id: string };
  if (response.status !== 201) throw new Error(`${type} was answered ${response.status}: ${JSON.stringify(answer)}`);
  return answer;
}

async function createPatients(hub: HubProcess, bearer: string): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < patients; n++) {
    const patient = {
      resourceType: 'Patient',
      identifier: [{ system: 'urn:oid:2.999.1', value: `B${n}` }],
      name: [{ family: `Bench${n}`, given: ['Test'] }],
      gender: 'unknown',
      birthDate: '1970-01-01',
    };
    ids.push((await post(hub, bearer, 'Patient', patient)).id);
  }
  return ids;
}

async function createObservations(
  hub: HubProcess,
  bearer: string,
  ids: readonly string[],
): Promise<{ outcome: HttpOutcome; limit: number }> {
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
  const outcome = await httpLoad({
    port: portOf(hub),
    connections,
    seconds: 120,
    requestsMax: requests.length,
    requests,
  });
  const limit = await databaseLimit({
    kind: 'insert',
    url: hub.databaseUrl,
    seconds: 3,
    connections,
    body: bodies[0] ?? '',
  });
  return { outcome, limit };
}

/** Each patient grants the assistant treatment access, with a token of their own. */
async function grantAll(hub: HubProcess, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    const bearer = await token(hub, { preset: 'patient', patient: id });
    await post(hub, bearer, 'Consent', consent(id));
  }
}

function consent(id: string): object {
  return {
    resourceType: 'Consent',
    status: 'active',
    scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] },
    category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
    patient: { reference: `Patient/${id}` },
    dateTime: '2026-01-01T00:00:00Z',
    policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'OPTIN' }] },
    provision: {
      type: 'permit',
      actor: [
        {
          role: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code: 'IRCP' }] },
          reference: { reference: 'Organization/assistant' },
        },
      ],
      purpose: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: 'TREAT' }],
    },
  };
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
