/**
 * Code systems, value sets and concept maps taken apart: concepts and mappings as flat rows, the header that stays when they
 * are taken out. Data in, data out; where the rows are kept and asked is store/terminology/.
 *
 * @see https://hl7.org/fhir/R4/terminology-service.html
 */
import { foldString } from './fold.ts';
import { isRawNumber } from './json.ts';
import { Problem } from './problem.ts';
import type { AnyResource } from './types.ts';

export const terminologyTypes = ['CodeSystem', 'ValueSet', 'ConceptMap'] as const;
export type TerminologyType = (typeof terminologyTypes)[number];

export function isTerminology(type: string): type is TerminologyType {
  return (terminologyTypes as readonly string[]).includes(type);
}

/** A code of a code system, named without doubt. */
export interface SystemCode {
  readonly system: string;
  readonly code: string;
}

/** @see https://hl7.org/fhir/R4/codesystem-definitions.html#CodeSystem.concept.designation */
export interface Designation {
  readonly language?: string;
  readonly use?: { readonly system?: string; readonly code?: string; readonly display?: string };
  readonly value: string;
}

/** `code` and one `value[x]`. @see https://hl7.org/fhir/R4/codesystem-definitions.html#CodeSystem.concept.property */
export interface ConceptProperty {
  readonly code: string;
  readonly [value: `value${string}`]: unknown;
}

export interface Concept {
  readonly code: string;
  readonly display?: string;
  readonly definition?: string;
  readonly designations: readonly Designation[];
  readonly properties: readonly ConceptProperty[];
  /** Codes of the concepts it stands under. */
  readonly parents: readonly string[];
}

/** Elements of R4's CodeSystem.concept that are read here. */
interface SourceConcept {
  readonly code: string;
  readonly display?: string;
  readonly definition?: string;
  readonly designation?: readonly Designation[];
  readonly property?: readonly ConceptProperty[];
  readonly concept?: readonly SourceConcept[];
}

/**
 * The concepts in their order, each with its parents: where it stands, and what its `parent` properties say
 * (https://hl7.org/fhir/R4/codesystem.html#defined-props).
 */
export function* conceptsOf(codeSystem: AnyResource): Generator<Concept> {
  yield* conceptsUnder((codeSystem['concept'] ?? []) as readonly SourceConcept[], undefined);
}

function* conceptsUnder(concepts: readonly SourceConcept[], parent: string | undefined): Generator<Concept> {
  for (const { code, display, definition, designation = [], property = [], concept = [] } of concepts) {
    const parents = property.filter((one) => one.code === 'parent').map((one) => textOf(one));
    yield {
      code,
      ...(display === undefined ? {} : { display }),
      ...(definition === undefined ? {} : { definition }),
      designations: designation,
      properties: property,
      parents: [...new Set(parent === undefined ? parents : [parent, ...parents])].filter((one) => one !== ''),
    };
    yield* conceptsUnder(concept, code);
  }
}

/** The value of a property as text: what filters compare. */
export function textOf(property: ConceptProperty): string {
  for (const [name, value] of Object.entries(property)) {
    if (!name.startsWith('value')) continue;
    if (isRawNumber(value)) return value.rawJSON;
    if (typeof value === 'object' && value !== null) return (value as { code?: string }).code ?? '';
    return String(value);
  }
  return '';
}

const retired = new Set(['retired', 'inactive', 'withdrawn']);

/** Not for current use. @see https://hl7.org/fhir/R4/codesystem-concept-properties.html */
export function isInactive({ properties }: Concept): boolean {
  return properties.some(
    (property) =>
      (property.code === 'inactive' && textOf(property) === 'true') ||
      (property.code === 'status' && retired.has(textOf(property))),
  );
}

/** A selector for other concepts, never recorded itself. */
export function isAbstract({ properties }: Concept): boolean {
  return properties.some((property) => /^(notSelectable|abstract)$/.test(property.code) && textOf(property) === 'true');
}

/** What a text filter looks through. */
export function searchedText({ code, display = '', designations }: Concept): string {
  return foldString([code, display, ...designations.map(({ value }) => value)].join(' '));
}

/** R4 codesystem-definitions.html#CodeSystem.caseSensitive: unless it is, codes are accepted in any case. */
export function isCaseSensitive(codeSystem: AnyResource): boolean {
  return codeSystem['caseSensitive'] === true;
}

/** What is kept of a resource beside its rows: the narrative and the concepts or elements are taken out. */
export function headerOf(resource: AnyResource): AnyResource {
  const { text: _text, concept: _concept, contained: _contained, ...rest } = resource;
  if (resource.resourceType !== 'ConceptMap') return rest;
  const groups = (rest['group'] ?? []) as { element?: unknown }[];
  return { ...rest, group: groups.map(({ element: _element, ...group }) => group) };
}

