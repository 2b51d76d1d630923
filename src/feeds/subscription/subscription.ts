/**
 * A subscription as a row: what a Subscription asks for, under whose rights, and how far it is. It is made, changed and ended in
 * the transaction that writes the resource, so that both say the same; only its creator's token gets here (access/predicate/creator.ts).
 */
import { writePrincipal } from '../../access/principal/text.ts';
import type { Principal } from '../../access/principal/principal.ts';
import type { Sealer } from '../../access/secrets/seal.ts';
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { Problem } from '../../fhir/problem.ts';
import { restoreHeaders, type Header } from '../../fhir/subscription/headers.ts';
import type { SubscriptionState } from '../../fhir/subscription/notification.ts';
import type { ReadSubscription, SubscriptionRequest } from '../../fhir/subscription/request.ts';
import type { TriggerOptions } from '../../fhir/subscription/trigger.ts';
import { lockNames } from '../../store/lock.ts';
import { timestampOf } from '../../store/params/date.ts';
import { replaceInterests } from './interest.ts';
import { openHeaders, sealHeaders } from './seal.ts';

export interface SubscriptionLimits {
  /** That run at a time. */
  readonly perCreatorMax: number;
  readonly allMax: number;
}

/** Each costs a statement for every batch of changes that it may be interested in. */
export const subscriptionLimits: SubscriptionLimits = { perCreatorMax: 50, allMax: 10_000 };

export interface Wanted extends ReadSubscription {
  readonly id: string;
  readonly creator: string;
  readonly principal: Principal;
}

export interface SaveOptions extends TriggerOptions {
  /** Of the header values. */
  readonly sealer: Sealer;
  readonly limits?: SubscriptionLimits;
}

/**
 * A new subscription, or one that was changed: it greets its receiver anew, and goes on counting.
 * @throws Problem throttled, business-rule
 */
export async function saveSubscription(tx: Tx, wanted: Wanted, options: SaveOptions): Promise<void> {
  const { id, creator, principal, request, isOff } = wanted;
  if (isOff) await stopSending(tx, id);
  else await requireRoom(tx, wanted, options.limits ?? subscriptionLimits);
  const headers = sealHeaders(await headersOf(tx, wanted, options.sealer), id, options.sealer);
  // A registration answers for a service, and not for the person a token is of.
  const isOfPerson = principal.fhirUser !== undefined || principal.patient !== undefined;
  const end = request.end === undefined ? null : timestampOf(request.end);
  await tx.query(sql`
    insert into subscription (id, creator, principal, bound_until, status, request, headers, channel, ends_at)
    select ${id}, ${creator}, ${writePrincipal(principal)}::jsonb,
      case when ${isOfPerson}::boolean
          or not exists (select from client where issuer = ${principal.issuer} and id = ${principal.clientId})
        then ${timestampOf(principal.expiresAt)}::timestamptz end,
      ${isOff ? 'off' : 'requested'}, ${JSON.stringify(request)}::jsonb, ${headers ?? null}, ${request.channel},
      ${end}::timestamptz
    on conflict (id) do update set principal = excluded.principal, bound_until = excluded.bound_until,
      status = excluded.status, request = excluded.request, headers = excluded.headers, channel = excluded.channel,
      ends_at = excluded.ends_at, is_greeted = false, attempts = 0, retry_at = '-infinity', due_at = now(), binding = null,
      error = null, fence = subscription.fence + 1, lease_until = null,
      -- What happened while it was off is not told.
      started = case when subscription.status = 'off' then excluded.started else subscription.started end`);
  if (isOff) await forgetPending(tx, id);
  else await replaceInterests(tx, id, request, options);
}

/** In the transaction that deletes the resource. */
export async function deleteSubscription(tx: Tx, id: string): Promise<void> {
  await stopSending(tx, id);
  await tx.query(sql`delete from subscription where id = ${id}`);
}

/** Waits for what is being sent at this moment; nothing is sent after, until the transaction ends. */
export function stopSending(tx: Tx, id: string): Promise<void> {
  return lockNames(tx, [sendingOf(id)]);
}

/** Held by whoever sends. */
export const sendingOf = (id: string): string => `subscription ${id}`;

async function requireRoom(
  tx: Tx,
  { id, creator }: Wanted,
  { perCreatorMax, allMax }: SubscriptionLimits,
): Promise<void> {
  // One after the other, so that the bounds hold; sending is waited for as well, since the rights may be others from now on.
  await lockNames(tx, ['subscription', sendingOf(id)]);
  const [counts] = await tx.query<{ own: number; all: number }>(sql`
    select count(*) filter (where creator = ${creator}) as own, count(*) as all
    from subscription where status <> 'off' and id <> ${id}`);
  if ((counts?.own ?? 0) >= perCreatorMax) {
    throw new Problem('throttled', `a client has at most ${perCreatorMax} Subscriptions that are not off`, {
      hint: 'Delete those that are no longer needed, or widen the filters of one.',
    });
  }
  if ((counts?.all ?? 0) >= allMax) {
    throw new Problem('throttled', 'the hub has as many Subscriptions as it can serve', { hint: 'Try again later.' });
  }
}

async function headersOf(tx: Tx, { id, headers }: Wanted, sealer: Sealer): Promise<Header[]> {
  const [row] = await tx.query<{ headers: string | null }>(sql`select headers from subscription where id = ${id}`);
  return restoreHeaders(headers, openHeaders(row?.headers ?? undefined, id, sealer));
}

/** What has no number was never told; what has one and was not answered is had by $events, and not sent again. */
export async function forgetPending(tx: Tx, id: string): Promise<void> {
  await tx.query(sql`delete from subscription_interest where subscription = ${id}`);
  await tx.query(sql`delete from subscription_event where subscription = ${id} and number is null`);
  await tx.query(sql`update subscription_event set told_at = now() where subscription = ${id} and told_at is null`);
  await tx.query(sql`update subscription set pending = 0, binding = null where id = ${id}`);
}

export interface Standing extends SubscriptionState {
  readonly request: SubscriptionRequest;
}

/** Of this creator: those of these ids, or all. Unknown and another's alike are not there (LEAKS 21). */
export async function standingOf(tx: Tx, creator: string, ids: readonly string[] | undefined): Promise<Standing[]> {
  const rows = await tx.query<StandingRow>(sql`
    select id, status, request, events, error from subscription
    where creator = ${creator} and (${ids === undefined}::boolean or id = any(${ids ?? []}::text[])) order by id`);
  return rows.map(toStanding);
}

export interface StandingRow {
  readonly id: string;
  readonly status: SubscriptionState['status'];
  readonly request: SubscriptionRequest;
  readonly events: number;
  readonly error: string | null;
}

export function toStanding({ id, status, request, events, error }: StandingRow): Standing {
  const { topic } = request;
  return {
    id,
    status,
    request,
    events,
    ...(topic === undefined ? {} : { topic }),
    ...(error === null ? {} : { error }),
  };
}
