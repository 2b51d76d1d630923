/**
 * Accepted to searchable, ORU^R01 of 10 segments, all roles on. Lag is measured in the database, from the arrival of the
 * message to the commit that made its resources searchable, at a steady 300 messages/s; throughput is that of a backlog.
 */
import pg from 'pg';
import type { BenchOptions } from '../run.ts';
import { startHub, type HubProcess } from '../lib/hub-process.ts';
import { oruTemplates } from '../lib/messages.ts';
import { mllpLoad } from '../lib/mllp-load.ts';
import { round, type Result } from '../lib/result.ts';

const steadyRate = 300;
const backlog = 10_000;
const waitMs = 120_000;
/** `message.status`: migrations/0004_ingest.sql. */
const [waiting, processed] = [0, 1];

export async function measure({ seconds }: BenchOptions): Promise<Result[]> {
  const hub = await startHub();
  const client = new pg.Client({ connectionString: hub.databaseUrl });
  try {
    await client.connect();
    await hub.cli(
      'endpoint',
      'add',
      'bench',
      '--kind',
      'hl7v2-mllp',
      '--organization',
      'Organization/bench',
      '--facility',
      '*',
    );
    const steady = oruTemplates(steadyRate * (seconds + 3), 1);
    const warm = steady.splice(0, steadyRate * 3);
    await send(hub, warm, 'W', { rate: steadyRate });
    await waitUntilProcessed(client);
    await client.query('create table bench_mark as select max(id) as id from message');
    await send(hub, steady, 'S', { rate: steadyRate });
    await waitUntilProcessed(client);
    const lag = await client.query<{ p50: number; p99: number; count: number; failed: number }>(
      `select percentile_cont(0.5) within group (order by ms) as p50, percentile_cont(0.99) within group (order by ms) as p99,
              count(*)::int as count, (count(*) filter (where status <> ${processed}))::int as failed
         from (select status, extract(epoch from processed_at - received_at)::float8 * 1000 as ms
                 from message where id > (select id from bench_mark)) as lag`,
    );
    const startedAt = performance.now();
    await send(hub, oruTemplates(backlog, 2), 'B', {});
    await waitUntilProcessed(client);
    const perSecond = backlog / ((performance.now() - startedAt) / 1000);
    const row = lag.rows[0] ?? { p50: Number.NaN, p99: Number.NaN, count: 0, failed: 0 };
    return [
      {
        work: 'accepted to searchable, ORU^R01, backlog of 10,000',
        figure: round(perSecond, 0),
        unit: 'messages/s',
        target: 800,
      },
      {
        work: `lag at ${steadyRate} messages/s (p99)`,
        figure: round(row.p99 / 1000, 3),
        unit: 's',
        target: 2,
        isMaximum: true,
        p50Ms: round(row.p50),
        p99Ms: round(row.p99),
        note: `${row.count} messages, ${row.failed} not processed`,
      },
    ];
  } finally {
    await client.end();
    await hub.stop();
  }
}

async function send(hub: HubProcess, messages: string[], idPrefix: string, pace: { rate?: number }): Promise<void> {
  const outcome = await mllpLoad({
    port: hub.mllpPort,
    connections: 16,
    depth: 8,
    messages,
    messagesMax: messages.length,
    secondsMax: waitMs / 1000,
    idPrefix,
    ...pace,
  });
  if (outcome.codes['AA'] !== messages.length) throw new Error(`not all accepted: ${JSON.stringify(outcome.codes)}`);
}

async function waitUntilProcessed(client: pg.Client): Promise<void> {
  const deadline = performance.now() + waitMs;
  while (performance.now() < deadline) {
    const { rows } = await client.query(`select 1 from message where status = ${waiting} limit 1`);
    if (rows.length === 0) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error('messages are still waiting');
}
