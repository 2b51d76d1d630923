/**
 * One provision of a Consent, element by element. A list of the elements that are read stands here; any other is refused,
 * extensions included: an element we skip could be the one that narrows.
 *
 * @see https://hl7.org/fhir/R4/consent-definitions.html#Consent.provision
 */
import { purposeBit, purposeSystem } from '../principal/purpose.ts';
import { readClasses, readCodes, readInstances, readLabels, type Classes, type Codes } from './coverage.ts';
import {
  codingsOf,
  isElement,
  list,
  readPeriod,
  referenceOf,
  refusal,
  requireOnly,
  type Coding,
  type Element,
  type Period,
} from './element.ts';

/** What a provision states; absent: nothing. */
export interface Dimensions {
  /** FHIRPath, for refusals. */
  readonly path: string;
  readonly type?: 'permit' | 'deny';
  readonly recipients?: readonly string[];
  readonly purposes?: number;
  readonly classes?: Classes;
  readonly codes?: Codes;
  readonly labels?: number;
  readonly data?: Period;
  readonly valid?: Period;
  readonly sources?: readonly string[];
  readonly instances?: readonly string[];
  readonly nested: readonly Dimensions[];
}

/** The base rule, its exceptions, and exceptions to those. */
const depthMax = 3;

const readable = new Set(
  'id type period actor action securityLabel purpose class code dataPeriod data provision'.split(' '),
);

const actionSystem = 'http://terminology.hl7.org/CodeSystem/consentaction';
/**
 * The actions that need reading here: who may not read can neither use nor pass on. `collect` and `correct` are acts of those
 * who write, which the hub asks of nobody's Consent.
 */
const readingActions = new Set(['access', 'use', 'disclose']);

const participation = 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType';
const roleCode = 'http://terminology.hl7.org/CodeSystem/v3-RoleCode';
/** Roles of the extensible ValueSet security-role-type and of v3-ParticipationType that say who may see, and who wrote. */
const roles: Readonly<Record<string, { readonly system: string; readonly is: 'recipient' | 'source' }>> = {
  IRCP: { system: participation, is: 'recipient' },
  PRCP: { system: participation, is: 'recipient' },
  GRANTEE: { system: roleCode, is: 'recipient' },
  CST: { system: participation, is: 'source' },
};
const namedBy = {
  recipient: {
    types: ['Organization', 'Device', 'Practitioner', 'RelatedPerson'],
    hint: 'Name an Organization/x, a Practitioner/y, Device/ and the client id, or a RelatedPerson/z who acts for the patient.',
  },
  source: { types: ['Organization'], hint: 'Name an Organization/x.' },
} as const;

export function readDimensions(value: unknown, path: string, depth = 1): Dimensions {
  if (!isElement(value)) throw refusal(path, 'a provision is an object');
  if (depth > depthMax) throw refusal(path, `provisions nest at most ${depthMax} deep`);
  for (const element of Object.keys(value)) {
    if (!readable.has(element)) throw refusal(`${path}.${element}`, 'this element cannot be enforced');
  }
  const type = value['type'];
  if (type !== undefined && type !== 'permit' && type !== 'deny') throw refusal(`${path}.type`, 'permit or deny');
  if (type === undefined && depth > 1) throw refusal(`${path}.type`, 'a nested rule says permit or deny');
  const isPermit = type === 'permit';
  requireReading(value, path);
  return {
    path,
    type,
    ...readActors(value, path),
    purposes: readPurposes(value, path),
    classes: readClasses(value, path),
    codes: readCodes(value, path, isPermit),
    labels: readLabels(value, path, isPermit),
    data: readPeriod(value, 'dataPeriod', path),
    valid: readPeriod(value, 'period', path),
    instances: readInstances(value, path),
    nested: list(value, 'provision', path).map((inner, index) =>
      readDimensions(inner, `${path}.provision[${index}]`, depth + 1),
    ),
  };
}

/** Each action by itself: one that is passed over would be promised to the patient and kept by nobody. */
function requireReading(provision: Element, path: string): void {
  for (const [index, action] of list(provision, 'action', path).entries()) {
    const codes = codingsOf(action).filter(({ system }) => system === actionSystem);
    if (codes.length > 0 && codes.every(({ code = '' }) => readingActions.has(code))) continue;
    throw refusal(
      `${path}.action[${index}]`,
      'only reading can be permitted or denied here',
      `Use ${actionSystem}|access, use or disclose.`,
    );
  }
}

function readActors(provision: Element, path: string): Pick<Dimensions, 'recipients' | 'sources'> {
  const found = { recipient: new Set<string>(), source: new Set<string>() };
  for (const [index, actor] of list(provision, 'actor', path).entries()) {
    const at = `${path}.actor[${index}]`;
    requireOnly(actor, ['id', 'role', 'reference'], at);
    const is = roleOf(actor['role']);
    if (is === undefined) {
      throw refusal(`${at}.role`, 'the role of an actor is IRCP (who may see) or CST (who wrote the data)');
    }
    const reference = referenceOf(actor['reference'], `${at}.reference`);
    const { types, hint } = namedBy[is];
    if (!types.some((type) => reference.startsWith(`${type}/`))) {
      throw refusal(`${at}.reference`, 'this actor cannot be enforced', hint);
    }
    found[is].add(reference);
  }
  return {
    recipients: found.recipient.size > 0 ? [...found.recipient] : undefined,
    sources: found.source.size > 0 ? [...found.source] : undefined,
  };
}

/** Codings of one role are translations of each other; the first that is known says what it is. */
function roleOf(role: unknown): 'recipient' | 'source' | undefined {
  for (const { system, code = '' } of codingsOf(role)) {
    const known = Object.hasOwn(roles, code) ? roles[code] : undefined;
    if (known !== undefined && (system === undefined || system === known.system)) return known.is;
  }
  return undefined;
}

function readPurposes(provision: Element, path: string): number | undefined {
  const codings: Coding[] = list(provision, 'purpose', path);
  if (codings.length === 0) return undefined;
  return codings.reduce((purposes: number, { system, code }, index) => {
    const bit = system === purposeSystem ? purposeBit(code ?? '') : undefined;
    if (bit === undefined) {
      throw refusal(`${path}.purpose[${index}]`, 'this purpose is not known here', `Use a code of ${purposeSystem}.`);
    }
    return purposes | bit;
  }, 0);
}
