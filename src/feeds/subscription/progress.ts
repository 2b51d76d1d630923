/**
 * How far a subscription is: which changes it is told next, their numbers, and what became of telling. Every statement names the
 * fence of the claim.
 */
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { parseJson } from '../../fhir/json.ts';
import { Problem } from '../../fhir/problem.ts';
import type { AnyResource } from '../../fhir/types.ts';
import { commit } from '../../store/commit.ts';
import { readRow } from '../../store/read.ts';
import { everything } from '../../store/visibility.ts';
import { lost, type Claimed } from './claim.ts';
import type { Candidate, Told } from './evaluate.ts';
import { loggedMax } from './log.ts';
import { forgetPending } from './subscription.ts';

export interface Waiting extends Candidate {
  readonly committed_at: Date;
  /** Given before: it may have been sent, so it is sent again as it is. */
  readonly number: number | null;
}

/** Changes looked at for one notification: those that are hidden or do not match are passed over. */
const lookedAtMax = 200;

type Held = Pick<Claimed, 'id' | 'fence'>;

/** What was numbered and not answered, all of it; otherwise what waits longest. */
export async function nextWaiting(tx: Tx, { id }: Held): Promise<Waiting[]> {
  const rows = await tx.query<Waiting>(sql`
    select place, bucket, type, id, version, committed_at, number from subscription_event
    where subscription = ${id} and told_at is null order by number nulls last, place limit ${lookedAtMax}`);
  const numbered = rows.filter(({ number }) => number !== null);
  return numbered.length > 0 ? numbered : rows;
}

/** Of what has no number: the first that may be told, and what stands before them and may not, which is forgotten. */
export function divideWaiting(
  waiting: readonly Waiting[],
  told: ReadonlyMap<number, Told>,
  max: number,
): { chosen: Waiting[]; passed: Waiting[] } {
  const chosen = waiting.filter(({ place }) => told.has(place)).slice(0, max);
  const end = chosen.length < max ? undefined : chosen.at(-1)?.place;
  const passed = waiting.filter(({ place }) => !told.has(place) && (end === undefined || place < end));
  return { chosen, passed };
}

export async function forget(tx: Tx, { id, fence }: Held, passed: readonly Waiting[]): Promise<void> {
  if (passed.length === 0) return;
  const places = passed.map(({ place }) => place);
  await tx.query(sql`
    delete from subscription_event where subscription = ${id} and place = any(${places}::bigint[]) and number is null`);
  await requireHeld(
    tx.query(sql`
      update subscription set pending = greatest(0, pending - ${places.length})
      where id = ${id} and fence = ${fence} and status <> 'off' returning 1 as one`),
  );
}

/** Committed before anything is sent: whatever happens then, an event keeps its number. @returns events since the start */
export async function assignNumbers(tx: Tx, { id, fence }: Held, chosen: readonly Waiting[]): Promise<number> {
  const [row] = await tx.query<{ events: number }>(sql`
    update subscription set events = events + ${chosen.length}, pending = greatest(0, pending - ${chosen.length})
    where id = ${id} and fence = ${fence} and status <> 'off' returning events`);
  if (row === undefined) throw lost();
  const places = chosen.map(({ place }) => place);
  await tx.query(sql`
    update subscription_event e set number = ${row.events - chosen.length}::bigint + k.nr
    from unnest(${places}::bigint[]) with ordinality k (place, nr)
    where e.subscription = ${id} and e.place = k.place`);
  return row.events;
}

/** Nothing was sent under these numbers, and something of it may not be told any more: nobody learns that there were any. */
export async function takeNumbersBack(tx: Tx, { id, fence }: Held, chosen: readonly Waiting[]): Promise<void> {
  const places = chosen.map(({ place }) => place);
  if (!(await hold(tx, { id, fence }))) return;
  await tx.query(sql`
    with back as (
      update subscription_event set number = null
      where subscription = ${id} and place = any(${places}::bigint[]) and number is not null and told_at is null
      returning 1 as one
    ), counted as (select count(*)::int as count from back)
    update subscription set events = events - counted.count, pending = pending + counted.count
    from counted where id = ${id} and fence = ${fence}`);
}

export interface Success {
  readonly told: readonly Waiting[];
  readonly isGreeting?: boolean;
}

/** The receiver has it. */
export async function noteSuccess(tx: Tx, claimed: Claimed, { told, isGreeting = false }: Success): Promise<void> {
  if (claimed.status !== 'active') await writeStatus(tx, claimed, 'active');
  await hold(tx, claimed);
  const places = told.map(({ place }) => place);
  await tx.query(sql`
    update subscription_event set told_at = now() where subscription = ${claimed.id} and place = any(${places}::bigint[])`);
  await tx.query(sql`
    delete from subscription_event
    where subscription = ${claimed.id} and number <= (select events from subscription where id = ${claimed.id}) - ${loggedMax}`);
  await requireHeld(
    tx.query(sql`
      update subscription set status = 'active', error = null, attempts = 0, retry_at = '-infinity', sent_at = now(),
        is_greeted = is_greeted or ${isGreeting}, lease_until = null, due_at = ${nextDue('now()')}
      where id = ${claimed.id} and fence = ${claimed.fence} and status <> 'off' returning 1 as one`),
  );
}

