import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AnyResource } from '../../src/fhir/types.ts';
import { validate } from '../../src/fhir/validate.ts';
import { compileRules } from '../../src/access/consent-rules.ts';
import { classes, custodian, givenConsent, permitTo, purposes, recipient } from './world.ts';

const accessAction = { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentaction', code: 'access' }] };
const collectAction = { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentaction', code: 'collect' }] };
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
      'a practitioner as recipient',
      permitTo({ actor: [recipient('Practitioner/x')] }),
      'Consent.provision.actor[0].reference',
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
    ['collecting', permitTo({ action: [collectAction] }), 'Consent.provision.action'],
    ['an extension', permitTo({ extension: [{ url: 'x' }] }), 'Consent.provision.extension'],
    ['a modifier extension', permitTo({ modifierExtension: [{ url: 'x' }] }), 'Consent.provision.modifierExtension'],
    ['a primitive extension', permitTo({ _type: { extension: [] } }), 'Consent.provision._type'],
    ['nothing', {}, 'Consent.provision.type'],
    ['a permit inside a permit', permitTo({ provision: [permitTo()] }), 'Consent.provision.provision[0].type'],
    [
      'an exception to a deny',
      permitTo({ provision: [{ type: 'deny', provision: [permitTo()] }] }),
      'Consent.provision.provision[0].provision',
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

  it('reading actions are understood', () => {
    assert.equal(compileRules(givenConsent(permitTo({ action: [collectAction, accessAction] }))).length, 1);
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
    assert.equal(deny?.purposes, permit?.purposes);
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

describe('docs/consent.md', () => {
  const text = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'consent.md'), 'utf8');
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
    assert.deepEqual(effects, [['permit'], ['permit', 'deny'], ['permit', 'permit']]);
  });

  it('the whole example is valid R4', () => {
    assert.deepEqual(validate(examples[0] as AnyResource), []);
  });
});
