/**
 * The content of messages that were processed is kept for so many days (HUB_MESSAGE_DAYS), then emptied where it lies: who sent what, when
 * and what became of it stays, and by its digest a message that is sent again is known. What waits for a person is not emptied until
 * it was processed, however old it is.
 */
import type { Database, Tx } from '../db.ts';
import { sql } from '../db/sql.ts';

/** Messages of one transaction: some tens of milliseconds. */
const windowRows = 2_000;
/** Of those that were left before. */
const leftRows = 500;

export type Emptied = 'done' | 'busy' | { readonly revision: number; readonly rowsRead: number };

/** @param before received; content of what was processed is no longer kept */
export async function emptyMessagesBatch(database: Database, before: Date): Promise<Emptied> {
  return database.inTransaction(async (tx) => {
    const [mark] = await tx.query<{ emptied_to: number }>(
      sql`select emptied_to from message_retention for update skip locked`,
    );
    if (mark === undefined) return 'busy';
    const left = await emptyLeft(tx);
    const to = await endOfWindow(tx, mark.emptied_to, before);
    if (to === undefined) return left === 0 ? 'done' : { revision: 0, rowsRead: mark.emptied_to };
    await tx.query(sql`
      update message set raw = '', marks = null
      where id > ${mark.emptied_to} and id <= ${to} and status = 1 and octet_length(raw) > 0`);
    // What is not empty now, whatever has become of it since the statement before: one that was processed in between is emptied next.
    await tx.query(sql`
      insert into message_left (message_id)
      select id from message
      where id > ${mark.emptied_to} and id <= ${to} and (status <> 1 or octet_length(raw) > 0)
      on conflict do nothing`);
    await tx.query(sql`update message_retention set emptied_to = ${to}`);
    return { revision: 0, rowsRead: to };
  });
}

/** The last id of those that come next and are old enough; undefined: none is. */
async function endOfWindow(tx: Tx, from: number, before: Date): Promise<number | undefined> {
  const rows = await tx.query<{ id: number; isOld: boolean }>(sql`
    select id, received_at < ${before} as "isOld" from message where id > ${from} order by id limit ${windowRows}`);
  const firstYoung = rows.findIndex(({ isOld }) => !isOld);
  return (firstYoung < 0 ? rows.at(-1) : rows[firstYoung - 1])?.id;
}

/**
 * One that is being put back into the queue is locked, and passed by: an update that waited for it would be of what was processed, and
 * empty what waits.
 */
async function emptyLeft(tx: Tx): Promise<number> {
  const rows = await tx.query(sql`
    with processed as materialized (
      select l.message_id from message_left l join message m on m.id = l.message_id and m.status = 1
      order by l.message_id limit ${leftRows}
      for no key update of m skip locked
    ), emptied as (
      update message m set raw = '', marks = null from processed p where m.id = p.message_id
    )
    delete from message_left l using processed p where l.message_id = p.message_id
    returning l.message_id`);
  return rows.length;
}
