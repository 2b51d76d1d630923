/** An erasure that is due, done by the steps of the hub itself, without waiting for its clock. */
import type { Audit } from '../../../src/access/audit/audit.ts';
import { askForDeletion } from '../../../src/access/erasure/ask.ts';
import type { Database } from '../../../src/db.ts';
import { sql } from '../../../src/db/sql.ts';
import { eraseStep } from '../../../src/hub/erase.ts';
import { until } from '../../until.ts';

/** The days in which it can be taken back have passed. */
export async function letTimePass(database: Database): Promise<void> {
  await database.query(sql`update erasure set due_at = statement_timestamp() where state = 'waiting'`);
}

export async function eraseAllDue(database: Database, audit: Audit): Promise<void> {
  await until('erasures that are due are done', async () => {
    await askForDeletion(database, audit, { settle: 0 });
    while ((await eraseStep(database, audit)) === 'busy');
    const open = await database.query(sql`
      select from erasure where state not in ('done', 'cancelled', 'asked')
        and not (state = 'waiting' and due_at > statement_timestamp() + interval '1 minute')`);
    return open.length === 0;
  });
}
