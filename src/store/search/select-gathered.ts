/**
 * A page of rows that no single walk of an index gives in order: those that chains lead to, and those of several types. They
 * are gathered first and then ordered. Left to itself PostgreSQL would walk a type in order of change, sure that the next
 * rows will do.
 */
import { join, raw, sql, type Sql } from '../../db/sql.ts';
import { ownBucket } from '../../fhir/ids.ts';
import type { Branch, Filter, SearchRequest } from '../../fhir/search-request.ts';
import { typeCode } from '../../fhir/types.ts';
import type { Subject } from './chain.ts';
import { openCursor } from './cursor.ts';
import { gather } from './gather.ts';
import { isAfter, orderBy, orderOf, ordersOf, type OrderKey } from './order.ts';
import { beginningOf, compartmentsOf, compileSearch, isAcross, isCounted, matchFilter } from '../search.ts';
import type { SelectOptions } from '../select.ts';
import type { Visibility } from '../visibility.ts';

type GatherOptions = Required<Pick<SelectOptions, 'aliases' | 'seal' | 'visibilityOf'>> & Pick<SelectOptions, 'within'>;

export function compileGathered(
  visibility: Visibility,
  request: SearchRequest,
  options: GatherOptions,
): { statement: Sql; keys: readonly OrderKey[] } {
  const branches = request.branches ?? [{ types: [request.type], filters: request.filters, sort: request.sort }];
  const orders = request.branches === undefined ? [orderOf(request, false)] : ordersOf(branches);
  const keys = orders[0] as OrderKey[];
  const position = request.cursor === undefined ? undefined : openCursor(request.cursor, keys.length, options.seal);
  const limit = request.count + 1;
  const isWhole = isCounted(request) || branches.every((branch) => isAcross(branch));
  const parts = branches.map((branch, at) => {
    const order = orders[at] as OrderKey[];
    return rowsOf(branch, visibility, {
      ...options,
      keys: order,
      after: position && isAfter(order, position, 'r'),
      limit: isWhole ? undefined : limit,
    });
  });
  const texts = keys.map((_, index) => raw(`p.order${index}::text as key${index}`));
  const order = orderBy(keys, (_, index) => raw(`p.order${index}`), raw('p.id'));
  const statement = sql`
    with gathered as materialized (${join(parts, ' union all ')})
    select r.type, r.id, r.patient, r.other_patients, r.body, ${visibility.decidedBy('r')} as decided_by, ${join(texts, ', ')},
      ${isWhole ? raw('(select count(*)::int from gathered)') : raw('null::int')} as total
    from (select * from gathered p where p.is_after order by ${order} limit ${limit}) p
    join resource r on r.bucket = p.bucket and r.type = p.type and r.id = p.id
    order by ${order}`;
  return { statement, keys };
}

interface BranchOptions extends GatherOptions {
  readonly keys: readonly OrderKey[];
  readonly after: Sql | undefined;
  /** Undefined: every row, for a total. */
  readonly limit: number | undefined;
}

/** The rows of a branch with what orders them. */
function rowsOf(
  { types, filters }: Branch,
  visibility: Visibility,
  { aliases, within, visibilityOf, keys, after, limit }: BranchOptions,
): Sql {
  const [type = ''] = types;
  const subject: Subject = {
    type,
    ...(types.length > 1 ? { types } : {}),
    alias: 'r',
    // Conditions that every type has need no index of one: the rows are found by type, or by what is listed here.
    isFound: types.length > 1,
    aliases,
    visibilityOf,
  };
  const patients = compartmentsOf({ type: types.length > 1 ? '' : type, filters }, aliases, within);
  const columns = join(
    keys.map((key, index) => sql`${key.value('r')} as ${raw(`order${index}`)}`),
    ', ',
  );
  const select = (condition: Sql, most = limit): Sql => {
    const visible = sql`${condition} and ${visibility.where('r')}`;
    const all = sql`select r.bucket, r.type, r.id, ${after ?? raw('true')} as is_after, ${columns} from resource r where ${visible}`;
    if (most === undefined) return all;
    const here = after === undefined ? all : sql`${all} and ${after}`;
    return sql`(${here} order by ${orderBy(keys, (key) => key.value('r'), raw('r.id'))} limit ${most})`;
  };
  if (patients !== undefined) {
    const where = compileSearch(filters, { ...subject, isFound: true });
    return each(
      sql`unnest(${patients.map(ownBucket)}::int[], ${patients}::text[]) c (bucket, patient)`,
      select(sql`r.bucket = c.bucket and r.patient = c.patient and ${where}`),
    );
  }
  const first = beginningOf({ type, filters });
  if (first !== undefined) {
    const rest = compileSearch(
      filters.filter((filter) => filter !== first || filter.kind === 'compartment'),
      { ...subject, isFound: true },
    );
    return each(
      sql`(${gather(first, subject, matchFilter)}) g`,
      select(sql`r.bucket = g.bucket and r.type = g.type and r.id = g.id and ${rest}`),
    );
  }
  const where = compileSearch(filters, subject);
  if (filters.some(namesRows)) return select(where, undefined);
  if (types.length === 1) return select(where);
  // A walk for each type: over several at once there is no order of change.
  return each(sql`unnest(${types.map(typeCode)}::smallint[]) k (type)`, select(sql`r.type = k.type and ${where}`));
}

/** The rows of a query for each row of a table; `offset 0` keeps them in that order of work. */
function each(table: Sql, query: Sql): Sql {
  return sql`select x.* from ${table} cross join lateral (select * from (${query}) q offset 0) x`;
}

function namesRows(filter: Filter): boolean {
  return filter.kind === 'token' && filter.index === '_id' && !filter.isNegated;
}
