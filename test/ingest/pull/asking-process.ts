/** A process that asks the sources of a database, page by page without end, until it is killed: `node asking-process.ts URL`. */
import { openDatabase } from '../../../src/db.ts';
import { openRegistry } from '../../../src/ingest/endpoint.ts';
import { startPulling } from '../../../src/ingest/pull/schedule.ts';
import { givenPages, givenPuller } from '../../given-pull.ts';

const database = openDatabase({ url: process.argv[2] as string });
startPulling({
  database,
  registry: await openRegistry(database),
  pullers: [givenPuller((run) => givenPages(run, Number.MAX_SAFE_INTEGER))],
  worker: `process-${process.pid}`,
  secretsOf: async () => ({}),
  limits: { leaseMs: 2_000 },
});
// Nothing but timers that do not hold it would be left.
setInterval(() => undefined, 60_000);
