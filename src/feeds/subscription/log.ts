/** What a subscription was told, for a receiver that missed some of it: keys and numbers, rendered under the rights of whoever asks. */
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import type { Candidate } from './evaluate.ts';

/** Numbers that are kept for a subscription; older ones are found by a search. */
export const loggedMax = 1_000;

export interface Logged extends Candidate {
  readonly number: number;
  readonly committed_at: Date;
}

/** Events with a number from `since` to `until`, at most so many, in order. */
export function loggedEvents(
  tx: Tx,
  id: string,
  { since, until, limit }: { readonly since: number; readonly until: number; readonly limit: number },
): Promise<Logged[]> {
  return tx.query<Logged>(sql`
    select place, bucket, type, id, version, number, committed_at from subscription_event
    where subscription = ${id} and number between ${since}::bigint and ${until}::bigint
    order by number limit ${limit}`);
}
