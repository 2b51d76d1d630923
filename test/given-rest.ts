/** A FHIR source that is pulled into a real database, run by run, as the hub's own runs do it. */
import { fhirRest } from '../adapters/fhir/rest.ts';
import type { Database } from '../src/db.ts';
import { sql } from '../src/db/sql.ts';
import type { Endpoint, PullEnd, Watermark } from '../src/ingest/contract.ts';
import { readHeld, readKnown, readNews } from '../src/ingest/pull/memory.ts';
import { takePage, type Hold } from '../src/ingest/pull/take.ts';
import { givenFhirServer, type GivenFhirServer, type Manners } from './given-fhir-server.ts';
import { givenPull, type PullWorld } from './given-pull.ts';

export interface RunGiven {
  readonly resources?: number;
  readonly signal?: AbortSignal;
  readonly secrets?: Readonly<Record<string, string>>;
  /** Before each page is taken. */
  readonly onTake?: () => void;
  /** Our clock. */
  readonly now?: () => Date;
}

export interface RestWorld {
  readonly server: GivenFhirServer;
  readonly world: PullWorld;
  run(options?: RunGiven): Promise<PullEnd>;
  /** Messages in their order: `Patient/p1/1`, `Patient:delete p1`. */
  messages(): Promise<string[]>;
  /** As the source is known to be: `Patient/p1`, sorted. */
  known(): Promise<string[]>;
  watermark(): Promise<Watermark | undefined>;
  close(): Promise<void>;
}

let count = 0;

export async function givenRest(
  world: PullWorld,
  manners: Manners = {},
  config: Record<string, unknown> = {},
): Promise<RestWorld> {
  const server = await givenFhirServer(manners);
  const { database } = world;
  const { endpoint, source, hold } = await world.held(`rest-${++count}`, { config: { base: server.base, ...config } });
  return {
    server,
    world,
    watermark: () => watermarkOf(database, endpoint),
    run: (options) => runRest(database, { endpoint, source, hold }, options),
    messages: async () => {
      const rows = await database.query<{ control_id: string; type: string }>(
        sql`select control_id, type from message where endpoint_id = ${endpoint.id} order by id`,
      );
      return rows.map(({ control_id, type }) =>
        type.endsWith(':delete') ? `${type} ${control_id.split('/')[1]}` : control_id,
      );
    },
    known: async () => {
      const rows = await database.query<{ name: string }>(sql`
        select type || '/' || id as name from source_resource where source = ${source} and not is_deleted`);
      return rows.map(({ name }) => name).toSorted((a, b) => (a < b ? -1 : 1));
    },
    close: () => server.close(),
  };
}

export interface HeldSource {
  readonly endpoint: Endpoint;
  readonly source: number;
  readonly hold: Hold;
}

/** One run, as the hub's own are. */
export async function runRest(
  database: Database,
  { endpoint, source, hold }: HeldSource,
  options: RunGiven = {},
): Promise<PullEnd> {
  const { resources = 100_000, signal = new AbortController().signal, secrets = {}, onTake } = options;
  const { now = () => new Date() } = options;
  return fhirRest.run({
    endpoint,
    secrets,
    watermark: await watermarkOf(database, endpoint),
    signal,
    now,
    budget: { resources, bytes: 1_000_000_000 },
    take: (page, mark) => {
      // A watermark alone is a step, not a page.
      if (page.length > 0) onTake?.();
      return takePage({ database, endpoint, source, hold, at: now() }, page, mark);
    },
    news: (page) => readNews(database, source, page),
    held: (type, ids) => readHeld(database, source, type, ids),
    known: (type) => readKnown(database, source, type),
  });
}

async function watermarkOf(database: Database, { id }: Pick<Endpoint, 'id'>): Promise<Watermark | undefined> {
  const rows = await database.query<{ watermark: Watermark | null }>(
    sql`select watermark from pull where endpoint_id = ${id}`,
  );
  return rows[0]?.watermark ?? undefined;
}

export { givenPull };
