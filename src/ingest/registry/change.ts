/**
 * Endpoints added and changed: planned whole (plan.ts), written with a version of what changed, in one transaction. A running hub
 * reads the registry again within a second. Endpoints are never deleted: their messages name them.
 */
import type { Sealer } from '../../access/secrets/seal.ts';
import type { Problem } from '../../fhir/problem.ts';
import { isDatabase, type Database, type Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import type { Endpoint, EndpointState } from '../contract.ts';
import type { Description, NewEndpoint } from './description.ts';
import { releaseHeld, releaseWindows } from './hold.ts';
import {
  planOneChange,
  planOneNew,
  taken,
  type EndpointPatch,
  type Planned,
  type PlannedChange,
  type PlanOptions,
} from './plan.ts';
import { findEndpoint, insertEndpoints, updateEndpoints } from './rows.ts';
import { writeSecrets } from './secrets.ts';
import { pastStates, unknownEndpoint, writeVersions, type ChangedEndpoint, type Signature } from './versions.ts';

export interface ChangeOptions extends Signature, PlanOptions {
  /** Needed when secrets are given. */
  readonly sealer?: Sealer;
  /** Writes what others see of the endpoints, in the same transaction. */
  readonly publish?: (tx: Tx, endpoints: readonly Endpoint[], at: Date) => Promise<void>;
}

/** Who it was when nobody says so: the hub's own code. */
const byTheHub = (): ChangeOptions => ({ by: 'hub', at: new Date() });

/**
 * @throws Problem value for a description that breaks a rule, required for a secret that is missing, conflict when the name is
 *   taken or another endpoint already takes a facility on the same way in
 */
export function addEndpoint(db: Tx, wanted: NewEndpoint, options: ChangeOptions = byTheHub()): Promise<Endpoint> {
  const add = async (tx: Tx): Promise<Endpoint> => {
    await lockRegistry(tx);
    await writePlanned(tx, [await planOneNew(tx, wanted, options)], options);
    return findKnown(tx, wanted.name);
  };
  return isDatabase(db) ? db.inTransaction(add) : add(db);
}

/**
 * Makes a change that is described as a patch; nothing when it changes nothing. What was held is released by `state: 'live'`.
 * @throws Problem as planChange
 */
export async function changeEndpoint(
  database: Database,
  name: string,
  patch: EndpointPatch,
  options: ChangeOptions,
): Promise<Endpoint> {
  const planned = await planOneChange(database, { name, patch }, options);
  if (planned.isReleasing) await releaseWindows(database, planned.before.id);
  return database.inTransaction(async (tx) => {
    await lockRegistry(tx);
    await writePlanned(tx, [await planOneChange(tx, { name, patch }, options)], options);
    return findKnown(tx, name);
  });
}

async function findKnown(tx: Tx, name: string): Promise<Endpoint> {
  const endpoint = await findEndpoint(tx, name);
  if (endpoint === undefined) throw unknownEndpoint(name);
  return endpoint;
}

/** What `resume` makes of an endpoint: what it was before it was paused, else live. @throws Problem not-found */
export async function stateBeforePause(db: Tx, name: string): Promise<EndpointState> {
  const endpoint = await findKnown(db, name);
  if (endpoint.state !== 'paused') return 'live';
  const past = await pastStates(db, endpoint.id);
  return past.find((state) => state !== 'paused') === 'testing' ? 'testing' : 'live';
}

/** One change of the registry at a time, so that no two endpoints come to take the same facility. */
export async function lockRegistry(tx: Tx): Promise<void> {
  await tx.query(sql`select pg_advisory_xact_lock(hashtextextended('endpoint registry', 0))`);
}

/** What one statement carries: some hundred kilobytes. */
const rowsMax = 500;

/**
 * New ones and changed ones, in their order, with a version of each and what others see of it.
 * @throws Problem conflict for a name that is taken, not-found
 */
export async function writePlanned(
  tx: Tx,
  planned: readonly (Planned | PlannedChange)[],
  options: ChangeOptions,
): Promise<void> {
  const changing = planned.filter(({ changes }) => changes.length > 0);
  for (let at = 0; at < changing.length; at += rowsMax) await writeSome(tx, changing.slice(at, at + rowsMax), options);
}

async function writeSome(tx: Tx, planned: readonly (Planned | PlannedChange)[], options: ChangeOptions): Promise<void> {
  const [changed, added] = [planned.filter(isChange), planned.filter((one) => !isChange(one))];
  const updated = await writeRows(updateEndpoints, tx, changed, unknownEndpoint);
  // Their rows are locked now: whoever stores a message of one waits, and finds it live.
  for (const { isReleasing, before } of changed) if (isReleasing) await releaseHeld(tx, before.id);
  const inserted = await writeRows(insertEndpoints, tx, added, taken);
  const written = new Map([...updated, ...inserted].map((endpoint) => [endpoint.name, endpoint]));
  const endpoints = planned.map(({ description, changes }) => {
    return { endpoint: written.get(description.name) as Endpoint, changes };
  });
  await conclude(tx, endpoints, options);
}

function isChange(planned: Planned | PlannedChange): planned is PlannedChange {
  return 'before' in planned;
}

async function writeRows(
  write: (tx: Tx, descriptions: readonly Description[]) => Promise<Endpoint[]>,
  tx: Tx,
  planned: readonly Planned[],
  failure: (name: string) => Problem,
): Promise<Endpoint[]> {
  if (planned.length === 0) return [];
  const descriptions = planned.map(({ description }) => description);
  const written = await write(tx, descriptions);
  const names = new Set(written.map(({ name }) => name));
  const missing = descriptions.find(({ name }) => !names.has(name));
  if (missing !== undefined) throw failure(missing.name);
  return written;
}

async function conclude(tx: Tx, changed: readonly ChangedEndpoint[], options: ChangeOptions): Promise<void> {
  const { secrets = {}, sealer, publish, at } = options;
  if (Object.keys(secrets).length > 0) {
    if (sealer === undefined) throw new Error('secrets are given, and nothing to seal them with');
    for (const { endpoint } of changed) await writeSecrets(tx, sealer, endpoint.id, secrets);
  }
  await writeVersions(tx, changed, options);
  const endpoints = changed.map(({ endpoint }) => endpoint);
  await publish?.(tx, endpoints, at);
}
