/** A hash chain that this process alone may extend: claimed by lease and fenced, so that processes do not wait for each other. */
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { Problem } from '../../fhir/problem.ts';
import { packBlock, type Unplaced } from './block.ts';
import { genesis } from './chain.ts';

/** Where a chain ends, as its holder knows. */
export interface Shard {
  readonly shard: number;
  readonly fence: number;
  readonly seq: number;
  readonly hash: string;
}

/** A process that died leaves its shard unused for so long; renewed by every write. */
const leaseSeconds = 30;
export const claimAttemptsMax = 5;

/** A shard whose lease ran out, or a new one. @throws Problem transient */
export async function claimShard(db: Tx): Promise<Shard> {
  for (let attempt = 1; attempt <= claimAttemptsMax; attempt++) {
    const [free] = await db.query<Shard>(sql`
      update audit_shard set fence = fence + 1, lease_until = now() + make_interval(secs => ${leaseSeconds})
      where shard = (
        select shard from audit_shard where lease_until < now() order by shard limit 1 for update skip locked)
      returning shard, fence, last_seq as seq, encode(last_hash, 'hex') as hash`);
    if (free !== undefined) return free;
    const [fresh] = await db.query<Shard>(sql`
      insert into audit_shard (shard, fence, lease_until, last_hash)
      select coalesce(max(shard), -1) + 1, 1, now() + make_interval(secs => ${leaseSeconds}), decode(${genesis}, 'hex')
      from audit_shard
      on conflict (shard) do nothing returning shard, fence, last_seq as seq, encode(last_hash, 'hex') as hash`);
    if (fresh !== undefined) return fresh;
  }
  throw noShard();
}

export function noShard(): Problem {
  return new Problem('transient', 'no shard of the audit trail could be claimed');
}

export async function releaseShard(db: Tx, { shard, fence }: Shard): Promise<void> {
  await db.query(sql`update audit_shard set lease_until = '-infinity' where shard = ${shard} and fence = ${fence}`);
}

/**
 * One statement: the end of the chain moves and the rows appear together, or neither.
 * @returns where the chain ends now; undefined: the shard is not ours
 */
export async function append(db: Tx, shard: Shard, rows: readonly Unplaced[]): Promise<Shard | undefined> {
  const { seq, hash, ...block } = packBlock(shard, rows);
  const moved = await db.query<{ shard: number }>(sql`
    with head as (
      update audit_shard set last_seq = ${seq}, last_hash = decode(${hash}, 'hex'),
        lease_until = now() + make_interval(secs => ${leaseSeconds})
      where shard = ${shard.shard} and fence = ${shard.fence} and last_seq = ${shard.seq}
      returning shard
    ), written as (
      insert into audit_block (shard, first, at_from, at_to, patients, entries, hashes)
      select shard, ${shard.seq + 1}::int8, to_timestamp(${block.atFrom}::float8 / 1000), to_timestamp(${block.atTo}::float8 / 1000),
        ${block.patients}::text[], ${block.entries}, ${block.hashes}::bytea
      from head
    )
    select shard from head`);
  return moved.length === 0 ? undefined : { ...shard, seq, hash };
}
