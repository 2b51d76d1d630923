/** A websocket that has shown its token: from now on the subscriptions of the token are told on it, and on no other. */
import type { Database, Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { timestampOf } from '../../store/params/date.ts';
import { redeemBindingToken } from './token.ts';

export interface Bound {
  readonly creator: string;
  /** Epoch milliseconds. */
  readonly until: number;
}

/** @param binding of the connection, a UUID @returns undefined for a token that is none, or of nothing any more */
export function bindSubscriptions(db: Database, token: string, binding: string): Promise<Bound | undefined> {
  return db.inTransaction(async (tx) => {
    const redeemed = await redeemBindingToken(tx, token);
    if (redeemed === undefined) return undefined;
    const { creator, subscriptions, expiresAt } = redeemed;
    // Who held it before has an older fence.
    const rows = await tx.query(sql`
      update subscription set binding = ${binding}::uuid, binding_until = ${timestampOf(expiresAt.getTime())}::timestamptz,
        is_greeted = false, due_at = now(), retry_at = '-infinity', fence = fence + 1, lease_until = null
      where id = any(${subscriptions}::text[]) and creator = ${creator} and channel = 'websocket' and status <> 'off'
      returning 1 as one`);
    return rows.length === 0 ? undefined : { creator, until: expiresAt.getTime() };
  });
}

/** The connection is gone. */
export async function releaseBinding(tx: Tx, binding: string): Promise<void> {
  await tx.query(sql`update subscription set binding = null where binding = ${binding}::uuid`);
}
