/**
 * Who asks which source. A process takes what is due with a lease and a fence: while it renews the lease nobody else asks that source,
 * and when it dies others take its work over, in the same slot. What fails has a small budget of its own, so that a source that hangs
 * costs nothing to those that answer.
 */
import type { Database, Tx } from '../../db.ts';
import { raw, sql } from '../../db/sql.ts';
import type { Watermark } from '../contract.ts';
import type { ReadClock } from './clock.ts';
import type { Hold } from './take.ts';

/** One claimer at a time, so that limits of networks hold. Any number that no other advisory lock has. */
const claimLock = 7_242_041;

export interface Claimed extends Hold {
  readonly failures: number;
  readonly watermark: Watermark | undefined;
  /** When it should have begun. */
  readonly dueAt: Date;
  /** A person asked for it. */
  readonly isAsked: boolean;
}

export interface ClaimOptions {
  readonly worker: string;
  readonly readClock: ReadClock;
  /** For how long the sources are held. */
  readonly leaseMs: number;
  /** So many that were well the last time, or are asked for by a person. */
  readonly well: number;
  /** So many that failed the last time. */
  readonly failing: number;
}

interface DueRow {
  endpoint_id: number;
  due_at: Date;
  slot_at: Date;
  failures: number;
  is_asked: boolean;
  network: string | null;
  network_max: number | null;
}

export async function claimDue(database: Database, options: ClaimOptions): Promise<Claimed[]> {
  const { readClock, well, failing } = options;
  if (well + failing === 0) return [];
  return database.inTransaction(async (tx) => {
    // A process that is frozen here must not keep others from claiming.
    await tx.query(sql`
      select set_config('idle_in_transaction_session_timeout', '5000', true), pg_advisory_xact_lock(${claimLock})`);
    const at = await readClock(tx);
    const used = await usedNetworks(tx, at);
    const found = [
      ...(well > 0 ? await findDue(tx, at, used.full, { isFailing: false, limit: well }) : []),
      ...(failing > 0 ? await findDue(tx, at, used.full, { isFailing: true, limit: failing }) : []),
    ];
    const rows = found.filter((row) => used.admits(row));
    return rows.length === 0 ? [] : hold(tx, rows, options, at);
  });
}

interface Networks {
  /** Those of which no more may be asked now. */
  readonly full: readonly string[];
  /** Counts it in. */
  admits(row: DueRow): boolean;
}

async function usedNetworks(tx: Tx, at: Date): Promise<Networks> {
  const rows = await tx.query<{ network: string; used: number; most: number }>(sql`
    select network, count(*) as used, min(network_max) as most from pull
    where worker is not null and expires_at > ${at} and network is not null
    group by network`);
  const used = new Map(rows.map((row) => [row.network, row.used]));
  return {
    full: rows.filter(({ used: count, most }) => count >= most).map(({ network }) => network),
    admits: ({ network, network_max: most }) => {
      if (network === null) return true;
      const count = used.get(network) ?? 0;
      if (most !== null && count >= most) return false;
      used.set(network, count + 1);
      return true;
    },
  };
}

/** Looked at beyond what is wanted: some may be of one network that has few places left. */
const spare = 50;

async function findDue(
  tx: Tx,
  at: Date,
  full: readonly string[],
  { isFailing, limit }: { readonly isFailing: boolean; readonly limit: number },
): Promise<DueRow[]> {
  // Whether it is in use is asked last, and of those that are due alone: joined, a tick that finds nothing took 44 ms
  // of 3,600 sources on a busy machine; so, 13.
  const rows = await tx.query<DueRow>(sql`
    select p.endpoint_id, p.due_at, p.slot_at, p.failures, p.is_asked, p.network, p.network_max
    from pull p
    where p.due_at <= ${at} and (p.worker is null or p.expires_at <= ${at})
      and (p.network is null or p.network <> all(${full}::text[]))
      and ${raw(isFailing ? 'p.failures > 0 and not p.is_asked' : '(p.failures = 0 or p.is_asked)')}
      and (select e.state from endpoint e where e.id = p.endpoint_id) in ('testing', 'live')
    order by p.is_asked desc, p.failures, p.due_at
    limit ${limit + spare}
    for update of p skip locked`);
  return rows.slice(0, limit);
}

/** What a person asks for is a slot of its own. */
async function hold(tx: Tx, rows: readonly DueRow[], { worker, leaseMs }: ClaimOptions, at: Date): Promise<Claimed[]> {
  const slots = rows.map((row) => (row.is_asked ? at : row.slot_at));
  const held = await tx.query<{ endpoint_id: number; fence: number; watermark: Watermark | null; slot_at: Date }>(sql`
    update pull p set worker = ${worker}, fence = p.fence + 1, is_asked = false, slot_at = i.slot_at,
      expires_at = ${at}::timestamptz + ${leaseMs} * interval '1 ms'
    from unnest(${rows.map((row) => row.endpoint_id)}::int[], ${slots}::timestamptz[]) as i (endpoint_id, slot_at)
    where p.endpoint_id = i.endpoint_id
    returning p.endpoint_id, p.fence, p.watermark, p.slot_at`);
  const begun = await beginRuns(tx, held, worker, at);
  const byId = new Map(held.map((one) => [one.endpoint_id, one]));
  return rows.flatMap((row) => {
    const one = byId.get(row.endpoint_id);
    if (one === undefined || !begun.has(row.endpoint_id)) return [];
    return {
      endpointId: row.endpoint_id,
      slotAt: one.slot_at,
      worker,
      fence: one.fence,
      failures: row.failures,
      watermark: one.watermark ?? undefined,
      dueAt: row.is_asked ? at : row.due_at,
      isAsked: row.is_asked,
    };
  });
}

/** The slot of a process that died, or was stopped, goes on in its row. One that was run to its end is not run again. */
async function beginRuns(
  tx: Tx,
  held: readonly { readonly endpoint_id: number; readonly fence: number; readonly slot_at: Date }[],
  worker: string,
  at: Date,
): Promise<Set<number>> {
  const begun = await tx.query<{ endpoint_id: number }>(sql`
    insert into pull_run (endpoint_id, slot_at, worker, fence, started_at)
    select i.endpoint_id, i.slot_at, ${worker}, i.fence, ${at}
    from unnest(
      ${held.map((one) => one.endpoint_id)}::int[], ${held.map((one) => one.slot_at)}::timestamptz[],
      ${held.map((one) => one.fence)}::bigint[]
    ) as i (endpoint_id, slot_at, fence)
    on conflict (endpoint_id, slot_at) do update
      set worker = excluded.worker, fence = excluded.fence, ended_at = null, outcome = null, reason = null
      where pull_run.outcome is null or pull_run.outcome = 'stopped'
    returning endpoint_id`);
  const ids = new Set(begun.map((row) => row.endpoint_id));
  const again = held.filter((one) => !ids.has(one.endpoint_id)).map((one) => one.endpoint_id);
  if (again.length > 0) {
    await tx.query(sql`
      update pull set worker = null, expires_at = null, slot_at = ${at}, due_at = ${at}, decided_at = ${at}
      where endpoint_id = any(${again}::int[])`);
  }
  return ids;
}
