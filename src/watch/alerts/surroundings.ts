/** What is wrong beside the feeds: destinations that stand still, sources that cannot be asked, certificates that end, disks that fill. */
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { duration, type Condition, type OpenSince } from './condition.ts';

/** A hospital's interface is restarted within this. */
const outboundMinutes = 15;

/** Destinations that refuse, or do not take what waits for them. */
export async function outboundConditions(db: Tx, now: Date): Promise<Condition[]> {
  const rows = await db.query<{ name: string; status: number; waiting: number; since: Date; ack: string | null }>(sql`
    select d.name, head.status, head.queued_at as since, head.ack_code as ack, (
      select count(*)::int from (
        select from outbound_message m where m.destination_id = d.id and m.status in (0, 2) limit 10000
      ) open
    ) as waiting
    from destination d cross join lateral (
      select status, queued_at, ack_code from outbound_message
      where destination_id = d.id and status in (0, 2) order by id limit 1
    ) head
    where d.is_enabled
      and (head.status = 2 or head.queued_at < ${now}::timestamptz - ${outboundMinutes} * interval '1 minute')
    order by d.name`);
  return rows.map(({ name, status, waiting, since, ack }) => {
    const seconds = Math.round((now.getTime() - since.getTime()) / 1_000);
    return {
      kind: 'outbound',
      subject: name,
      severity: status === 2 ? 'critical' : 'warning',
      summary:
        status === 2
          ? `${name} stands still: it refused a message with ${ack ?? 'an error'}, and ${waiting} wait until a person decides`
          : `${name} has not answered for ${duration(seconds)}: ${waiting} messages wait for it`,
      detail: { waiting, seconds, isRefused: status === 2 },
    };
  });
}

/** Runs that failed in a row before a source is asked seldom (src/ingest/pull). */
const pullFailures = 3;
/** Nobody asks any more: later than a process takes to be replaced, or a crowded network to have its turn. */
const overdueMinutes = 30;

/** Sources that cannot be asked, or that nobody asks. */
export async function pullConditions(db: Tx, now: Date): Promise<Condition[]> {
  const rows = await db.query<{
    name: string;
    failures: number;
    error: string | null;
    success: Date | null;
    due: Date;
  }>(
    sql`
    select e.name, p.failures, p.last_error as error, p.last_success_at as success, p.due_at as due
    from pull p join endpoint e on e.id = p.endpoint_id
    where e.state = 'live' and (p.failures >= ${pullFailures} or (
      p.worker is null and p.due_at < ${now}::timestamptz - ${overdueMinutes} * interval '1 minute'))
    order by e.name`,
  );
  return rows.map(({ name, failures, error, success, due }) => {
    const last = success === null ? 'it never answered' : `it answered last at ${success.toISOString()}`;
    // The reason is `code: text` of ours; the code is enough to be told of.
    const code = error?.split(':', 1)[0] ?? 'unknown';
    const isFailing = failures >= pullFailures;
    return {
      kind: 'pull',
      subject: name,
      severity: 'warning',
      summary: isFailing
        ? `${name} cannot be asked (${code}, ${failures} times in a row): ${last}`
        : `${name} is asked by nobody since ${due.toISOString()}: is a hub with the role scheduler running?`,
      detail: { failures, code: isFailing ? code : 'overdue', lastSuccessAt: success?.toISOString() ?? null },
    };
  });
}

/** Time to have one issued where people decide about it; and when it becomes urgent. */
const certificateDays = 21;
const certificateCriticalDays = 3;
/** What was not seen for as long is used no more: a sender that went, a server that moved. */
const unseenDays = 14;

export async function certificateConditions(db: Tx, now: Date): Promise<Condition[]> {
  const rows = await db.query<{ subject: string; endsAt: Date }>(sql`
    select subject, ends_at as "endsAt" from certificate
    where ends_at < ${now}::timestamptz + ${certificateDays} * interval '1 day'
      and seen_at > ${now}::timestamptz - ${unseenDays} * interval '1 day'
    order by subject`);
  return rows.map(({ subject, endsAt }) => {
    const seconds = (endsAt.getTime() - now.getTime()) / 1_000;
    return {
      kind: 'certificate',
      subject,
      severity: seconds < certificateCriticalDays * 86_400 ? 'critical' : 'warning',
      summary:
        seconds <= 0
          ? `the certificate of ${subject} has ended at ${endsAt.toISOString()}`
          : `the certificate of ${subject} ends in ${duration(seconds)}, at ${endsAt.toISOString()}`,
      detail: { endsAt: endsAt.toISOString() },
    };
  });
}

/** A file system that the hub writes to. */
export interface Disk {
  readonly name: string;
  readonly freeBytes: number;
  readonly totalBytes: number;
}

const diskStart = 0.1;
const diskEnd = 0.12;
const diskCritical = 0.03;

export function storageConditions(disks: readonly Disk[], openSince: OpenSince): Condition[] {
  return disks.flatMap(({ name, freeBytes, totalBytes }) => {
    const share = totalBytes === 0 ? 1 : freeBytes / totalBytes;
    if (share >= (openSince('storage', name) !== undefined ? diskEnd : diskStart)) return [];
    return [
      {
        kind: 'storage' as const,
        subject: name,
        severity: share < diskCritical ? ('critical' as const) : ('warning' as const),
        summary: `${name}: ${(share * 100).toFixed(1)} % of the disk is free (${(freeBytes / 2 ** 30).toFixed(1)} GiB)`,
        detail: { freeBytes, totalBytes },
      },
    ];
  });
}
