/** The trail as a hub of before there were blocks would have left it: each row by itself. */
import type { Database } from '../../../src/db.ts';
import { raw } from '../../../src/db/sql.ts';

const columns = `shard, seq, at, client, subject, organization, purposes, interaction, type, resource_id, patient, rows, decided_by, outcome,
  query, jti, correlation_id, address, version, reason, hash`;

export async function asOfBefore(database: Database): Promise<void> {
  await database.query(raw(`insert into audit_event (${columns}) select ${columns} from audit_entry`));
  await database.query(raw('delete from audit_block'));
}
