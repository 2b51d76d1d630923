/**
 * Quantity parameters: the number under its unit. A value is indexed once for each way its unit can be asked for (none, the
 * code or unit as written, the system's), so that number and unit are tested on the same value of a row that holds several.
 *
 * @see https://hl7.org/fhir/R4/search.html#quantity
 */
import type { Sql } from '../../db/sql.ts';
import type { QuantityEntry } from '../../fhir/index/entry.ts';
import type { QuantityFilter } from '../../fhir/search-request.ts';
import { canonicalUnit, toCanonical, ucum, type CanonicalUnit } from '../../fhir/ucum.ts';
import { keyHash, type IndexColumns } from './columns.ts';
import { comparesNumber, numberKey } from './number.ts';
import { addRange, hasAnyRange, type RangeTest } from './range.ts';

export function indexQuantity({ param, low, high, system, code, unit }: QuantityEntry, columns: IndexColumns): void {
  addRange(columns, numberKey(param), low, high);
  for (const name of new Set([code, unit])) {
    if (name !== undefined) addRange(columns, keyHash('range', param, name), low, high);
  }
  if (system === undefined || code === undefined) return;
  const { key, canonical } = unitKey(param, system, code);
  addRange(columns, key, convert(canonical, low), convert(canonical, high));
}

export function matchQuantity(filter: QuantityFilter, alias: string): Sql {
  return hasAnyRange(alias, quantityTests(filter));
}

export function quantityTests({ index, values }: QuantityFilter): RangeTest[] {
  return values.flatMap((value) => {
    const { system = '', code, prefix, low, high } = value;
    const asWritten = comparesNumber(value);
    if (code === undefined) return [{ key: numberKey(index), test: asWritten }];
    if (system === '') return [{ key: keyHash('range', index, code), test: asWritten }];
    // Rows that were indexed before units were canonical have the unit as written.
    const written = { key: keyHash('range', index, system, code), test: asWritten };
    const { key, canonical } = unitKey(index, system, code);
    if (canonical === undefined) return [written];
    const test = comparesNumber({ prefix, low: convert(canonical, low), high: convert(canonical, high) });
    return [{ key, test }, written];
  });
}

/** `system|code`: a UCUM unit stands for all that convert to it, any other for itself. */
function unitKey(param: string, system: string, code: string): { key: bigint; canonical: CanonicalUnit | undefined } {
  const canonical = system === ucum ? canonicalUnit(code) : undefined;
  const unit = canonical === undefined ? code : `!${canonical.dimension}`;
  return { key: keyHash('range', param, system, unit), canonical };
}

function convert(unit: CanonicalUnit | undefined, value: number): number {
  return unit === undefined ? value : toCanonical(unit, value);
}
