/** What a change of the registry is checked against: read once, for one change or for a file of thousands. */
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import type { Endpoint, EndpointState } from '../contract.ts';
import { listAround, listEndpoints } from './rows.ts';
import { allSecretNames } from './secrets.ts';
import { allPastStates } from './versions.ts';

/** What there is, by name, as far as changes are checked against it. */
export class Known {
  readonly #byName = new Map<string, Endpoint>();
  /** Names of endpoints by facility: of thousands, those that might take the same messages are a few. */
  readonly #byFacility = new Map<string, Set<string>>();
  readonly #destinations: ReadonlySet<string>;
  readonly #secrets: ReadonlyMap<number, readonly string[]>;
  readonly #states: ReadonlyMap<number, readonly EndpointState[]>;

  constructor(
    endpoints: readonly Endpoint[],
    destinations: readonly string[],
    secrets: ReadonlyMap<number, readonly string[]>,
    states: ReadonlyMap<number, readonly EndpointState[]>,
  ) {
    for (const endpoint of endpoints) this.put(endpoint);
    this.#destinations = new Set(destinations);
    this.#secrets = secrets;
    this.#states = states;
  }

  get size(): number {
    return this.#byName.size;
  }

  get(name: string): Endpoint | undefined {
    return this.#byName.get(name);
  }

  /** By an endpoint or by a destination. */
  isTaken(name: string): boolean {
    return this.#byName.has(name) || this.#destinations.has(name);
  }

  /** As it will be, for what is checked after it. */
  put(endpoint: Endpoint): void {
    for (const facility of this.#byName.get(endpoint.name)?.facilities ?? [])
      this.#byFacility.get(facility)?.delete(endpoint.name);
    this.#byName.set(endpoint.name, endpoint);
    for (const facility of endpoint.facilities) {
      const names = this.#byFacility.get(facility);
      if (names === undefined) this.#byFacility.set(facility, new Set([endpoint.name]));
      else names.add(endpoint.name);
    }
  }

  /** Those that have one of these facilities. */
  withFacilities(facilities: readonly string[]): Endpoint[] {
    const names = new Set(facilities.flatMap((facility) => [...(this.#byFacility.get(facility) ?? [])]));
    return [...names].map((name) => this.#byName.get(name) as Endpoint);
  }

  secretNames(endpointId: number): readonly string[] {
    return this.#secrets.get(endpointId) ?? [];
  }

  /** The states it has been in, each once. */
  pastStates(endpointId: number): readonly EndpointState[] {
    return this.#states.get(endpointId) ?? [];
  }
}

/** All there is. */
export async function readKnown(db: Tx): Promise<Known> {
  return known(db, await listEndpoints(db));
}

/** What one change is checked against: the endpoint of that name, and those that share a facility with it as it is or would be. */
export async function readAround(db: Tx, name: string, facilities: unknown): Promise<Known> {
  const wanted = Array.isArray(facilities) ? facilities.filter((one) => typeof one === 'string') : [];
  return known(db, await listAround(db, name, wanted));
}

async function known(db: Tx, endpoints: readonly Endpoint[]): Promise<Known> {
  const ids = endpoints.map(({ id }) => id);
  const destinations = await db.query<{ name: string }>(sql`select name from destination`);
  const secrets = await allSecretNames(db, ids);
  const states = await allPastStates(db, ids);
  return new Known(
    endpoints,
    destinations.map(({ name }) => name),
    secrets,
    states,
  );
}
