/** `hub alert list | ack | test`: what is wrong, who has it in hand, and whether anybody would be told. */
import { readConfig } from '../config.ts';
import { Problem } from '../fhir/problem.ts';
import { openTargets } from '../hub/watching.ts';
import { acknowledge, alertStates, listAlerts } from '../watch/alerts/alert.ts';
import { tellTest } from '../watch/tell/deliver.ts';
import { print, withDatabase } from './database.ts';

export interface AlertListOptions {
  readonly all?: boolean;
  readonly state?: string;
  readonly kind?: string;
  readonly group?: string;
}

export async function runAlertList(
  { all, state, kind, group }: AlertListOptions,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  await withDatabase(environment, async (database) =>
    print(
      await listAlerts(database, {
        isAll: all === true,
        ...(state !== undefined && { state: stateOf(state) }),
        ...(kind !== undefined && { kind }),
        ...(group !== undefined && { group: idOf(group) }),
      }),
    ),
  );
}

export interface AlertAckOptions {
  readonly by: string;
  readonly note?: string;
  readonly expected?: boolean;
}

export async function runAlertAck(
  id: string,
  { by, note, expected }: AlertAckOptions,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  await withDatabase(environment, async (database) =>
    print([
      await acknowledge(database, idOf(id), { by, isExpected: expected === true, ...(note !== undefined && { note }) }),
    ]),
  );
}

/** Ends with 1 unless everybody was told. */
export async function runAlertTest(environment: NodeJS.ProcessEnv): Promise<void> {
  const targets = openTargets(readConfig(environment).alerts);
  if (targets.length === 0) {
    throw new Problem('not-found', 'nobody is told of alerts', {
      hint: 'Set HUB_ALERT_WEBHOOK, or HUB_ALERT_EMAIL and HUB_SMTP_URL.',
    });
  }
  const results = await tellTest(targets, new Date(), crypto.randomUUID());
  print(results);
  if (results.some(({ problem }) => problem !== undefined)) process.exitCode = 1;
}

/** @throws Problem value */
function stateOf(text: string): (typeof alertStates)[number] {
  const state = alertStates.find((one) => one === text);
  if (state !== undefined) return state;
  throw new Problem('value', 'there is no such state of alerts', {
    expression: '--state',
    hint: `One of ${alertStates.join(', ')}.`,
  });
}

/** @throws Problem value */
function idOf(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new Problem('value', 'an alert has a number', { hint: 'List them: hub alert list' });
}
