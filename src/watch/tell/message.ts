/** What people and programs are told of an alert. Names of endpoints, numbers and times; never content. */
import type { Alert } from '../alerts/alert.ts';
import { duration } from '../alerts/condition.ts';

export type TellEvent = 'started' | 'ended' | 'test';

export interface Notice {
  /** The same for each try, so that a receiver knows a repetition. */
  readonly id: string;
  readonly event: TellEvent;
  readonly at: Date;
  readonly alert: Pick<Alert, 'id' | 'kind' | 'subject' | 'severity' | 'summary' | 'startedAt' | 'endedAt' | 'detail'>;
}

/** @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#payload-structure */
export function toJson({ event, at, alert }: Notice): string {
  const { id, kind, subject, severity, summary, startedAt, endedAt, detail } = alert;
  return JSON.stringify({
    type: `alert.${event}`,
    timestamp: at.toISOString(),
    data: { id, kind, subject, severity, summary, startedAt, endedAt, detail, runbook: runbookOf(kind) },
  });
}

export function toText({ event, alert }: Notice): { readonly subject: string; readonly text: string } {
  const { kind, subject, severity, summary, startedAt, endedAt } = alert;
  const lasted = endedAt === null ? '' : `, after ${duration((endedAt.getTime() - startedAt.getTime()) / 1_000)}`;
  const what = event === 'ended' ? `over${lasted}` : event === 'test' ? 'a test' : severity;
  return {
    subject: `[hub] ${kind} ${subject}: ${what}`,
    text: [
      `${summary}.`,
      '',
      `Began ${startedAt.toISOString()}${endedAt === null ? '' : `, ended ${endedAt.toISOString()}`}.`,
      `What to do: ${runbookOf(kind)}`,
      ...(event === 'started' ? [`Take it in hand: hub alert ack ${alert.id} --by NAME`] : []),
      '',
    ].join('\n'),
  };
}

const runbookOf = (kind: string): string => `docs/operations.md#alert-${kind}`;
