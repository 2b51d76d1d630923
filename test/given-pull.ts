/** Endpoints that are asked, on a database of its own, and what asks them. */
import type { Database } from '../src/db.ts';
import { raw, sql } from '../src/db/sql.ts';
import { sourceOf } from '../src/fhir/ids.ts';
import type { Endpoint, PullEnd, Puller, PullKind, PullRun } from '../src/ingest/contract.ts';
import { findEndpoint, openRegistry, type Registry } from '../src/ingest/endpoint.ts';
import { findSource } from '../src/ingest/pull/memory.ts';
import type { Hold } from '../src/ingest/pull/take.ts';
import { givenDatabase } from './given.ts';

export interface PullWorld {
  readonly url: string;
  readonly database: Database;
  readonly registry: Registry;
  endpoint(name: string, options?: GivenPulled): Promise<Endpoint>;
  /** So many, named by `name`; in few statements. */
  endpoints(count: number, name: (n: number) => string, config: Record<string, unknown>): Promise<void>;
  /** As it is in the table. */
  state(name: string): Promise<PullState>;
  runs(name: string): Promise<PullRunRow[]>;
  /** An endpoint that is being asked. */
  held(name: string, options?: GivenPulled): Promise<{ endpoint: Endpoint; source: number; hold: Hold }>;
  /** No endpoint, as in the beginning. */
  reset(): Promise<void>;
  close(): Promise<void>;
}

export interface GivenPulled {
  readonly kind?: PullKind;
  readonly config?: Record<string, unknown>;
  readonly state?: string;
}

export interface PullState {
  readonly due_at: Date;
  readonly slot_at: Date;
  readonly worker: string | null;
  readonly fence: number;
  readonly failures: number;
  readonly is_more: boolean;
  readonly is_asked: boolean;
  readonly watermark: Record<string, unknown> | null;
  readonly last_error: string | null;
  readonly last_success_at: Date | null;
}

export interface PullRunRow {
  readonly slot_at: Date;
  readonly worker: string;
  readonly outcome: string | null;
  readonly received: number;
  readonly unchanged: number;
  readonly reason: string | null;
}

/** An adapter whose source is what a test says it is. */
export function givenPuller(run: (run: PullRun) => Promise<PullEnd>, kind: PullKind = 'fhir-rest'): Puller {
  return { kind, readConfig: (config) => config, secrets: () => [], test: async () => [], run };
}

/** Never answers; ends when it is told to. */
export function hang({ signal }: Pick<PullRun, 'signal'>): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    signal.addEventListener('abort', () => reject(signal.reason as Error));
  });
}

/** Page after page of one new Observation each: `o1`, `o2`, and so on from the watermark. */
export async function givenPages(run: PullRun, last: number): Promise<PullEnd> {
  for (let n = Number(run.watermark?.['page'] ?? 0) + 1; n <= last; n++) {
    const bytes = Buffer.from(JSON.stringify({ resourceType: 'Observation', id: `o${n}` }));
    await run.take([{ type: 'Observation', id: `o${n}`, version: '1', bytes }], { page: n });
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return {};
}

export async function givenPull(): Promise<PullWorld> {
  const given = await givenDatabase();
  const { url, database } = given;
  const registry = await openRegistry(database);
  const endpoint = async (
    name: string,
    { kind = 'fhir-rest', config = {}, state = 'live' }: GivenPulled = {},
  ): Promise<Endpoint> => {
    await database.query(sql`
      insert into endpoint (name, kind, organization, facilities, config, state)
      values (${name}, ${kind}, 'Organization/a', '{}', ${JSON.stringify(config)}::jsonb, ${state})`);
    await registry.refresh();
    return (await findEndpoint(database, name)) as Endpoint;
  };
  return {
    url,
    database,
    registry,
    endpoint,
    endpoints: async (count, name, config) => {
      const names = Array.from({ length: count }, (_, n) => name(n));
      await database.query(sql`
        insert into endpoint (name, kind, organization, facilities, config)
        select name, 'fhir-rest', 'Organization/a', '{}', ${JSON.stringify(config)}::jsonb
        from unnest(${names}::text[]) with ordinality as n (name, place) order by place`);
      await registry.refresh();
    },
    state: async (name) => {
      const rows = await database.query<PullState>(sql`
        select p.* from pull p join endpoint e on e.id = p.endpoint_id where e.name = ${name}`);
      return rows[0] as PullState;
    },
    runs: (name) =>
      database.query<PullRunRow>(sql`
        select r.* from pull_run r join endpoint e on e.id = r.endpoint_id where e.name = ${name} order by r.slot_at`),
    held: async (name, options) => {
      const added = await endpoint(name, options);
      const slotAt = new Date('2026-01-01T12:00:00Z');
      await database.query(sql`
        insert into pull (endpoint_id, due_at, slot_at, decided_at, every_ms, worker, fence, expires_at)
        values (${added.id}, ${slotAt}, ${slotAt}, ${slotAt}, 1000, 'w1', 1, ${slotAt})`);
      return {
        endpoint: added,
        source: await findSource(database, sourceOf(added)),
        hold: { endpointId: added.id, slotAt, worker: 'w1', fence: 1 },
      };
    },
    reset: async () => {
      for (const table of ['pull_run', 'pull', 'source_resource', 'pull_source', 'message', 'endpoint'])
        await database.query(sql`delete from ${raw(table)}`);
      await registry.refresh();
    },
    close: async () => {
      registry.close();
      await given.close();
    },
  };
}
