/** A file of an export as it is sent: lines rendered from the keys, page by page, for who may see them at that moment. */
import type { Tx } from '../db.ts';
import { readExported, type ExportKeys } from '../store/export.ts';
import type { FoundRow } from '../store/select.ts';
import type { Visibility } from '../store/visibility.ts';

/** Rows of one statement: some MB in memory until they are sent. */
const pageRowsMax = 500;

export interface ExportPageOfLines {
  readonly rows: readonly FoundRow[];
  readonly text: string;
}

/**
 * @param visible who may see rows now
 * @param bodyOf a row as this client gets it
 */
export async function* exportLines(
  db: Tx,
  visible: Visibility,
  keys: ExportKeys,
  bodyOf: (row: FoundRow) => string,
): AsyncGenerator<ExportPageOfLines, undefined> {
  for (let at = 0; at < keys.ids.length; at += pageRowsMax) {
    const slice = <T>(list: readonly T[]): readonly T[] => list.slice(at, at + pageRowsMax);
    const { type, isDeleted, buckets, ids, versions } = keys;
    const page = { type, isDeleted, buckets: slice(buckets), ids: slice(ids), versions: slice(versions) };
    const rows = await readExported(db, visible, page);
    if (rows.length === 0) continue;
    yield { rows, text: isDeleted ? deletedLine(rows) : `${rows.map(bodyOf).join('\n')}\n` };
  }
}

/** The guide: "each line in the output file SHALL contain a FHIR Bundle with a type of `transaction`" of DELETE requests. */
function deletedLine(rows: readonly FoundRow[]): string {
  const entry = rows.map(({ type, id }) => ({ request: { method: 'DELETE', url: `${type}/${id}` } }));
  return `${JSON.stringify({ resourceType: 'Bundle', type: 'transaction', entry })}\n`;
}
