/**
 * Who sends: a subscription that has something to do is claimed for as long as one notification may take. Each claim has a
 * larger fence, and everything that is written of it names the fence, so a process that was merely slow changes nothing after
 * its successor. What a killed process had claimed is free again when its time is over.
 */
import { readPrincipal } from '../../access/principal/text.ts';
import type { Principal } from '../../access/principal/principal.ts';
import { narrowScopes } from '../../access/client/scope-grant.ts';
import type { Tx } from '../../db.ts';
import { raw, sql } from '../../db/sql.ts';
import { Problem } from '../../fhir/problem.ts';
import { toStanding, type Standing, type StandingRow } from './subscription.ts';

export interface Claimed extends Standing {
  readonly fence: number;
  readonly creator: string;
  /** Who made it, with the rights of then. */
  readonly principal: Principal;
  readonly sealedHeaders: string | undefined;
  readonly pending: number;
  readonly isGreeted: boolean;
  readonly attempts: number;
  /** Of a websocket: the connection that is bound at this moment. */
  readonly binding: string | undefined;
  /** When its receiver last had something. */
  readonly sentAt: Date;
  /** It is over: its own end, or that of the token it hangs on. */
  readonly isOver: boolean;
}

interface ClaimedRow extends StandingRow {
  readonly fence: number;
  readonly creator: string;
  readonly principal: string;
  readonly headers: string | null;
  readonly pending: number;
  readonly is_greeted: boolean;
  readonly attempts: number;
  readonly binding: string | null;
  readonly sent_at: Date;
  readonly is_over: boolean;
}

export interface ClaimOptions {
  readonly limit: number;
  /** This process sends rest-hooks. */
  readonly isRestHook: boolean;
  /** Websockets that this process holds. */
  readonly bindings: readonly string[];
  /** Beyond what the receiver may take to answer. */
  readonly leaseMs: number;
}

/** Of a websocket: somebody holds it. One that nobody holds is looked after by any worker, and told nothing. */
const isBound = raw('(binding is not null and binding_until > clock_timestamp())');

/** Subscriptions that have something to do, the longest waiting first. */
export async function claimDue(tx: Tx, { limit, isRestHook, bindings, leaseMs }: ClaimOptions): Promise<Claimed[]> {
  const rows = await tx.query<ClaimedRow>(sql`
    update subscription s set fence = s.fence + 1,
      lease_until = clock_timestamp() + ${leaseMs} * interval '1 ms' + (s.request ->> 'timeoutSeconds')::int * interval '1 s'
    from (
      select id from subscription
      where status <> 'off' and due_at <= clock_timestamp() and (lease_until is null or lease_until <= clock_timestamp())
        and case channel when 'rest-hook' then ${isRestHook}::boolean
          when 'websocket' then binding = any(${bindings}::uuid[]) or ${isRestHook}::boolean and not ${isBound} end
      order by due_at limit ${limit} for update skip locked) due
    where s.id = due.id
    returning s.id, s.status, s.request, s.events, s.error, s.fence, s.creator, s.principal::text as principal, s.headers, s.pending, s.is_greeted, s.attempts,
      case when ${isBound} then s.binding::text end as binding, s.sent_at, least(s.ends_at, s.bound_until) <= clock_timestamp() is true as is_over`);
  return rows.map((row) => ({
    ...toStanding(row),
    fence: row.fence,
    creator: row.creator,
    principal: readPrincipal(row.principal),
    sealedHeaders: row.headers ?? undefined,
    pending: row.pending,
    isGreeted: row.is_greeted,
    attempts: row.attempts,
    binding: row.binding ?? undefined,
    sentAt: row.sent_at,
    isOver: row.is_over,
  }));
}

/** What was claimed is somebody else's by now, or was changed or ended by its creator. */
export function lost(): Problem {
  return new Problem('lock-error', 'the subscription is no longer ours');
}

interface RegisteredClient {
  readonly organization: string | null;
  readonly purposes: number;
  readonly scopes: readonly string[];
  readonly is_active: boolean;
  readonly revoked_keys: readonly string[];
}

/**
 * Under whose rights it is told, asked of the database in this statement: the client is registered and active for the purposes
 * of the token that made it, for its organization, and the key it was got by is still good; or, where no registration answers
 * for it (a client of another issuer, a person), the token has not expired; it has not been revoked.
 * @returns undefined when nothing may be told any more
 * @throws Problem lock-error
 */
export async function rightsOf(tx: Tx, { id, fence }: Pick<Claimed, 'id' | 'fence'>): Promise<Principal | undefined> {
  const [row] = await tx.query<{
    principal: string;
    bound_until: Date | null;
    is_over: boolean;
    client: RegisteredClient | null;
    is_revoked: boolean;
  }>(sql`
    select s.principal::text as principal, s.bound_until,
      least(s.ends_at, s.bound_until) <= statement_timestamp() is true as is_over,
      (select jsonb_build_object('organization', c.organization, 'purposes', c.purposes, 'scopes', c.scopes,
         'is_active', c.is_active, 'revoked_keys', c.revoked_keys) from client c
        where c.issuer = s.principal ->> 'issuer' and c.id = s.principal ->> 'clientId') as client,
      exists (select from revoked_token t
        where t.jti = s.principal ->> 'jti' and t.issuer = s.principal ->> 'issuer') as is_revoked
    from subscription s where s.id = ${id} and s.fence = ${fence} and s.status <> 'off'`);
  if (row === undefined) throw lost();
  const { client, is_over: isOver, is_revoked: isRevoked, bound_until: boundUntil } = row;
  if (isOver || isRevoked || (client === null && boundUntil === null)) return undefined;
  const principal = readPrincipal(row.principal);
  if (client === null) return principal;
  const isOther = (principal.organization ?? null) !== client.organization;
  const isRevokedKey = principal.clientKey !== undefined && client.revoked_keys.includes(principal.clientKey);
  if (!client.is_active || isOther || isRevokedKey || (principal.purposes & ~client.purposes) !== 0) return undefined;
  return { ...principal, scopes: narrowScopes(principal.scopes, client.scopes) };
}
