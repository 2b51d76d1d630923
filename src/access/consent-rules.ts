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
 *
 * A deny overrides every permit of every Consent, whatever its date. docs/consent.md has examples.
 *
 * @see https://hl7.org/fhir/R4/consent.html#6.2.7
 * @see https://profiles.ihe.net/ITI/PCF/content.html
 */
import { Problem } from '../fhir/problem.ts';
import type { AnyResource } from '../fhir/types.ts';
import { always, readDimensions, refusal, type Dimensions, type Period } from './consent-provision.ts';
import { anyPurpose } from './purpose.ts';

/** One row of consent_rule, without the patient it is for. Absent: does not restrict. */
export interface Rule {
  readonly isDeny: boolean;
  /** `Organization/x` or `Device/client`, or (denies only) {@link everybody}. */
  readonly recipient: string;
  readonly purposes: number;
  readonly types?: readonly number[];
  readonly codes?: readonly bigint[];
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

/** More than a person can oversee, and each costs every read of that patient. */
const rulesMax = 64;

const statuses = new Set(['draft', 'proposed', 'active', 'rejected', 'inactive', 'entered-in-error']);
const scopeSystem = 'http://terminology.hl7.org/CodeSystem/consentscope';

/** The rules of a Consent; none unless it is active. @throws Problem business-rule (422) with the FHIRPath of what cannot be enforced */
export function compileRules(consent: AnyResource): Rule[] {
  if (!statuses.has(String(consent['status']))) throw refusal('Consent.status', 'not a status of a Consent');
  // Whatever the rest says: ending a Consent must never fail.
  if (consent['status'] !== 'active') return [];
  checkFrame(consent);
  const root = consent['provision'];
  if (root === undefined) {
    throw refusal('Consent.provision', 'a Consent without provision names nothing to permit or deny');
  }
  const rules = compileRoot(readDimensions(root, 'Consent.provision'));
  if (rules.length > rulesMax) {
    throw new Problem('too-costly', `a Consent may have at most ${rulesMax} rules`, {
      expression: 'Consent.provision',
    });
  }
  return rules;
}

function checkFrame(consent: AnyResource): void {
  for (const element of ['modifierExtension', 'implicitRules']) {
    if (consent[element] !== undefined) {
      throw refusal(`Consent.${element}`, `${element} can change what the Consent means and cannot be enforced`);
    }
  }
  const codings = (consent['scope'] as { coding?: { system?: string; code?: string }[] } | undefined)?.coding ?? [];
  if (!codings.some(({ system, code }) => system === scopeSystem && code === 'patient-privacy')) {
    throw refusal(
      'Consent.scope',
      'only privacy consents are enforced',
      `Use the coding ${scopeSystem}|patient-privacy.`,
    );
  }
}

function compileRoot(root: Dimensions): Rule[] {
  const nested = root.nested;
  if (root.type === 'permit') return [...permits(root), ...nested.flatMap((inner) => exceptions(root, inner))];
  const granting = nested.filter((inner) => inner.type === 'permit');
  const rules = nested.flatMap((inner) =>
    inner.type === 'permit' ? compilePermit(within(root, inner)) : denies(inherit(root, inner)),
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
  if (inner.nested.length > 0) {
    throw refusal(`${inner.path}.provision`, 'a deny overrides everything, so it cannot have exceptions');
  }
  return denies(inherit(permit, inner));
}

/**
 * The base of nested permits frames who, what for and how long; other dimensions there would say that it denies only a
 * part, with the rest left open.
 */
function requireBase(root: Dimensions): void {
  for (const element of ['types', 'codes', 'labels', 'data', 'sources', 'instances'] as const) {
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
  const { recipients, purposes, types, codes, labels, data, sources, instances, valid } = parent;
  const own = Object.fromEntries(Object.entries(deny).filter(([, value]) => value !== undefined));
  const inherited = { recipients, purposes, types, codes, labels, data, sources, instances, valid };
  return { ...inherited, ...own } as Dimensions;
}

function permits(permit: Dimensions): Rule[] {
  if (permit.recipients === undefined) {
    throw refusal(
      `${permit.path}.actor`,
      'a permit names its recipient',
      'Add an actor with role IRCP and a reference Organization/x or Device/client.',
    );
  }
  if (permit.purposes === undefined) {
    throw refusal(
      `${permit.path}.purpose`,
      'a permit names its purpose',
      'Add a coding of http://terminology.hl7.org/CodeSystem/v3-ActReason, such as TREAT or HPAYMT.',
    );
  }
  return permit.recipients.map((recipient) => ruleOf(permit, false, recipient));
}

function denies(deny: Dimensions): Rule[] {
  return (deny.recipients ?? [everybody]).map((recipient) => ruleOf(deny, true, recipient));
}

function ruleOf(from: Dimensions, isDeny: boolean, recipient: string): Rule {
  return {
    isDeny,
    recipient,
    purposes: from.purposes ?? anyPurpose,
    types: from.types,
    codes: isDeny ? from.codes?.deny : from.codes?.permit,
    labels: from.labels ?? 0,
    data: from.data,
    valid: from.valid ?? always,
    sources: from.sources,
    instances: from.instances,
  };
}

function intersection(one: Period, other: Period): Period {
  return { from: Math.max(one.from, other.from), to: Math.min(one.to, other.to) };
}
