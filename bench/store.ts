/**
 * The store without HTTP: commits and reads per second, each beside the database's own limit for the same rows in the same
 * run, because the machine is noisy and the ratio is the figure to quote. `node bench/store.ts [resources] [seconds]`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { visibility } from '../src/access/predicate/predicate.ts';
import type { Principal } from '../src/access/principal/principal.ts';
import { purpose } from '../src/access/principal/purpose.ts';
import { parseScopes } from '../src/access/principal/scope.ts';
import { openDatabase, type Database } from '../src/db.ts';
import { startEmbedded } from '../src/db/embedded.ts';
import { migrate } from '../src/db/migrate.ts';
import { render, sql, type Sql } from '../src/db/sql.ts';
import { ownBucket } from '../src/fhir/ids.ts';
import { parseSearch } from '../src/fhir/search.ts';
import { typeCode, type AnyResource } from '../src/fhir/types.ts';
import { commit } from '../src/store/commit.ts';
import { openGroupCommit } from '../src/store/group-commit.ts';
import { compileRead, readRow } from '../src/store/read.ts';
import type { Write } from '../src/store/row.ts';
import { compilePage, selectPage } from '../src/store/select.ts';
import { everything, type Visibility } from '../src/store/visibility.ts';

const [resources = 50_000, seconds = 4] = process.argv.slice(2).map(Number);
const perPatient = 235;
const patients = Math.max(1, Math.floor(resources / perPatient));
const owner = 'Organization/bench';
const codes = 40;

const patientId = (n: number): string => `bench-patient-${n % patients}`;
const patient = (n: number): AnyResource => ({
  resourceType: 'Patient',
  id: patientId(n),
  identifier: [{ system: 'urn:bench:mrn', value: `mrn-${n}` }],
  name: [{ family: `Family${n % 997}`, given: ['Wei'] }],
  gender: n % 2 ? 'male' : 'female',
  birthDate: `19${String(10 + (n % 90))}-0${String(1 + (n % 9))}-15`,
});
/** Sized like a result of a converted ORU^R01: 1.1 kB. */
const observation = (n: number, of = n): AnyResource => ({
  resourceType: 'Observation',
  status: 'final',
  identifier: [{ system: 'urn:bench:filler', value: `filler-${n}` }],
  category: [
    { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'laboratory' }] },
  ],
  code: {
    coding: [
      { system: 'http://loinc.org', code: `${1000 + (n % codes)}-1`, display: 'A laboratory test of the bench' },
      { system: 'urn:bench:local', code: `L${n % codes}`, display: 'Its local name' },
    ],
    text: `Laboratory test ${n % codes}`,
  },
  subject: { reference: `Patient/${patientId(of)}` },
  effectiveDateTime: new Date(Date.UTC(2024, 0, 1) + (n % 100_000) * 600_000).toISOString(),
  issued: '2026-01-01T08:00:00Z',
  performer: [{ reference: owner, display: 'Bench hospital laboratory' }],
  valueQuantity: { value: (n % 997) / 10, unit: 'mmol/L', system: 'http://unitsofmeasure.org', code: 'mmol/L' },
  referenceRange: [{ low: { value: 3.9, unit: 'mmol/L' }, high: { value: 6.1, unit: 'mmol/L' }, text: '3.9 - 6.1' }],
  note: [{ text: 'Specimen slightly haemolysed. '.repeat(4) }],
});

