/**
 * What the predicate costs: the same patient-scoped search with and without it, for each kind of principal; and the hot paths
 * in front of it and behind it (a cached token, an audit row). A throw-away database of its own.
 *
 *     node bench/access.ts [resources] [rules]
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAudit } from '../src/access/audit/audit.ts';
import { issueToken } from '../src/access/token/issue.ts';
import { loadIssuerKeys } from '../src/access/token/keys.ts';
import { visibility } from '../src/access/predicate/predicate.ts';
import type { Principal } from '../src/access/principal/principal.ts';
import { purposeBit } from '../src/access/principal/purpose.ts';
import { openRegistry } from '../src/access/client/registry.ts';
import { parseScopes } from '../src/access/principal/scope.ts';
import { openAuthenticator } from '../src/access/token/token.ts';
import { openDatabase, type Database } from '../src/db.ts';
import { startEmbedded } from '../src/db/embedded.ts';
import { migrate } from '../src/db/migrate.ts';
import { raw, sql, type Sql } from '../src/db/sql.ts';
import { ownBucket } from '../src/fhir/ids.ts';
import { typeCode } from '../src/fhir/types.ts';
import { everything, type Visibility } from '../src/store/visibility.ts';

const [resources = 100_000, rules = 13_000] = process.argv.slice(2).map(Number);
const perPatient = 235;
const patients = Array.from({ length: Math.ceil(resources / perPatient) }, (_, index) => `patient-${index}`);
const rounds = 2000;
const observation = typeCode('Observation');

function principal(purpose: string, overrides: Partial<Principal>): Principal {
  return {
    issuer: 'https://bench',
    subject: 'bench',
    clientId: 'bench',
    jti: 'bench',
    expiresAt: Date.now() + 3_600_000,
    isOperator: false,
    scopes: parseScopes('system/*.rs patient/*.rs'),
    purposes: purposeBit(purpose) ?? 0,
    ...overrides,
  };
}

async function fill(db: Database): Promise<void> {
  for (const patient of patients) {
    await db.query(sql`
      insert into resource (bucket, type, id, version, last_updated, owner, patient, clinical_from, clinical_to, date_low,
        tokens, body)
      select ${ownBucket(patient)}, ${observation}, ${patient} || '-' || n, 1, now(), 'Organization/h' || n % 3,
        ${patient}, at, at, at, array[n % 40]::bigint[], repeat('x', 900)
      from generate_series(1, ${perPatient}::int) n,
        lateral (select timestamptz '2024-01-01' + n * interval '1 day' as at) t`);
  }
  const each = Math.max(1, Math.round(rules / patients.length));
  const rows = patients.flatMap((patient) =>
    Array.from({ length: each }, (_, index) => ({ patient, index, bucket: ownBucket(patient) })),
  );
  await db.query(sql`
    insert into consent_rule (bucket, patient, consent_id, rule, version, origin, is_deny, recipient, purposes)
    select bucket, patient, 'c' || index, 0, 1, patient, index % 10 = 9,
      case when index = 0 then 'Organization/ai' else 'Organization/o' || index end, 1
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as r (bucket int, patient text, index int)`);
  await db.query(raw('analyze'));
  process.stdout.write(
    `${patients.length * perPatient} resources, ${patients.length} patients, ${rows.length} rules\n\n`,
  );
}

/** Median microseconds in the executor, and of a whole round trip, for a page of 20 among a patient's rows of a type. */
async function measure(db: Database, visibilityOf: (patient: string) => Visibility): Promise<[number, number]> {
  const search = (patient: string): Sql => {
    const { where, decidedBy } = visibilityOf(patient);
    return sql`
      select r.body, r.version, ${decidedBy('r')} as decided_by from resource r
      where r.bucket = ${ownBucket(patient)} and r.patient = ${patient} and r.type = ${observation} and ${where('r')}
      order by r.date_low desc, r.id desc limit 21`;
  };
  const asked = Array.from({ length: rounds }, (_, index) => patients[(index * 7) % patients.length] as string);
  for (const patient of asked.slice(0, 200)) await db.query(search(patient));
  const executor: number[] = [];
  for (const patient of asked.slice(0, 300)) {
    const [plan] = await db.query<{ 'QUERY PLAN': [{ 'Execution Time': number }] }>(
      sql`explain (analyze, format json, timing off) ${search(patient)}`,
    );
    executor.push((plan?.['QUERY PLAN'][0]['Execution Time'] ?? 0) * 1000);
  }
  const roundTrip: number[] = [];
  for (const patient of asked) {
    const start = performance.now();
    await db.query(search(patient));
    roundTrip.push((performance.now() - start) * 1000);
  }
  return [median(executor), median(roundTrip)];
}

