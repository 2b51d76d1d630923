/**
 * A hub process that is killed with SIGKILL while readers and writers are at work: what was answered is remembered, and held against the
 * audit trail afterwards.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { verifyAudit, type AuditReport, type VerifyOptions } from '../../src/access/audit/verify.ts';
import { issueToken, presetClaims } from '../../src/access/token/issue.ts';
import { loadAuditKeys, loadIssuerKeys } from '../../src/access/token/keys.ts';
import type { Database } from '../../src/db.ts';
import { sql } from '../../src/db/sql.ts';
import { given } from '../given.ts';
import { givenHubProcess, type HubProcess } from '../hub-process.ts';
import { until } from '../until.ts';

export interface AuditLoadOptions {
  readonly database: Database;
  readonly databaseUrl: string;
  readonly dataDir: string;
  readonly rounds: number;
  readonly readers: number;
  readonly writers: number;
  /** From when they are at work to the kill. */
  readonly roundMs: number;
}

export interface AuditLoadReport {
  readonly reads: number;
  readonly writes: number;
  /** Answers that the trail does not have. */
  readonly missing: readonly string[];
  readonly trail: AuditReport;
}

const publicUrl = 'http://hub.test';
const patients = 8;

/** What the statements of a hub with this data directory are checked with. */
export async function sourcesOf(dataDir: string): Promise<VerifyOptions> {
  const { jwks } = await loadAuditKeys(dataDir);
  return { keys: jwks.keys, file: join(dataDir, 'audit-statements.ndjson') };
}

export async function killUnderLoad(options: AuditLoadOptions): Promise<AuditLoadReport> {
  const { database, databaseUrl, dataDir, rounds, readers, writers, roundMs } = options;
  const env = {
    HUB_DATA_DIR: dataDir,
    DATABASE_URL: databaseUrl,
    HUB_PUBLIC_URL: publicUrl,
    HUB_AUDIT_SIGN_SECONDS: '1',
  };
  const tokenOf = async (jti: string): Promise<string> =>
    issueToken(await loadIssuerKeys(dataDir), presetClaims('hospital'), {
      issuer: publicUrl,
      audience: `${publicUrl}/fhir/R4`,
      jti,
      now: Math.trunc(Date.now() / 1_000),
    });
  /** By jti: how often it was answered. */
  const reads = new Map<string, number>();
  const writes: { jti: string; id: string; version: string }[] = [];

  let hub: HubProcess = await givenHubProcess({ env });
  const setUp = await tokenOf(randomUUID());
  for (let n = 0; n < patients; n++) {
    await send(hub, 'PUT', `Patient/p${n}`, setUp, given.patient({ id: `p${n}` }));
    await send(hub, 'PUT', `Observation/o${n}`, setUp, given.observation({ id: `o${n}`, patient: `p${n}` }));
  }
  for (let round = 0; round < rounds; round++) {
    const killed = new AbortController();
    const running = hub;
    const loop = async (work: (n: number) => Promise<void>): Promise<void> => {
      // After the kill every request fails; one in flight may fail or not.
      for (let n = 0; !killed.signal.aborted; n++) await work(n).catch(() => undefined);
    };
    const reader = async (): Promise<void> => {
      const jti = randomUUID();
      const token = await tokenOf(jti);
      await loop(async (n) => {
        const path = n % 2 === 0 ? `Observation/o${n % patients}` : `Observation?patient=p${n % patients}`;
        const { status } = await send(running, 'GET', path, token);
        if (status === 200) reads.set(jti, (reads.get(jti) ?? 0) + 1);
      });
    };
    const writer = async (): Promise<void> => {
      const jti = randomUUID();
      const token = await tokenOf(jti);
      await loop(async (n) => {
        const { status, location } = await send(
          running,
          'POST',
          'Observation',
          token,
          given.observation({ patient: `p${n % patients}` }),
        );
        const [, id, version] = /Observation\/([^/]+)\/_history\/(\d+)$/.exec(location ?? '') ?? [];
        if (status === 201 && id !== undefined && version !== undefined) writes.push({ jti, id, version });
      });
    };
    const load = Promise.all([...Array.from({ length: readers }, reader), ...Array.from({ length: writers }, writer)]);
    const goals = [answered(reads) + readers, writes.length + writers] as const;
    await until(
      'readers and writers are at work',
      () => answered(reads) > goals[0] && writes.length > goals[1],
      () => `${answered(reads)} reads, ${writes.length} writes`,
    );
    await sleep(roundMs);
    running.signal('SIGKILL');
    await running.ended;
    killed.abort();
    await load;
    hub = await givenHubProcess({ env });
  }
  const { status } = await send(hub, 'GET', 'Observation/o0', setUp);
  if (status !== 200) throw new Error(`the hub answers ${status} after the kills`);
  hub.signal('SIGTERM');
  await hub.ended;
  return {
    reads: answered(reads),
    writes: writes.length,
    missing: [...(await missingReads(database, reads)), ...(await missingWrites(database, writes))],
    trail: await verifyAudit(database, await sourcesOf(dataDir)),
  };
}

function answered(reads: ReadonlyMap<string, number>): number {
  return [...reads.values()].reduce((sum, count) => sum + count, 0);
}

async function send(
  { url }: HubProcess,
  method: string,
  path: string,
  token: string,
  body?: object,
): Promise<{ status: number; location: string | null }> {
  const response = await fetch(`${url}/fhir/R4/${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/fhir+json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  await response.text();
  return { status: response.status, location: response.headers.get('location') };
}

async function missingReads(database: Database, reads: ReadonlyMap<string, number>): Promise<string[]> {
  const rows = await database.query<{ jti: string; answers: number }>(sql`
    select jti, count(distinct correlation_id) as answers from audit_entry where outcome = 0 and interaction in ('read', 'search-type')
    group by jti`);
  const recorded = new Map(rows.map(({ jti, answers }) => [jti, answers]));
  return [...reads].flatMap(([jti, answered]) => {
    const known = recorded.get(jti) ?? 0;
    return known >= answered ? [] : [`${answered} reads were answered and ${known} are on record`];
  });
}

/** Both ways: a write that was answered has its row, and a row its write. */
async function missingWrites(
  database: Database,
  writes: readonly { readonly jti: string; readonly id: string; readonly version: string }[],
): Promise<string[]> {
  const rows = await database.query<{ jti: string; id: string; version: string; is_there: boolean }>(sql`
    select jti, resource_id as id, version::text as version, exists (
      select from resource where resource.id = resource_id and resource.type = audit_entry.type) as is_there
    from audit_entry where interaction = 'create' and outcome = 0`);
  const recorded = new Set(rows.map(({ jti, id, version }) => `${jti} ${id} ${version}`));
  return [
    ...writes
      .filter(({ jti, id, version }) => !recorded.has(`${jti} ${id} ${version}`))
      .map(({ id }) => `the write of ${id} was answered and is not on record`),
    ...rows.filter((row) => !row.is_there).map(({ id }) => `${id} is on record and was not written`),
  ];
}
