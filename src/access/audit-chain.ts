/**
 * The hash chain of the audit trail: each row's hash covers the hash before it, so a row that is changed, removed or put in
 * between shows. The end of each chain stands in audit_shard, so a chain cut short shows as well.
 */
import { hash } from 'node:crypto';
import type { Tx } from '../db.ts';
import { sql } from '../db/sql.ts';

/** One row as it is hashed and stored, in the order of {@link rowText}. */
export interface AuditRow {
  readonly shard: number;
  readonly seq: number;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly client: string | null;
  readonly subject: string | null;
  readonly organization: string | null;
  readonly purposes: number;
  readonly interaction: string;
  readonly type: number | null;
  readonly resourceId: string | null;
  readonly patient: string | null;
  readonly rows: number;
  readonly decidedBy: string | null;
  readonly outcome: number;
  readonly query: string | null;
  readonly jti: string | null;
  readonly correlationId: string | null;
}

/** Before the first row of every chain. */
export const genesis = '00'.repeat(32);

/** The canonical text of a row: a JSON array without its end, so that the hash can be appended to the same text. */
export function rowText(row: AuditRow): string {
  return JSON.stringify([
    row.shard,
    row.seq,
    row.at,
    row.client,
    row.subject,
    row.organization,
    row.purposes,
    row.interaction,
    row.type,
    row.resourceId,
    row.patient,
    row.rows,
    row.decidedBy,
    row.outcome,
    row.query,
    row.jti,
    row.correlationId,
  ]).slice(0, -1);
}

/** @returns SHA-256 in hex */
export function chainHash(before: string, text: string): string {
  return hash('sha256', before + text, 'hex');
}

export interface ChainReport {
  readonly shard: number;
  readonly rows: number;
  readonly head: string;
  /** The first sequence number at which the chain does not hold; absent: intact. */
  readonly brokenAt?: number;
  readonly reason?: 'changed' | 'missing' | 'cut short';
}

export interface AuditReport {
  readonly isIntact: boolean;
  readonly shards: readonly ChainReport[];
}

/** Rows of one page of the walk: some 5 MB. */
const walkPage = 5000;

/** Walks every chain up to the end it had when the walk began; readers and writers go on meanwhile. */
export async function verifyAudit(db: Tx): Promise<AuditReport> {
  const heads = await db.query<{ shard: number; seq: number; hash: string }>(sql`
    select shard, coalesce(head.last_seq, 0)::int8 as seq, encode(head.last_hash, 'hex') as hash
    from audit_shard head
    full join (select distinct shard from audit_event) written using (shard) order by shard`);
  const shards: ChainReport[] = [];
  for (const head of heads) shards.push(await walk(db, head));
  return { isIntact: shards.every(({ brokenAt }) => brokenAt === undefined), shards };
}

async function walk(db: Tx, head: { shard: number; seq: number; hash: string | null }): Promise<ChainReport> {
  let before = genesis;
  let seq = 0;
  const report = (reason?: ChainReport['reason']): ChainReport => ({
    shard: head.shard,
    rows: seq,
    head: before,
    ...(reason === undefined ? {} : { brokenAt: seq + 1, reason }),
  });
  // Rows without a chain end: the shard's own row was removed.
  if (head.hash === null) return report('missing');
  while (seq < head.seq) {
    const page = await db.query<AuditRow & { hash: string }>(sql`
      select shard, seq, round(extract(epoch from at) * 1000)::int8 as at, client, subject, organization, purposes, interaction,
        type, resource_id as "resourceId", patient, rows, decided_by as "decidedBy", outcome, query, jti,
        correlation_id as "correlationId", encode(hash, 'hex') as hash
      from audit_event where shard = ${head.shard} and seq > ${seq} and seq <= ${head.seq} order by seq limit ${walkPage}`);
    if (page.length === 0) return report('cut short');
    for (const row of page) {
      if (row.seq !== seq + 1) return report('missing');
      if (chainHash(before, rowText(row)) !== row.hash) return report('changed');
      seq = row.seq;
      before = row.hash;
    }
  }
  return before === head.hash ? report() : report('cut short');
}