// The machine is shared: a mean would tell of the neighbours.
function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;
}

async function measureSearches(db: Database): Promise<void> {
  const self = principal('PATRQT', { self: 'patient-7', fhirUser: 'Patient/patient-7' });
  const ai = principal('TREAT', { organization: 'Organization/ai' });
  const nobody = principal('TREAT', { organization: 'Organization/nobody' });
  const hospital = principal('TREAT', { organization: 'Organization/h1' });
  const interaction = 's';
  const kinds: [string, (patient: string) => Visibility][] = [
    ['no predicate', () => everything('bench')],
    ['consent', (patient) => visibility(ai, { interaction, patients: [patient] })],
    ['refused', (patient) => visibility(nobody, { interaction, patients: [patient] })],
    ['source', (patient) => visibility(hospital, { interaction, patients: [patient] })],
    ['consent, row by row', () => visibility(ai, { interaction })],
    ['refused, row by row', () => visibility(nobody, { interaction })],
    ['source, row by row', () => visibility(hospital, { interaction })],
    ['self', () => visibility(self, { interaction })],
  ];
  process.stdout.write('search of one patient, page of 20 | executor us | round trip us\n');
  for (const [name, kind] of kinds) {
    const [executor, roundTrip] = await measure(db, kind);
    const columns = [name.padEnd(33), executor.toFixed(0).padStart(11), roundTrip.toFixed(0).padStart(13)];
    process.stdout.write(`${columns.join(' | ')}\n`);
  }
}

async function measureToken(db: Database, dataDir: string): Promise<void> {
  const keys = await loadIssuerKeys(dataDir);
  const [issuer, audience] = ['https://bench', 'https://bench/fhir/R4'];
  const { authenticate } = openAuthenticator({
    issuer,
    audience,
    keys,
    trustedIssuers: [],
    registry: openRegistry(db),
  });
  const claims = { client_id: 'a', scope: 'system/*.rs', purpose_of_use: 'TREAT' };
  const now = Math.floor(Date.now() / 1000);
  const header = `Bearer ${await issueToken(keys, claims, { issuer, audience, jti: randomUUID(), now })}`;
  await authenticate(header);
  const start = performance.now();
  for (let round = 0; round < 100_000; round++) await authenticate(header);
  process.stdout.write(`\ncached token: ${((performance.now() - start) / 100).toFixed(1)} us\n`);
}

async function measureAudit(url: string): Promise<void> {
  const db = openDatabase({ url, pipelines: 1, poolMax: 1 });
  const audit = openAudit(db);
  const who = principal('TREAT', { organization: 'Organization/ai' });
  for (const clients of [1, 16, 64]) {
    const total = clients === 1 ? 500 : 20_000;
    const cpu = process.cpuUsage();
    const start = performance.now();
    const client = async (): Promise<void> => {
      for (let round = 0; round < total / clients; round++) {
        const context = {
          principal: who,
          interaction: 'search-type',
          type: 'Observation',
          query: 'patient&code',
          at: Date.now(),
        };
        await audit.record([
          { context, patient: 'patient-7', rows: 20, decidedBy: 'consent:c0/1', outcome: 'success' },
        ]);
      }
    };
    await Promise.all(Array.from({ length: clients }, client));
    const seconds = (performance.now() - start) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    const each = ((user + system) / total).toFixed(0);
    process.stdout.write(
      `audit, ${clients} at once: ${Math.round(total / seconds)} rows/s, ${each} us of our CPU each\n`,
    );
  }
  await audit.close();
  await db.close();
}

const dataDir = await mkdtemp(join(tmpdir(), 'hub-bench-'));
const embedded = await startEmbedded({ dataDir });
try {
  await migrate(embedded.url);
  const db = openDatabase({ url: embedded.url });
  await fill(db);
  await measureSearches(db);
  await measureToken(db, dataDir);
  await measureAudit(embedded.url);
  await db.close();
} finally {
  await embedded.stop();
  await rm(dataDir, { recursive: true, force: true });
}
