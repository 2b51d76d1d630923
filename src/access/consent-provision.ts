/**
 * One provision of a Consent, element by element. A list of the elements that are read stands here; any other is refused,
 * extensions included: an element we skip could be the one that narrows.
 *
 * @see https://hl7.org/fhir/R4/consent-definitions.html#Consent.provision
 */
import { readDate } from '../fhir/dates.ts';
import { tokenHash } from '../fhir/hash.ts';
import { containedCodes } from '../fhir/index/entry.ts';
import { idPattern } from '../fhir/ids.ts';
import { labelBit, otherLabel } from '../fhir/labels.ts';
import { Problem } from '../fhir/problem.ts';
import { typeCode } from '../fhir/types.ts';
import { purposeBit, purposeSystem } from './purpose.ts';

/** What a provision states; absent: nothing. */
export interface Dimensions {
  /** FHIRPath, for refusals. */
  readonly path: string;
  readonly type?: 'permit' | 'deny';
  readonly recipients?: readonly string[];
  readonly purposes?: number;
  readonly types?: readonly number[];
  /** A permit opens what the row is about; a deny closes every row that mentions the code. */
  readonly codes?: { readonly permit: readonly bigint[]; readonly deny: readonly bigint[] };
  readonly labels?: number;
  readonly data?: Period;
  readonly valid?: Period;
  readonly sources?: readonly string[];
  readonly instances?: readonly string[];
  readonly nested: readonly Dimensions[];
}

/** Half-open, epoch milliseconds or infinite. */
export interface Period {
  readonly from: number;
  readonly to: number;
}

export const always: Period = { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY };

/** A refusal (422) that names the element and, where there is one, the way out. */
export function refusal(expression: string, diagnostics: string, hint?: string): Problem {
  return new Problem('business-rule', diagnostics, { expression, hint });
}

interface Coding {
  system?: string;
  code?: string;
}
type Element = Record<string, unknown>;

const depthMax = 3;
/** Of any list in a provision. */
const listMax = 100;

const readable = new Set(
  'id type period actor action securityLabel purpose class code dataPeriod data provision'.split(' '),
);

const actionSystem = 'http://terminology.hl7.org/CodeSystem/consentaction';
/** The actions that mean: may read it here. `collect` and `correct` alone are nothing this hub can enforce. */
const readingActions = new Set(['access', 'use', 'disclose']);
const typeSystem = 'http://hl7.org/fhir/resource-types';
const recipientRoles = new Set(['IRCP', 'PRCP', 'GRANTEE']);
const custodianRole = 'CST';

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

export function readDimensions(value: unknown, path: string, depth = 1): Dimensions {
  if (!isElement(value)) throw refusal(path, 'a provision is an object');
  if (depth > depthMax) throw refusal(path, `provisions nest at most ${depthMax} deep`);
  for (const element of Object.keys(value)) {
    if (!readable.has(element)) throw refusal(`${path}.${element}`, 'this element cannot be enforced');
  }
  const type = value['type'];
  if (type !== undefined && type !== 'permit' && type !== 'deny') throw refusal(`${path}.type`, 'permit or deny');
  if (type === undefined && depth > 1) throw refusal(`${path}.type`, 'a nested rule says permit or deny');
  requireReading(value, path);
  return {
    path,
    type,
    ...readActors(value, path),
    purposes: readPurposes(value, path),
    types: readTypes(value, path),
    codes: readCodes(value, path, type === 'permit'),
    labels: readLabels(value, path),
    data: readPeriod(value, 'dataPeriod', path),
    valid: readPeriod(value, 'period', path),
    instances: readInstances(value, path),
    nested: list(value, 'provision', path).map((inner, index) =>
      readDimensions(inner, `${path}.provision[${index}]`, depth + 1),
    ),
  };
}

function requireReading(provision: Element, path: string): void {
  const actions = list(provision, 'action', path);
  if (actions.length === 0) return;
  const isReading = actions.some((action) =>
    codingsOf(action).some(({ system, code }) => system === actionSystem && readingActions.has(code ?? '')),
  );
  if (!isReading) {
    throw refusal(
      `${path}.action`,
      'only reading can be permitted or denied here',
      `Use ${actionSystem}|access, use or disclose.`,
    );
  }
}

/** Exact references: no version, no absolute URL, no logical identifier. */
function readActors(provision: Element, path: string): Pick<Dimensions, 'recipients' | 'sources'> {
  const recipients: string[] = [];
  const sources: string[] = [];
  for (const [index, actor] of list(provision, 'actor', path).entries()) {
    const at = `${path}.actor[${index}]`;
    requireOnly(actor, ['id', 'role', 'reference'], at);
    const roles = codingsOf(actor['role']).map(({ code }) => code ?? '');
    const isSource = roles.includes(custodianRole);
    if (!isSource && !roles.some((role) => recipientRoles.has(role))) {
      throw refusal(`${at}.role`, 'the role of an actor is IRCP (who may see) or CST (who wrote the data)');
    }
    const reference = referenceOf(actor['reference'], `${at}.reference`);
    const isExact = reference.startsWith('Organization/') || (!isSource && reference.startsWith('Device/'));
    if (!isExact) {
      throw refusal(
        `${at}.reference`,
        'this actor cannot be enforced',
        isSource ? 'Name an Organization/x.' : 'Name an Organization/x, or Device/ and the client id.',
      );
    }
    (isSource ? sources : recipients).push(reference);
  }
  return {
    recipients: recipients.length > 0 ? [...new Set(recipients)] : undefined,
    sources: sources.length > 0 ? [...new Set(sources)] : undefined,
  };
}

