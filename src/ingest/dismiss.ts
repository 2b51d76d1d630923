/**
 * A person decides that what is quarantined is not needed: it leaves the error inbox, and what was held behind it runs. It is never taken
 * for processed by a map: its reason says what was decided, by which it is found and replayed when that was a mistake.
 */
import type { Database } from '../db.ts';
import { sql } from '../db/sql.ts';
import { Problem } from '../fhir/problem.ts';
import { whereMessage, type MessageFilter } from './status.ts';

/** A closed list, not words: whoever lists messages reads it. */
export const dismissals = ['not-needed', 'test', 'sent-again', 'handled-elsewhere'] as const;
export type Dismissal = (typeof dismissals)[number];

export interface Dismissed {
  readonly dismissed: number;
  /** Messages that were held behind these, and run now. */
  readonly released: number;
  /** There are more that match: ask again. */
  readonly isMore: boolean;
}

/** Of one transaction: a second or two. */
const atOnce = 5_000;

/** @throws Problem value */
export function parseDismissal(why: unknown): Dismissal {
  const found = dismissals.find((one) => one === why);
  if (found !== undefined) return found;
  throw new Problem('value', 'why says why it is not needed', {
    expression: 'why',
    hint: `One of ${dismissals.join(', ')}.`,
  });
}

/** @param filter of those that are quarantined; what else matches stays as it is */
export async function dismissMessages(
  database: Database,
  filter: MessageFilter & { readonly id?: number },
  { why, at }: { readonly why: Dismissal; readonly at: Date },
): Promise<Dismissed> {
  const { id, ...rest } = filter;
  return database.inTransaction(async (tx) => {
    const chosen = await tx.query<{ id: number; lane: number }>(sql`
      select m.id, m.lane_key as lane from message m join endpoint e on e.id = m.endpoint_id
      where m.status = 2 and (${id ?? null}::bigint is null or m.id = ${id ?? null}) and ${whereMessage(rest)}
      order by m.id limit ${atOnce + 1}`);
    const isMore = chosen.length > atOnce;
    const ids = chosen.slice(0, atOnce).map((row) => row.id);
    // First the holds, as a replay does: a worker that is just moving a message behind one has finished then.
    const lanes = await tx.query<{ lane: number }>(sql`
      delete from lane_hold where message_id = any(${ids}::bigint[]) returning lane_key as lane`);
    const dismissed = await tx.query(sql`
      update message set status = 1, processed_at = ${at}, map_version = null,
        reason = ${`dismissed: ${why}`} || coalesce('; ' || reason, '')
      where id = any(${ids}::bigint[]) and status = 2 returning id`);
    const released = await tx.query(sql`
      update message set status = 0
      where status = 3 and lane_key = any(${lanes.map(({ lane }) => lane)}::bigint[]) returning id`);
    return { dismissed: dismissed.length, released: released.length, isMore };
  });
}
