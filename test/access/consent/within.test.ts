/** What is granted is no more than what was asked for. */
import assert from 'node:assert/strict';
import { compileRules } from '../../../src/access/consent/rules.ts';
import { isWithin } from '../../../src/access/consent/within.ts';
import { classes, custodian, givenConsent, permitTo, purposes, recipient } from '../world.ts';

const label = (code: string): object => ({ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code });
const normal = { system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'N' };
const code = (value: string): object => ({ coding: [{ system: 'urn:x', code: value }] });
const instance = (id: string): object => ({ meaning: 'instance', reference: { reference: `Condition/${id}` } });
const both = recipient('Organization/b');

const asked = permitTo({
  purpose: purposes('TREAT', 'HRESCH'),
  class: classes('Condition', 'Observation'),
  securityLabel: [normal, label('PSY')],
  dataPeriod: { start: '2020', end: '2024' },
  period: { end: '2027-12-31' },
});

const rows: readonly [string, object, object, boolean][] = [
  ['the same', asked, asked, true],
  ['fewer purposes', asked, { ...asked, purpose: purposes('TREAT') }, true],
  ['another purpose', asked, { ...asked, purpose: purposes('HMARKT') }, false],
  ['a kind of a purpose', asked, { ...asked, purpose: purposes('CLINTRCH') }, false],
  ['another recipient', asked, { ...asked, actor: [both] }, false],
  ['a recipient more', asked, { ...asked, actor: [recipient(), both] }, false],
  ['fewer classes', asked, { ...asked, class: classes('Condition') }, true],
  ['another class', asked, { ...asked, class: classes('Procedure') }, false],
  ['every class', asked, { ...asked, class: undefined }, false],
  ['some classes of every', permitTo(), permitTo({ class: classes('Condition') }), true],
  ['without the label', asked, { ...asked, securityLabel: undefined }, true],
  ['the label alone', asked, { ...asked, securityLabel: [label('PSY')] }, true],
  ['a label more', asked, { ...asked, securityLabel: [label('PSY'), label('HIV')] }, false],
  ['ordinary records, where the label was asked for', permitTo({ securityLabel: [label('PSY')] }), permitTo(), false],
  ['a shorter time of records', asked, { ...asked, dataPeriod: { start: '2021', end: '2022' } }, true],
  ['a longer time of records', asked, { ...asked, dataPeriod: { start: '2019', end: '2022' } }, false],
  ['records of any time', asked, { ...asked, dataPeriod: undefined }, false],
  ['sooner over', asked, { ...asked, period: { end: '2026-12-31' } }, true],
  ['later over', asked, { ...asked, period: { end: '2028' } }, false],
  ['never over', asked, { ...asked, period: undefined }, false],
  ['one source', asked, { ...asked, actor: [recipient(), custodian('Organization/h')] }, true],
  ['every source', permitTo({ actor: [recipient(), custodian('Organization/h')] }), permitTo(), false],
  ['one code', permitTo({ code: [code('a'), code('b')] }), permitTo({ code: [code('a')] }), true],
  ['another code', permitTo({ code: [code('a')] }), permitTo({ code: [code('c')] }), false],
  ['one record', permitTo({ data: [instance('a'), instance('b')] }), permitTo({ data: [instance('b')] }), true],
  ['another record', permitTo({ data: [instance('a')] }), permitTo({ data: [instance('c')] }), false],
  ['an exception', asked, { ...asked, provision: [{ type: 'deny', class: classes('Condition') }] }, true],
  ['a deny of everything', asked, { type: 'deny' }, true],
  [
    'parts of two',
    { type: 'deny', provision: [permitTo({ class: classes('Condition') }), permitTo({ purpose: purposes('HRESCH') })] },
    permitTo({ class: classes('Condition'), purpose: purposes('TREAT', 'HRESCH') }),
    false,
  ],
];

describe('granted within asked', () => {
  for (const [title, outer, inner, expected] of rows) {
    it(`${title}: ${expected ? 'within' : 'beyond'}`, () => {
      const rules = (provision: object): ReturnType<typeof compileRules> =>
        compileRules(givenConsent(JSON.parse(JSON.stringify(provision)) as object));
      assert.equal(isWithin(rules(inner), rules(outer)), expected);
    });
  }
});
