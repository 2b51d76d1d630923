/**
 * Quantity parameters: the number under its unit. A value is indexed once for each way its unit can be asked for, so that
 * number and unit are tested on the same value of a row that holds several.
 *
 * @see https://hl7.org/fhir/R4/search.html#quantity
 */
import type { Sql } from '../../db/sql.ts';
import type { QuantityEntry } from '../../fhir/index-entry.ts';
import type { QuantityFilter, QuantityValue } from '../../fhir/search-request.ts';
import { keyHash, type IndexColumns } from './columns.ts';
import { comparesNumber, numberKey } from './number.ts';
import { addRange, hasAnyRange, type RangeTest } from './range.ts';

export function indexQuantity({ param, low, high, system, code, unit }: QuantityEntry, columns: IndexColumns): void {
  addRange(columns, numberKey(param), low, high);
  for (const name of new Set([code, unit])) {
    if (name !== undefined) addRange(columns, keyHash('range', param, name), low, high);
  }
  if (system !== undefined && code !== undefined) addRange(columns, keyHash('range', param, system, code), low, high);
}

export function matchQuantity(filter: QuantityFilter, alias: string): Sql {
  return hasAnyRange(alias, quantityTests(filter));
}

export function quantityTests({ index, values }: QuantityFilter): RangeTest[] {
  return values.map((value) => ({ key: quantityKey(index, value), test: comparesNumber(value) }));
}

function quantityKey(index: string, { system, code }: QuantityValue): bigint {
  if (code === undefined) return numberKey(index);
  return system === undefined || system === '' ? keyHash('range', index, code) : keyHash('range', index, system, code);
}
