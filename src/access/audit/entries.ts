/** Conditions on rows of `audit_entry` that PostgreSQL finds by an index, whether a row stands by itself or in a block. */
import { raw, sql, type Sql } from '../../db/sql.ts';

/** @param records an array of ids of patients, which is found once a statement @param of the alias of `audit_entry` */
export function isOfPatients(records: Sql, of = 'audit_entry'): Sql {
  const entry = raw(of);
  // The index knows the block; then each row of it is one of theirs or is not.
  return sql`${entry}.patient is not null and ${entry}.patients && ${records} and ${entry}.patient = any(${records})`;
}

/** The row with this number: its block is the last one that begins with it or before. */
export function isPlaced(shard: number, seq: number): Sql {
  return sql`shard = ${shard}::int and seq = ${seq}::int8 and first = any(array[${seq}::int8, (
    select max(block.first) from audit_block block where block.shard = ${shard}::int and block.first <= ${seq}::int8)])`;
}

/** Of a row of `audit_block` the number of its last line: what stands beside the lines may say otherwise. */
export const lastOfBlock = raw(`first + octet_length(entries) - octet_length(replace(entries, E'\\n', ''))`);
