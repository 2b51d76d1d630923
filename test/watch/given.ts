/** A watch on a real database, whose rounds a test asks for and whose time it says. */
import type { Database } from '../../src/db.ts';
import { sql } from '../../src/db/sql.ts';
import type { Endpoint } from '../../src/ingest/contract.ts';
import { addEndpoint, openRegistry, type NewEndpoint, type Registry } from '../../src/ingest/endpoint.ts';
import { startWatching, type Watch, type WatchOptions } from '../../src/watch/watch.ts';
import { givenDatabase } from '../given.ts';
import { oneHospital } from '../given-ingest.ts';

export interface WatchWorld {
  readonly database: Database;
  readonly registry: Registry;
  endpoint(wanted?: Partial<NewEndpoint>): Promise<Endpoint>;
  /** Messages of an endpoint at these times, processed at once unless said otherwise. */
  messages(endpoint: Endpoint, times: readonly Date[], status?: number): Promise<void>;
  /** Messages every so many minutes, from one time up to another. */
  steady(endpoint: Endpoint, minutes: number, from: Date, to: Date): Promise<void>;
  watch(options?: Partial<WatchOptions>): Promise<Watch>;
  /** A round of the only watch at this time. */
  round(at: Date): Promise<void>;
  /** Nobody watches; the next round is another's. */
  stop(): Promise<void>;
  close(): Promise<void>;
}

export const monday = new Date('2026-03-02T00:00:00Z');
/** Minutes after it. */
export const after = (minutes: number, from = monday): Date => new Date(from.getTime() + minutes * 60_000);
export const days = (count: number): number => count * 1_440;

let serial = 0;

/** @param given of a hub that has no role `scheduler`; its own unless said otherwise */
export async function givenWatch(given?: { readonly database: Database }): Promise<WatchWorld> {
  const own = given === undefined ? await givenDatabase() : { ...given, close: () => Promise.resolve() };
  const { database } = own;
  const registry = await openRegistry(database);
  const watches: Watch[] = [];
  let now = monday;
  const insert = (endpoint: Endpoint, times: readonly Date[], status: number): Promise<object[]> =>
    database.query(sql`
      insert into message (lane_key, endpoint_id, slot, status, received_at, processed_at, control_id, type, facility, digest, raw)
      select 1, ${endpoint.id}, n % 256, ${status}, at, case when ${status}::int in (1, 2) then at + interval '100 ms' end,
        ${`T${++serial}-`} || n, 'ADT^A01', 'HOSPA', sha256(n::text::bytea), ''
      from unnest(${times}::timestamptz[]) with ordinality as t (at, n) order by n`);
  const world: WatchWorld = {
    database,
    registry,
    endpoint: async (wanted) => {
      const name = wanted?.name ?? oneHospital.name;
      const endpoint = await addEndpoint(database, { ...oneHospital, facilities: [name], ...wanted, name });
      while (registry.byName(name) === undefined) await registry.refresh();
      return endpoint;
    },
    messages: async (endpoint, times, status = 1) => {
      await insert(endpoint, times, status);
    },
    steady: async (endpoint, minutes, from, to) => {
      const times: Date[] = [];
      for (let at = from.getTime(); at < to.getTime(); at += minutes * 60_000) times.push(new Date(at));
      await insert(endpoint, times, 1);
    },
    watch: async (options) => {
      const watch = await startWatching({
        database,
        endpoints: () => registry.all(),
        worker: `watch-${Math.random()}`,
        settleMs: 0,
        // A test asks for rounds itself.
        tickMs: 3_600_000,
        now: () => now,
        ...options,
      });
      watches.push(watch);
      // It begins with a round of its own, which must not come between what a test says.
      await watch.evaluate();
      return watch;
    },
    round: async (at) => {
      now = at;
      const [watch = await world.watch()] = watches;
      await registry.refresh();
      if ((await watch.evaluate()) !== 'done') throw new Error('another one watches');
    },
    stop: async () => {
      await Promise.all(watches.splice(0).map((watch) => watch.close()));
    },
    close: async () => {
      await world.stop();
      registry.close();
      await own.close();
    },
  };
  return world;
}
