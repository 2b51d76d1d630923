/** From index entries to the index columns of a row: which parameter file takes which entry. */
import { tokenForms, tokenHash } from '../fhir/hash.ts';
import { containedCodes } from '../fhir/index-entry.ts';
import { indexEntries } from '../fhir/params.ts';
import type { AnyResource } from '../fhir/types.ts';
import { IndexColumns } from './params/columns.ts';
import { indexDate } from './params/date.ts';
import { indexNumber } from './params/number.ts';
import { indexQuantity } from './params/quantity.ts';
import { indexReference } from './params/reference.ts';
import { indexString } from './params/string.ts';
import { indexToken } from './params/token.ts';
import { indexUri } from './params/uri.ts';
import { isInDirectory, isKeyed, mainDateOf } from './place.ts';

/** `_id` and `_lastUpdated` are the row's own columns. */
const inColumns = new Set(['_id', '_lastUpdated']);

export function indexColumns(resource: AnyResource): IndexColumns {
  const columns = new IndexColumns();
  const type = resource.resourceType;
  const [mainDate, isNamed] = [mainDateOf(type), isInDirectory(type)];
  for (const entry of indexEntries(resource)) {
    if (inColumns.has(entry.param)) continue;
    // FHIR R4 search.html#missing: present when any value is.
    columns.present.add(entry.param);
    switch (entry.kind) {
      case 'token':
        indexToken(entry, columns, isKeyed(type, 'token', entry.param));
        break;
      case 'reference':
        indexReference(entry, columns, isKeyed(type, 'reference', entry.param));
        break;
      case 'string':
        indexString(entry, columns, isNamed);
        break;
      case 'date':
        indexDate(entry, columns, mainDate);
        break;
      case 'number':
        indexNumber(entry, columns);
        break;
      case 'quantity':
        indexQuantity(entry, columns);
        break;
      case 'uri':
        indexUri(entry, columns);
        break;
      case 'composite':
        break;
    }
  }
  addContained(resource, columns);
  for (const param of columns.present) columns.tokens.add(tokenHash(param, undefined, undefined));
  return columns;
}

function addContained(resource: AnyResource, columns: IndexColumns): void {
  const contained = resource['contained'];
  if (!Array.isArray(contained)) return;
  for (const inner of contained as AnyResource[]) {
    for (const entry of indexEntries(inner)) {
      if (entry.kind !== 'token') continue;
      for (const form of tokenForms({ ...entry, param: containedCodes })) columns.tokens.add(form);
    }
  }
}
