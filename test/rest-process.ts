/** A process that pulls one source by REST until it is through: `node test/rest-process.ts '{"url", "endpoint", "source", "hold"}'`. */
import { openDatabase } from '../src/db.ts';
import type { Hold } from '../src/ingest/pull/take.ts';
import { runRest, type HeldSource } from './given-rest.ts';

const given = JSON.parse(process.argv[2] ?? '{}') as Omit<HeldSource, 'hold'> & {
  readonly url: string;
  readonly hold: Omit<Hold, 'slotAt'> & { readonly slotAt: string };
};
const database = openDatabase({ url: given.url, poolMax: 2 });
const held = { ...given, hold: { ...given.hold, slotAt: new Date(given.hold.slotAt) } };
for (let isMore = true; isMore;) isMore = (await runRest(database, held)).isMore === true;
await database.close();
