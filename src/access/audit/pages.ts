/** A chain in its order, page by page, wherever its rows stand: of before there were blocks in `audit_event`, then in `audit_block`. */
import type { Tx } from '../../db.ts';
import { raw, sql, type Sql } from '../../db/sql.ts';
import { unpackBlock, type PlacedRow, type StoredBlock } from './block.ts';
import { storedColumns, type StoredRow } from './chain.ts';

/** Rows and blocks of one page, each: some 1 MB. */
const pageMax = 1_000;
/** Text of the blocks of a page after which no other one begins. */
const pageBytes = 500_000;

interface BlockOfPage extends StoredBlock {
  /** Where the next one begins. */
  readonly next: number | null;
}

/**
 * Rows that follow a number, in order; of rows that claim the same place all. Every row of the trail is on one of the pages, or another one
 * stands in its place.
 * @returns nothing at the end of the chain
 */
export async function readPage(db: Tx, shard: number, after: number): Promise<PlacedRow[]> {
  const [rows, blocks] = await Promise.all([
    db.query<StoredRow>(sql`
      select ${storedColumns} from audit_event where shard = ${shard} and seq > ${after} order by seq limit ${pageMax + 1}`),
    db.query<BlockOfPage>(sql`
      select first, next, ${millisOf('at_from')} as "atFrom", ${millisOf('at_to')} as "atTo", patients, entries, encode(hashes, 'hex') as hashes
      from (
        select block.*, lead(first) over ordered as next, row_number() over ordered as number,
          sum(octet_length(entries)) over ordered - octet_length(entries) as bytes_before
        from (
          select * from audit_block where shard = ${shard} and first >= coalesce(
            (select max(first) from audit_block where shard = ${shard} and first <= ${after + 1}), ${after + 1})
          order by first limit ${pageMax + 1}) block
        window ordered as (order by first)) page
      where number <= ${pageMax} and bytes_before < ${pageBytes} order by first`),
  ]);
  const end = Math.min(rows[pageMax]?.seq ?? Number.POSITIVE_INFINITY, blocks.at(-1)?.next ?? Number.POSITIVE_INFINITY);
  return [...rows, ...blocks.flatMap((block) => unpackBlock(shard, block))]
    .filter(({ seq }) => seq > after && seq < end)
    .toSorted((one, other) => one.seq - other.seq);
}

function millisOf(column: string): Sql {
  return raw(`round(extract(epoch from ${column}) * 1000)::int8`);
}