/** There was nothing to tell. */
export async function noteNothing(tx: Tx, { id, fence }: Held): Promise<void> {
  await hold(tx, { id, fence });
  await tx.query(sql`
    update subscription set lease_until = null, due_at = ${nextDue('sent_at')}
    where id = ${id} and fence = ${fence} and status <> 'off'`);
}

/** How often it is asked whether the client is still there, when nothing else happens. */
const lookSeconds = 3_600;

/** At once for what waits; then for a heartbeat, and for the end. */
function nextDue(sentAt: 'now()' | 'sent_at') {
  const sent = sentAt === 'now()' ? sql`now()` : sql`sent_at`;
  // Of nothing greatest() would make the other one: a subscription without heartbeats is left alone.
  const beat = sql`case when request ? 'heartbeatSeconds'
    then greatest(${sent} + (request ->> 'heartbeatSeconds')::int * interval '1 s', now()) end`;
  return sql`case
    when exists (select from subscription_event e where e.subscription = subscription.id and e.told_at is null) then now()
    else least(now() + ${lookSeconds} * interval '1 s', ends_at, bound_until, ${beat}) end`;
}

/** Something of ours is away, the database or the trail: nobody's receiver is to blame. */
export async function postpone(tx: Tx, { id, fence }: Held): Promise<void> {
  await tx.query(sql`
    update subscription set lease_until = null, due_at = now() + ${postponeSeconds} * interval '1 s'
    where id = ${id} and fence = ${fence} and status <> 'off'`);
}
const postponeSeconds = 1;

export interface Failure {
  readonly error: string;
  readonly retryMs: number;
}

/** It is tried again later. */
export async function noteFailure(tx: Tx, claimed: Claimed, { error, retryMs }: Failure): Promise<void> {
  if (claimed.status !== 'error') await writeStatus(tx, claimed, 'error', error);
  await requireHeld(
    tx.query(sql`
      update subscription set status = 'error', error = ${error}, attempts = attempts + 1, lease_until = null,
        retry_at = now() + ${retryMs} * interval '1 ms', due_at = now() + ${retryMs} * interval '1 ms'
      where id = ${claimed.id} and fence = ${claimed.fence} and status <> 'off' returning 1 as one`),
  );
}

/** It ends here; its creator may begin it again. */
export async function turnOff(tx: Tx, claimed: Claimed, error: string): Promise<void> {
  await writeStatus(tx, claimed, 'off', error);
  await requireHeld(
    tx.query(sql`
      update subscription set status = 'off', error = ${error}, lease_until = null, due_at = 'infinity'
      where id = ${claimed.id} and fence = ${claimed.fence} and status <> 'off' returning 1 as one`),
  );
  await forgetPending(tx, claimed.id);
}

/** The receiver of a websocket is gone: what was not told waits for it to come back. */
export async function unbind(tx: Tx, { id, fence }: Held): Promise<void> {
  await tx.query(sql`
    update subscription set binding = null, lease_until = null,
      due_at = least(now() + ${lookSeconds} * interval '1 s', ends_at, bound_until)
    where id = ${id} and fence = ${fence}`);
}

/** The resource says the same as the row. It is written first, as a client writes it, so that the two do not wait in a circle. */
async function writeStatus(tx: Tx, { id, fence, creator }: Claimed, status: string, error?: string): Promise<void> {
  await requireHeld(
    tx.query(sql`select 1 as one from subscription where id = ${id} and fence = ${fence} and status <> 'off'`),
  );
  const row = await readRow(tx, everything('the state of a subscription'), 'Subscription', id);
  if (row === undefined || row.isDeleted) throw lost();
  const { error: _before, ...rest } = parseJson(row.body) as AnyResource;
  const resource = { ...rest, resourceType: 'Subscription', status, ...(error === undefined ? {} : { error }) };
  const writes = [{ kind: 'update' as const, resource, owner: creator, ifVersion: row.version }];
  await commit(tx, writes, { at: new Date() }).catch((cause: unknown) => {
    // Its creator was faster.
    throw cause instanceof Problem && cause.code === 'conflict' ? lost() : cause;
  });
}

/**
 * By a statement of its own, before one that asks what waits: that one would look as of before it had the row, see none of the
 * changes of a look that ended meanwhile (match.ts), and leave the subscription asleep although something waits for it.
 * @returns false when it is no longer ours
 * @see https://www.postgresql.org/docs/15/transaction-iso.html#XACT-READ-COMMITTED
 */
async function hold(tx: Tx, { id, fence }: Held): Promise<boolean> {
  const rows = await tx.query(sql`
    select 1 as one from subscription where id = ${id} and fence = ${fence} for no key update`);
  return rows.length > 0;
}

async function requireHeld(updated: Promise<readonly object[]>): Promise<void> {
  if ((await updated).length === 0) throw lost();
}
