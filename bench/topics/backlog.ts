/**
 * A backlog: messages are accepted while nothing processes them (workers are down for an hour), then workers come back and drain it, while
 * hospitals go on sending. What counts is that the last tenth is drained as fast as the first, that acceptance does not suffer, and
 * that the ledger agrees in the end.
 */
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase, type Database } from '../../src/db.ts';
import { sql } from '../../src/db/sql.ts';
import { checkLedger } from '../../src/cli/simulate/check/check.ts';
import { openLedger, type Ledger } from '../../src/cli/simulate/ledger.ts';
import { sendSimulation, type SendSummary } from '../../src/cli/simulate/send.ts';
import { simulate, simulatedHospitals, type Simulation } from '../../src/cli/simulate/stream.ts';
import { connectMllp } from '../../adapters/hl7v2/client.ts';
import type { BenchOptions } from '../run.ts';
import { startHub } from '../lib/hub-process.ts';
import { round, type Result } from '../lib/result.ts';

/** What a region sends in a steady hour: the rate at which lag is measured, too (searchable.ts). */
const liveRate = 300;
/** Messages of the live load between two looks at the queue. */
const liveSeconds = 10;
const hospitals = 64;
/** Some ten visits each. */
const messagesPerPerson = 80;
const shareMin = 0.8;

export async function measure({ messages }: BenchOptions): Promise<Result[]> {
  const accepting = await startHub({ HUB_ROLES: 'api,ingest' });
  const database = openDatabase({ url: accepting.databaseUrl, pipelines: 1 });
  const path = join(tmpdir(), `hub-backlog-${process.pid}.ndjson`);
  try {
    const words = ['--kind', 'hl7v2-mllp', '--organization', 'Organization/bench', '--facility', '*'];
    await accepting.cli('endpoint', 'add', 'bench', ...words);
    const ledger = openLedger(path);
    const send = sender(accepting.mllpPort, ledger);
    const population = Math.max(64, Math.ceil(messages / messagesPerPerson));
    const stored = simulate({ seed: 71, hospitals: simulatedHospitals(hospitals), population });
    const filled = await send(stored, { from: 0, count: messages, rate: 0 });
    const live = simulate({ seed: 72, hospitals: simulatedHospitals(hospitals), population });
    const alone = await send(live, { from: 0, count: liveRate * liveSeconds, rate: liveRate });
    const mark = await lastMessage(database);
    const startedAt = performance.now();
    const draining = await startHub({ HUB_ROLES: 'api,worker' }, { beside: accepting });
    try {
      const beside = await sendWhileDraining(database, mark, (part) =>
        send(live, { from: (part + 1) * liveRate * liveSeconds, count: liveRate * liveSeconds, rate: liveRate }),
      );
      const seconds = (performance.now() - startedAt) / 1000;
      await ledger.close();
      await untilEmpty(database);
      const rates = await tenths(database, mark);
      const [first = 0, last = 0] = [rates.at(0), rates.at(-1)];
      const { wrong, findings, accepted } = await checkLedger(database, path);
      for (const line of findings) console.error(line);
      return [
        {
          work: `backlog of ${messages} messages, drained beside ${liveRate}/s`,
          figure: round(mark / seconds, 0),
          unit: 'messages/s',
          note: `filled at ${Math.round(filled.sent / filled.seconds)}/s; ${accepted} compared with the ledger, ${wrong} wrong`,
        },
        {
          work: 'the last tenth of it, to the first',
          figure: round(last / first),
          unit: 'of the rate',
          target: shareMin,
          note: `messages/s of each tenth: ${rates.map((rate) => Math.round(rate)).join(', ')}`,
        },
        {
          work: 'accepted meanwhile, to what was sent',
          figure: round(beside.perSecond / liveRate),
          unit: 'of the rate',
          target: shareMin,
          p50Ms: round(beside.p50),
          p99Ms: round(beside.p99),
          note: `without draining ${Math.round(alone.sent / alone.seconds)}/s, p99 ${round(alone.latencyMs.p99)} ms`,
        },
      ];
    } finally {
      await draining.stop();
    }
  } finally {
    await database.close();
    await accepting.stop();
    await rm(path, { force: true });
  }
}

type Part = { readonly from: number; readonly count: number; readonly rate: number };

function sender(port: number, ledger: Ledger): (simulation: Simulation, part: Part) => Promise<SendSummary> {
  return async (simulation, part) => {
    const connect = () => connectMllp({ host: '127.0.0.1', port });
    const summary = await sendSimulation({ simulation, ...part, connect, ledger });
    if (summary.firstRefusal !== undefined) throw new Error(`not all accepted: ${summary.firstRefusal}`);
    return summary;
  };
}

/** The worst percentiles of the parts. */
async function sendWhileDraining(
  database: Database,
  mark: number,
  sendPart: (part: number) => Promise<SendSummary>,
): Promise<{ perSecond: number; p50: number; p99: number }> {
  let [sent, seconds, p50, p99] = [0, 0, 0, 0];
  for (let part = 0; (await isWaiting(database, mark)) || part === 0; part++) {
    const summary = await sendPart(part);
    sent += summary.sent;
    seconds += summary.seconds;
    p50 = Math.max(p50, summary.latencyMs.p50);
    p99 = Math.max(p99, summary.latencyMs.p99);
  }
  return { perSecond: sent / seconds, p50, p99 };
}

async function lastMessage(database: Database): Promise<number> {
  const [row] = await database.query<{ id: number }>(sql`select max(id) as id from message`);
  return row?.id ?? 0;
}

async function isWaiting(database: Database, mark: number): Promise<boolean> {
  const rows = await database.query(sql`select from message where status = 0 and id <= ${mark} limit 1`);
  return rows.length > 0;
}

async function untilEmpty(database: Database): Promise<void> {
  while (await isWaiting(database, Number.MAX_SAFE_INTEGER)) await new Promise((done) => setTimeout(done, 200));
}

/** Messages of the backlog a second, in each tenth of those processed. */
async function tenths(database: Database, mark: number): Promise<number[]> {
  const rows = await database.query<{ rate: number }>(sql`
    with done as (
      select processed_at, ntile(10) over (order by processed_at, id) as tenth from message where id <= ${mark} and status = 1
    )
    select count(*) / extract(epoch from max(processed_at) - min(processed_at))::float8 as rate
    from done group by tenth order by tenth`);
  return rows.map(({ rate }) => rate);
}
