/**
 * The hash chain of the audit trail: each row's hash covers the hash before it, so a row that is changed, removed or put in
 * between shows (verify.ts). The end of each chain stands in audit_shard, so a chain cut short shows as well, and is signed
 * from time to time (heads.ts), so a chain that was written anew shows too.
 */
import { hash } from 'node:crypto';
import { raw, type Sql } from '../../db/sql.ts';

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
  readonly address: string | null;
  readonly version: number | null;
  readonly reason: string | null;
}

/** A row as it stands in `audit_entry`. */
export interface StoredRow extends AuditRow {
  /** SHA-256 in hex. */
  readonly hash: string;
}

/** What `select` names to get a {@link StoredRow}. */
export const storedColumns: Sql =
  raw(`shard, seq, round(extract(epoch from at) * 1000)::int8 as at, client, subject, organization, purposes,
  interaction, type, resource_id as "resourceId", patient, rows, decided_by as "decidedBy", outcome, query, jti,
  correlation_id as "correlationId", address, version, reason, encode(hash, 'hex') as hash`);

/** Before the first row of every chain. */
export const genesis = '00'.repeat(32);

/**
 * The canonical text of a row: a JSON array without its end, so that the hash can be appended to the same text. What came later
 * than the first trails stands in an object at its end, with what there is: rows without any have the text they always had.
 */
export function rowText(row: AuditRow): string {
  const { address, version, reason } = row;
  const later =
    address === null && version === null && reason === null
      ? ''
      : `,${JSON.stringify({ address: address ?? undefined, version: version ?? undefined, reason: reason ?? undefined })}`;
  const text = JSON.stringify([
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
  ]);
  return text.slice(0, -1) + later;
}

/** What a line of a block says: {@link rowText} with its end. @throws SyntaxError, TypeError for anything else */
export function rowOf(line: string): AuditRow {
  const [shard, seq, at, client, subject, organization, purposes, interaction, type, resourceId, patient, ...more] =
    JSON.parse(line) as unknown[];
  const [rows, decidedBy, outcome, query, jti, correlationId, later = {}] = more;
  const { address = null, version = null, reason = null } = later as Partial<AuditRow>;
  const first = { shard, seq, at, client, subject, organization, purposes, interaction, type, resourceId, patient };
  return {
    ...first,
    rows,
    decidedBy,
    outcome,
    query,
    jti,
    correlationId,
    address,
    version,
    reason,
  } as unknown as AuditRow;
}

/** @returns SHA-256 in hex */
export function chainHash(before: string, text: string): string {
  return hash('sha256', before + text, 'hex');
}
