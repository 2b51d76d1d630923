/**
 * Composites of a repeating element: a value of one component counts with a value of another only when both stand in the same
 * element. Each hash and range key of an element carries the element's place in its low bits, so what belongs together agrees
 * in them. An element costs what its values cost; hashes of pairs would cost their product (three forms of a code times four
 * of a quantity's unit).
 *
 * @see https://hl7.org/fhir/R4/search.html#composite
 */
import { join, raw, sql, type Sql } from '../../db/sql.ts';
import type { ElementFilter } from '../../fhir/search-request.ts';
import type { IndexColumns } from './columns.ts';
import { dateTests } from './date.ts';
import { numberTests } from './number.ts';
import { quantityTests } from './quantity.ts';
import { hasRange, type RangeTest } from './range.ts';
import { referenceHashes, type Aliases } from './reference.ts';
import { tokenHashes } from './token.ts';
import { uriHashes } from './uri.ts';

/** Elements of one resource that are told apart: more than any panel has components. 52 bits are left to the hash. */
const placesMax = 4096;
const placeMask = BigInt(placesMax - 1);

/** @param element the columns of one element's values alone */
export function indexElement(element: IndexColumns, place: number, columns: IndexColumns): void {
  for (const hash of element.tokens) columns.tokens.add(placed(hash, place));
  element.rangeKeys.forEach((key, at) => {
    columns.rangeKeys.push(placed(key, place));
    columns.rangeLows.push(element.rangeLows[at] as number);
    columns.rangeHighs.push(element.rangeHighs[at] as number);
  });
}

function placed(hash: bigint, place: number): bigint {
  return BigInt.asIntN(64, (hash & ~placeMask) | BigInt(place % placesMax));
}

/** A component's condition, by the place of the element it speaks of. */
interface Part {
  /** A query for the places in a row where it holds. */
  readonly places: (alias: string) => Sql;
  readonly holdsAt: (alias: string, place: Sql) => Sql;
}

export function matchElement({ filters }: ElementFilter, alias: string, aliases: Aliases): Sql {
  const [first, ...others] = filters.map((filter) => partOf(filter, aliases)) as [Part, ...Part[]];
  const tests = others.map((part) => part.holdsAt(alias, raw('e.place')));
  return sql`exists (select from (${first.places(alias)}) e (place) where ${join([raw('true'), ...tests], ' and ')})`;
}

function partOf(filter: ElementFilter['filters'][number], aliases: Aliases): Part {
  switch (filter.kind) {
    case 'token':
      return hashPart(tokenHashes(filter));
    case 'reference':
      return hashPart(referenceHashes(filter, aliases));
    case 'uri':
      return hashPart(uriHashes(filter));
    case 'date':
      return rangePart(dateTests(filter));
    case 'number':
      return rangePart(numberTests(filter));
    default:
      return rangePart(quantityTests(filter));
  }
}

function hashPart(hashes: readonly bigint[]): Part {
  const heads = hashes.map((hash) => placed(hash, 0));
  return {
    places: (alias) => sql`
      select t.hash & ${String(placeMask)}::bigint from unnest(${raw(alias)}.tokens) t (hash)
      where ${join(
        heads.map((head) => sql`t.hash & ${String(~placeMask)}::bigint = ${String(head)}::bigint`),
        ' or ',
      )}`,
    holdsAt: (alias, place) => {
      const tests = heads.map((head) => sql`${String(head)}::bigint | ${place} = any(${raw(alias)}.tokens)`);
      return sql`(${join(tests, ' or ')})`;
    },
  };
}

function rangePart(tests: readonly RangeTest[]): Part {
  return {
    places: (alias) => {
      const row = raw(alias);
      const anyOf = tests.map(
        ({ key, test }) => sql`(v.key & ${String(~placeMask)}::bigint = ${String(placed(key, 0))}::bigint and ${test})`,
      );
      return sql`
        select v.key & ${String(placeMask)}::bigint
        from unnest(${row}.range_keys, ${row}.range_lows, ${row}.range_highs) v (key, low, high)
        where ${join(anyOf, ' or ')}`;
    },
    holdsAt: (alias, place) => {
      const anyOf = tests.map(({ key, test }) =>
        hasRange(alias, sql`(${String(placed(key, 0))}::bigint | ${place})`, test),
      );
      return sql`(${join(anyOf, ' or ')})`;
    },
  };
}
