/**
 * Kills a hub with SIGKILL again and again while 32 readers and 8 writers are at work:
 * `node test/faults/audit-kill.ts [--rounds 10] [--seconds 5]`. Ends with 1 when the trail does not hold or misses an answer.
 */
import { parseArgs } from 'node:util';
import { openDatabase } from '../../src/db.ts';
import { startEmbedded } from '../../src/db/embedded.ts';
import { migrate } from '../../src/db/migrate.ts';
import { givenDataDir } from '../hub-process.ts';
import { killUnderLoad } from './audit-load.ts';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '10' }, seconds: { type: 'string', default: '5' } },
});
const dataDir = await givenDataDir();
const server = await startEmbedded({ dataDir: dataDir.path });
await migrate(server.url);
const database = openDatabase({ url: server.url });
try {
  const { reads, writes, missing, trail } = await killUnderLoad({
    database,
    databaseUrl: server.url,
    dataDir: dataDir.path,
    rounds: Number(values.rounds),
    readers: 32,
    writers: 8,
    roundMs: Number(values.seconds) * 1_000,
  });
  const rows = trail.shards.reduce((sum, shard) => sum + shard.rows, 0);
  console.log(
    `${values.rounds} kills; ${reads} reads and ${writes} writes answered; ${rows} rows in ${trail.shards.length} chains`,
  );
  for (const line of missing.slice(0, 20)) console.log(`WRONG ${line}`);
  console.log(trail.isIntact ? 'the trail is intact' : JSON.stringify(trail));
  if (missing.length > 0 || !trail.isIntact) process.exitCode = 1;
} finally {
  await database.close();
  await server.stop();
  await dataDir.close();
}
