/**
 * Whole lists (HL7 v2.5.1 section 2.10.4.1): what a channel had in a list of a patient, or of a visit, and does not repeat
 * is deleted. Only what the same channel sent by the same segment, and only while no other channel of its organization
 * lists it as well. A message that is processed later than it came (replayed, released) says nothing against a list that
 * came after it.
 */
import type { Tx } from '../db.ts';
import { sql } from '../db/sql.ts';
import { ownBucket } from '../fhir/ids.ts';
import { typeCode } from '../fhir/types.ts';
import type { Converted } from '../ingest/process.ts';
import type { Snapshot } from '../mapping/message/draft.ts';
import type { Write } from '../store/row.ts';

interface ListRow {
  patient: string;
  segment: string;
  visit: string;
  channel: string;
  ids: string[];
  received_at: Date;
}

/** The lists of a batch of messages: read once, followed message by message, written once. */
export class SentLists {
  readonly #rows: Map<string, ListRow>;
  readonly #changed = new Map<string, { row: ListRow; type: string }>();

  private constructor(rows: readonly ListRow[]) {
    this.#rows = new Map(rows.map((row) => [nameOf(row), row]));
  }

  static async read(tx: Tx, messages: readonly Converted[]): Promise<SentLists> {
    const patients = [...new Set(messages.flatMap(({ mapped }) => mapped.snapshots.map(({ patient }) => patient)))];
    if (patients.length === 0) return new SentLists([]);
    // Ids of patients are derived within their owner, so these are lists of that owner's channels.
    return new SentLists(
      await tx.query<ListRow>(sql`
        select l.patient, l.segment, l.visit, l.channel, l.ids, l.received_at from sent_list l
        join unnest(${patients.map(ownBucket)}::int[], ${patients}::text[]) k (bucket, patient)
          on l.bucket = k.bucket and l.patient = k.patient`),
    );
  }

  /** What a message says by silence, to be written after what it says in words. */
  deletionsOf({ endpoint, mapped, receivedAt }: Converted): Write[] {
    return mapped.snapshots.flatMap((snapshot) =>
      this.#follow(snapshot, endpoint.name, receivedAt).map((id): Write => {
        const resource = { resourceType: snapshot.type, id };
        return { kind: 'draft', mode: 'delete', owner: endpoint.organization, resource };
      }),
    );
  }

  /** @returns ids that are in the list no more */
  #follow({ patient, segment, visit = '', type, ids }: Snapshot, channel: string, receivedAt: Date): string[] {
    const row: ListRow = { patient, segment, visit, channel, ids: [...ids], received_at: receivedAt };
    const name = nameOf(row);
    const last = this.#rows.get(name);
    if (last !== undefined && last.received_at > receivedAt) return [];
    const known = last?.ids ?? [];
    const isSame = known.length === ids.length && known.every((id, index) => id === ids[index]);
    if (!isSame) this.#changed.set(name, { row, type });
    this.#rows.set(name, row);
    const gone = known.filter((id) => !ids.includes(id));
    if (gone.length === 0) return gone;
    const elsewhere = new Set([...this.#rows.values()].filter((other) => other !== row).flatMap((other) => other.ids));
    return gone.filter((id) => !elsewhere.has(id));
  }

  async write(tx: Tx): Promise<void> {
    const changed = [...this.#changed.values()];
    if (changed.length === 0) return;
    const records = changed.map(({ row, type }) => ({ ...row, bucket: ownBucket(row.patient), type: typeCode(type) }));
    await tx.query(sql`
      insert into sent_list (bucket, patient, segment, visit, channel, type, ids, received_at)
      select bucket, patient, segment, visit, channel, type, array(select jsonb_array_elements_text(ids)), received_at
      from jsonb_to_recordset(${JSON.stringify(records)}::jsonb)
        as l (bucket int, patient text, segment text, visit text, channel text, type smallint, ids jsonb,
          received_at timestamptz)
      on conflict (bucket, patient, segment, visit, channel) do update
        set ids = excluded.ids, type = excluded.type, received_at = excluded.received_at`);
  }
}

function nameOf({ patient, segment, visit, channel }: ListRow): string {
  return JSON.stringify([patient, segment, visit, channel]);
}
