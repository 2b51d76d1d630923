/**
 * Telling, at least once: what is to be told is written with the alert, and tried until its target took it or a day has passed. What goes to one
 * target goes in order, so that nobody hears of an end before its start; a target that is down keeps no other from its turn.
 */
import type { Database, Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { Problem } from '../../fhir/problem.ts';
import type { Alert } from '../alerts/alert.ts';
import type { Notice } from './message.ts';
import type { Target } from './target.ts';

const retryMinMs = 10_000;
const retryMaxMs = 900_000;
/** After a day it is no news. */
const giveUpMs = 86_400_000;
/** A round goes on with the others when a target has so many before it. */
const perTargetMax = 50;

export async function queueNotices(
  tx: Tx,
  told: readonly { readonly alert: Pick<Alert, 'id'>; readonly event: 'started' | 'ended' }[],
  targets: readonly Target[],
  now: Date,
): Promise<void> {
  const rows = told.flatMap(({ alert, event }) =>
    targets.map(({ name }) => ({ alert_id: alert.id, event, target: name })),
  );
  if (rows.length === 0) return;
  await tx.query(sql`
    insert into alert_delivery (alert_id, event, target, due_at)
    select alert_id, event, target, ${now}
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as d (alert_id bigint, event text, target text)`);
}

interface Waiting extends Pick<
  Alert,
  'kind' | 'subject' | 'severity' | 'summary' | 'startedAt' | 'endedAt' | 'detail'
> {
  readonly delivery: number;
  readonly alertId: number;
  readonly event: 'started' | 'ended';
  readonly attempts: number;
  readonly dueAt: Date;
  readonly queuedAt: Date;
}

export type ObserveDelivery = (channel: Target['channel'], outcome: 'delivered' | 'failed' | 'given-up') => void;

/** Everything that is due, all targets at once, each in its order. */
export async function deliverDue(
  database: Database,
  targets: readonly Target[],
  now: Date,
  observe: ObserveDelivery = () => undefined,
): Promise<void> {
  await Promise.all(targets.map((target) => deliverTo(database, target, now, observe)));
}

async function deliverTo(database: Database, target: Target, now: Date, observe: ObserveDelivery): Promise<void> {
  const waiting = await database.query<Waiting>(sql`
    select d.id as delivery, d.alert_id as "alertId", d.event, d.attempts, d.due_at as "dueAt",
      coalesce(case d.event when 'ended' then a.ended_at end, a.told_at, a.started_at) as "queuedAt",
      a.kind, a.subject, a.severity, a.summary, a.detail, a.started_at as "startedAt",
      case d.event when 'ended' then a.ended_at end as "endedAt"
    from alert_delivery d join alert a on a.id = d.alert_id
    where d.target = ${target.name} and d.delivered_at is null and d.given_up_at is null
    order by d.id limit ${perTargetMax}`);
  for (const one of waiting) {
    // The first that must wait keeps what is behind it.
    if (one.dueAt > now || !(await deliver(database, target, one, now, observe))) return;
  }
}

async function deliver(
  database: Database,
  target: Target,
  one: Waiting,
  now: Date,
  observe: ObserveDelivery,
): Promise<boolean> {
  try {
    await target.send(noticeOf(one, now));
  } catch (error) {
    const reason = error instanceof Problem ? error.message : 'it failed';
    const isOver = now.getTime() - one.queuedAt.getTime() >= giveUpMs;
    const dueAt = new Date(now.getTime() + Math.min(retryMinMs * 2 ** one.attempts, retryMaxMs));
    await database.query(sql`
      update alert_delivery set attempts = attempts + 1, due_at = ${dueAt}, error = ${reason},
        given_up_at = ${isOver ? now : null}
      where id = ${one.delivery}`);
    observe(target.channel, isOver ? 'given-up' : 'failed');
    return isOver;
  }
  await database.query(sql`
    update alert_delivery set attempts = attempts + 1, delivered_at = ${now}, error = null where id = ${one.delivery}`);
  observe(target.channel, 'delivered');
  return true;
}

function noticeOf({ alertId, event, ...alert }: Waiting, at: Date): Notice {
  return { id: `alert-${alertId}-${event}`, event, at, alert: { ...alert, id: alertId } };
}

/** So that a person sees that it arrives. @returns why not, for each target */
export async function tellTest(
  targets: readonly Target[],
  now: Date,
  id: string,
): Promise<{ readonly target: string; readonly problem?: string }[]> {
  const notice: Notice = {
    id: `test-${id}`,
    event: 'test',
    at: now,
    alert: {
      id: 0,
      kind: 'backlog',
      subject: 'hub',
      severity: 'warning',
      summary: 'This is a test: nothing is wrong',
      startedAt: now,
      endedAt: null,
      detail: {},
    },
  };
  return Promise.all(
    targets.map(async (target) => {
      const problem = await target.send(notice).then(
        () => undefined,
        (error: unknown) => (error instanceof Problem ? error.message : 'it failed'),
      );
      return { target: target.name, ...(problem !== undefined && { problem }) };
    }),
  );
}
