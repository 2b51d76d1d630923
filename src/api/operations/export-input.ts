/**
 * The parameters of a kick-off: what is asked for, checked as far as it can be without the database.
 *
 * @see https://hl7.org/fhir/uv/bulkdata/STU2/export.html#query-parameters
 */
import { requireScope } from '../../access/principal/scope.ts';
import type { ExportRequest } from '../../feeds/export.ts';
import { idPattern } from '../../fhir/ids.ts';
import { Problem } from '../../fhir/problem.ts';
import { readReferenceAt } from '../../fhir/reference.ts';
import { parseSearch } from '../../fhir/search.ts';
import { typeCode } from '../../fhir/types.ts';
import { preferencesOf } from '../incoming.ts';
import type { Call } from '../interaction.ts';
import { HttpProblem } from '../respond.ts';
import { requireParams } from '../search-rights.ts';
import { dateOf, readInput, type OperationInput } from './input.ts';

/** The names of newline-delimited JSON that the guide wants accepted. */
const formats = new Set(['application/fhir+ndjson', 'application/ndjson', 'ndjson']);
/** Each is a condition of every statement of the export. */
const typeFiltersMax = 20;
/** Longer lists are a Group. */
export const patientsMax = 10_000;

const allowed = ['_outputFormat', '_since', '_type', '_typeFilter', '_elements', 'includeAssociatedData', 'patient'];

export interface ExportInput {
  readonly request: Omit<ExportRequest, 'patients'>;
  /** Patients named one by one. */
  readonly patients?: readonly string[];
  readonly input: OperationInput;
}

/** @throws Problem not-supported, value, forbidden */
export async function readExportInput(call: Call, level: ExportRequest['level']): Promise<ExportInput> {
  const { incoming, facade } = call;
  requireAsync(call);
  const input = await readInput(call, { allowed });
  const format = input.text('_outputFormat');
  if (format !== undefined && !formats.has(format.replace(' ', '+'))) {
    throw new HttpProblem(400, 'not-supported', 'exports are newline-delimited JSON', {
      expression: '_outputFormat',
      hint: 'Leave it out, or ask for application/fhir+ndjson.',
    });
  }
  const types = typesOf(call, input);
  const typeFilters = typeFiltersOf(call, input, types);
  const elements = elementsOf(input);
  const since = dateOf(input, '_since')?.low;
  const patients = patientsOf(call, input, level);
  return {
    input,
    ...(patients && { patients }),
    request: {
      url: `${facade.base}/${pathOf(call)}${incoming.query === '' ? '' : `?${incoming.query}`}`,
      level,
      ...(types && { types }),
      typeFilters,
      ...(since === undefined ? {} : { since }),
      ...(elements.length === 0 ? {} : { elements }),
    },
  };
}

function pathOf({ incoming: { type, id } }: Call): string {
  return [type, id, '$export'].filter((part) => part !== '').join('/');
}

/** The guide: "Prefer ... `respond-async`", required. */
function requireAsync({ incoming }: Call): void {
  if (/(?:^|[,;\s])respond-async(?:$|[,;\s])/.test(String(incoming.headers['prefer'] ?? ''))) return;
  throw new HttpProblem(400, 'required', 'an export is answered asynchronously', {
    expression: 'Prefer',
    hint: 'Send the header Prefer: respond-async.',
  });
}

function typesOf({ principal }: Call, input: OperationInput): string[] | undefined {
  const types = [...new Set(input.list('_type'))];
  if (types.some((type) => typeCode(type) === undefined)) {
    throw new HttpProblem(400, 'value', 'R4 has no such resource type', { expression: '_type' });
  }
  for (const type of types) requireScope(principal, type, 's');
  const associated = input.list('includeAssociatedData');
  if (associated.some((code) => code !== 'RelevantProvenanceResources')) {
    throw new HttpProblem(400, 'not-supported', 'this associated data is not served', {
      expression: 'includeAssociatedData',
      hint: 'RelevantProvenanceResources is; without _type everything is exported anyway.',
    });
  }
  if (types.length === 0) return undefined;
  return associated.length > 0 && !types.includes('Provenance') ? [...types, 'Provenance'] : types;
}

function elementsOf(input: OperationInput): string[] {
  const elements = input.list('_elements');
  if (elements.every((element) => /^[A-Za-z]\w*(\.\w+)?$/.test(element))) return elements;
  throw new HttpProblem(400, 'value', '_elements are names of elements', {
    expression: '_elements',
    hint: 'Write name or Patient.name.',
  });
}

function typeFiltersOf(
  { principal, facade, incoming }: Call,
  input: OperationInput,
  types: readonly string[] | undefined,
): ExportRequest['typeFilters'] {
  const texts = input.all('_typeFilter').flatMap((value) => (typeof value === 'string' ? splitFilters(value) : ['']));
  if (texts.length > typeFiltersMax) {
    throw new HttpProblem(400, 'too-costly', `at most ${typeFiltersMax} filters`, { expression: '_typeFilter' });
  }
  return texts.map((text) => {
    const [, type, query] = /^([A-Z][A-Za-z]+)\?(.+)$/s.exec(text) ?? [];
    if (type === undefined || query === undefined || typeCode(type) === undefined || types?.includes(type) === false) {
      throw new HttpProblem(400, 'value', '_typeFilter is a search of one of the types that are exported', {
        expression: '_typeFilter',
        hint: 'Observation?category=laboratory, and Observation among _type.',
      });
    }
    requireScope(principal, type, 's');
    const names = [...new URLSearchParams(query).keys()];
    if (names.some((name) => shaping.has(name.split(':', 1)[0] as string))) {
      throw new HttpProblem(400, 'not-supported', '_typeFilter chooses rows; it does not shape an answer', {
        expression: '_typeFilter',
        hint: 'Leave out _sort, _count, _include and the like.',
      });
    }
    const { handling } = preferencesOf(incoming.headers);
    const request = parseSearch(type, query, { handling, base: facade.base, now: facade.now() });
    requireParams(principal, request);
    // Only what is in effect: what lenient handling ignored is not read again.
    return { type, query: new URLSearchParams(request.parameters.map(([name, value]) => [name, value])).toString() };
  });
}

/** The guide once had several in one value, separated by commas: a comma before another `Type?` begins one. */
function splitFilters(text: string): string[] {
  return text.split(/,(?=[A-Z][A-Za-z]+\?)/);
}

const shaping = new Set('_sort _count _cursor _total _summary _elements _include _revinclude _contained'.split(' '));

/** The guide: `patient` in POST requests of patient and group level only. */
function patientsOf(
  { facade, incoming }: Call,
  input: OperationInput,
  level: ExportRequest['level'],
): string[] | undefined {
  const values = input.all('patient');
  if (values.length === 0) return undefined;
  if (incoming.method !== 'POST' || level === 'system') {
    throw new HttpProblem(400, 'not-supported', 'patient is a parameter of POST requests of patient and group level', {
      expression: 'patient',
      hint: 'POST Parameters to Patient/$export.',
    });
  }
  if (values.length > patientsMax) {
    throw new HttpProblem(400, 'too-costly', `at most ${patientsMax} patients`, { expression: 'patient' });
  }
  return values.map((value) => {
    const text = (value as { reference?: unknown } | null)?.reference;
    const found = typeof text === 'string' ? readReferenceAt(text, facade.base) : undefined;
    if (found?.type === 'Patient' && found.url === undefined && idPattern.test(found.id ?? ''))
      return found.id as string;
    throw new Problem('value', 'patient is a reference to a Patient of this server', { expression: 'patient' });
  });
}
