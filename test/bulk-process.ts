/** A process that pulls one source in bulk until it is through: `node test/bulk-process.ts '{"url", "endpoint", "source", "hold"}'`. */
import { openDatabase } from '../src/db.ts';
import type { Endpoint } from '../src/ingest/contract.ts';
import type { Hold } from '../src/ingest/pull/take.ts';
import { runBulk } from './given-bulk.ts';

const given = JSON.parse(process.argv[2] ?? '{}') as {
  readonly url: string;
  readonly endpoint: Endpoint;
  readonly source: number;
  readonly hold: Omit<Hold, 'slotAt'> & { readonly slotAt: string };
};
const database = openDatabase({ url: given.url, poolMax: 2 });
const held = { ...given, hold: { ...given.hold, slotAt: new Date(given.hold.slotAt) } };
for (let isMore = true; isMore;) isMore = (await runBulk(database, held)).isMore === true;
await database.close();
