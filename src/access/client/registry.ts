/**
 * What the hub knows about tokens and clients beyond the token itself: revocations and registrations, kept in memory and
 * caught up from the database when older than a second. A token is therefore refused at most {@link staleAfterMs} after
 * another process revoked it, and at once after this one did; for reads the predicate asks the table itself, so they end
 * with the next statement everywhere. When the database cannot be asked, nobody gets in.
 */
import type { Database, Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { lockNames } from '../../store/lock.ts';
import type { OperatorRole } from '../principal/operator.ts';
import { tokenLock } from '../token/sending.ts';

export interface Registration {
  readonly kind: string;
  readonly organization: string | null;
  /** Bits of principal/purpose.ts. */
  readonly purposes: number;
  readonly isActive: boolean;
  /** Of operators; null: none in particular. */
  readonly operatorRole: OperatorRole | null;
  /** CIDR; none: from anywhere. */
  readonly networks: readonly string[];
  /** Of keys that were taken back: what was obtained by one of them is refused. */
  readonly revokedKeys: readonly string[];
}

export interface Registry {
  /** Brings the memory up to date when it is older than a second. */
  refresh(): Promise<void>;
  /** Grows when a registration changes: what was derived from an older one is derived again. */
  readonly epoch: number;
  isRevoked(issuer: string, jti: string): boolean;
  registration(issuer: string, clientId: string): Registration | undefined;
  /** A signing key of this hub that was taken back, by whichever process. */
  isKeyRevoked(issuer: string, kid: string): boolean;
  /** Refuses this token from now on, in this process at once. */
  revoke(token: { issuer: string; jti: string; expiresAt: number }): Promise<void>;
}

const staleAfterMs = 1000;
/** More than the tolerance for the clocks of issuers (token/token.ts). */
const believedAfterExpiryMs = 120_000;
/** A revocation committed late carries an earlier time; longer than any transaction here may take. */
const overlapSeconds = 60;

/** @param alsoRefresh what else is brought up to date with it */
export function openRegistry(
  db: Database,
  now: () => number = Date.now,
  alsoRefresh: () => Promise<void> = () => Promise.resolve(),
): Registry {
  const revoked = new Map<string, number>();
  const revokedKeys = new Set<string>();
  const clients = new Map<string, Registration>();
  let since = '-infinity';
  let readAt = Number.NEGATIVE_INFINITY;
  let epoch = 0;
  let pending: Promise<void> | undefined;
  const keyOf = (issuer: string, id: string): string => `${issuer} ${id}`;

  const read = async (): Promise<void> => {
    const startedAt = now();
    const [{ at }] = (await db.query(sql`select statement_timestamp()::text as at`)) as [{ at: string }];
    const tokens = await db.query<{ issuer: string; jti: string; expires: number }>(sql`
      select issuer, jti, extract(epoch from expires_at)::float8 * 1000 as expires from revoked_token
      where revoked_at >= ${since}::timestamptz - make_interval(secs => ${overlapSeconds}) and expires_at > now()`);
    for (const { issuer, jti, expires } of tokens) revoked.set(keyOf(issuer, jti), expires);
    for (const [key, expires] of revoked) if (expires <= startedAt) revoked.delete(key);
    const rows = await db.query<Registration & { issuer: string; id: string }>(sql`
      select issuer, id, kind, organization, purposes, is_active as "isActive", ops_role as "operatorRole", networks, revoked_keys as "revokedKeys"
      from client
      where updated_at >= ${since}::timestamptz - make_interval(secs => ${overlapSeconds})`);
    for (const { issuer, id, ...row } of rows) {
      const key = keyOf(issuer, id);
      if (JSON.stringify(clients.get(key)) === JSON.stringify(row)) continue;
      clients.set(key, row);
      epoch++;
    }
    // A handful in a hub's life.
    const keys = await db.query<{ issuer: string; kid: string }>(sql`select issuer, kid from revoked_issuer_key`);
    for (const { issuer, kid } of keys) {
      const before = revokedKeys.size;
      if (revokedKeys.add(keyOf(issuer, kid)).size > before) epoch++;
    }
    await alsoRefresh();
    since = at;
    readAt = startedAt;
  };

  return {
    get epoch() {
      return epoch;
    },
    refresh: async () => {
      if (now() - readAt < staleAfterMs) return;
      pending ??= read().finally(() => {
        pending = undefined;
      });
      await pending;
    },
    isRevoked: (issuer, jti) => revoked.has(keyOf(issuer, jti)),
    isKeyRevoked: (issuer, kid) => revokedKeys.has(keyOf(issuer, kid)),
    registration: (issuer, clientId) => clients.get(keyOf(issuer, clientId)),
    revoke: async ({ issuer, jti, expiresAt: expiresAtMs }) => {
      // A token is believed a little longer than it says; so long its revocation must hold.
      const expiresAt = expiresAtMs + believedAfterExpiryMs;
      await db.inTransaction(async (tx) => {
        await lockNames(tx, [tokenLock({ issuer, jti })]);
        await tx.query(sql`
          insert into revoked_token (jti, issuer, expires_at) values (${jti}, ${issuer}, to_timestamp(${expiresAt / 1000}))
          on conflict (jti, issuer) do nothing`);
      });
      revoked.set(keyOf(issuer, jti), expiresAt);
    },
  };
}

/** Every process refuses what this key of ours signed, within a second. */
export async function revokeIssuerKey(db: Tx, issuer: string, kid: string): Promise<void> {
  await db.query(sql`
    insert into revoked_issuer_key (issuer, kid) values (${issuer}, ${kid}) on conflict (issuer, kid) do nothing`);
}
