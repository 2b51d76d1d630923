/**
 * The registry of sources as a running hub has it: in memory, and read again when its revisions have grown, so that
 * `hub endpoint add` on one process is known to all within a second. How it is changed is in registry/.
 */
import type { Tx } from '../db.ts';
import { sql } from '../db/sql.ts';
import type { Connection, Endpoint, Reach } from './contract.ts';
import { listEndpoints } from './registry/rows.ts';

export { addEndpoint } from './registry/change.ts';
export type { NewEndpoint } from './registry/description.ts';
export { findEndpoint, listEndpoints } from './registry/rows.ts';

/** Takes any facility; only for tests and single-source listeners. */
export const anyFacility = '*';

export interface Registry {
  byId(id: number): Endpoint | undefined;
  byName(name: string): Endpoint | undefined;
  all(): readonly Endpoint[];
  /** The endpoints a connection may speak for. */
  reach(connection: Connection): Reach;
  ports(): readonly number[];
  /** Directories of enabled endpoints. */
  folders(): readonly string[];
  /** Reads the registry again if it has changed; calls within a moment of each other share one look. */
  refresh(): Promise<void>;
  close(): void;
}

/** How late another process's change is seen when nothing asks for it. */
const checkMs = 1_000;
/** Between two looks: an unknown facility makes the registry look again, a stream of them not more often than this. */
const refreshMs = 100;

export async function openRegistry(db: Tx): Promise<Registry> {
  const registry = new EndpointRegistry(db);
  await registry.refresh();
  return registry;
}

class EndpointRegistry implements Registry {
  readonly #db: Tx;
  readonly #timer: NodeJS.Timeout;
  #revision = -1;
  #endpoints: readonly Endpoint[] = [];
  #byId = new Map<number, Endpoint>();
  #reaches = new Map<string, Reach>();
  #looking: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #lookedAt = 0;

  constructor(db: Tx) {
    this.#db = db;
    // Without the database the endpoints known so far stay in force; messages cannot be stored then anyway.
    this.#timer = setInterval(() => void this.refresh().catch(() => undefined), checkMs).unref();
  }

  byId(id: number): Endpoint | undefined {
    return this.#byId.get(id);
  }

  byName(name: string): Endpoint | undefined {
    return this.#endpoints.find((endpoint) => endpoint.name === name);
  }

  all(): readonly Endpoint[] {
    return this.#endpoints;
  }

  ports(): readonly number[] {
    const ports = this.#endpoints.flatMap(({ port, isEnabled }) => (isEnabled && port !== undefined ? [port] : []));
    return [...new Set(ports)];
  }

  folders(): readonly string[] {
    const folders = this.#endpoints.flatMap(({ folder, isEnabled }) =>
      isEnabled && folder !== undefined ? [folder] : [],
    );
    return [...new Set(folders)];
  }

  reach(connection: Connection): Reach {
    const { kind, port, folder, certificate, organization } = connection;
    const isAddressBound = this.#endpoints.some(({ addresses }) =>
      addresses.includes(plainAddress(connection.address)),
    );
    const address = isAddressBound ? plainAddress(connection.address) : '';
    const key = [kind, port, folder, certificate, organization, address].join(' ');
    let reach = this.#reaches.get(key);
    if (reach === undefined) {
      if (this.#reaches.size >= reachesMax) this.#reaches.clear();
      reach = reachOf(this.#endpoints, { ...connection, address });
      this.#reaches.set(key, reach);
    }
    return reach;
  }

  refresh(): Promise<void> {
    // A look that is under way may have begun before the change the caller hopes to see: only one to come is shared.
    this.#next ??= this.#lookNext();
    return this.#next;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #lookNext(): Promise<void> {
    await this.#looking.catch(() => undefined);
    const waitMs = this.#lookedAt + refreshMs - Date.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    this.#next = undefined;
    this.#lookedAt = Date.now();
    this.#looking = this.#look();
    await this.#looking;
  }

  async #look(): Promise<void> {
    // The sum, not the largest: of two changes at once, the one with the smaller revision may commit last.
    const [latest] = await this.#db.query<{ revision: number }>(
      sql`select coalesce(sum(revision), 0)::bigint as revision from endpoint`,
    );
    const revision = latest?.revision ?? 0;
    if (revision === this.#revision) return;
    const endpoints = await listEndpoints(this.#db);
    this.#endpoints = endpoints;
    this.#byId = new Map(endpoints.map((endpoint) => [endpoint.id, endpoint]));
    this.#reaches = new Map();
    this.#revision = revision;
  }
}

/** Connections that differ in what they may reach; each entry is small and rebuilt in microseconds. */
const reachesMax = 10_000;

/**
 * A connection whose certificate or address is bound to endpoints speaks for those only. Any other connection speaks for
 * the endpoints of its listener that are bound to none. A named facility goes before `*`.
 */
export function reachOf(endpoints: readonly Endpoint[], connection: Connection): Reach {
  const candidates = endpoints.filter(
    (endpoint) =>
      endpoint.isEnabled &&
      endpoint.kind === connection.kind &&
      endpoint.port === connection.port &&
      endpoint.folder === connection.folder &&
      (connection.kind !== 'hl7v2-http' || endpoint.organization === connection.organization) &&
      (endpoint.certificate === undefined || endpoint.certificate === connection.certificate) &&
      (endpoint.addresses.length === 0 || endpoint.addresses.includes(plainAddress(connection.address))),
  );
  const bound = candidates.filter(({ certificate, addresses }) => certificate !== undefined || addresses.length > 0);
  const reachable = bound.length > 0 ? bound : candidates;
  const byFacility = new Map<string, Endpoint>();
  for (const endpoint of reachable) for (const facility of endpoint.facilities) byFacility.set(facility, endpoint);
  const charsets = new Set(reachable.flatMap(({ charset }) => (charset === undefined ? [] : [charset])));
  return {
    find: (facility) =>
      // `*` in a message is a facility of that name, which nobody registers.
      (facility === anyFacility ? undefined : byFacility.get(facility)) ?? byFacility.get(anyFacility),
    charsets: [...charsets],
  };
}

/** IPv4 as IPv4, also where the socket is IPv6. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}
