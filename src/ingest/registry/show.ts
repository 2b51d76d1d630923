/** An endpoint with what belongs to it, for whoever looks after it. */
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import type { Endpoint } from '../contract.ts';
import { countHeld } from './hold.ts';
import { secretNames } from './secrets.ts';

export interface ShownEndpoint extends Endpoint {
  /** Names. */
  readonly secrets: readonly string[];
  /** Messages that wait behind a quarantined one, or for the endpoint to be live. */
  readonly held: number;
  readonly version: number;
  readonly changedBy?: string;
  readonly changedAt?: string;
}

export async function showEndpoint(db: Tx, endpoint: Endpoint): Promise<ShownEndpoint> {
  const [latest] = await db.query<{ version: number; changed_by: string; changed_at: Date }>(sql`
    select version, changed_by, changed_at from endpoint_version
    where endpoint_id = ${endpoint.id} order by version desc limit 1`);
  return {
    ...endpoint,
    secrets: await secretNames(db, endpoint.id),
    held: await countHeld(db, endpoint.id),
    version: latest?.version ?? 0,
    changedBy: latest?.changed_by,
    changedAt: latest?.changed_at.toISOString(),
  };
}
