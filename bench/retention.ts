/**
 * How the content of old messages goes: emptied where it lies, or kept in a table of its own that is divided by days, a part of which is dropped.
 * `node bench/retention.ts [messages]`; prints JSON lines. Decision: docs/decisions/0034-content-is-emptied-where-it-lies.md.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { migrate } from '../src/db/migrate.ts';
import { startEmbedded } from '../src/db/embedded.ts';
import { openDatabase } from '../src/db.ts';
import { emptyMessagesBatch } from '../src/ingest/retention.ts';

const messages = Number(process.argv[2] ?? 100_000);
const batch = 1_000;
/** An ORU^R01 of 10 segments; one with a document. */
const sizes = [1_200, 6_000];

const dataDir = await mkdtemp(join(tmpdir(), 'hub-bench-'));
const embedded = await startEmbedded({ dataDir });
const client = new pg.Client({ connectionString: embedded.url });
try {
  await migrate(embedded.url);
  await client.connect();
  await client.query(
    `insert into endpoint (name, kind, organization, facilities) values ('bench', 'hl7v2-mllp', 'Organization/b', '{*}')`,
  );
  await client.query(`create table content (message_id bigint, day date, raw bytea) partition by list (day)`);
  await client.query(`create table content_1 partition of content for values in ('2026-01-01')`);
  await client.query(`create table content_2 partition of content for values in ('2026-01-02')`);
  await client.query(`alter table content_1 alter column raw set storage external`);
  for (const bytes of sizes) await measure(bytes);
} finally {
  await client.end();
  await embedded.stop();
  await rm(dataDir, { recursive: true, force: true });
}

async function measure(bytes: number): Promise<void> {
  await client.query('truncate message restart identity');
  await client.query('update message_retention set emptied_to = 0');
  const inRow = await fill(bytes, false);
  const filled = await size();
  const database = openDatabase({ url: embedded.url, poolMax: 2 });
  const before = await wal();
  const startedAt = performance.now();
  while (typeof (await emptyMessagesBatch(database, new Date('2027-01-01T00:00:00Z'))) === 'object');
  const emptiedMs = performance.now() - startedAt;
  const written = (await wal()) - before;
  await database.close();
  await client.query('vacuum message');
  const emptied = await size();
  // The space is used again by what comes next.
  await fill(bytes, false, messages);
  const again = await size();
  await client.query('truncate message restart identity');
  const beside = await fill(bytes, true);
  const droppedAt = performance.now();
  await client.query('drop table content_1');
  const droppedMs = performance.now() - droppedAt;
  await client.query(`create table content_1 partition of content for values in ('2026-01-01')`);
  console.log(
    JSON.stringify({
      bytes,
      messages,
      storedInRow: round(inRow),
      storedBeside: round(beside),
      emptiedPerSecond: Math.round(messages / (emptiedMs / 1000)),
      walBytesPerEmptied: Math.round(written / messages),
      droppedMs: Math.round(droppedMs),
      mbFilled: filled,
      mbEmptied: emptied,
      mbFilledAgain: again,
    }),
  );
}

/** Messages a second, in batches as the receiver writes them. */
async function fill(bytes: number, isBeside: boolean, offset = 0): Promise<number> {
  const startedAt = performance.now();
  const raw = Buffer.alloc(bytes, 'MSH|^~x');
  for (let from = offset; from < offset + messages; from += batch) {
    await client.query('begin');
    await client.query(
      `insert into message (lane_key, endpoint_id, slot, status, received_at, processed_at, control_id, type, facility, digest, raw, marks, patients)
       select n, 1, n % 256, 1, '2026-01-01', '2026-01-01', 'C' || n, 'ORU^R01', 'F', sha256(n::text::bytea), $1, array[n, n + 1], array['p' || n]
       from generate_series($2::int, $3::int) n`,
      [isBeside ? Buffer.alloc(0) : raw, from + 1, from + batch],
    );
    if (isBeside) {
      await client.query(
        `insert into content (message_id, day, raw) select n, '2026-01-01', $1 from generate_series($2::int, $3::int) n`,
        [raw, from + 1, from + batch],
      );
    }
    await client.query('commit');
  }
  return messages / ((performance.now() - startedAt) / 1000);
}

async function size(): Promise<number> {
  const { rows } = await client.query<{ mb: string }>(`select pg_total_relation_size('message') / 1048576 as mb`);
  return Number(rows[0]?.mb);
}

async function wal(): Promise<number> {
  const { rows } = await client.query<{ at: string }>(`select pg_current_wal_lsn() - '0/0' as at`);
  return Number(rows[0]?.at);
}

function round(value: number): number {
  return Math.round(value);
}
