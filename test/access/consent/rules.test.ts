import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { typeName, type AnyResource } from '../../../src/fhir/types.ts';
import { validate } from '../../../src/fhir/validate.ts';
import { compileRules, type Rule } from '../../../src/access/consent/rules.ts';
import { purposeBit, purposeCodes, purposeCodesOf, withKinds } from '../../../src/access/principal/purpose.ts';
import { labelCodings } from '../../../src/fhir/labels.ts';
import { classes, custodian, givenConsent, permitTo, purposes, recipient } from '../world.ts';

const action = (code: string): object => ({
  coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentaction', code }],
});
const dischargeSummary = { system: 'http://loinc.org', code: '18842-5' };
const normal = { system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'N' };
const label = (code: string): object => ({ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code });

describe('Consent.provision -> rules: what cannot be enforced is refused with its FHIRPath', () => {
  const refused: readonly [string, object, string][] = [
    ['a permit without a recipient', permitTo({ actor: undefined }), 'Consent.provision.actor'],
    ['a permit without a purpose', permitTo({ purpose: undefined }), 'Consent.provision.purpose'],
    ['an unknown purpose', permitTo({ purpose: purposes('TREAT', 'FUN') }), 'Consent.provision.purpose[1]'],
    [
      'a purpose of another system',
      permitTo({ purpose: [{ system: 'urn:x', code: 'TREAT' }] }),
      'Consent.provision.purpose[0]',
    ],
    [
      'who acts for the patient, for what their token is never for',
      permitTo({ actor: [recipient('RelatedPerson/x')] }),
      'Consent.provision.purpose',
    ],
    [
      'a care team as recipient: who is in it is not known',
      permitTo({ actor: [recipient('CareTeam/x')] }),
      'Consent.provision.actor[0].reference',
    ],
    [
      'a practitioner denied, whose organization need not say who asks',
      { type: 'deny', actor: [recipient('Practitioner/x')] },
      'Consent.provision.actor',
    ],
    [
      'a role of another code system',
      permitTo({
        actor: [{ ...recipient(), role: { coding: [{ system: 'http://snomed.info/sct', code: 'IRCP' }] } }],
      }),
      'Consent.provision.actor[0].role',
    ],
    [
      'a reference with a version',
      permitTo({ actor: [recipient('Organization/x/_history/1')] }),
      'Consent.provision.actor[0].reference',
    ],
    [
      'an absolute reference',
      permitTo({ actor: [recipient('https://a/Organization/x')] }),
      'Consent.provision.actor[0].reference',
    ],
    ['everybody as a reference', permitTo({ actor: [recipient('*')] }), 'Consent.provision.actor[0].reference'],
    [
      'a role that is neither',
      permitTo({ actor: [{ ...recipient(), role: { coding: [{ code: 'WIT' }] } }] }),
      'Consent.provision.actor[0].role',
    ],
    [
      'a device as source',
      permitTo({ actor: [recipient(), custodian('Device/x')] }),
      'Consent.provision.actor[1].reference',
    ],
    [
      'a class that is no resource type',
      permitTo({ class: [{ system: 'urn:ietf:bcp:13', code: 'application/pdf' }] }),
      'Consent.provision.class[0]',
    ],
    ['an unknown resource type', permitTo({ class: classes('Observatory') }), 'Consent.provision.class[0]'],
    [
      'a code without system in a permit',
      permitTo({ code: [{ coding: [{ code: 'x' }] }] }),
      'Consent.provision.code[0].coding.system',
    ],
    ['a code as text', permitTo({ code: [{ text: 'sugar' }] }), 'Consent.provision.code[0]'],
    ['a label rows never carry', permitTo({ securityLabel: [label('NOAUTH')] }), 'Consent.provision.securityLabel[0]'],
    ['an empty period', permitTo({ period: {} }), 'Consent.provision.period'],
    [
      'a period that ends before it starts',
      permitTo({ period: { start: '2024', end: '2023' } }),
      'Consent.provision.period',
    ],
    ['a period that is no date', permitTo({ period: { start: 'soon' } }), 'Consent.provision.period.start'],
    [
      'an extension in a period',
      permitTo({ period: { start: '2024', extension: [] } }),
      'Consent.provision.period.extension',
    ],
    [
      'related data',
      permitTo({ data: [{ meaning: 'related', reference: { reference: 'Observation/x' } }] }),
      'Consent.provision.data[0].meaning',
    ],
    ...['dependents', 'authoredby'].map((meaning): [string, object, string] => [
      meaning,
      permitTo({ data: [{ meaning, reference: { reference: 'Observation/x' } }] }),
      'Consent.provision.data[0].meaning',
    ]),
    ['collecting', permitTo({ action: [action('collect')] }), 'Consent.provision.action[0]'],
    [
      'correcting, beside reading',
      permitTo({ action: [action('access'), action('correct')] }),
      'Consent.provision.action[1]',
    ],
    [
      'a deny of ordinary records by their label',
      { type: 'deny', securityLabel: [normal] },
      'Consent.provision.securityLabel[0]',
    ],
    [
      'a class of documents by code',
      permitTo({ class: [dischargeSummary], code: [{ coding: [dischargeSummary] }] }),
      'Consent.provision.class',
    ],
    ['an extension', permitTo({ extension: [{ url: 'x' }] }), 'Consent.provision.extension'],
    ['a modifier extension', permitTo({ modifierExtension: [{ url: 'x' }] }), 'Consent.provision.modifierExtension'],
    ['a primitive extension', permitTo({ _type: { extension: [] } }), 'Consent.provision._type'],
    ['nothing', {}, 'Consent.provision.type'],
    ['a permit inside a permit', permitTo({ provision: [permitTo()] }), 'Consent.provision.provision[0].type'],
    [
      'an exception to a deny that says the same as the permit',
      permitTo({ provision: [{ type: 'deny', provision: [permitTo()] }] }),
      'Consent.provision.provision[0].provision[0]',
    ],
    [
      'a nested rule without type',
      { type: 'deny', provision: [permitTo({ type: undefined })] },
      'Consent.provision.provision[0].type',
    ],
    [
      'a base deny of a class with permits',
      { type: 'deny', class: classes('Patient'), provision: [permitTo()] },
      'Consent.provision',
    ],
    [
      'a permit for whom the base does not name',
      { type: 'deny', actor: [recipient('Organization/x')], provision: [permitTo()] },
      'Consent.provision.provision[0].actor',
    ],
    [
      'a purpose the base does not name',
      { type: 'deny', purpose: purposes('HPAYMT'), provision: [permitTo()] },
      'Consent.provision.provision[0].purpose',
    ],
    ['an empty list', permitTo({ class: [] }), 'Consent.provision.class'],
  ];
  for (const [title, provision, expression] of refused) {
    it(`refused: ${title}`, () => {
      const plain = JSON.parse(JSON.stringify(provision)) as object;
      assert.throws(() => compileRules(givenConsent(plain)), {
        name: 'Problem',
        code: 'business-rule',
        expression: [expression],
      });
    });
  }

  const frames: readonly [string, object, string][] = [
    [
      'research',
      { scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'research' }] } },
      'Consent.scope',
    ],
    ['a modifier extension', { modifierExtension: [{ url: 'x' }] }, 'Consent.modifierExtension'],
    ['no provision', { provision: undefined }, 'Consent.provision'],
    ['not verified', { verification: [{ verified: true }, { verified: false }] }, 'Consent.verification[1].verified'],
    ['verification that does not say', { verification: [{}] }, 'Consent.verification[0].verified'],
    [
      'a policy that shares nothing',
      { policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'OPTOUT' }] } },
      'Consent.policyRule',
    ],
    ['a status that is none', { status: 'on-hold' }, 'Consent.status'],
  ];
  for (const [title, overrides, expression] of frames) {
    it(`refused: ${title}`, () => {
      assert.throws(() => compileRules(givenConsent(permitTo(), overrides)), { expression: [expression] });
    });
  }

  it('ending a Consent never fails, whatever else it says', () => {
    for (const status of ['inactive', 'rejected', 'entered-in-error']) {
      assert.deepEqual(compileRules(givenConsent(permitTo({ extension: [] }), { status })), []);
    }
  });

  it('every action that needs reading is reading', () => {
    for (const code of ['access', 'use', 'disclose']) {
      assert.equal(compileRules(givenConsent(permitTo({ action: [action(code)] }))).length, 1);
    }
  });

  it('a practitioner may be permitted, and denied inside of that permit', () => {
    const rules = compileRules(
      givenConsent(
        permitTo({
          actor: [recipient('Practitioner/x')],
          provision: [{ type: 'deny', class: classes('Condition') }],
        }),
      ),
    );
    assert.deepEqual(
      rules.map(({ isDeny, recipient: who }) => [isDeny, who]),
      [
        [false, 'Practitioner/x'],
        [true, 'Practitioner/x'],
      ],
    );
  });

  it('resource types and classes of documents are a rule each', () => {
    const rules = compileRules(givenConsent(permitTo({ class: [...classes('Condition'), dischargeSummary] })));
    assert.deepEqual(
      rules.map(({ types, named }) => [types?.map(typeName), named?.map(({ code }) => code)]),
      [
        [['Condition'], undefined],
        [['DocumentReference', 'Composition'], ['18842-5']],
      ],
    );
  });

  it('one row for each recipient; a deny for nobody in particular is for everybody', () => {
    const two = compileRules(givenConsent(permitTo({ actor: [recipient(), recipient('Device/x')] })));
    assert.deepEqual(
      two.map(({ recipient: who }) => who),
      ['Organization/ai', 'Device/x'],
    );
    const [deny] = compileRules(givenConsent({ type: 'deny' }));
    assert.equal(deny?.recipient, '*');
    assert.equal(deny?.isDeny, true);
  });

  it('a nested deny takes over what it does not state: here recipient, purpose and period', () => {
    const period = { start: '2024-01-01', end: '2024-12-31' };
    const [permit, deny] = compileRules(
      givenConsent(permitTo({ period, provision: [{ type: 'deny', class: classes('Observation') }] })),
    );
    assert.equal(deny?.recipient, 'Organization/ai');
    assert.equal(deny?.purposes, withKinds(permit?.purposes ?? 0));
    assert.deepEqual(deny?.valid, { from: Date.UTC(2024, 0, 1), to: Date.UTC(2025, 0, 1) });
    assert.equal(deny?.types?.length, 1);
  });

  it('a base deny with permits denies nothing itself', () => {
    const rules = compileRules(
      givenConsent({ type: 'deny', provision: [permitTo(), permitTo({ purpose: purposes('HPAYMT') })] }),
    );
    assert.deepEqual(
      rules.map(({ isDeny }) => isDeny),
      [false, false],
    );
  });

  it('more rules than a person can oversee are refused', () => {
    const many = Array.from({ length: 65 }, () => permitTo());
    assert.throws(() => compileRules(givenConsent({ type: 'deny', provision: many })), { code: 'too-costly' });
  });
});

