/**
 * What conditions by business identifier describe, any number of them by one statement. They are what transactions are full
 * of (`ifNoneExist: identifier=...`, `Practitioner?identifier=...`): asked one by one, a Bundle of 1,999 took 15 s.
 *
 * Each step is a subquery of its own (`offset 0`) that begins with the rows of the one before. Left to itself PostgreSQL,
 * asked while the store is nearly empty, would walk all rows of the owner, and keep that plan.
 */
import type { Tx } from '../db.ts';
import { plannedAnew, sql, type Sql } from '../db/sql.ts';
import { tokenHash } from '../fhir/hash.ts';
import type { Filter, SearchRequest, TokenFilter } from '../fhir/search-request.ts';
import { typeCode } from '../fhir/types.ts';
import { bucketOfHash } from './identifier.ts';
import { tokenHashes } from './params/token.ts';
import { isInDirectory } from './place.ts';
import type { FoundRow } from './select.ts';
import type { Visibility } from './visibility.ts';

export type Asked = Pick<SearchRequest, 'type' | 'filters'>;
export type Identified = Pick<FoundRow, 'id' | 'patient' | 'otherPatients' | 'decidedBy'>;

/** One identifier, and perhaps other tokens beside it. */
export function isByIdentifier({ filters }: Asked): boolean {
  return filters.every(isOneToken) && filters.some(({ index }) => index === 'identifier');
}

function isOneToken(filter: Filter): filter is TokenFilter {
  if (filter.kind !== 'token' || filter.isNegated || filter.index === '_id' || filter.param.isPartial === true)
    return false;
  return filter.values.length === 1 && filter.values[0]?.code !== undefined;
}

/**
 * @param asked each {@link isByIdentifier}
 * @param limit of rows for each
 * @returns for each the rows it describes
 */
export async function selectIdentified(
  db: Tx,
  visibility: Visibility,
  asked: readonly Asked[],
  limit: number,
): Promise<Identified[][]> {
  const places = [...asked.keys()];
  const [listed, keyed] = [true, false].map((isListed) =>
    places.filter((at) => isInDirectory((asked[at] as Asked).type) === isListed),
  ) as [number[], number[]];
  const found = await Promise.all([
    select(db, listed, asked, (columns) => rowsOf(byIndex(columns), visibility, limit)),
    // Whether keys are rare, and with them this index the right one, is not known when the statement is prepared.
    select(db, keyed, asked, (columns) => plannedAnew(rowsOf(byKey(columns), visibility, limit))),
  ]);
  const byPlace = Map.groupBy(found.flat(), ({ place }) => place);
  return places.map((at) =>
    (byPlace.get(at) ?? []).map(({ id, patient, other_patients, decided_by }) => ({
      id,
      patient: patient ?? undefined,
      otherPatients: other_patients ?? undefined,
      decidedBy: decided_by ?? '',
    })),
  );
}

interface IdentifiedRow {
  readonly place: number;
  readonly id: string;
  readonly patient: string | null;
  readonly other_patients: string[] | null;
  readonly decided_by: string | null;
}

async function select(
  db: Tx,
  places: readonly number[],
  asked: readonly Asked[],
  compile: (columns: Columns) => Sql,
): Promise<IdentifiedRow[]> {
  if (places.length === 0) return [];
  return db.query(compile(columnsOf(places, asked)));
}

/** A table `c (place, type, hash, hash_bucket, key, tokens)`: a row for each condition. */
interface Columns {
  readonly table: Sql;
}

function columnsOf(places: readonly number[], asked: readonly Asked[]): Columns {
  const rows = places.map((place) => {
    const { type, filters } = asked[place] as Asked;
    const tokens = filters as readonly TokenFilter[];
    const identifier = tokens.find(({ index }) => index === 'identifier') as TokenFilter;
    const [hash = 0n] = tokenHashes(identifier);
    return {
      place,
      type: typeCode(type),
      hash,
      key: tokenHash('identifier', undefined, identifier.values[0]?.code),
      tokens: `{${tokens.flatMap(tokenHashes).join(',')}}`,
    };
  });
  return {
    table: sql`
      unnest(${places}::int[], ${rows.map(({ type }) => type)}::smallint[], ${rows.map(({ hash }) => String(hash))}::bigint[],
        ${rows.map(({ hash }) => bucketOfHash(hash))}::int[], ${rows.map(({ key }) => String(key))}::bigint[],
        ${rows.map(({ tokens }) => tokens)}::text[]) c (place, type, hash, hash_bucket, key, tokens)`,
  };
}

interface Steps extends Columns {
  /** Rows `r` of `resource` that may be described by the condition `c`. */
  readonly rows: Sql;
}

/** People, organizations and places: the identifier index knows where they are. */
function byIndex({ table }: Columns): Steps {
  const rows = sql`
    (select i.bucket, i.id from identifier_index i
     where i.hash_bucket = c.hash_bucket and i.hash = c.hash and i.type = c.type offset 0) i
    cross join lateral (
      select * from resource r where r.bucket = i.bucket and r.type = c.type and r.id = i.id offset 0) r`;
  return { table, rows };
}

/** Everything else, by the `keys` index. */
function byKey({ table }: Columns): Steps {
  return { table, rows: sql`(select * from resource r where r.keys && array[c.key] offset 0) r` };
}

function rowsOf({ table, rows }: Steps, visibility: Visibility, limit: number): Sql {
  const decided = visibility.decided('r');
  return sql`
    select c.place, r.* from ${table}
    cross join lateral (
      select r.id, r.patient, r.other_patients, ${decided.decidedBy} as decided_by from ${rows} ${decided.join}
      where r.type = c.type and not r.is_deleted and c.tokens::bigint[] <@ r.tokens and ${decided.where} limit ${limit}) r`;
}
