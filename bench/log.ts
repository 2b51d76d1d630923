/**
 * What the log of a patient costs whose accesses stand in as many blocks as there are accesses, wall clock and processor time of
 * PostgreSQL's backend: `node bench/log.ts [blocks] [data directory, which is kept]`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AuditRow } from '../src/access/audit/chain.ts';
import { genesis } from '../src/access/audit/chain.ts';
import { packBlock, type Unplaced } from '../src/access/audit/block.ts';
import { readLog, type LogQuery } from '../src/access/audit/log.ts';
import { compileBlockFilters, compileLogFilter } from '../src/access/audit/search.ts';
import { openDatabase } from '../src/db.ts';
import { startEmbedded } from '../src/db/embedded.ts';
import { migrate } from '../src/db/migrate.ts';
import { sql } from '../src/db/sql.ts';
import { parseSearch } from '../src/fhir/search.ts';
import { givenSelf } from '../test/access/world.ts';
import { processorTime } from './lib/processor-time.ts';

const blocks = Number(process.argv[2] ?? 10_000);
const blockRows = 64;
const start = Date.parse('2026-01-01T00:00:00Z');
const kept = process.argv[3];
const dataDir = kept ?? (await mkdtemp(join(tmpdir(), 'hub-bench-')));
const server = await startEmbedded({ dataDir });
await migrate(server.url);
const database = openDatabase({ url: server.url, poolMax: 1, pipelines: 1 });

const [{ known }] = (await database.query(sql`select count(*)::int as known from audit_block`)) as [{ known: number }];
if (known === 0) {
  const clients = ['ai-health-manager', 'hospital-a', 'hospital-b', 'portal'];
  let end = { shard: 0, seq: 0, hash: genesis };
  for (let block = 0; block < blocks; block++) {
    const rows = Array.from({ length: blockRows }, (_, n): Unplaced => {
      const client = clients[(block + n) % clients.length] as string;
      return {
        at: start + block * 60_000 + n,
        client,
        subject: client,
        organization: `Organization/0000-0000-${client}`,
        purposes: 1,
        interaction: ['read', 'search-type', 'vread'][(block * 7 + n) % 3] as string,
        type: 96,
        resourceId: n % 2 === 0 ? `0b3c-3f7a9c1e5d7b4c2aa1b2c3d4e5f6${block % 10_000}` : null,
        patient: n === 17 ? 'p1' : `0b3c-7a9c1e5d7b4c2aa1b2c3d4e5f6${(block * 64 + n) % 50_000}`,
        rows: n,
        decidedBy: 'consent:0b3c-1e5d7b4c2aa1b2c3d4e5f67a9c/3',
        outcome: 0,
        query: n % 2 === 0 ? null : 'patient&code&date&_count',
        jti: '6f9619ff-8b86-4d01-b42d-00cf4fc964ff',
        correlationId: '7f9619ff-8b86-4d01-b42d-00cf4fc964ff',
        address: '10.1.2.3',
        version: null,
        reason: null,
      } satisfies Omit<AuditRow, 'shard' | 'seq'>;
    });
    const packed = packBlock(end, rows);
    await database.query(sql`
      insert into audit_block (shard, first, at_from, at_to, patients, entries, hashes)
      values (0, ${end.seq + 1}::int8, to_timestamp(${packed.atFrom}::float8 / 1000), to_timestamp(${packed.atTo}::float8 / 1000),
        ${packed.patients}::text[], ${packed.entries}, ${packed.hashes}::bytea)`);
    end = { shard: 0, seq: packed.seq, hash: packed.hash };
  }
  await database.query(sql`vacuum analyze audit_block`);
}

const filtersOf = (query: string): Pick<LogQuery, 'where' | 'blocks'> => {
  const { filters } = parseSearch('AuditEvent', query, { handling: 'strict', base: 'http://hub/fhir/R4', now: start });
  return { where: filters.map(compileLogFilter), blocks: compileBlockFilters(filters) };
};
const middle = `date=lt${new Date(start + (blocks / 2) * 60_000).toISOString()}`;
const logs: Readonly<Record<string, LogQuery>> = {
  'newest 50': { count: 50 },
  '50 from the middle': { count: 50, ...filtersOf(middle) },
  'newest 1,000': { count: 1_000 },
  'agent of which there is none': { count: 50, ...filtersOf('agent=Organization/none') },
  'action of which there is none': { count: 50, ...filtersOf('action=D') },
  'entity of which there is none': { count: 50, ...filtersOf('entity=Observation/none') },
  'a third': { count: 50, ...filtersOf('subtype=vread') },
};
const [{ pid }] = (await database.query(sql`select pg_backend_pid() as pid`)) as [{ pid: number }];
const rounds = 5;
for (const [name, query] of Object.entries(logs)) {
  const walls: number[] = [];
  const processors: number[] = [];
  let found = '';
  for (let round = 0; round < rounds; round++) {
    const [at, processorAt] = [performance.now(), await processorTime(pid)];
    const { rows, next } = await readLog(database, givenSelf('p1'), query);
    walls.push(performance.now() - at);
    processors.push(((await processorTime(pid)) - processorAt) / 1_000);
    found = `${rows.length} rows${next === undefined ? '' : ' and more'}`;
  }
  console.log(`${name.padEnd(32)}${found.padEnd(22)}wall ${best(walls)} ms, processor ${best(processors)} ms`);
}
await database.close();
await server.stop();
if (kept === undefined) await rm(dataDir, { recursive: true, force: true });

function best(values: readonly number[]): string {
  return Math.min(...values)
    .toFixed(0)
    .padStart(5);
}
