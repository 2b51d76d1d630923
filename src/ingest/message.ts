/** One message: what is known of it without its content, in the order in which it happened; and its content, for whoever may see that. */
import type { Tx } from '../db.ts';
import { sql } from '../db/sql.ts';
import { Problem } from '../fhir/problem.ts';
import { listMessages, type MessageLine } from './status.ts';

export interface MessageDetail extends MessageLine {
  readonly endpointKind: string;
  /** Of the content; 0: it was erased, or its time was over. */
  readonly bytes: number;
  /** SHA-256 of what came, hex. */
  readonly digest: string;
  /** What no rule took: positions, and codes where codes are expected. */
  readonly unmapped: readonly string[];
  /** Ids of other messages with this control id from the same source. */
  readonly conflicts: readonly number[];
  readonly timeline: readonly TimelineEntry[];
}

export interface TimelineEntry {
  readonly at: string;
  /** `replayed`: put back into the queue by the replay of that id. */
  readonly event: 'received' | 'replayed' | 'processed' | 'quarantined' | 'retry';
  readonly replay?: number;
  readonly step?: string;
  readonly reason?: string;
  readonly position?: string;
  readonly mapVersion?: string;
  readonly attempts?: number;
}

interface DetailRow {
  kind: string;
  bytes: number;
  digest: string;
  unmapped: string[];
  conflicts: string[];
  replays: { id: number; at: string }[];
  retry_at: Date | null;
}

/** More share no identifier. */
const patientsMax = 100;
/** Other messages that are named. */
const conflictsMax = 20;

/** @throws Problem not-found */
export async function describeMessage(db: Tx, id: number): Promise<MessageDetail> {
  const [line] = await listMessages(db, {}, { after: id - 1, limit: 1 });
  if (line?.id !== id) throw unknown();
  const [row] = await db.query<DetailRow>(sql`
    select e.kind, octet_length(m.raw) as bytes, encode(m.digest, 'hex') as digest,
      array(
        select distinct u.position || case when u.code = '' then '' else ' ' || u.code end
        from unmapped u where u.endpoint_id = m.endpoint_id and u.hash = any(m.unmapped) order by 1
      ) as unmapped,
      array(
        select o.id from message o
        where o.endpoint_id = m.endpoint_id and o.control_id = m.control_id and o.id <> m.id
        order by o.id limit ${conflictsMax}
      ) as conflicts,
      coalesce((
        select jsonb_agg(jsonb_build_object('id', l.replay_id, 'at', l.queued_at) order by l.queued_at)
        from replay_message r join replay_lane l on l.replay_id = r.replay_id and l.lane_key = r.lane_key
        where r.message_id = m.id and l.queued_at is not null
      ), '[]') as replays,
      (select h.until from lane_hold h where h.message_id = m.id) as retry_at
    from message m join endpoint e on e.id = m.endpoint_id
    where m.id = ${id}`);
  if (row === undefined) throw unknown();
  const { kind, bytes, digest, unmapped, conflicts } = row;
  return {
    ...line,
    endpointKind: kind,
    bytes,
    digest,
    unmapped,
    conflicts: conflicts.map(Number),
    timeline: timelineOf(line, row),
  };
}

function timelineOf(line: MessageLine, { retry_at: retryAt, replays }: DetailRow): TimelineEntry[] {
  const { receivedAt, processedAt, status, step, reason, position, mapVersion, attempts } = line;
  const why = { ...(step && { step }), ...(reason && { reason }), ...(position && { position }) };
  const timeline: TimelineEntry[] = [{ at: receivedAt, event: 'received' }];
  for (const { id, at } of replays) {
    timeline.push({ at: new Date(at).toISOString(), event: 'replayed', replay: id });
  }
  if (processedAt !== undefined && status === 'processed') {
    timeline.push({ at: processedAt, event: 'processed', attempts, ...(mapVersion && { mapVersion }), ...why });
  }
  if (processedAt !== undefined && status === 'quarantined') {
    timeline.push({ at: processedAt, event: 'quarantined', attempts, ...why });
  }
  if (retryAt !== null) timeline.push({ at: retryAt.toISOString(), event: 'retry', attempts, ...why });
  return timeline.toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at));
}

export interface MessageContent {
  readonly id: number;
  readonly source: string;
  readonly kind: string;
  readonly raw: Buffer;
  /** The map it was processed by; null: it never was. */
  readonly mapVersion: string | null;
  /** Ids of Patients, as far as they are known. */
  readonly patients: readonly string[];
}

/** @throws Problem not-found, deleted when the content is no more */
export async function readContent(db: Tx, id: number): Promise<MessageContent> {
  const [row] = await db.query<MessageContent>(sql`
    select m.id, e.name as source, e.kind, m.raw, m.map_version as "mapVersion",
      -- One that was never understood: whom others of its lane, with an identifier of it, are about.
      coalesce(m.patients, array(
        select distinct patient from message o, unnest(o.patients) as patient
        where o.lane_key = m.lane_key and o.marks && m.marks limit ${patientsMax}
      )) as patients
    from message m join endpoint e on e.id = m.endpoint_id where m.id = ${id}`);
  if (row === undefined) throw unknown();
  if (row.raw.length === 0) {
    throw new Problem('deleted', 'the content of this message is no longer kept', {
      hint: 'It was erased, or it is older than messages are kept.',
    });
  }
  return row;
}

/** Same problem for ids that never were: they are numbers that anybody can count. */
function unknown(): Problem {
  return new Problem('not-found', 'there is no message with this id', { hint: 'GET /ops/messages lists them.' });
}
