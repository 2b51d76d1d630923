/**
 * The outbox, looked through once for all subscriptions: what may be of interest to one waits for it. In one transaction, so
 * that the position moves with what was found, or neither does; one process at a time, so nothing is found twice. Without a
 * subscription nothing is read.
 *
 * @see ../outbox.ts why entries are ordered by transaction
 */
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { ownBucket } from '../../fhir/ids.ts';
import type { SubscriptionRequest } from '../../fhir/subscription/request.ts';
import type { TriggerOptions } from '../../fhir/subscription/trigger.ts';
import { typeCode } from '../../fhir/types.ts';
import { samePersons } from '../../identity/link.ts';
import { replaceInterests } from './interest.ts';

export interface Matched {
  /** Commits that were looked at. */
  readonly entries: number;
  /** Changes that wait for somebody now. */
  readonly changes: number;
}

export interface MatchOptions extends TriggerOptions {
  readonly entriesMax?: number;
  /** Changes that may wait for one subscription; then it is ended (deliver.ts). */
  readonly pendingMax?: number;
}

/** Commits of one statement: some thousand changes, some ten milliseconds. */
const entriesMaxDefault = 500;
/** A receiver that is so far behind reads everything anew faster. */
export const pendingMaxDefault = 10_000;

const nothing: Matched = { entries: 0, changes: 0 };

/** Of an entry in the outbox. */
interface Position {
  readonly transaction_id: string;
  readonly sequence: number;
}

/** In a transaction of its own, at READ COMMITTED. */
export async function matchOutbox(tx: Tx, options: MatchOptions): Promise<Matched> {
  // By itself: a statement that took the lock and read the position at once would read it as of before the lock was had, and
  // find again what its last holder had found.
  const [turn] = await tx.query<{ is_ours: boolean }>(sql`
    select pg_try_advisory_xact_lock(hashtextextended('subscription feed', 0)) as is_ours
    where exists (select from subscription where status <> 'off')`);
  if (turn?.is_ours !== true) return nothing;
  const [from] = await tx.query<Position>(sql`
    select greatest(f.transaction_id, s.first)::text as transaction_id,
      case when f.transaction_id >= s.first then f.sequence else 0 end as sequence
    from subscription_feed f, (
      select min(pg_snapshot_xmin(started)) as first from subscription where status <> 'off') s
    where s.first is not null`);
  if (from === undefined) return nothing;
  const { entriesMax = entriesMaxDefault, pendingMax = pendingMaxDefault } = options;
  const [seen] = await tx.query<Position & { patients: string[] }>(sql`
    with batch as materialized (
      select transaction_id, sequence, types, ids from outbox
      where (transaction_id, sequence) > (${from.transaction_id}::xid8, ${from.sequence}::bigint)
        and transaction_id < pg_snapshot_xmin(pg_current_snapshot())
      order by transaction_id, sequence limit ${entriesMax})
    select transaction_id::text as transaction_id, sequence, array(
      select distinct k.id from batch b, unnest(b.types, b.ids) k (type, id) where k.type = ${typeCode('Patient')}) as patients
    from batch order by batch.transaction_id desc, batch.sequence desc limit 1`);
  if (seen === undefined) return nothing;
  // A record that a person has got since is watched from the commit that linked it on.
  await followPersons(tx, seen.patients, options);
  // The same commits: all of them had ended then, and whoever is among the later ones is followed first.
  const batch = sql`
    select transaction_id, sequence, committed_at, buckets, types, ids, versions from outbox
    where (transaction_id, sequence) > (${from.transaction_id}::xid8, ${from.sequence}::bigint)
      and (transaction_id, sequence) <= (${seen.transaction_id}::xid8, ${seen.sequence}::bigint)`;
  const [found] = await tx.query<{ entries: number; changes: number }>(sql`
    with batch as materialized (${batch}),
    matched as (
      insert into subscription_event (subscription, committed_at, bucket, type, id, version)
      select subscription, committed_at, bucket, type, id, version from (
        select distinct i.subscription, b.transaction_id, b.sequence, k.nr, b.committed_at, k.bucket, k.type, k.id, k.version
        from batch b
        cross join lateral unnest(b.buckets, b.types, b.ids, b.versions) with ordinality k (bucket, type, id, version, nr)
        -- Arrays are looked up in the index; a list of pairs would be compared with every row.
        join subscription_interest i
          on i.type = any(array[0, k.type]::smallint[]) and i.bucket = any(array[-1, k.bucket])
        join subscription s on s.id = i.subscription and s.status <> 'off' and s.pending <= ${pendingMax}
          and not pg_visible_in_snapshot(b.transaction_id, s.started)) f
      order by transaction_id, sequence, nr
      returning subscription
    ),
    woken as (
      -- Nobody is there to be told what waits for a websocket that is not bound.
      update subscription s set pending = s.pending + m.count,
        due_at = case when s.channel = 'websocket' and s.binding is null and s.pending + m.count <= ${pendingMax} then s.due_at
          else least(s.due_at, greatest(now(), s.retry_at)) end
      from (select subscription, count(*)::int as count from matched group by subscription) m where s.id = m.subscription
    ),
    moved as (
      update subscription_feed f set transaction_id = last.transaction_id, sequence = last.sequence
      from (select transaction_id, sequence from batch order by transaction_id desc, sequence desc limit 1) last
    )
    select (select count(*) from batch) as entries, (select count(*) from matched) as changes`);
  return found ?? nothing;
}

/** Subscriptions to the records of whom these patients are linked to watch these records too. */
async function followPersons(tx: Tx, patients: readonly string[], options: TriggerOptions): Promise<void> {
  const persons = [...(await samePersons(tx, patients)).values()].filter((records) => records.length > 1);
  if (persons.length === 0) return;
  const rows = await tx.query<{ id: string; request: SubscriptionRequest }>(sql`
    select id, request from subscription where status <> 'off' and id in (
      select subscription from subscription_interest where bucket = any(${persons.flat().map(ownBucket)}::int[]))
    order by id`);
  for (const { id, request } of rows) await replaceInterests(tx, id, request, options);
}

/** Links of one look; more at a time are made by messages, and followed with these. */
const linksMax = 10_000;

/** Links that an operator makes leave no change of a Patient behind: those of the last minutes are followed. */
export async function followLinks(tx: Tx, options: TriggerOptions, minutes: number): Promise<void> {
  const rows = await tx.query<{ patient: string }>(sql`
    select distinct patient from person_link_log where at > now() - ${minutes} * interval '1 minute'
      and id > (select max(id) from person_link_log) - ${linksMax}::bigint`);
  await followPersons(
    tx,
    rows.map(({ patient }) => patient),
    options,
  );
}
