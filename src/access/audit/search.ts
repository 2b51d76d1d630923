/**
 * Search parameters of AuditEvent, answered from the columns of the trail: those of which every row can say whether it matches. Type,
 * subtype and action follow from the name of the interaction, so a token becomes the names that have it.
 *
 * @see https://hl7.org/fhir/R4/auditevent.html#search
 */
import { join, raw, sql, type Sql } from '../../db/sql.ts';
import { Problem } from '../../fhir/problem.ts';
import type { Filter, ReferenceFilter, ReferenceValue, TokenFilter, TokenValue } from '../../fhir/search.ts';
import { typeCode } from '../../fhir/types.ts';
import { matchInstant } from '../../store/params/date.ts';
import { kindOf, knownInteractions, ownSubtypes, unknown, type Coding, type Kind } from './kinds.ts';
import { isPlaced } from './entries.ts';
import { isNamed, placeOf } from './log.ts';

type Match = (filter: Filter) => Sql | undefined;

const token =
  (match: (filter: TokenFilter) => Sql): Match =>
  (filter) => {
    if (filter.kind !== 'token') return undefined;
    const test = match(filter);
    return filter.isNegated ? sql`not ${test}` : test;
  };
const reference =
  (match: (value: ReferenceValue) => Sql): Match =>
  (filter) => {
    if (filter.kind !== 'reference') return undefined;
    return any((filter satisfies ReferenceFilter).values.map(match));
  };
const instant: Match = (filter) => (filter.kind === 'date' ? matchInstant(filter.values, raw('at')) : undefined);

const params: Readonly<Record<string, Match>> = {
  _id: token(({ values }) =>
    any(
      values.map(({ code = '' }) => {
        const place = placeOf(code);
        return place === undefined ? nothing : sql`(${isPlaced(place.shard, place.seq)})`;
      }),
    ),
  ),
  _lastUpdated: instant,
  date: instant,
  type: token((filter) => byKind(filter, ({ type }) => [type])),
  subtype: token((filter) => byKind(filter, ({ subtype }) => subtype)),
  action: token((filter) =>
    byKind(filter, ({ action }) => [{ system: 'http://hl7.org/fhir/audit-event-action', code: action }]),
  ),
  outcome: token(({ values }) => {
    const named = values.filter((value) => isOf(value, 'http://hl7.org/fhir/audit-event-outcome'));
    return sql`outcome::text = any(${named.flatMap(({ code }) => code ?? [])}::text[])`;
  }),
  agent: reference((value) => refersTo(value, ['subject', 'organization'])),
  patient: reference(({ type = 'Patient', id }) =>
    type === 'Patient' && id !== undefined ? sql`patient = ${id}` : nothing,
  ),
  entity: reference(matchEntity),
};

/** What the CapabilityStatement says of AuditEvent. */
export const servedParams: ReadonlySet<string> = new Set(Object.keys(params));

/** What a block must meet to have rows that a filter by date lets through, so that no other one is opened. */
export function compileBlockFilters(filters: readonly Filter[]): readonly Sql[] {
  return filters.flatMap((filter) =>
    filter.kind === 'date' ? [matchInstant(filter.values, raw('at_from'), raw('at_to'))] : [],
  );
}

/** @throws Problem not-supported for a modifier that the trail cannot answer */
export function compileLogFilter(filter: Filter): Sql {
  const { code } = filter.param;
  // A modifier that asks for something else than the reference or the code has an index of its own.
  const isPlain = 'index' in filter && filter.index === code;
  const test = isPlain && Object.hasOwn(params, code) ? params[code]?.(filter) : undefined;
  if (test !== undefined) return test;
  throw new Problem('not-supported', 'the access log does not answer this modifier', { expression: code });
}

const nothing = raw('false');
function any(tests: readonly Sql[]): Sql {
  return sql`(${join(tests, ' or ')})`;
}

const isOf = ({ system }: TokenValue, expected: string): boolean => system === undefined || system === expected;
const matches = (value: TokenValue, { system, code }: Coding): boolean =>
  isOf(value, system) && (value.code === undefined || value.code === code);

/** Rows whose interaction has one of the tokens. */
function byKind({ values }: TokenFilter, codingsOf: (kind: Kind) => readonly Coding[]): Sql {
  const has = (kind: Kind): boolean => codingsOf(kind).some((coding) => values.some((value) => matches(value, coding)));
  const named = knownInteractions.filter((name) => has(kindOf(name)));
  // Of an interaction that is not in the table only the subtype says which it is.
  const others = has({ ...unknown, subtype: [] });
  const own = values.filter((value) => isOf(value, ownSubtypes));
  const bySubtype = codingsOf({ ...unknown, subtype: [] }).length === 0;
  const isUnknown = sql`interaction <> all(${knownInteractions}::text[])`;
  const codes = own.flatMap(({ code }) => code ?? []);
  const isNamed = own.some(({ code }) => code === undefined) ? raw('true') : sql`interaction = any(${codes}::text[])`;
  return any([
    sql`interaction = any(${named}::text[])`,
    ...(others ? [isUnknown] : []),
    ...(bySubtype && own.length > 0 ? [sql`(${isUnknown} and ${isNamed})`] : []),
  ]);
}

/** `Type/id` in one of these columns; an id alone is one of any type. */
function refersTo({ type, id }: ReferenceValue, columns: readonly string[]): Sql {
  if (id === undefined) return nothing;
  return any(
    columns.map((column) =>
      type === undefined ? sql`split_part(${raw(column)}, '/', 2) = ${id}` : sql`${raw(column)} = ${`${type}/${id}`}`,
    ),
  );
}

/** The patient, what was asked for or written, and the Consent that decided. */
function matchEntity({ type, id, version }: ReferenceValue): Sql {
  if (id === undefined) return nothing;
  const isType = (name: string): boolean => type === undefined || type === name;
  const code = type === undefined ? undefined : typeCode(type);
  const ofType = type === undefined ? raw('true') : sql`type = ${code ?? -1}::smallint`;
  const ofVersion = version === undefined ? raw('true') : sql`version::text = ${version}`;
  return any([
    sql`(${ofType} and resource_id = ${id} and ${ofVersion} and ${isNamed()})`,
    ...(isType('Patient') && version === undefined ? [sql`patient = ${id}`] : []),
    ...(isType('Consent')
      ? [
          version === undefined
            ? sql`position(${` consent:${id}/`} in ' ' || decided_by) > 0`
            : sql`${`consent:${id}/${version}`} = any(string_to_array(decided_by, ' '))`,
        ]
      : []),
  ]);
}