function readPurposes(provision: Element, path: string): number | undefined {
  const codings = list(provision, 'purpose', path);
  if (codings.length === 0) return undefined;
  return codings.reduce((purposes: number, coding, index) => {
    const { system, code } = coding as Coding;
    const bit = system === purposeSystem ? purposeBit(code ?? '') : undefined;
    if (bit === undefined) {
      throw refusal(`${path}.purpose[${index}]`, 'this purpose is not known here', `Use a code of ${purposeSystem}.`);
    }
    return purposes | bit;
  }, 0);
}

function readTypes(provision: Element, path: string): number[] | undefined {
  const codings = list(provision, 'class', path);
  if (codings.length === 0) return undefined;
  return codings.map((coding, index) => {
    const { system, code } = coding as Coding;
    const type = system === typeSystem ? typeCode(code ?? '') : undefined;
    if (type === undefined) {
      throw refusal(`${path}.class[${index}]`, 'a class is a resource type', `Use a code of ${typeSystem}.`);
    }
    return type;
  });
}

function readCodes(provision: Element, path: string, isPermit: boolean): Dimensions['codes'] {
  const concepts = list(provision, 'code', path);
  if (concepts.length === 0) return undefined;
  const permit: bigint[] = [];
  const deny: bigint[] = [];
  for (const [index, concept] of concepts.entries()) {
    const at = `${path}.code[${index}]`;
    const codings = codingsOf(concept);
    if (codings.length === 0) throw refusal(at, 'a code without coding cannot be compared');
    for (const { system, code } of codings) {
      if (code === undefined) throw refusal(`${at}.coding`, 'a coding needs a code');
      if (isPermit && system === undefined) throw refusal(`${at}.coding.system`, 'a permitted code needs its system');
      for (const param of subjectParams) permit.push(tokenHash(param, system, code));
      for (const param of mentioningParams) deny.push(tokenHash(param, system, code));
    }
  }
  return { permit, deny };
}

function readLabels(provision: Element, path: string): number | undefined {
  const codings = list(provision, 'securityLabel', path);
  if (codings.length === 0) return undefined;
  return codings.reduce((labels: number, coding, index) => {
    const bit = labelBit(coding);
    if (bit === 0 || bit === otherLabel) {
      throw refusal(`${path}.securityLabel[${index}]`, 'this label is not one that rows are marked with here');
    }
    return labels | bit;
  }, 0);
}

/** R4 Period: both ends inclusive, an end given as a date means all of that day (UTC). */
function readPeriod(provision: Element, name: string, path: string): Period | undefined {
  const period = provision[name];
  if (period === undefined) return undefined;
  const at = `${path}.${name}`;
  if (!isElement(period)) throw refusal(at, 'a period is an object');
  requireOnly(period, ['id', 'start', 'end'], at);
  const [start, end] = ['start', 'end'].map((edge) => {
    const text = period[edge];
    if (text === undefined) return undefined;
    const date = typeof text === 'string' ? readDate(text) : undefined;
    if (date === undefined) throw refusal(`${at}.${edge}`, 'not a FHIR date');
    return date;
  });
  if (start === undefined && end === undefined) throw refusal(at, 'a period has a start or an end');
  const found = { from: start?.low ?? always.from, to: end?.high ?? always.to };
  if (found.from >= found.to) throw refusal(at, 'the period ends before it starts');
  return found;
}

function readInstances(provision: Element, path: string): string[] | undefined {
  const data = list(provision, 'data', path);
  if (data.length === 0) return undefined;
  return data.map((one, index) => {
    const at = `${path}.data[${index}]`;
    requireOnly(one, ['id', 'meaning', 'reference'], at);
    if (one['meaning'] !== 'instance') throw refusal(`${at}.meaning`, 'only single instances can be named');
    const [type = '', id = ''] = referenceOf(one['reference'], `${at}.reference`).split('/');
    const code = typeCode(type);
    if (code === undefined) throw refusal(`${at}.reference`, 'not a resource type');
    return `${code}/${id}`;
  });
}

function referenceOf(value: unknown, path: string): string {
  const reference = isElement(value) ? value['reference'] : undefined;
  const [type = '', id = '', ...rest] = typeof reference === 'string' ? reference.split('/') : [];
  if (rest.length > 0 || !/^[A-Z][A-Za-z]+$/.test(type) || !idPattern.test(id)) {
    throw refusal(path, 'a reference here is exact: Type/id', 'No version, no absolute URL, no identifier.');
  }
  return reference as string;
}

/** The codings of a CodeableConcept. */
function codingsOf(concept: unknown): Coding[] {
  const codings = isElement(concept) ? concept['coding'] : undefined;
  return Array.isArray(codings) ? (codings as Coding[]).filter(isElement) : [];
}

function list(provision: Element, name: string, path: string): Element[] {
  const value = provision[name];
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length === 0 || value.length > listMax || !value.every(isElement)) {
    throw refusal(`${path}.${name}`, `a list of 1 to ${listMax} elements`);
  }
  return value;
}

function requireOnly(element: Element, names: readonly string[], path: string): void {
  for (const name of Object.keys(element)) {
    if (!names.includes(name)) throw refusal(`${path}.${name}`, 'this element cannot be enforced');
  }
}

function isElement(value: unknown): value is Element {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
