/**
 * A faulty map quarantines 5,000 messages; the map is mended, and they are replayed in the background while live messages keep coming, of the same
 * patients among others. How long live messages take meanwhile; whether each ran once, in the order in which it came.
 */
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { BenchOptions } from '../run.ts';
import { startHub, type HubProcess } from '../lib/hub-process.ts';
import { mllpLoad } from '../lib/mllp-load.ts';
import { round, type Result } from '../lib/result.ts';

const quarantinedCount = 5_000;
const patients = 500;
/** Live messages a second, and of the replay. */
const liveRate = 100;
const replayRate = 100;
const waitMs = 240_000;
const facility = 'BENCH';

/** An event that the shipped map does not serve; `n` stands in the address, so that the order of states is seen. */
const registration = (n: number): string =>
  [
    `MSH|^~\\&|HIS|${facility}|HUB|HUB|20260301080000+0800||ADT^Z01|@ID@|P|2.5.1`,
    `PID|1||MR${n % patients}^^^${facility}^MR||Bench^P${n % patients}||19800101|F|||Street ${n}^^Hangzhou`,
    'PV1|1|O',
  ].join('\r');
const admission = (n: number): string => registration(n).replace('ADT^Z01', 'ADT^A01');

const mended = `
partner: bench
changes:
  - event: adt
    events: [Z01]
`;

export async function measure({ seconds }: BenchOptions): Promise<Result[]> {
  const hub = await startHub({ HUB_LOG_LEVEL: 'error' });
  const client = new pg.Client({ connectionString: hub.databaseUrl });
  const overlay = join(tmpdir(), `hub-bench-${process.pid}.yaml`);
  try {
    await client.connect();
    const endpoint = ['--kind', 'hl7v2-mllp', '--organization', 'Organization/bench', '--facility', facility];
    await hub.cli('endpoint', 'add', 'bench', ...endpoint);
    const before = Math.max(10, seconds);
    const quiet = await live(hub, client, before, 'Q');
    await send(
      hub,
      Array.from({ length: quarantinedCount }, (_, n) => registration(n)),
      'Z',
    );
    await until(async () => (await count(client, 'status = 2')) === quarantinedCount);

    await writeFile(overlay, mended);
    await hub.cli('map', 'apply', overlay, '--endpoint', 'bench');
    const asked = await hub.cli('replay', '--source', 'bench', '--status', 'quarantined', '--rate', String(replayRate));
    const { id } = JSON.parse(asked) as { id: number };
    const startedAt = performance.now();
    // Longer than the replay takes; what came after its end is left out below.
    const busy = await live(hub, client, Math.ceil(quarantinedCount / replayRate) + 5, 'L');
    await until(
      async () => (await client.query(`select from replay where id = ${id} and state = 'done'`)).rows.length === 1,
    );
    const took = await client.query<{ s: number }>(
      `select extract(epoch from ended_at - asked_at)::float8 as s from replay where id = ${id}`,
    );
    await until(async () => (await count(client, 'status = 0')) === 0);
    const once = await count(client, `control_id like 'Z%' and status = 1 and attempts = 1`);
    const inverted = await disorder(client);
    const versions = await wrongLast(client);
    return [
      {
        work: `live lag alone, ${liveRate} messages/s (p99)`,
        figure: quiet.p99,
        unit: 's',
        note: `${quiet.count} messages`,
      },
      {
        work: `live lag while ${quarantinedCount} are replayed at ${replayRate}/s (p99)`,
        figure: busy.p99,
        unit: 's',
        target: 2,
        isMaximum: true,
        note: `${busy.count} live messages of the same patients; p50 ${busy.p50} s; replay took ${round(took.rows[0]?.s ?? Number.NaN, 1)} s`,
      },
      {
        work: 'replayed once each',
        figure: once,
        unit: 'messages',
        target: quarantinedCount,
        note: `${inverted} of a lane ran in another order than they came; ${versions} patients do not have the state of their last message; in all ${round((performance.now() - startedAt) / 1000, 0)} s`,
      },
    ];
  } finally {
    await client.end();
    await hub.stop();
    await rm(overlay, { force: true });
  }
}

interface Lag {
  readonly p50: number;
  readonly p99: number;
  readonly count: number;
}

async function live(hub: HubProcess, client: pg.Client, seconds: number, prefix: string): Promise<Lag> {
  await send(
    hub,
    Array.from({ length: liveRate * seconds }, (_, n) => admission(n + 1_000_000)),
    prefix,
    liveRate,
  );
  await until(async () => (await count(client, `status = 0 and control_id like '${prefix}%'`)) === 0);
  const { rows } = await client.query<Lag>(
    `select percentile_cont(0.5) within group (order by s) as p50, percentile_cont(0.99) within group (order by s) as p99, count(*)::int as count
     from (select extract(epoch from processed_at - received_at)::float8 as s from message
           where control_id like '${prefix}%'
             -- One that had run, and ran again after an earlier one of its lane, says nothing of how long it took at first.
             and id not in (select message_id from replay_message)) as lag`,
  );
  const [row] = rows;
  return { p50: round(row?.p50 ?? Number.NaN, 3), p99: round(row?.p99 ?? Number.NaN, 3), count: row?.count ?? 0 };
}

/** Messages that ran before one that came earlier in their lane. */
async function disorder(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ n: number }>(
    `select count(*)::int as n from (
       select processed_at, max(processed_at) over (partition by lane_key order by id rows between unbounded preceding and 1 preceding) as latest
       from message where status = 1) ran where processed_at < latest`,
  );
  return rows[0]?.n ?? 0;
}

/** Patients whose stored address is another one than their last message says. */
async function wrongLast(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ n: number }>(
    `select count(*)::int as n from (
       select distinct on (lane_key) lane_key, patients[1] as patient, substring(convert_from(raw, 'UTF8') from 'Street \\d+') as street
       from message where status = 1 order by lane_key, id desc) last
     left join resource r on r.id = last.patient
     where position('"' || street || '"' in coalesce(r.body, '')) = 0`,
  );
  return rows[0]?.n ?? 0;
}

async function send(hub: HubProcess, messages: string[], idPrefix: string, rate?: number): Promise<void> {
  const outcome = await mllpLoad({
    port: hub.mllpPort,
    // One connection: the order in which they are sent is the order in which they come.
    connections: 1,
    depth: 32,
    messages,
    messagesMax: messages.length,
    secondsMax: waitMs / 1000,
    idPrefix,
    ...(rate === undefined ? {} : { rate }),
  });
  if (outcome.codes['AA'] !== messages.length) throw new Error(`not all accepted: ${JSON.stringify(outcome.codes)}`);
}

async function count(client: pg.Client, where: string): Promise<number> {
  const { rows } = await client.query<{ n: number }>(`select count(*)::int as n from message where ${where}`);
  return rows[0]?.n ?? 0;
}

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + waitMs;
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error('still waiting');
    await new Promise((done) => setTimeout(done, 100));
  }
}