interface Figure {
  readonly name: string;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

async function drive(
  name: string,
  concurrency: number,
  work: (n: number) => Promise<unknown>,
  each = 1,
): Promise<Figure> {
  const took: number[] = [];
  const started = performance.now();
  let n = 0;
  const loop = async (): Promise<void> => {
    while (performance.now() - started < seconds * 1000) {
      const begun = performance.now();
      await work(n++);
      took.push(performance.now() - begun);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, loop));
  const perSecond = Math.round((took.length * each) / ((performance.now() - started) / 1000));
  took.sort((a, b) => a - b);
  const at = (share: number): number => Number((took[Math.floor(took.length * share)] ?? 0).toFixed(2));
  return { name, perSecond, p50Ms: at(0.5), p99Ms: at(0.99) };
}

/** A row as a commit wrote it, inserted again under other ids: what the database does without the hub around it. */
async function copyOfRows(url: string): Promise<(pool: pg.Pool, rows: number) => Promise<unknown>> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('create table limit_row (like resource including all)');
  const columns = await client.query<{ name: string }>(
    `select attname as name from pg_attribute where attrelid = 'resource'::regclass and attnum > 0 and attname <> 'id'`,
  );
  const names = columns.rows.map(({ name }) => name).join(', ');
  await client.query(
    `create table limit_sample as select * from resource where type = ${typeCode('Observation')} limit 500`,
  );
  await client.end();
  const text = `insert into limit_row (id, ${names}) select $1 || id, ${names} from limit_sample limit $2`;
  let copies = 0;
  return (pool, rows) => pool.query({ name: 'limit', text, values: [`${copies++}-`, rows] });
}

async function openPipelines(url: string, count: number): Promise<pg.Client[]> {
  const clients = Array.from({ length: count }, () => new pg.Client({ connectionString: url, pipeline: true }));
  await Promise.all(clients.map((client) => client.connect()));
  return clients;
}

async function fill(database: Database): Promise<string[]> {
  const ids: string[] = [];
  const write = async (batch: readonly AnyResource[], kind: Write['kind']): Promise<void> => {
    const written = await database.inTransaction((tx) =>
      commit(
        tx,
        batch.map((resource) => ({ kind, resource, owner })),
        { at: new Date() },
      ),
    );
    if (kind === 'create') ids.push(...written.map(({ id }) => id));
  };
  for (let n = 0; n < patients; n += 500) {
    await write(
      Array.from({ length: Math.min(500, patients - n) }, (_, i) => patient(n + i)),
      'draft',
    );
  }
  for (let n = 0; n < resources; n += 500)
    await write(
      Array.from({ length: 500 }, (_, i) => observation(n + i)),
      'create',
    );
  return ids;
}

/** The AI service of the demo: reads by Consent, one permit a patient. */
async function consented(database: Database): Promise<(patients?: string[]) => Visibility> {
  await database.query(sql`
    insert into consent_rule (bucket, patient, consent_id, rule, version, origin, is_deny, recipient, purposes)
    select b, p, 'consent-' || p, 0, 1, p, false, 'Organization/ai', ${purpose.treatment}::int
    from unnest(${Array.from({ length: patients }, (_, n) => ownBucket(patientId(n)))}::int[],
      ${Array.from({ length: patients }, (_, n) => patientId(n))}::text[]) t (b, p)`);
  const principal: Principal = {
    issuer: 'bench',
    subject: 'bench',
    clientId: 'bench',
    jti: 'bench',
    expiresAt: Number.MAX_SAFE_INTEGER,
    scopes: parseScopes('system/*.rs'),
    isOperator: false,
    organization: 'Organization/ai',
    purposes: purpose.treatment,
  };
  return (patients) =>
    visibility(principal, {
      interaction: patients ? 's' : 'r',
      types: ['Observation'],
      ...(patients ? { patients } : {}),
    });
}

