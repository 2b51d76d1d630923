/**
 * Which searches of a patient's record may be one statement with others that the same caller asks in the same turn of the event
 * loop (db/together.ts): a page of a type, newest first, by codes, references and dates, as records are read, and the latest by
 * a code. PostgreSQL walks the record in its order and reads nothing but columns, so each takes a tenth of a millisecond or
 * two. What may take long goes alone, so that nobody waits for it.
 *
 * Of 16 a page of 20 takes PostgreSQL 103 us, alone 155; the latest 5 by code, looking through 100 rows, 143 and 200.
 */
import type { Filter, SearchRequest } from '../../fhir/search-request.ts';
import { mainDateOf } from '../place.ts';

/** The rows of a group are in the hub at once. */
const rowsMax = 100;

/** @param request one whose rows are found in the compartment of one patient */
export function isPlain({ type, filters, sort, count, total, summary }: SearchRequest): boolean {
  if (count === 0 || count > rowsMax || total !== 'none' || summary === 'count') return false;
  const isNewestFirst = sort.every(({ param, isDescending }) => isDescending && param.code === mainDateOf(type));
  return isNewestFirst && filters.every(isOfColumns);
}

function isOfColumns({ kind }: Filter): boolean {
  return kind === 'token' || kind === 'reference' || kind === 'date';
}
