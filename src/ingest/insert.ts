/** The statement by which messages get on disk, however they came. */
import type { Tx } from '../db.ts';
import { raw, sql } from '../db/sql.ts';
import { slotOf } from './lane.ts';
import { triedStill } from './registry/hold.ts';

export interface MessageRow {
  readonly endpointId: number;
  /** Its endpoint is `testing`, as far as this process knows: held, unless the endpoint's row says that it is live by now. */
  readonly isTried?: boolean;
  readonly lane: number;
  readonly controlId: string;
  readonly type: string;
  readonly facility: string;
  /** SHA-256 of the bytes, hex. */
  readonly digest: string;
  readonly bytes: Uint8Array;
}

export interface StoredRow {
  id: number;
  endpoint_id: number;
  control_id: string;
  digest: string;
  is_conflict: boolean;
}

/** @returns those that are new; of the same endpoint, control id and bytes there is one row */
export async function insertMessageRows(db: Tx, batch: readonly MessageRow[], at: Date): Promise<StoredRow[]> {
  const lengths = batch.map(({ bytes }) => bytes.length);
  let offset = 1;
  const starts = lengths.map((length) => (offset += length) - length);
  // All bytes as one binary parameter, cut apart by the server: an array of bytea would travel as text in hex.
  const bytes = Buffer.concat(batch.map((row) => row.bytes));
  const digests = Buffer.from(batch.map(({ digest }) => digest).join(''), 'hex');
  const tried = [...new Set(batch.filter(({ isTried }) => isTried === true).map(({ endpointId }) => endpointId))];
  // The usual statement locks no row of a source.
  const [testing, status] =
    tried.length === 0
      ? [raw(''), raw('0')]
      : [
          sql`with testing as materialized (${triedStill(tried)})`,
          raw('case when i.endpoint_id in (select id from testing) then 3 else 0 end'),
        ];
  return db.query<StoredRow>(sql`
    ${testing}
    insert into message (endpoint_id, lane_key, slot, status, received_at, control_id, type, facility, digest, raw)
    select i.endpoint_id, i.lane_key, i.slot, ${status}, ${at}::timestamptz, i.control_id, i.type, i.facility,
      substring(${digests}::bytea from (i.n * 32 - 31)::int for 32),
      substring(${bytes}::bytea from i.start for i.length)
    from unnest(
      ${batch.map(({ endpointId }) => endpointId)}::int[],
      ${batch.map(({ lane }) => lane)}::bigint[],
      ${batch.map(({ lane }) => slotOf(lane))}::smallint[],
      ${batch.map(({ controlId }) => controlId)}::text[],
      ${batch.map(({ type }) => type)}::text[],
      ${batch.map(({ facility }) => facility)}::text[],
      ${starts}::int[],
      ${lengths}::int[]
    ) with ordinality as i (endpoint_id, lane_key, slot, control_id, type, facility, start, length, n)
    order by i.n
    on conflict (endpoint_id, control_id, digest) do nothing
    returning id, endpoint_id, control_id, encode(digest, 'hex') as digest,
      exists (
        select from message o
        where o.endpoint_id = message.endpoint_id and o.control_id = message.control_id and o.digest <> message.digest
      ) as is_conflict`);
}
