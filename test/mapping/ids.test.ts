import assert from 'node:assert/strict';
import { isMintedId, ownBucket } from '../../src/fhir/ids.ts';
import { drafts, fixture, map, resource, type Given } from './given.ts';

const idOf = (segments: string[], type: string, given: Given = {}): string => resource(map(segments, given), type).id;

describe('the id of a patient', () => {
  const id = (field: string, given?: Given): string => idOf([`PID|1||${field}||Lin^Mei`], 'Patient', given);
  const same: [why: string, one: string, other: string][] = [
    ['the record number decides, not the order of repetitions', '1^^^A^MR~2^^^B^PI', '2^^^B^PI~1^^^A^MR'],
    ['a national id beside it changes nothing', '1^^^HOSPA^MR', '11010519491231002X^^^^NI~1^^^HOSPA^MR'],
    ['without an authority the sending facility is meant', '1^^^HOSPA^MR', '1'],
    ['the check character may be small', '11010519491231002X', '11010519491231002x'],
  ];
  for (const [why, one, other] of same) it(why, () => assert.equal(id(one), id(other)));
  const different: [why: string, one: string, other: string][] = [
    ['another number', '1^^^HOSPA^MR', '2^^^HOSPA^MR'],
    ['another authority', '1^^^A^MR', '1^^^B^MR'],
  ];
  for (const [why, one, other] of different) it(`${why}: another patient`, () => assert.notEqual(id(one), id(other)));

  it('another owner: another patient', () =>
    assert.notEqual(id('1^^^A^MR'), id('1^^^A^MR', { owner: 'Organization/y' })));
  it('neither name nor message decides', () => {
    assert.equal(id('1^^^A^MR', { controlId: 'M1' }), id('1^^^A^MR', { controlId: 'M2' }));
  });
  it('without any identifier the message decides', () => {
    assert.equal(id('', { controlId: 'M1' }), id('', { controlId: 'M1' }));
    assert.notEqual(id('', { controlId: 'M1' }), id('', { controlId: 'M2' }));
  });
});

describe('the id of a result', () => {
  const order = 'OBR|1|P1|F1|PAN^Panel^L|||20240506';
  const id = (obx: string, given: Given = {}, head = order): string =>
    idOf([head, `OBX|1|NM|${obx}`], 'Observation', { type: 'ORU^R01', ...given });
  const base = 'X^x^L||5||||||F|||20240506';

  it('the value, the status and the message do not decide: a correction meets what it corrects', () => {
    assert.equal(id(base), id('X^x^L||7||||||C|||20240506', { controlId: 'M2' }));
  });
  const different: [why: string, obx: string, head?: string][] = [
    ['another code', 'Y^y^L||5||||||F|||20240506'],
    ['another sub-id', 'X^x^L|2|5||||||F|||20240506'],
    ['another time', 'X^x^L||5||||||F|||20240507'],
    ['another filler order', base, 'OBR|1|P1|F2|PAN^Panel^L|||20240506'],
  ];
  for (const [why, obx, head] of different)
    it(`${why}: another result`, () => assert.notEqual(id(base), id(obx, {}, head)));

  it('twice the same in one message are two', () => {
    const mapped = map([order, `OBX|1|NM|${base}`, `OBX|2|NM|${base}`], { type: 'ORU^R01' });
    assert.equal(new Set(drafts(mapped, 'Observation').map((draft) => draft.resource.id)).size, 2);
  });
});

describe('where a resource lives', () => {
  it('everything of a patient has the bucket of the patient; everything else its own', () => {
    const outside = new Set(['Practitioner', 'Organization', 'Location']);
    for (const name of ['adt-a01.hl7', 'oru-r01.hl7']) {
      const mapped = fixture(name);
      const bucket = ownBucket(resource(mapped, 'Patient').id);
      for (const { resource: item } of mapped.drafts) {
        assert.ok(isMintedId(item.id), item.id);
        if (!outside.has(item.resourceType)) assert.equal(ownBucket(item.id), bucket, item.resourceType);
      }
    }
  });

  it('an admission and a result of the same visit meet in one Patient and one Encounter', () => {
    const [admission, result] = [fixture('adt-a01.hl7'), fixture('oru-r01.hl7')];
    for (const type of ['Patient', 'Encounter']) assert.equal(resource(admission, type).id, resource(result, type).id);
  });
});
