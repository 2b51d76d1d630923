/** docs/consent.md accounts for every element of R4 Consent, and each does what the table says. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileRules } from '../../../src/access/consent/rules.ts';
import { classes, givenConsent, permitTo, purposes, recipient } from '../world.ts';

const root = join(import.meta.dirname, '..', '..', '..');
const coding = (system: string, code: string): object => ({ coding: [{ system, code }] });
const actCode = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';

type How = 'enforced' | 'carried' | 'refused';
interface Row {
  readonly path: string;
  readonly how: How;
  /** Replaces elements of a Consent that compiles. */
  readonly sample: object;
  /** Where a refusal points, when not at the element. */
  readonly at?: string;
}

const inProvision = (rule: object): object => ({ provision: permitTo(rule) });
const rows: readonly Row[] = [
  { path: 'id', how: 'carried', sample: { id: 'x' } },
  { path: 'meta', how: 'carried', sample: { meta: { tag: [{ code: 'x' }] } } },
  { path: 'language', how: 'carried', sample: { language: 'zh' } },
  { path: 'text', how: 'carried', sample: { text: { status: 'additional', div: '<div>deny</div>' } } },
  { path: 'contained', how: 'carried', sample: { contained: [{ resourceType: 'Organization', id: 'ai' }] } },
  { path: 'extension', how: 'carried', sample: { extension: [{ url: 'urn:x', valueCode: 'deny' }] } },
  { path: 'implicitRules', how: 'refused', sample: { implicitRules: 'urn:x' } },
  { path: 'modifierExtension', how: 'refused', sample: { modifierExtension: [{ url: 'urn:x' }] } },
  { path: 'identifier', how: 'carried', sample: { identifier: [{ value: 'x' }] } },
  { path: 'category', how: 'carried', sample: { category: [coding('http://loinc.org', '64292-6')] } },
  { path: 'organization', how: 'carried', sample: { organization: [{ reference: 'Organization/x' }] } },
  { path: 'status', how: 'enforced', sample: { status: 'proposed' } },
  { path: 'scope', how: 'enforced', sample: { scope: coding('urn:x', 'patient-privacy') } },
  { path: 'dateTime', how: 'carried', sample: { dateTime: '2020-01-01' } },
  { path: 'source[x]', how: 'carried', sample: { sourceAttachment: { url: 'https://example.org' } } },
  { path: 'source[x]', how: 'carried', sample: { sourceReference: { reference: 'Consent/x' } } },
  { path: 'policy', how: 'carried', sample: { policy: [{ uri: 'urn:x' }] } },
  { path: 'policy.authority', how: 'carried', sample: { policy: [{ authority: 'urn:x' }] } },
  { path: 'policy.uri', how: 'carried', sample: { policy: [{ uri: 'urn:y' }] } },
  { path: 'policyRule', how: 'enforced', sample: { policyRule: coding(actCode, 'OPTOUT') } },
  { path: 'verification', how: 'enforced', sample: { verification: [{ verified: false }] } },
  { path: 'verification.verified', how: 'enforced', sample: { verification: [{ verified: false }] } },
  {
    path: 'verification.verifiedWith',
    how: 'carried',
    sample: { verification: [{ verified: true, verifiedWith: { reference: 'RelatedPerson/x' } }] },
  },
  {
    path: 'verification.verificationDate',
    how: 'carried',
    sample: { verification: [{ verified: true, verificationDate: '2020-01-01' }] },
  },
  { path: 'provision', how: 'enforced', sample: { provision: undefined } },
  { path: 'provision.type', how: 'enforced', sample: { provision: { type: 'deny' } } },
  { path: 'provision.period', how: 'enforced', sample: inProvision({ period: { end: '2030' } }) },
  { path: 'provision.actor', how: 'enforced', sample: inProvision({ actor: [recipient('Organization/x')] }) },
  {
    path: 'provision.actor.role',
    how: 'enforced',
    sample: inProvision({ actor: [{ ...recipient(), role: { coding: [{ code: 'WIT' }] } }] }),
  },
  {
    path: 'provision.actor.reference',
    how: 'enforced',
    sample: inProvision({ actor: [recipient('Practitioner/x')] }),
  },
  {
    path: 'provision.action',
    how: 'enforced',
    sample: inProvision({ action: [coding('http://terminology.hl7.org/CodeSystem/consentaction', 'correct')] }),
  },
  {
    path: 'provision.securityLabel',
    how: 'enforced',
    sample: inProvision({ securityLabel: [{ system: actCode, code: 'PSY' }] }),
  },
  { path: 'provision.purpose', how: 'enforced', sample: inProvision({ purpose: purposes('HRESCH') }) },
  { path: 'provision.class', how: 'enforced', sample: inProvision({ class: classes('Condition') }) },
  { path: 'provision.code', how: 'enforced', sample: inProvision({ code: [coding('urn:x', 'y')] }) },
  { path: 'provision.dataPeriod', how: 'enforced', sample: inProvision({ dataPeriod: { start: '2020' } }) },
  {
    path: 'provision.data',
    how: 'enforced',
    sample: inProvision({ data: [{ meaning: 'instance', reference: { reference: 'Condition/x' } }] }),
  },
  {
    path: 'provision.data.meaning',
    how: 'enforced',
    sample: inProvision({ data: [{ meaning: 'related', reference: { reference: 'Condition/x' } }] }),
  },
  {
    path: 'provision.data.reference',
    how: 'enforced',
    sample: inProvision({ data: [{ meaning: 'instance', reference: { reference: 'Condition/y' } }] }),
  },
  {
    path: 'provision.provision',
    how: 'enforced',
    sample: inProvision({ provision: [{ type: 'deny', class: classes('Condition') }] }),
  },
  { path: 'provision.extension', how: 'refused', sample: inProvision({ extension: [{ url: 'urn:x' }] }) },
  {
    path: 'provision.modifierExtension',
    how: 'refused',
    sample: inProvision({ modifierExtension: [{ url: 'urn:x' }] }),
  },
];
/** Whose Consent it is and who gave it decide in the transaction that writes it. */
const provenByWriting = { patient: 'enforced', performer: 'enforced' } as const;

