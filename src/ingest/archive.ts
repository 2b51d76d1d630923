/** Messages as they came, for those who try a map on them. They are patients' records: callers show ids and places, no text. */
import type { Tx } from '../db.ts';
import { sql } from '../db/sql.ts';

export interface ArchivedMessage {
  readonly id: number;
  readonly raw: Buffer;
}

/** Read at a time: some megabytes. */
const pageRows = 500;
/** A map is tried on a day of a hospital, not on its whole archive. */
export const sampleMax = 100_000;

/** The latest messages of an endpoint, newest first, a page at a time. */
export async function* latestMessages(db: Tx, source: string, count: number): AsyncGenerator<ArchivedMessage> {
  let before = Number.MAX_SAFE_INTEGER;
  for (let left = Math.min(count, sampleMax); left > 0;) {
    const rows = await db.query<ArchivedMessage>(sql`
      select m.id, m.raw from message m join endpoint e on e.id = m.endpoint_id
      where e.name = ${source} and m.id < ${before}
      order by m.id desc
      limit ${Math.min(left, pageRows)}`);
    yield* rows;
    left -= rows.length;
    before = rows.at(-1)?.id ?? 0;
    if (rows.length < pageRows) return;
  }
}
