/**
 * R4 Consent -> rules, pure. What the rules cannot enforce is refused with its FHIRPath, because a Consent that is stored
 * and half obeyed is a promise broken in silence.
 *
 * The root provision is the base rule, nested ones are its exceptions:
 * - root `deny` (or without type, which R4 prefers) with nested permits: only what those permit. It grants nothing else and
 *   takes nothing away from other Consents.
 * - root `deny` without nested permits: a deny.
 * - root `permit`, or a nested one, with nested denies: that, except those. A deny inside a permit takes over what it does
 *   not state itself (recipient, purpose, period, ...).
 * - a permit inside such a deny: the deny, except that (except.ts).
 *
 * A deny overrides every permit of every Consent, whatever its date. docs/consent.md has examples.
 *
 * @see https://hl7.org/fhir/R4/consent.html#6.2.7
 * @see https://profiles.ihe.net/ITI/PCF/content.html
 */
import { ordinaryLabel } from '../../fhir/labels.ts';
import { Problem } from '../../fhir/problem.ts';
import type { AnyResource } from '../../fhir/types.ts';
import { anyPurpose, purpose, withKinds } from '../principal/purpose.ts';
import { documentTypes, type Codes } from './coverage.ts';
import { always, intersection, refusal, type Coding, type Period } from './element.ts';
import { except } from './except.ts';
import { checkFrame, checkPolicy, statusOf } from './frame.ts';
import { readDimensions, type Dimensions } from './provision.ts';

/** One row of consent_rule, without the patient it is for. Absent: does not restrict. */
export interface Rule {
  readonly isDeny: boolean;
  /** `Organization/x`, `Practitioner/y`, `Device/client`, or (denies only) {@link everybody}. */
  readonly recipient: string;
  readonly purposes: number;
  readonly types?: readonly number[];
  readonly codes?: readonly bigint[];
  /** What `codes` were made of; not in the row. */
  readonly named?: readonly Coding[];
  /** 0: a permit of rows without labels, a deny of any. With {@link ordinaryLabel}: of rows without labels too. */
  readonly labels: number;
  /** Half-open, epoch milliseconds or infinite. */
  readonly data?: Period;
  readonly valid: Period;
  readonly sources?: readonly string[];
  /** `<type number>/<id>`. */
  readonly instances?: readonly string[];
}

/** The recipient of a deny that names none. No reference looks like it. */
export const everybody = '*';

/** What a proxy's token is for (proxy/sight.ts). */
const purposesOfProxies = purpose.patientRequest | purpose.familyRequest;

/** More than a person can oversee, and each costs every read of that patient. */
const rulesMax = 64;

/** The rules of a Consent; none unless it is active. @throws Problem business-rule (422) with the FHIRPath of what cannot be enforced */
export function compileRules(consent: AnyResource): Rule[] {
  // Whatever the rest says: ending a Consent must never fail.
  return statusOf(consent) === 'active' ? rulesOf(consent) : [];
}

/** The rules it has, or would have, if it is active. @throws Problem as {@link compileRules} */
export function rulesOf(consent: AnyResource): Rule[] {
  checkFrame(consent);
  const root = consent['provision'];
  if (root === undefined) {
    throw refusal('Consent.provision', 'a Consent without provision names nothing to permit or deny');
  }
  const rules = compileRoot(readDimensions(root, 'Consent.provision'));
  checkPolicy(
    consent,
    rules.some(({ isDeny }) => !isDeny),
  );
  if (rules.length > rulesMax) {
    throw new Problem('too-costly', `a Consent may have at most ${rulesMax} rules`, {
      expression: 'Consent.provision',
    });
  }
  return rules;
}

function compileRoot(root: Dimensions): Rule[] {
  const nested = root.nested;
  if (root.type === 'permit') return compilePermit(root);
  const granting = nested.filter((inner) => inner.type === 'permit');
  const rules = nested.flatMap((inner) =>
    inner.type === 'permit' ? compilePermit(within(root, inner)) : denies(withoutNested(inherit(root, inner))),
  );
  if (granting.length > 0) {
    requireBase(root);
    return rules;
  }
  if (root.type === undefined && nested.length === 0) {
    throw refusal('Consent.provision.type', 'a root provision without type and without nested rules says nothing');
  }
  // A base deny whose exceptions are denies is one deny more; without a type it is only the frame of its denies.
  return root.type === 'deny' ? [...denies(root), ...rules] : rules;
}

/** permit, and the denies that are its exceptions. */
function compilePermit(permit: Dimensions): Rule[] {
  return [...permits(permit), ...permit.nested.flatMap((inner) => exceptions(permit, inner))];
}

function exceptions(permit: Dimensions, inner: Dimensions): Rule[] {
  if (inner.type !== 'deny') {
    throw refusal(
      `${inner.path}.type`,
      'a rule inside a permit is an exception to it: a deny',
      'Write further permits as nested rules of a root deny.',
    );
  }
  const deny = inherit(permit, inner);
  const whole = { ...deny, purposes: deny.purposes && withKinds(deny.purposes) };
  return denies(
    deny.nested.reduce((rest: Dimensions, one) => except(rest, one, permit), whole),
    permit,
  );
}

/** Outside of a permit there is nothing that an exception to a deny could open. */
function withoutNested(deny: Dimensions): Dimensions {
  if (deny.nested.length === 0) return deny;
  throw refusal(`${deny.path}.provision`, 'a deny overrides everything: it has exceptions inside a permit only');
}

