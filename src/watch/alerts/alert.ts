/** Alerts in their table: from a start to an end, who has them in hand, and which are one. */
import type { Tx } from '../../db.ts';
import { join, raw, sql, type Sql } from '../../db/sql.ts';
import { Problem } from '../../fhir/problem.ts';
import type { AlertKind, Condition, Severity } from './condition.ts';
import { groupWaitMs, planGroups, several, type Open } from './group.ts';

export interface Alert {
  readonly id: number;
  readonly kind: AlertKind;
  readonly subject: string;
  readonly severity: Severity;
  readonly summary: string;
  readonly detail: Readonly<Record<string, unknown>>;
  readonly startedAt: Date;
  readonly endedAt: Date | null;
  readonly toldAt: Date | null;
  readonly groupId: number | null;
  readonly acknowledgedAt: Date | null;
  readonly acknowledgedBy: string | null;
  readonly note: string | null;
  readonly isExpected: boolean;
}

const columns = raw(`a.id, a.kind, a.subject, a.severity, a.summary, a.detail, a.started_at as "startedAt",
  a.ended_at as "endedAt", a.told_at as "toldAt", a.group_id as "groupId", a.acknowledged_at as "acknowledgedAt",
  a.acknowledged_by as "acknowledgedBy", a.note, a.is_expected as "isExpected"`);

export async function readOpen(db: Tx): Promise<Alert[]> {
  return db.query<Alert>(sql`select ${columns} from alert a where ended_at is null order by id`);
}

/** What a person sees at once; more with `before`. */
export const pageRows = 200;

/** `new`: nobody has it in hand; `acknowledged`: somebody has, and it has not ended. */
export const alertStates = ['new', 'acknowledged', 'ended'] as const;
export type AlertState = (typeof alertStates)[number];

export interface AlertFilter {
  /** Also those that have ended. */
  readonly isAll?: boolean;
  /** Those in this state alone. */
  readonly state?: AlertState;
  /** Ids smaller than this: the last one of the page before. */
  readonly before?: number;
  readonly kind?: string;
  /** Those of this group. */
  readonly group?: number;
}

/** Newest first; of a group the group alone, unless its members are asked for. */
export async function listAlerts(db: Tx, filter: AlertFilter = {}): Promise<Alert[]> {
  const { isAll = false, state, before, kind, group } = filter;
  const conditions = [
    isAll || state === 'ended' ? sql`true` : sql`a.ended_at is null`,
    ...(state === undefined ? [] : [inState[state]]),
    ...(before === undefined ? [] : [sql`a.id < ${before}`]),
    ...(kind === undefined ? [] : [sql`a.kind = ${kind}`]),
    group === undefined ? sql`a.group_id is null` : sql`a.group_id = ${group}`,
  ];
  return db.query<Alert>(sql`
    select ${columns} from alert a where ${join(conditions, ' and ')} order by a.id desc limit ${pageRows}`);
}

const inState: Readonly<Record<AlertState, Sql>> = {
  new: sql`a.ended_at is null and a.acknowledged_at is null`,
  acknowledged: sql`a.ended_at is null and a.acknowledged_at is not null`,
  ended: sql`a.ended_at is not null`,
};

export interface Acknowledgement {
  readonly by: string;
  readonly note?: string;
  /** This silence is as it should be: its length is learned. */
  readonly isExpected?: boolean;
}

/** @throws Problem not-found when it is not open */
export async function acknowledge(
  db: Tx,
  id: number,
  { by, note, isExpected = false }: Acknowledgement,
): Promise<Alert> {
  const [row] = await db.query<Alert>(sql`
    update alert a set acknowledged_at = now(), acknowledged_by = ${by}, note = ${note ?? null},
      is_expected = ${isExpected}
    where id = ${id} and ended_at is null returning ${columns}`);
  if (row !== undefined) return row;
  throw new Problem('not-found', 'no open alert has this number', { hint: 'List them: hub alert list' });
}

export interface Settled {
  /** Those that are to be told of, with what. */
  readonly told: readonly { readonly alert: Alert; readonly event: 'started' | 'ended' }[];
}

/**
 * Makes the table say what is wrong now.
 * @returns what is new to tell, already marked as told
 */