export interface Mapping {
  readonly sourceSystem?: string;
  readonly sourceVersion?: string;
  readonly sourceCode: string;
  readonly sourceDisplay?: string;
  readonly targetSystem?: string;
  readonly targetVersion?: string;
  readonly targetCode?: string;
  readonly targetDisplay?: string;
  readonly equivalence: string;
  readonly comment?: string;
  readonly dependsOn?: readonly object[];
  readonly product?: readonly object[];
}

interface SourceGroup {
  readonly source?: string;
  readonly sourceVersion?: string;
  readonly target?: string;
  readonly targetVersion?: string;
  readonly element?: readonly {
    readonly code?: string;
    readonly display?: string;
    readonly target?: readonly {
      readonly code?: string;
      readonly display?: string;
      readonly equivalence: string;
      readonly comment?: string;
      readonly dependsOn?: readonly object[];
      readonly product?: readonly object[];
    }[];
  }[];
}

/** ConceptMap.group.element.target, flat. An element without targets says that there is none: `unmatched`. */
export function* mappingsOf(conceptMap: AnyResource): Generator<Mapping> {
  for (const group of (conceptMap['group'] ?? []) as readonly SourceGroup[]) {
    for (const { code, display, target = [] } of group.element ?? []) {
      if (code === undefined) continue;
      const source = {
        sourceSystem: group.source,
        sourceVersion: group.sourceVersion,
        sourceCode: code,
        sourceDisplay: display,
      };
      if (target.length === 0) yield { ...source, equivalence: 'unmatched' };
      for (const { code: targetCode, display: targetDisplay, ...one } of target) {
        const { equivalence, comment, dependsOn, product } = one;
        yield {
          ...source,
          targetSystem: group.target,
          targetVersion: group.targetVersion,
          targetCode,
          targetDisplay,
          equivalence,
          comment,
          dependsOn,
          product,
        };
      }
    }
  }
}

export interface ComposeFilter {
  readonly property: string;
  readonly op: string;
  readonly value: string;
}

/** @see https://hl7.org/fhir/R4/valueset-definitions.html#ValueSet.compose.include */
export interface Include {
  readonly system?: string;
  readonly version?: string;
  readonly concept?: readonly {
    readonly code: string;
    readonly display?: string;
    readonly designation?: readonly Designation[];
  }[];
  readonly filter?: readonly ComposeFilter[];
  readonly valueSet?: readonly string[];
}

export interface Compose {
  readonly inactive?: boolean;
  readonly include: readonly Include[];
  readonly exclude?: readonly Include[];
}

interface Contains {
  readonly system?: string;
  readonly version?: string;
  readonly abstract?: boolean;
  readonly code?: string;
  readonly display?: string;
  readonly contains?: readonly Contains[];
}

/** What a value set holds: as composed, or the codes of an expansion it came with. */
export function composeOf(valueSet: AnyResource): Compose {
  const compose = valueSet['compose'] as Compose | undefined;
  if (compose !== undefined) return compose;
  const listed = (valueSet['expansion'] as { contains?: readonly Contains[] } | undefined)?.contains ?? [];
  const bySystem = Map.groupBy(containedCodes(listed), ({ system, version = '' }) => `${system}|${version}`);
  return {
    include: Array.from(bySystem.values(), (codes) => {
      const { system, version } = codes[0] as Contains;
      const concept = codes.map(({ code = '', display }) => ({ code, ...(display === undefined ? {} : { display }) }));
      return { ...(system === undefined ? {} : { system }), ...(version === undefined ? {} : { version }), concept };
    }),
  };
}

function* containedCodes(list: readonly Contains[]): Generator<Contains> {
  for (const one of list) {
    if (one.system !== undefined && one.code !== undefined && one.abstract !== true) yield one;
    yield* containedCodes(one.contains ?? []);
  }
}

/** `url|version`. @see https://hl7.org/fhir/R4/references.html#canonical */
export function splitCanonical(canonical: string): { url: string; version?: string } {
  const bar = canonical.indexOf('|');
  return bar < 0 ? { url: canonical } : { url: canonical.slice(0, bar), version: canonical.slice(bar + 1) };
}

/** Long enough for any pattern of a published value set. */
const regexLengthMax = 200;

/**
 * A regular expression that may run in the database: one that an automaton decides in time linear in the text. Back
 * references and look-around need more, options change the language; both are refused (LEAKS 46).
 * @throws Problem not-supported
 */
export function safeRegex(text: string): string {
  const isRefused =
    text.length > regexLengthMax ||
    /\\[1-9]|\\[mMyYAZ]|\(\?(?!:)|^\*\*\*|\{\d{3,}|,\d{3,}\}/.test(text) ||
    [...text.matchAll(/\{/g)].length > 5;
  if (!isRefused) return text;
  throw new Problem('not-supported', 'this regular expression is not served', {
    expression: 'ValueSet.compose.include.filter.value',
    hint: `Up to ${regexLengthMax} characters, without back references, look-around and options.`,
  });
}
