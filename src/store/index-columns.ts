/** From index entries to the index columns of a row: which parameter file takes which entry. */
import { tokenForms, tokenHash } from '../fhir/hash.ts';
import { containedCodes, containsRecord, type IndexEntry } from '../fhir/index/entry.ts';
import type { ValueLimit } from '../fhir/index/collection.ts';
import { indexEntries } from '../fhir/params.ts';
import { patientCompartment } from '../fhir/definitions.ts';
import { typeCode, type AnyResource } from '../fhir/types.ts';
import { IndexColumns } from './params/columns.ts';
import { indexElement } from './params/composite.ts';
import { indexDate } from './params/date.ts';
import { indexNumber } from './params/number.ts';
import { indexQuantity } from './params/quantity.ts';
import { indexReference } from './params/reference.ts';
import { indexString } from './params/string.ts';
import { indexToken } from './params/token.ts';
import { indexUri } from './params/uri.ts';
import { isInDirectory, isKeyed, isReferenceKeyed, mainDateOf } from './place.ts';

/** `_id` and `_lastUpdated` are the row's own columns. */
const inColumns = new Set(['_id', '_lastUpdated']);

/**
 * @param limit for what is being written; what is stored has been let in
 * @throws Problem too-long beyond the limit
 */
export function indexColumns(resource: AnyResource, limit?: ValueLimit): IndexColumns {
  const columns = new IndexColumns();
  const type = resource.resourceType;
  const [mainDate, isNamed] = [mainDateOf(type), isInDirectory(type)];
  const places = new Map<string, number>();
  for (const entry of indexEntries(resource, limit)) {
    if (inColumns.has(entry.param)) continue;
    if (entry.kind === 'composite') {
      const place = places.get(entry.param) ?? 0;
      places.set(entry.param, place + 1);
      const element = new IndexColumns();
      for (const inner of entry.entries) addEntry(inner, element, { type });
      indexElement(element, place, columns);
      for (const name of entry.whole) columns.present.add(name);
    } else {
      // FHIR R4 search.html#missing: present when any value is.
      columns.present.add(codeOf(entry.param));
      addEntry(entry, columns, { type, mainDate, isNamed });
    }
  }
  addContained(resource, limit, columns);
  for (const param of columns.present) columns.tokens.add(tokenHash(param, undefined, undefined));
  return columns;
}

/** `code:text` is a value of `code`: a concept without a coding, a reference by identifier alone. */
function codeOf(param: string): string {
  const end = param.indexOf(':');
  return end < 0 ? param : param.slice(0, end);
}

interface Layout {
  readonly type: string;
  readonly mainDate?: string | undefined;
  readonly isNamed?: boolean;
}

function addEntry(entry: IndexEntry, columns: IndexColumns, { type, mainDate, isNamed = false }: Layout): void {
  switch (entry.kind) {
    case 'token':
      indexToken(entry, columns, isKeyed(type, 'token', entry.param));
      break;
    case 'reference':
      indexReference(entry, columns, isReferenceKeyed(type, entry.param, entry));
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

function addContained(resource: AnyResource, limit: ValueLimit | undefined, columns: IndexColumns): void {
  const contained = resource['contained'];
  if (!Array.isArray(contained)) return;
  for (const inner of contained as AnyResource[]) {
    const { resourceType } = inner;
    if (Object.hasOwn(patientCompartment(), resourceType)) {
      columns.tokens.add(containsRecord);
      columns.tokens.add(BigInt(typeCode(resourceType) as number));
    }
    for (const entry of indexEntries(inner, limit)) {
      if (entry.kind !== 'token') continue;
      for (const form of tokenForms({ ...entry, param: containedCodes })) columns.tokens.add(form);
    }
  }
}
