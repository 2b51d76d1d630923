/** A person wants a source asked now, by its name. */
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { Problem } from '../../fhir/problem.ts';
import { isPulled } from '../registry/description.ts';
import { findEndpoint } from '../registry/rows.ts';
import { unknownEndpoint } from '../registry/versions.ts';
import { askPull } from './register.ts';

/** @throws Problem not-found, not-supported for one that comes by itself, business-rule when it is not in use */
export async function askEndpoint(db: Tx, name: string): Promise<void> {
  const endpoint = await findEndpoint(db, name);
  if (endpoint === undefined) throw unknownEndpoint(name);
  if (!isPulled(endpoint.kind)) {
    throw new Problem('not-supported', `an endpoint of kind ${endpoint.kind} is not asked: it sends by itself`);
  }
  const [clock] = await db.query<{ at: Date }>(sql`select now()::timestamptz(3) as at`);
  await askPull(db, endpoint, clock?.at ?? new Date());
}