/**
 * The base of nested permits frames who, what for and how long; other dimensions there would say that it denies only a
 * part, with the rest left open.
 */
function requireBase(root: Dimensions): void {
  for (const element of ['classes', 'codes', 'labels', 'data', 'sources', 'instances'] as const) {
    if (root[element] !== undefined) {
      throw refusal(
        root.path,
        'a root deny with nested permits may state actor, purpose, action and period only',
        'Move class, code, securityLabel, dataPeriod and data into the nested rules.',
      );
    }
  }
}

/** A permit under a base deny: inside the base's actors, purposes and period. */
function within(base: Dimensions, permit: Dimensions): Dimensions {
  if (permit.recipients && base.recipients && !permit.recipients.every((one) => base.recipients?.includes(one))) {
    throw refusal(
      `${permit.path}.actor`,
      'a nested rule is an exception: its actors must be among those of its parent',
    );
  }
  if (permit.purposes !== undefined && base.purposes !== undefined && (permit.purposes & ~base.purposes) !== 0) {
    throw refusal(
      `${permit.path}.purpose`,
      'a nested rule is an exception: its purposes must be among those of its parent',
    );
  }
  return {
    ...permit,
    recipients: permit.recipients ?? base.recipients,
    purposes: permit.purposes ?? base.purposes,
    valid: intersection(base.valid ?? always, permit.valid ?? always),
  };
}

/** What a deny does not state it takes over from the rule it is an exception to. */
function inherit(parent: Dimensions, deny: Dimensions): Dimensions {
  const { recipients, purposes, classes, codes, labels, data, sources, instances, valid } = parent;
  const own = Object.fromEntries(Object.entries(deny).filter(([, value]) => value !== undefined));
  const inherited = { recipients, purposes, classes, codes, labels, data, sources, instances, valid };
  return { ...inherited, ...own } as Dimensions;
}

function permits(permit: Dimensions): Rule[] {
  if (permit.recipients === undefined) {
    throw refusal(
      `${permit.path}.actor`,
      'a permit names its recipient',
      'Add an actor with role IRCP and a reference Organization/x, Practitioner/y or Device/client.',
    );
  }
  const { purposes } = permit;
  if (purposes === undefined) {
    throw refusal(
      `${permit.path}.purpose`,
      'a permit names its purpose',
      'Add a coding of http://terminology.hl7.org/CodeSystem/v3-ActReason, such as TREAT or HPAYMT.',
    );
  }
  if (permit.recipients.some((one) => one.startsWith('RelatedPerson/')) && (purposes & purposesOfProxies) === 0) {
    throw refusal(`${permit.path}.purpose`, 'who acts for the patient asks for FAMRQT or PATRQT, and for nothing else');
  }
  return permit.recipients.flatMap((recipient) =>
    alternatives(permit, 'permit').map((about) => ({
      ...common(permit, recipient),
      ...about,
      isDeny: false,
      purposes,
      labels: permit.labels ?? 0,
    })),
  );
}

/**
 * As wide as a permit is narrow: of every kind of a purpose, and where it takes over labels that ordinary rows are beside, of
 * all rows.
 */
function denies(deny: Dimensions, exceptionTo?: Dimensions): Rule[] {
  const { recipients = [everybody], labels = 0 } = deny;
  for (const recipient of recipients) {
    // A token of the organization need not say who is behind it.
    if (recipient.startsWith('Practitioner/') && !exceptionTo?.recipients?.includes(recipient)) {
      throw refusal(
        `${deny.path}.actor`,
        'a person can be permitted, and denied inside of that permit only',
        'Deny the organization: its systems need not say who is behind a request.',
      );
    }
  }
  return recipients.flatMap((recipient) =>
    alternatives(deny, 'deny').map((about) => ({
      ...common(deny, recipient),
      ...about,
      isDeny: true,
      purposes: deny.purposes === undefined ? anyPurpose : withKindsUnlessTaken(deny, exceptionTo),
      labels: (labels & ordinaryLabel) === 0 ? labels : 0,
    })),
  );
}

/** Of a deny inside a permit the kinds are in already, less what its exceptions took out. */
function withKindsUnlessTaken({ purposes = anyPurpose }: Dimensions, exceptionTo: Dimensions | undefined): number {
  return exceptionTo === undefined ? withKinds(purposes) : purposes;
}

function common(
  from: Dimensions,
  recipient: string,
): Pick<Rule, 'recipient' | 'data' | 'valid' | 'sources' | 'instances'> {
  const { data, valid = always, sources, instances } = from;
  return { recipient, data, valid, sources, instances };
}

/** Resource types and classes of documents are alternatives: a rule each. */
function alternatives(from: Dimensions, effect: 'permit' | 'deny'): Pick<Rule, 'types' | 'codes' | 'named'>[] {
  const { classes, codes } = from;
  const about = (
    types: readonly number[] | undefined,
    those: Codes | undefined,
  ): Pick<Rule, 'types' | 'codes' | 'named'> => ({
    types,
    codes: those?.[effect],
    named: those?.named,
  });
  if (classes?.documents === undefined) return [about(classes?.types, codes)];
  if (codes !== undefined) {
    throw refusal(
      `${from.path}.class`,
      'a class of documents is a code itself',
      'Write a rule of its own for the documents.',
    );
  }
  const documents = about(documentTypes, classes.documents);
  return classes.types.length === 0 ? [documents] : [about(classes.types, codes), documents];
}
