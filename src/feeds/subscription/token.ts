/**
 * What a client shows on a websocket, where it can send no Authorization header: a random token, good once, for its own
 * subscriptions, and for so long as it says. The hub keeps its hash.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { timestampOf } from '../../store/params/date.ts';

/** How long a bound connection is served; then the client asks for another token, with the rights it has by then. */
export const bindingMs = 3_600_000;
const tokenBytes = 32;
export const tokenPattern = /^[\w-]{43}$/;

const hashOf = (token: string): Buffer => createHash('sha256').update(token).digest();

export interface Issued {
  readonly token: string;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

/** @param until the end of the access token that asks, epoch milliseconds */
export async function issueBindingToken(
  tx: Tx,
  {
    creator,
    subscriptions,
    at,
    until,
  }: { creator: string; subscriptions: readonly string[]; at: number; until: number },
): Promise<Issued> {
  const token = randomBytes(tokenBytes).toString('base64url');
  const expiresAt = Math.min(at + bindingMs, until);
  await sweepTokens(tx);
  await tx.query(sql`
    insert into subscription_token (hash, creator, subscriptions, expires_at)
    values (${hashOf(token)}::bytea, ${creator}, ${subscriptions}::text[], ${timestampOf(expiresAt)}::timestamptz)`);
  return { token, expiresAt };
}

export interface Redeemed {
  readonly creator: string;
  readonly subscriptions: readonly string[];
  readonly expiresAt: Date;
}

/** Undefined for one that is unknown, used or expired. */
export async function redeemBindingToken(tx: Tx, token: string): Promise<Redeemed | undefined> {
  if (!tokenPattern.test(token)) return undefined;
  const [row] = await tx.query<Redeemed>(sql`
    delete from subscription_token where hash = ${hashOf(token)}::bytea and expires_at > now()
    returning creator, subscriptions, expires_at as "expiresAt"`);
  return row;
}

/** What has expired is good for nothing. */
export async function sweepTokens(db: Tx): Promise<void> {
  await db.query(sql`delete from subscription_token where expires_at < now()`);
}