describe('purposes: a permit is for those it names, a deny for their kinds too', () => {
  const rows: readonly [string, object, string[]][] = [
    ['permit HRESCH', permitTo({ purpose: purposes('HRESCH') }), ['HRESCH']],
    ['deny HRESCH', { type: 'deny', purpose: purposes('HRESCH') }, ['HRESCH', 'CLINTRCH']],
    ['deny CLINTRCH', { type: 'deny', purpose: purposes('CLINTRCH') }, ['CLINTRCH']],
    ['deny TREAT', { type: 'deny', purpose: purposes('TREAT') }, ['TREAT', 'ETREAT']],
    [
      'deny HPAYMT, two levels down',
      { type: 'deny', purpose: purposes('HPAYMT') },
      ['HPAYMT', 'CLMATTCH', 'COVAUTH', 'COVERAGE', 'ELIGDTRM', 'ELIGVER', 'ENROLLM', 'REMITADV'],
    ],
  ];
  for (const [title, provision, expected] of rows) {
    it(title, () => {
      const [rule] = compileRules(givenConsent(provision));
      assert.deepEqual(purposeCodesOf(rule?.purposes ?? 0), expected);
    });
  }

  it('the kinds are those of the CodeSystem v3-ActReason', () => {
    const children = new Map<string, string[]>();
    const walk = (concepts: readonly Concept[], above: readonly string[]): void => {
      for (const { code, concept = [] } of concepts) {
        for (const one of above) children.set(one, [...(children.get(one) ?? []), code]);
        walk(concept, [...above, code]);
      }
    };
    walk(actReason().concept ?? [], []);
    for (const code of purposeCodes) {
      const kinds = (children.get(code) ?? []).filter((one) => purposeCodes.includes(one));
      const found = purposeCodesOf(withKinds(purposeBit(code) ?? 0));
      assert.deepEqual(found.toSorted(), [code, ...kinds].toSorted(), code);
    }
  });
});