export async function settle(
  tx: Tx,
  conditions: readonly Condition[],
  networkOf: (endpoint: string) => string | undefined,
  now: Date,
): Promise<Settled> {
  const key = ({ kind, subject }: Pick<Condition, 'kind' | 'subject'>): string => `${kind} ${subject}`;
  const open = await readOpen(tx);
  const wrong = new Set(conditions.map(key));
  const known = new Set(open.map(key));
  const ended = open.filter((one) => !isMany(one.kind) && !wrong.has(key(one)));
  const starts = conditions.filter((one) => !known.has(key(one)));
  await endAlerts(
    tx,
    ended.map(({ id }) => id),
    now,
  );
  const started = await startAlerts(tx, starts, now);
  const endedIds = new Set(ended.map(({ id }) => id));
  const still = [...open.filter(({ id }) => !endedIds.has(id)), ...started];
  const ends = await group(tx, still, networkOf, now);
  const due = await tellStarts(tx, now);
  return {
    told: [
      ...due.map((alert) => ({ alert, event: 'started' as const })),
      // Nobody is told of the end of what nobody was told of.
      ...[...ended, ...ends]
        .filter(({ toldAt, groupId }) => toldAt !== null && groupId === null)
        .map((alert) => ({ alert: { ...alert, endedAt: now }, event: 'ended' as const })),
    ],
  };
}

const isMany = (kind: AlertKind): boolean => kind === 'silence-many' || kind === 'pull-many';

async function startAlerts(tx: Tx, starts: readonly Condition[], now: Date): Promise<Alert[]> {
  if (starts.length === 0) return [];
  return tx.query<Alert>(sql`
    insert into alert as a (kind, subject, severity, summary, detail, started_at)
    select kind, subject, severity, summary, detail, ${now}
    from jsonb_to_recordset(${JSON.stringify(starts)}::jsonb)
      as s (kind text, subject text, severity text, summary text, detail jsonb)
    returning ${columns}`);
}

async function endAlerts(tx: Tx, ids: readonly number[], now: Date): Promise<void> {
  if (ids.length === 0) return;
  await tx.query(sql`update alert set ended_at = ${now} where id = any(${ids}::bigint[])`);
}

/** @returns groups that ended */
async function group(
  tx: Tx,
  alerts: readonly Alert[],
  networkOf: (endpoint: string) => string | undefined,
  now: Date,
): Promise<Alert[]> {
  const open = alerts.map((alert): Open => {
    const { id, kind, subject, startedAt, groupId, toldAt, detail } = alert;
    return {
      id,
      kind,
      subject,
      startedAt,
      groupId: groupId ?? undefined,
      isTold: toldAt !== null,
      size: Number(detail['size'] ?? 0),
    };
  });
  const { starts, joins, ends } = planGroups(open, networkOf);
  for (const { kind, subject, members } of starts) {
    const names = open.filter(({ id }) => members.includes(id)).map((one) => one.subject);
    const [row] = await startAlerts(tx, [manyCondition(kind, subject, names)], now);
    await tx.query(sql`update alert set group_id = ${row?.id ?? null} where id = any(${members}::bigint[])`);
  }
  for (const { id, groupId } of joins) {
    await tx.query(sql`update alert set group_id = ${groupId} where id = ${id}`);
    await tx.query(sql`
      update alert set detail = jsonb_set(detail, '{size}', to_jsonb((detail->>'size')::int + 1)) where id = ${groupId}`);
  }
  for (const { groupId, left } of ends) {
    await endAlerts(tx, [groupId], now);
    await tx.query(sql`update alert set group_id = null where id = any(${left}::bigint[])`);
  }
  const endedIds = new Set(ends.map(({ groupId }) => groupId));
  return alerts.filter(({ id }) => endedIds.has(id));
}

/** A person reads some names and a number; all are in the list. */
const namesMax = 20;

function manyCondition(kind: AlertKind, subject: string, names: readonly string[]): Condition {
  const what = kind === 'silence-many' ? 'fell silent' : 'cannot be asked';
  const where = subject === several ? 'of several networks' : `of ${subject}`;
  const shown = names.slice(0, namesMax).join(', ');
  return {
    kind,
    subject,
    severity: 'critical',
    summary: `${names.length} sources ${where} ${what} at once: ${shown}${names.length > namesMax ? ', ...' : ''}`,
    detail: { size: names.length },
  };
}

/** Kinds that may turn out to be one trouble wait for the others. */
const mayBeMany = sql`kind in ('silence', 'pull')`;

/** Those whose start is to be told now; each is told of once. */
async function tellStarts(tx: Tx, now: Date): Promise<Alert[]> {
  const waited = new Date(now.getTime() - groupWaitMs);
  return tx.query<Alert>(sql`
    update alert a set told_at = ${now}
    where ended_at is null and told_at is null and group_id is null and (not ${mayBeMany} or started_at <= ${waited})
    returning ${columns}`);
}

/** How one year went can be compared with the next. */
export async function sweepAlerts(db: Tx): Promise<void> {
  await db.query(sql`
    update alert set group_id = null
    where group_id in (select id from alert where ended_at < now() - interval '1 year')`);
  await db.query(sql`delete from alert where ended_at < now() - interval '1 year'`);
  await db.query(sql`delete from certificate where seen_at < now() - interval '1 year'`);
}
