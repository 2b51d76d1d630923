/**
 * What a provision is about: classes, codes, security labels, single records. Each becomes what rows are indexed by, so the
 * decision needs no look at a resource.
 *
 * @see https://hl7.org/fhir/R4/consent-definitions.html#Consent.provision.class
 */
import { tokenHash } from '../../fhir/hash.ts';
import { containedCodes } from '../../fhir/index/entry.ts';
import { actCodeSystem, confidentialitySystem, labelBit, ordinaryLabel, otherLabel } from '../../fhir/labels.ts';
import { typeCode } from '../../fhir/types.ts';
import { codingsOf, list, referenceOf, refusal, requireOnly, type Coding, type Element } from './element.ts';

/** Codes as the index has them. A permit opens what the row is about; a deny closes every row that mentions the code. */
export interface Codes {
  readonly permit: readonly bigint[];
  readonly deny: readonly bigint[];
  /** As they were named, for words. */
  readonly named: readonly Coding[];
}

export interface Classes {
  /** Numbers of resource types. */
  readonly types: readonly number[];
  /** Classes of documents. */
  readonly documents?: Codes;
}

const typeSystem = 'http://hl7.org/fhir/resource-types';
const loinc = 'http://loinc.org';

/** Where a document says of which class it is. @see https://hl7.org/fhir/R4/documentreference-definitions.html#DocumentReference.type */
export const documentTypes: readonly number[] = ['DocumentReference', 'Composition'].map(
  (type) => typeCode(type) as number,
);
const documentParams = ['type', 'category'];

/** Search parameters under which the code that a resource is about is indexed. */
const subjectParams = ['code', 'type', 'vaccine-code', 'category', 'class'];
/** Where else a code may stand in a resource: in a component, a value, a reason, in what it contains. */
const mentioningParams = [
  ...subjectParams,
  containedCodes,
  'combo-code',
  'component-code',
  'value-concept',
  'combo-value-concept',
  'component-value-concept',
  'reason-code',
  'manifestation',
  'route',
  'evidence',
  'conclusion',
  'service-type',
  'specialty',
  'target-disease',
  'topic',
  'event',
  'setting',
  'bodysite',
  'body-site',
  'method',
  'ingredient-code',
  'substance',
  'performer-type',
  'service-category',
  'tooth',
  'special-arrangement',
  'relationship',
  'reason',
  'diagnosis',
];

/** Resource types, and classes of documents as LOINC has them. */
export function readClasses(provision: Element, path: string): Classes | undefined {
  const codings: Coding[] = list(provision, 'class', path);
  if (codings.length === 0) return undefined;
  const types: number[] = [];
  const documents: Coding[] = [];
  for (const [index, { system, code }] of codings.entries()) {
    const type = system === typeSystem ? typeCode(code ?? '') : undefined;
    if (type !== undefined) types.push(type);
    else if (system === loinc && typeof code === 'string') documents.push({ system, code });
    else {
      throw refusal(
        `${path}.class[${index}]`,
        'a class is a resource type or a class of documents',
        `Use a code of ${typeSystem}, or a document type of ${loinc}.`,
      );
    }
  }
  return {
    types: [...new Set(types)],
    ...(documents.length === 0 ? {} : { documents: indexed(documents, documentParams) }),
  };
}

export function readCodes(provision: Element, path: string, isPermit: boolean): Codes | undefined {
  const concepts = list(provision, 'code', path);
  if (concepts.length === 0) return undefined;
  const named: Coding[] = [];
  for (const [index, concept] of concepts.entries()) {
    const at = `${path}.code[${index}]`;
    const codings = codingsOf(concept);
    if (codings.length === 0) throw refusal(at, 'a code without coding cannot be compared');
    for (const { system, code } of codings) {
      if (code === undefined) throw refusal(`${at}.coding`, 'a coding needs a code');
      if (isPermit && system === undefined) throw refusal(`${at}.coding.system`, 'a permitted code needs its system');
      named.push({ ...(system === undefined ? {} : { system }), code });
    }
  }
  return indexed(named, subjectParams);
}

function indexed(named: readonly Coding[], params: readonly string[]): Codes {
  const hashes = (under: readonly string[]): bigint[] =>
    named.flatMap(({ system, code }) => under.map((param) => tokenHash(param, system, code)));
  return { permit: hashes(params), deny: hashes(mentioningParams), named };
}

/** Lowest first. @see https://terminology.hl7.org/CodeSystem-v3-Confidentiality.html */
const confidentialities = ['U', 'L', 'M', 'N', 'R', 'V'];

/**
 * R4: a confidentiality is a high water mark, so a permit for R is one for R and everything below, records without any label
 * included. A deny of R is, the other way round, one of R and everything above.
 *
 * @see https://hl7.org/fhir/R4/consent-definitions.html#Consent.provision.securityLabel
 */
export function readLabels(provision: Element, path: string, isPermit: boolean): number | undefined {
  const codings = list(provision, 'securityLabel', path);
  if (codings.length === 0) return undefined;
  return codings.reduce(
    (labels: number, coding, index) => labels | labelsOf(coding, `${path}.securityLabel[${index}]`, isPermit),
    0,
  );
}

function labelsOf(coding: Coding, path: string, isPermit: boolean): number {
  const level = coding.system === confidentialitySystem ? confidentialities.indexOf(coding.code ?? '') : -1;
  if (level < 0) {
    const bit = labelBit(coding);
    if (bit !== 0 && bit !== otherLabel) return bit;
    throw refusal(
      path,
      'this label is not one that rows are marked with here',
      `Use a sensitivity of ${actCodeSystem}, such as PSY, or a code of ${confidentialitySystem}.`,
    );
  }
  const covered = isPermit ? confidentialities.slice(0, level + 1) : confidentialities.slice(level);
  const bits = covered.reduce((labels, code) => labels | labelBit({ system: confidentialitySystem, code }), 0);
  if (isPermit) return bits | ordinaryLabel;
  if (level >= confidentialities.indexOf('R')) return bits;
  throw refusal(path, 'a deny of ordinary records is one of all records', 'Leave the label away.');
}

export function readInstances(provision: Element, path: string): string[] | undefined {
  const data = list(provision, 'data', path);
  if (data.length === 0) return undefined;
  return data.map((one, index) => {
    const at = `${path}.data[${index}]`;
    requireOnly(one, ['id', 'meaning', 'reference'], at);
    if (one['meaning'] !== 'instance') {
      throw refusal(
        `${at}.meaning`,
        'only single instances can be named',
        'What refers to a record or was written by somebody changes with every write: name the records, or their class, code, time or source.',
      );
    }
    const [type = '', id = ''] = referenceOf(one['reference'], `${at}.reference`).split('/');
    const code = typeCode(type);
    if (code === undefined) throw refusal(`${at}.reference`, 'not a resource type');
    return `${code}/${id}`;
  });
}
