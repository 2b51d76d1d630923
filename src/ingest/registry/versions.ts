/** What endpoints were: each change a version, with who made it and the whole description as it was then. */
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { Problem } from '../../fhir/problem.ts';
import type { Endpoint, EndpointState } from '../contract.ts';
import { describe } from './description.ts';
import type { Difference } from './difference.ts';
import { findEndpoint } from './rows.ts';

/** Who changes something, when, and why. */
export interface Signature {
  readonly by: string;
  readonly at: Date;
  readonly note?: string;
}

export interface EndpointVersion {
  readonly version: number;
  readonly changedAt: string;
  readonly changedBy: string;
  readonly note?: string;
  readonly state: EndpointState;
  readonly changes: readonly Difference[];
  readonly description: Readonly<Record<string, unknown>>;
}

/** The migration has the same bound: a line or two. */
const noteCharsMax = 2_000;

export interface ChangedEndpoint {
  readonly endpoint: Endpoint;
  readonly changes: readonly Difference[];
}

/** One version of each. @throws Problem too-long */
export async function writeVersions(
  tx: Tx,
  changed: readonly ChangedEndpoint[],
  { by, at, note = '' }: Signature,
): Promise<void> {
  if (note.length > noteCharsMax) throw new Problem('too-long', `a note has at most ${noteCharsMax} characters`);
  const rows = changed.map(({ endpoint, changes }) => ({
    id: endpoint.id,
    state: endpoint.state,
    description: describe(endpoint),
    changes,
  }));
  await tx.query(sql`
    insert into endpoint_version (endpoint_id, version, state, description, changes, changed_by, changed_at, note)
    select d.id, coalesce((select max(version) from endpoint_version v where v.endpoint_id = d.id), 0) + 1,
      d.state, d.description, d.changes, ${by}, ${at}, ${note}
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as d (id int, state text, description jsonb, changes jsonb)`);
}

/** The states that each has been in, by id; each state once. */
export async function allPastStates(db: Tx, endpointIds: readonly number[]): Promise<Map<number, EndpointState[]>> {
  const rows = await db.query<{ id: number; states: EndpointState[] }>(sql`
    select endpoint_id as id, array_agg(distinct state) as states from endpoint_version
    where endpoint_id = any(${endpointIds}::int[]) group by endpoint_id`);
  return new Map(rows.map(({ id, states }) => [id, states]));
}

/** The states an endpoint has been in, newest first. */
export async function pastStates(db: Tx, endpointId: number): Promise<EndpointState[]> {
  const rows = await db.query<{ state: EndpointState }>(
    sql`select state from endpoint_version where endpoint_id = ${endpointId} order by version desc limit ${versionsMax}`,
  );
  return rows.map(({ state }) => state);
}

/** Newest first. @throws Problem not-found */
export async function listVersions(db: Tx, name: string): Promise<EndpointVersion[]> {
  const [endpoint] = await db.query<{ id: number }>(sql`select id from endpoint where name = ${name}`);
  if (endpoint === undefined) throw unknownEndpoint(name);
  const rows = await db.query<VersionRow>(sql`
    select version, state, description, changes, changed_by, changed_at, note from endpoint_version
    where endpoint_id = ${endpoint.id} order by version desc limit ${versionsMax}`);
  return rows.map((row) => ({
    version: row.version,
    changedAt: row.changed_at.toISOString(),
    changedBy: row.changed_by,
    ...(row.note !== '' && { note: row.note }),
    state: row.state,
    changes: row.changes,
    description: row.description,
  }));
}

/** A mistyped name is not an endpoint of which there is nothing. @throws Problem not-found */
export async function assertEndpoint(db: Tx, name: string | undefined): Promise<void> {
  if (name !== undefined && (await findEndpoint(db, name)) === undefined) throw unknownEndpoint(name);
}

export function unknownEndpoint(name: string): Problem {
  return new Problem('not-found', `there is no endpoint named ${name}`, { hint: 'List them: hub endpoint list' });
}

/** Years of changes by hand. */
const versionsMax = 1_000;

interface VersionRow {
  version: number;
  state: EndpointState;
  description: Record<string, unknown>;
  changes: Difference[];
  changed_by: string;
  changed_at: Date;
  note: string;
}