describe('Consent, every element: enforced, carried or refused', () => {
  const text = readFileSync(join(root, 'docs', 'consent.md'), 'utf8');
  const documented = new Map(
    Array.from(text.matchAll(/^\| (`[^|]*`) +\| (enforced|carried|refused) +\|/gm)).flatMap(
      ([, names = '', how = '']) =>
        Array.from(names.matchAll(/`([^`]+)`/g), ([, name = '']): [string, string] => [name, how]),
    ),
  );

  it('the table of docs/consent.md has all elements of the definition, and no other', () => {
    const expected = [...elementsOf('Consent'), 'provision.extension', 'provision.modifierExtension'];
    assert.deepEqual([...documented.keys()].toSorted(), expected.toSorted());
  });

  it('what the table says is what the tests below show', () => {
    const shown = Object.fromEntries(rows.map(({ path, how }) => [path, how]));
    assert.deepEqual(Object.fromEntries(documented), { ...shown, ...provenByWriting });
  });

  const plain = compileRules(givenConsent(permitTo()));
  for (const { path, how, sample } of rows) {
    it(`${path} is ${how}`, () => {
      const compile = (): unknown => compileRules(givenConsent(permitTo(), sample));
      if (how === 'carried') assert.deepEqual(compile(), plain);
      else if (how === 'refused') assert.throws(compile, { code: 'business-rule', expression: [`Consent.${path}`] });
      else assert.notDeepEqual(resultOf(compile), plain);
    });
  }
});

/** The rules, or the element that was refused. */
function resultOf(compile: () => unknown): unknown {
  try {
    return compile();
  } catch (error) {
    return error;
  }
}

interface Definition {
  readonly elements: Readonly<Record<string, { readonly types: readonly string[] }>>;
}

/** Of the definition itself and of what only it has inside; the parts of data types are not elements of Consent. */
function elementsOf(name: string): string[] {
  const definitions = JSON.parse(
    readFileSync(join(root, 'src', 'fhir', 'definitions', 'types.json'), 'utf8'),
  ) as Record<string, Definition>;
  const walk = (type: string): string[] =>
    Object.entries(definitions[type]?.elements ?? {}).flatMap(([element, { types }]) => {
      const path = `${type}.${element}`.replace(`${name}.`, '');
      if (type !== name && ['id', 'extension', 'modifierExtension'].includes(element)) return [];
      const own = types.find((one) => one.startsWith(`${type}.`));
      return own === undefined ? [path] : [path, ...walk(own)];
    });
  return walk(name);
}
