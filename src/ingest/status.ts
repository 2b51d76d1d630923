/** The fate of messages, for the operations console: who sent what, and where it stands. Never what was in it. */
import type { Tx } from '../db.ts';
import { join, raw, sql, type Sql } from '../db/sql.ts';
import { Problem } from '../fhir/problem.ts';
import type { MessageStatus } from './contract.ts';

/** The code in front of a reason (`value: OBX-5 is no number`), of `message m`. */
export const reasonCode = sql`split_part(coalesce(m.reason, ''), ':', 1)`;

/** Position = number in the database. */
export const statuses: readonly MessageStatus[] = ['waiting', 'processed', 'quarantined', 'held'];

export function statusCode(status: MessageStatus): number {
  return statuses.indexOf(status);
}

/** Which messages; every given property must match. */
export interface MessageFilter {
  /** Name of the endpoint. */
  readonly source?: string;
  readonly controlId?: string;
  readonly status?: MessageStatus;
  /** Received at or after. */
  readonly since?: Date;
  readonly until?: Date;
  /** MSH-9: `ADT` or `ADT^A01`. */
  readonly type?: string;
  /** Processed with this map version. */
  readonly mapVersion?: string;
  /** Leaves any of what has these hashes (unmapped.ts). */
  readonly unmapped?: readonly number[];
  /** The cause, as the error inbox has it (errors.ts). */
  readonly step?: string;
  readonly code?: string;
  readonly position?: string;
  /** About somebody with any of these marks (marks.ts). */
  readonly marks?: readonly number[];
}

export interface MessageLine {
  readonly id: number;
  readonly controlId: string;
  readonly source: string;
  readonly status: MessageStatus;
  readonly receivedAt: string;
  readonly processedAt?: string;
  readonly type: string;
  readonly facility: string;
  readonly attempts: number;
  /** Where it failed, and why. */
  readonly step?: string;
  readonly reason?: string;
  readonly position?: string;
  readonly mapVersion?: string;
  /** Another message with this control id and other bytes came from the same source. */
  readonly isConflict: boolean;
}

/** A page that a person reads; a client asks for the next with `after`. */
export const pageRowsDefault = 1_000;
export const pageRowsMax = 10_000;

/** @throws Problem value for a status that does not exist */
export function parseStatus(text: string): MessageStatus {
  const status = statuses.find((one) => one === text);
  if (status === undefined) {
    throw new Problem('value', 'no such status', { expression: 'status', hint: `Use one of ${statuses.join(', ')}.` });
  }
  return status;
}

/** Conditions on `message m join endpoint e`. */
export function whereMessage(filter: MessageFilter): Sql {
  const conditions: Sql[] = [raw('true')];
  if (filter.source !== undefined) conditions.push(sql`e.name = ${filter.source}`);
  if (filter.controlId !== undefined) conditions.push(sql`m.control_id = ${filter.controlId}`);
  if (filter.status !== undefined) conditions.push(statusIs(filter.status));
  if (filter.since !== undefined) conditions.push(sql`m.received_at >= ${filter.since}`);
  if (filter.until !== undefined) conditions.push(sql`m.received_at < ${filter.until}`);
  if (filter.type !== undefined) {
    conditions.push(
      filter.type.includes('^') ? sql`m.type = ${filter.type}` : sql`split_part(m.type, '^', 1) = ${filter.type}`,
    );
  }
  if (filter.mapVersion !== undefined) conditions.push(sql`m.map_version = ${filter.mapVersion}`);
  if (filter.unmapped !== undefined) conditions.push(sql`m.unmapped && ${filter.unmapped}::int[]`);
  if (filter.step !== undefined) conditions.push(sql`m.step = ${filter.step}`);
  if (filter.code !== undefined) conditions.push(sql`${reasonCode} = ${filter.code}`);
  if (filter.position !== undefined) conditions.push(sql`m.position = ${filter.position}`);
  if (filter.marks !== undefined) {
    // Found first, by the index of marks: beside `order by id limit` PostgreSQL would rather walk the archive, in hope.
    conditions.push(sql`m.id = any(array(select o.id from message o where o.marks && ${filter.marks}::bigint[]))`);
  }
  return join(conditions, ' and ');
}

/** The number as text of ours, so that the planner sees the partial indexes. */
function statusIs(status: MessageStatus): Sql {
  return raw(`m.status = ${statusCode(status)}`);
}

/**
 * Messages in the order of arrival.
 * @param page `after`: the id of the last line of the page before
 */
export async function listMessages(
  db: Tx,
  filter: MessageFilter,
  page: { readonly after?: number; readonly limit?: number } = {},
): Promise<MessageLine[]> {
  const limit = Math.min(page.limit ?? pageRowsDefault, pageRowsMax);
  const rows = await db.query<MessageRow>(sql`
    select m.id, m.control_id, e.name as source, m.status, m.received_at, m.processed_at, m.type, m.facility,
      m.attempts, m.step, m.reason, m.position, m.map_version,
      exists (
        select from message o
        where o.endpoint_id = m.endpoint_id and o.control_id = m.control_id and o.digest <> m.digest
      ) as is_conflict
    from message m join endpoint e on e.id = m.endpoint_id
    where m.id > ${page.after ?? 0} and ${whereMessage(filter)}
    order by m.id
    limit ${limit}`);
  return rows.map(toLine);
}

/** Every message that matches, a page at a time, so that neither side holds them all. */
export async function* everyMessage(db: Tx, filter: MessageFilter, after = 0): AsyncGenerator<MessageLine[]> {
  for (let last: number | undefined = after; last !== undefined;) {
    const lines: MessageLine[] = await listMessages(db, filter, { after: last, limit: pageRowsDefault });
    if (lines.length > 0) yield lines;
    last = lines.length < pageRowsDefault ? undefined : lines.at(-1)?.id;
  }
}

interface MessageRow {
  id: number;
  control_id: string;
  source: string;
  status: number;
  received_at: Date;
  processed_at: Date | null;
  type: string;
  facility: string;
  attempts: number;
  step: string | null;
  reason: string | null;
  position: string | null;
  map_version: string | null;
  is_conflict: boolean;
}

function toLine(row: MessageRow): MessageLine {
  return {
    id: row.id,
    controlId: row.control_id,
    source: row.source,
    status: statuses[row.status] ?? 'waiting',
    receivedAt: row.received_at.toISOString(),
    processedAt: row.processed_at?.toISOString(),
    type: row.type,
    facility: row.facility,
    attempts: row.attempts,
    step: row.step ?? undefined,
    reason: row.reason ?? undefined,
    position: row.position ?? undefined,
    mapVersion: row.map_version ?? undefined,
    isConflict: row.is_conflict,
  };
}
