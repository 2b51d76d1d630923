/** A process that relabels DATABASE_URL until it is killed; says so once it has begun. */
import { openDatabase } from '../src/db.ts';
import { followLabels } from '../src/store/labels/current.ts';
import { relabelBatch } from '../src/store/labels/relabel.ts';

const database = openDatabase({ url: process.env['DATABASE_URL'] ?? '' });
await followLabels(database);
for (let outcome: unknown; outcome !== 'done';) {
  outcome = await relabelBatch(database, { graceMs: 0 });
  console.log(typeof outcome);
}
await database.close();
process.exit(0);