async function measure(url: string, database: Database): Promise<Figure[]> {
  const figures: Figure[] = [];
  const show = (figure: Figure): void => {
    figures.push(figure);
    console.log(JSON.stringify(figure));
  };
  const started = performance.now();
  const ids = await fill(database);
  const fillSeconds = (performance.now() - started) / 1000;
  show({
    name: 'fill: batches of 500, one writer',
    perSecond: Math.round(ids.length / fillSeconds),
    p50Ms: 0,
    p99Ms: 0,
  });
  const writers = new pg.Pool({ connectionString: url, max: 16 });
  const readers = await openPipelines(url, 2);
  await writers.query('vacuum analyze');
  const create = (n: number, count: number): Promise<unknown> =>
    database.inTransaction((tx) =>
      commit(
        tx,
        Array.from({ length: count }, (_, i) => ({
          kind: 'create',
          resource: observation(n * count + i, n + i),
          owner,
        })),
        { at: new Date() },
      ),
    );
  const copy = await copyOfRows(url);
  show(await drive('create, one a commit, 16 at once', 16, (n) => create(n, 1)));
  const group = openGroupCommit((work) => database.inTransaction(async (tx) => (await work(tx)).value), {
    clock: () => new Date(),
  });
  show(
    await drive('create, one a request, 16 at once, group commit', 16, (n) =>
      group.write([{ kind: 'create', resource: observation(n), owner }]),
    ),
  );
  show(await drive('limit: the same', 16, () => copy(writers, 1)));
  show(await drive('create, 20 a commit, 8 at once', 8, (n) => create(n, 20), 20));
  show(await drive('limit: the same', 8, () => copy(writers, 20), 20));
  show(await drive('create, 500 a commit, 2 at once', 2, (n) => create(n, 500), 500));
  show(await drive('limit: the same', 2, () => copy(writers, 500), 500));

  const all = everything('bench');
  const byConsent = await consented(database);
  await writers.query('vacuum analyze');
  const seal = { key: new Uint8Array(32), boundTo: 'bench' };
  const request = (n: number, rest: string) =>
    parseSearch('Observation', `patient=${patientId(n)}${rest}`, { handling: 'lenient', base: 'http://bench', now: 0 });
  const limit = (statement: Sql) => {
    const { text, values } = render(statement);
    return (n: number, change: (values: unknown[]) => void): Promise<unknown> => {
      const bound = [...values];
      change(bound);
      return (readers[n % 2] as pg.Client).query({ name: text.slice(-40), text, values: bound });
    };
  };
  const idOf = (n: number): string => ids[(n * 7919) % ids.length] as string;
  for (const [who, visible] of [
    ['everything', () => all],
    ['by consent', byConsent],
  ] as const) {
    show(await drive(`read by id, ${who}`, 32, (n) => readRow(database, visible(), 'Observation', idOf(n))));
    if (who === 'everything') {
      const read = limit(compileRead(all, 'Observation', idOf(0)));
      const change = (n: number) => (values: unknown[]) => {
        values[1] = ownBucket(idOf(n));
        values[3] = idOf(n);
      };
      show(await drive('limit: the same statement, pipeline', 32, (n) => read(n, change(n))));
    }
    for (const [what, rest] of [
      ['search by patient, page of 20', '&_count=20'],
      ['latest 5 by code', `&code=http://loinc.org|1007-1&_sort=-date&_count=5`],
    ] as const) {
      show(
        await drive(`${what}, ${who}`, 32, (n) =>
          selectPage(database, visible([patientId(n)]), request(n, rest), { seal }),
        ),
      );
      if (who !== 'everything') continue;
      const search = limit(compilePage(all, request(0, rest), { seal }).statement);
      const change = (n: number) => (values: unknown[]) => {
        values[1] = ownBucket(patientId(n));
        values[2] = patientId(n);
      };
      show(await drive('limit: the same statement, pipeline', 32, (n) => search(n, change(n))));
    }
  }
  await Promise.all([writers.end(), ...readers.map((client) => client.end())]);
  return figures;
}

const dataDir = await mkdtemp(join(tmpdir(), 'hub-bench-store-'));
const postgres = await startEmbedded({ dataDir });
const database = openDatabase({ url: postgres.url, poolMax: 16 });
try {
  await migrate(postgres.url);
  const figures = await measure(postgres.url, database);
  console.log('\n| work | per second | p50 ms | p99 ms |\n|---|---|---|---|');
  for (const { name, perSecond, p50Ms, p99Ms } of figures) {
    console.log(`| ${name} | ${perSecond} | ${p50Ms} | ${p99Ms} |`);
  }
} finally {
  await database.close();
  await postgres.stop();
  await rm(dataDir, { recursive: true, force: true });
}