interface Concept {
  readonly code: string;
  readonly concept?: readonly Concept[];
}

function actReason(): { readonly concept?: readonly Concept[] } {
  const path = join(import.meta.dirname, '..', '..', '..', 'src', 'fhir', 'definitions', 'terminology.ndjson');
  const line = readFileSync(path, 'utf8')
    .split('\n')
    .find((one) => one.startsWith('{"resourceType":"CodeSystem","id":"v3-ActReason"'));
  return JSON.parse(line ?? '{}') as { concept?: readonly Concept[] };
}

describe('permit > deny > permit: the exception is taken out of the deny', () => {
  const two = [recipient('Organization/a'), recipient('Organization/b')];
  const three = (deny: object, exception: object, permit: object = {}): object =>
    permitTo({
      actor: two,
      purpose: purposes('TREAT', 'HRESCH', 'CLINTRCH'),
      ...permit,
      provision: [
        { type: 'deny', class: classes('Condition'), ...deny, provision: [{ type: 'permit', ...exception }] },
      ],
    });
  const deniesOf = (provision: object): Rule[] => compileRules(givenConsent(provision)).filter(({ isDeny }) => isDeny);

  it('of its recipients', () => {
    const denies = deniesOf(three({}, { actor: [recipient('Organization/b')] }));
    assert.deepEqual(
      denies.map(({ recipient: who, types }) => [who, types?.map(typeName)]),
      [['Organization/a', ['Condition']]],
    );
  });

  it('of its purposes, kinds among them', () => {
    const [deny] = deniesOf(three({ purpose: purposes('HRESCH') }, { purpose: purposes('CLINTRCH') }));
    assert.deepEqual(purposeCodesOf(deny?.purposes ?? 0), ['HRESCH']);
  });

  it('of its classes', () => {
    const [deny] = deniesOf(three({ class: classes('Condition', 'Procedure') }, { class: classes('Procedure') }));
    assert.deepEqual(deny?.types?.map(typeName), ['Condition']);
  });

  it('of its codes', () => {
    const concept = (code: string): object => ({ coding: [{ system: 'urn:x', code }] });
    const [deny] = deniesOf(three({ code: [concept('a'), concept('b')] }, { code: [concept('b')] }));
    const [only] = deniesOf(permitTo({ provision: [{ type: 'deny', code: [concept('a')] }] }));
    assert.deepEqual([deny?.codes, deny?.named], [only?.codes, only?.named]);
  });

  it('of its labels', () => {
    const permit = { securityLabel: [label('PSY'), label('HIV')] };
    const [deny] = deniesOf(three({ securityLabel: permit.securityLabel }, { securityLabel: [label('HIV')] }, permit));
    assert.deepEqual(labelCodings(deny?.labels ?? 0), [label('PSY')]);
  });

  const at = 'Consent.provision.provision[0].provision[0]';
  const refused: readonly [string, object, string][] = [
    ['of nothing', three({}, {}), at],
    ['of two lists at once', three({}, { actor: [recipient('Organization/b')], class: classes('Condition') }), at],
    [
      'of a list the deny does not have',
      three({}, { code: [{ coding: [{ system: 'urn:x', code: 'a' }] }] }),
      `${at}.code`,
    ],
    ['of all of it', three({}, { class: classes('Condition') }), `${at}.class`],
    ['beyond it', three({}, { class: classes('Condition', 'Procedure') }), `${at}.class`],
    ['for whom the permit does not name', three({}, { actor: [recipient('Organization/c')] }), `${at}.actor`],
    [
      'for what the permit does not name',
      three({ purpose: purposes('TREAT') }, { purpose: purposes('ETREAT') }),
      `${at}.purpose`,
    ],
    [
      'of labels the permit does not name',
      three({ securityLabel: [label('PSY'), label('HIV')] }, { securityLabel: [label('HIV')] }),
      `${at}.securityLabel`,
    ],
    ['in time', three({}, { period: { start: '2024' } }), `${at}.period`],
    ['of a time', three({}, { dataPeriod: { start: '2024' } }), `${at}.dataPeriod`],
    [
      'of one record',
      three({}, { data: [{ meaning: 'instance', reference: { reference: 'Condition/x' } }] }),
      `${at}.data`,
    ],
    ['a deny inside a deny', three({}, { type: 'deny' }), `${at}.type`],
    [
      'a fourth level',
      three({}, { actor: [recipient('Organization/b')], provision: [permitTo()] }),
      `${at}.provision[0]`,
    ],
    [
      'under a root deny that is no permit',
      { type: 'deny', provision: [{ type: 'deny', provision: [permitTo()] }] },
      'Consent.provision.provision[0].provision',
    ],
  ];
  for (const [title, provision, expression] of refused) {
    it(`refused: ${title}`, () => {
      assert.throws(() => compileRules(givenConsent(JSON.parse(JSON.stringify(provision)) as object)), {
        code: 'business-rule',
        expression: [expression],
      });
    });
  }
});

describe('docs/consent.md', () => {
  const text = readFileSync(join(import.meta.dirname, '..', '..', '..', 'docs', 'consent.md'), 'utf8');
  const examples = Array.from(
    text.matchAll(/```json\n([\s\S]*?)```/g),
    ([, json = '']) => JSON.parse(json) as AnyResource,
  );

  it('every example compiles to the rules the page speaks of', () => {
    const effects = examples.map((example) =>
      compileRules(example.resourceType === 'Consent' ? example : givenConsent(example)).map(({ isDeny }) =>
        isDeny ? 'deny' : 'permit',
      ),
    );
    assert.deepEqual(effects, [['permit'], ['permit', 'deny'], ['permit', 'permit', 'deny'], ['permit', 'permit']]);
  });

  it('the whole example is valid R4', () => {
    assert.deepEqual(validate(examples[0] as AnyResource), []);
  });
});
