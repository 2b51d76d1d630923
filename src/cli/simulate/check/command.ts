/** `hub simulate check`: compares the hub with a ledger; exits 1 when anything differs. */
import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Tx } from '../../../db.ts';
import { sql } from '../../../db/sql.ts';
import { Problem } from '../../../fhir/problem.ts';
import { withDatabase } from '../../database.ts';
import { numberOption } from '../numbers.ts';
import { checkLedger } from './check.ts';

export interface CheckOptions {
  readonly ledger: string;
  readonly wait: string;
  readonly json?: true;
}

const waitSecondsMax = 86_400;
const lookAgainMs = 200;

export async function runSimulateCheck(options: CheckOptions, environment: NodeJS.ProcessEnv): Promise<void> {
  const waitSeconds = numberOption(options.wait, '--wait', 0, waitSecondsMax);
  // Of one that is not there the check itself tells.
  const { size } = await stat(options.ledger).catch(() => ({ size: undefined }));
  if (size === 0) {
    throw new Problem('not-found', 'the ledger is empty', {
      expression: '--ledger',
      hint: 'hub simulate sources writes it when it ends: check it then.',
    });
  }
  await withDatabase(environment, async (database) => {
    await untilIdle(database, waitSeconds);
    const { findings, ...counts } = await checkLedger(database, options.ledger);
    if (options.json) console.log(JSON.stringify({ ...counts, findings }));
    else for (const line of describe(counts, findings)) console.log(line);
    if (counts.wrong > 0) process.exitCode = 1;
  });
}

/** Until nothing waits to be processed, or the time is over: then what waits is among the findings. */
export async function untilIdle(db: Tx, seconds: number): Promise<void> {
  const until = performance.now() + seconds * 1000;
  for (;;) {
    const rows = await db.query(sql`select from message where status = 0 limit 1`);
    if (rows.length === 0 || performance.now() >= until) return;
    await sleep(lookAgainMs);
  }
}

function describe(counts: Readonly<Record<string, number>>, findings: readonly string[]): string[] {
  const { wrong, ...found } = counts;
  const line = Object.entries(found)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ');
  return [line, ...findings, wrong === 0 ? 'As the ledger says: nothing missing, nothing twice.' : `${wrong} differ.`];
}
