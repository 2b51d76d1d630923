/**
 * A page of a search: one statement, one snapshot, in which every alias carries the caller's visibility. Hidden rows are
 * left out before the limit, the order and the count, so none of them tells of a row that may not be seen (LEAKS 3, 4).
 */
import { isDatabase, type Tx } from '../db.ts';
import { join, raw, sql, varying, type Sql } from '../db/sql.ts';
import { queryTogether } from '../db/together.ts';
import { ownBucket } from '../fhir/ids.ts';
import type { SearchRequest } from '../fhir/search-request.ts';
import { typeName } from '../fhir/types.ts';
import type { Subject } from './search/chain.ts';
import { openCursor, sealCursor, type CursorSeal, type Position } from './search/cursor.ts';
import { isAfter, orderBy, orderOf, type OrderKey } from './search/order.ts';
import type { Aliases } from './params/reference.ts';
import { isPlain } from './search/plain.ts';
import { resolveSearch } from './search/resolve.ts';
import { compartmentsOf, compileSearch, isAcross, isCounted } from './search.ts';
import { compileGathered } from './search/select-gathered.ts';
import type { Decided, Visibility, VisibilityOf } from './visibility.ts';

export interface SelectOptions {
  /** Of the caller, `Organization/x`: whose value sets `:in` knows beside the published ones. */
  readonly organization?: string | undefined;
  readonly seal: CursorSeal;
  /** Records of the same persons, for every Patient the request names (`patientsNamed`). Default: each is alone. */
  readonly aliases?: Aliases;
  /**
   * Only rows in the compartments of these source patients, whatever the request names: a caller that may see no others
   * (a patient's own token, a launch context) is served from them. The visibility still decides on every row.
   */
  readonly within?: readonly string[];
  /** Who may see rows of the types that chains lead to. Default: the visibility of the search itself. */
  readonly visibilityOf?: VisibilityOf;
}

/** A row of a page: what its entry, its audit and the place in the order need. Each further column costs 2 us for 20 rows. */
export interface FoundRow {
  readonly type: string;
  readonly id: string;
  readonly patient: string | undefined;
  /** Whom it is about beside. */
  readonly otherPatients?: readonly string[] | undefined;
  /** As stored; sent as it is. */
  readonly body: string;
  /** What let the row through, as in `Row`. */
  readonly decidedBy: string;
}

export interface Page {
  readonly rows: readonly FoundRow[];
  /** Cursor of the next page; undefined on the last. */
  readonly next?: string;
  /** With `_total=accurate` (or `estimate`, which is served as exactly), or `_count=0`. */
  readonly total?: number;
}

/** @throws Problem value for a foreign cursor, not-supported for a sort that is not served, too-costly for too many values */
export async function selectPage(
  db: Tx,
  visibility: Visibility,
  request: SearchRequest,
  options: SelectOptions,
): Promise<Page> {
  const { visibilityOf = () => visibility, organization } = options;
  const resolved = await resolveSearch(db, request, { visibilityOf, organization });
  const { statement, keys, isPlain } = compilePage(visibility, resolved, options);
  const rows = await (isPlain && isDatabase(db) ? queryTogether<PageRow>(db, statement) : db.query<PageRow>(statement));
  // An empty first page says that nothing matches; an empty later one does not say how much there was before.
  // Counted for nothing when the rows were gathered anyway: said all the same.
  const total =
    rows.length > 0
      ? (rows[0]?.total ?? undefined)
      : isCounted(request) && request.cursor === undefined
        ? 0
        : undefined;
  const page = rows.slice(0, request.count);
  const last = page.at(-1);
  const hasMore = rows.length > request.count && last !== undefined;
  return {
    rows: page.map(({ type, id, patient, other_patients, body, decided_by }) => ({
      type: type === undefined ? request.type : typeName(type),
      id,
      patient: patient ?? undefined,
      otherPatients: other_patients ?? undefined,
      body,
      decidedBy: decided_by ?? '',
    })),
    ...(hasMore ? { next: sealCursor(positionOf(last, keys), options.seal) } : {}),
    ...(total === undefined ? {} : { total }),
  };
}

interface StoredColumns {
  /** Of a search over several types. */
  readonly type?: number;
  readonly id: string;
  readonly patient: string | null;
  readonly other_patients: string[] | null;
  readonly body: string;
  readonly decided_by: string | null;
  /** Null: not counted. */
  readonly total?: number | null;
}

