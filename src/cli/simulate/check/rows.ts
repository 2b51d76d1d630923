/** The hub's tables as a check reads them: everything, page by page, so that a run of millions fits in memory. */
import type { Tx } from '../../../db.ts';
import { sql } from '../../../db/sql.ts';
import { typeCode } from '../../../fhir/types.ts';

export interface MessageRow {
  readonly id: number;
  readonly facility: string;
  readonly controlId: string;
  /** Hex. */
  readonly digest: string;
  readonly status: number;
  readonly laneKey: number;
  readonly processedAt: Date | null;
}

export interface ResourceRow {
  readonly id: string;
  readonly owner: string;
  readonly body: string;
}

/** Some megabytes. */
const pageRows = 2_000;

/** In the order of arrival. */
export async function* messageRows(db: Tx): AsyncGenerator<MessageRow> {
  for (let after = 0; ;) {
    const rows = await db.query<MessageRow>(sql`
      select id, facility, control_id as "controlId", encode(digest, 'hex') as digest, status, lane_key as "laneKey",
        processed_at as "processedAt"
      from message where id > ${after} order by id limit ${pageRows}`);
    yield* rows;
    if (rows.length < pageRows) return;
    after = rows.at(-1)?.id ?? 0;
  }
}

/** Current resources of a type, in no order that means anything. */
export async function* resourceRows(db: Tx, type: string): AsyncGenerator<ResourceRow> {
  const code = typeCode(type);
  if (code === undefined) return;
  for (let after = { bucket: -1, id: '' }; ;) {
    const rows = await db.query<ResourceRow & { bucket: number }>(sql`
      select bucket, id, owner, body from resource
      where type = ${code} and not is_deleted and (bucket, id) > (${after.bucket}, ${after.id})
      order by bucket, id limit ${pageRows}`);
    yield* rows;
    const last = rows.at(-1);
    if (rows.length < pageRows || last === undefined) return;
    after = last;
  }
}
