/** How long messages wait to be processed while things go wrong, and what the ledger says in the end. */
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from '../../../src/db/sql.ts';
import { checkLedger, type CheckReport } from '../../../src/cli/simulate/check/check.ts';
import { untilIdle } from '../../../src/cli/simulate/check/command.ts';
import type { MessageCheckOptions } from '../../../src/cli/simulate/check/messages.ts';
import type { Result } from '../../lib/result.ts';
import { sendThrough, type SendOptions } from './senders.ts';
import type { World } from './world.ts';

export interface LagWatch {
  /** The longest that a message stood unprocessed. */
  end(): Promise<number>;
}

const lookMs = 250;

/** By our own clock: those of the hubs may be wrong. A message is as old as the first look that could have seen it. */
export function watchLag({ database }: World): LagWatch {
  let worstMs = 0;
  const over = new AbortController();
  /** Looks that saw new messages: when, and the last message there was. */
  const looks: { at: number; last: number }[] = [];
  const look = async (): Promise<void> => {
    while (!over.signal.aborted) {
      // While PostgreSQL is away nothing is seen; what waited meanwhile is older at the next look.
      const [row] = await database
        .query<{ waiting: number | null; last: number | null }>(
          sql`select (select min(id) from message where status = 0) as waiting, (select max(id) from message) as last`,
        )
        .catch(() => []);
      const at = performance.now();
      if (row !== undefined && (row.last ?? 0) > (looks.at(-1)?.last ?? 0)) looks.push({ at, last: row.last ?? 0 });
      const { waiting } = row ?? { waiting: null };
      const seen = waiting === null ? undefined : looks.find(({ last }) => last >= waiting);
      if (seen !== undefined) worstMs = Math.max(worstMs, at - seen.at);
      await sleep(lookMs);
    }
  };
  const looking = look();
  return {
    end: async () => {
      over.abort();
      await looking;
      return worstMs;
    },
  };
}

/** After the last message was sent. */
const drainSeconds = 120;

export async function compare(world: World, options: MessageCheckOptions = {}): Promise<CheckReport> {
  await untilIdle(world.database, drainSeconds);
  return checkLedger(world.database, world.ledger, options);
}

/** A while of load, with something done to the world meanwhile; then all is compared with the ledger. */
export async function underLoad(
  world: World,
  options: SendOptions,
  happen: (isOver: () => boolean) => Promise<string>,
  checked: MessageCheckOptions = {},
): Promise<Pick<Fault, 'recoveryMs' | 'report' | 'note'>> {
  const lag = watchLag(world);
  let isOver = false;
  const sending = sendThrough(world, options).finally(() => (isOver = true));
  const [what, { sent, silenceMs }] = await Promise.all([happen(() => isOver), sending]);
  const report = await compare(world, checked);
  const lagMs = await lag.end();
  return {
    recoveryMs: Math.max(silenceMs, lagMs),
    report,
    note: `${what}; ${sent} sent; longest without an answer ${inSeconds(silenceMs)}, longest wait to be processed ${inSeconds(lagMs)}`,
  };
}

export function inSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** Until the hub has what the ledger says. @returns milliseconds; NaN when it did not come to that */
export async function untilEqual(world: World, waitMs: number): Promise<{ ms: number; report: CheckReport }> {
  const startedAt = performance.now();
  for (;;) {
    const report = await checkLedger(world.database, world.ledger);
    const ms = performance.now() - startedAt;
    if (report.wrong === 0) return { ms, report };
    if (ms > waitMs) return { ms: Number.NaN, report };
    await sleep(lookMs);
  }
}

/** "Recovery without hands within 30 s" (issue 6). */
const recoverySecondsMax = 30;

export interface Fault {
  readonly work: string;
  /** Milliseconds until all is as if nothing had happened. */
  readonly recoveryMs: number;
  readonly report: CheckReport;
  readonly note: string;
}

/** A row for bench/results.md. What differs from the ledger is printed, and counts as not recovered. */
export function toResult({ work, recoveryMs, report, note }: Fault): Result {
  for (const line of report.findings) console.error(`${work}: ${line}`);
  const { wrong, accepted, resources } = report;
  const compared = [accepted > 0 ? `${accepted} messages` : '', resources > 0 ? `${resources} resources` : ''];
  return {
    work,
    figure: wrong === 0 ? Number((recoveryMs / 1000).toFixed(1)) : Number.NaN,
    unit: 's',
    target: recoverySecondsMax,
    isMaximum: true,
    note: `${compared.filter((text) => text !== '').join(' and ')} compared, ${wrong} wrong; ${note}`,
  };
}