/** With the sort keys of the row as text: `key0`, ... */
type PageRow = StoredColumns & Record<`key${number}`, string | null>;

function positionOf(row: PageRow, keys: readonly OrderKey[]): Position {
  return { id: row.id, keys: keys.map((_, index) => row[`key${index}`] ?? null) };
}

interface CompiledPage {
  readonly statement: Sql;
  readonly keys: readonly OrderKey[];
  /** May be one statement with others of its turn (search/plain.ts). */
  readonly isPlain: boolean;
}

export function compilePage(
  visibility: Visibility,
  request: SearchRequest,
  { aliases = new Map(), within, seal, visibilityOf = () => visibility }: SelectOptions,
): CompiledPage {
  const patients = compartmentsOf(request, aliases, within);
  const isGathered = request.branches !== undefined || (patients === undefined && isAcross(request));
  if (isGathered) {
    return { ...compileGathered(visibility, request, { aliases, within, seal, visibilityOf }), isPlain: false };
  }
  const subject: Subject = {
    type: request.type,
    alias: 'r',
    isFound: patients !== undefined,
    aliases,
    visibilityOf,
  };
  const keys = orderOf(request, patients !== undefined);
  const position = request.cursor === undefined ? undefined : openCursor(request.cursor, keys.length, seal);
  const after = position === undefined ? undefined : isAfter(keys, position, 'r');
  const limit = request.count + 1;
  const decided = visibility.decided('r');
  const visible = sql`${compileSearch(request.filters, subject)} and ${decided.where}`;
  const here = after === undefined ? visible : sql`${visible} and ${after}`;
  const page = pageOf(here, decided, { patients, keys, limit });
  const statement = isCounted(request)
    ? sql`select page.*, (select count(*)::int from ${from(patients)} ${decided.join} where ${visible}) as total from (${page}) page`
    : page;
  return { statement, keys, isPlain: patients?.length === 1 && isPlain(request) };
}

/** The rows of a page, in order; one row more than asked tells that there is a next page. */
function pageOf(
  here: Sql,
  decided: Decided,
  { patients, keys, limit }: { patients: readonly string[] | undefined; keys: readonly OrderKey[]; limit: number },
): Sql {
  const rows = (keyColumns: readonly Sql[], source: Sql, condition: Sql): Sql => sql`
    select r.id, r.patient, r.other_patients, r.body, ${decided.decidedBy} as decided_by, ${join(keyColumns, ', ')}
    from ${source} ${decided.join} where ${condition}
    order by ${orderBy(keys, (key) => key.value('r'), raw('r.id'))} limit ${limit}`;
  if (patients === undefined || patients.length === 1) {
    const texts = keys.map((key, index) => sql`${key.value('r')}::text as ${raw(`key${index}`)}`);
    return rows(
      texts,
      raw('resource r'),
      patients === undefined ? here : sql`${isIn(patients[0] as string)} and ${here}`,
    );
  }
  // A scan for each record, merged: an `in` list would read every row of all of them before it sorts.
  const values = keys.map((key, index) => sql`${key.value('r')} as ${raw(`order${index}`)}`);
  const texts = keys.map((_, index) => raw(`p.order${index}::text as key${index}`));
  return sql`
    select p.id, p.patient, p.other_patients, p.body, p.decided_by, ${join(texts, ', ')}
    from unnest(${patients.map(ownBucket)}::int[], ${patients}::text[]) c (bucket, patient)
    cross join lateral (${rows(values, raw('resource r'), sql`r.bucket = c.bucket and r.patient = c.patient and ${here}`)}) p
    order by ${orderBy(keys, (_, index) => raw(`p.order${index}`), raw('p.id'))} limit ${limit}`;
}

function isIn(patient: string): Sql {
  return sql`r.bucket = ${varying(ownBucket(patient), 'int4')} and r.patient = ${varying(patient, 'text')}`;
}

function from(patients: readonly string[] | undefined): Sql {
  return patients === undefined
    ? raw('resource r')
    : sql`unnest(${patients.map(ownBucket)}::int[], ${patients}::text[]) c (bucket, patient)
      join resource r on r.bucket = c.bucket and r.patient = c.patient`;
}
