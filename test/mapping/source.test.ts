/** What is kept of a sender's texts must never show: not in another sender's resources, not in another patient's. */
import { strict as assert } from 'node:assert';
import { parseMessage } from '../../adapters/hl7v2/message.ts';
import type { Element } from '../../src/mapping/message/state.ts';
import { drafts, map, resource } from './given.ts';

const visit = 'PV1|1|I|W7^R2^B3||||7001^Song^Lan^^^^^^HOSPA';
const patient = (number: string): string => `PID|1||${number}^^^HOSPA^MR||Lin^Mei`;

describe('what a sender says again', () => {
  it('given the same staff and ward in a second message, when mapped, then it has the same drafts of its own', () => {
    const [first, second] = [map([visit], { controlId: 'S1' }), map([visit], { controlId: 'S2' })];
    assert.equal(JSON.stringify(drafts(second, 'Practitioner')), JSON.stringify(drafts(first, 'Practitioner')));
    assert.equal(JSON.stringify(drafts(second, 'Location')), JSON.stringify(drafts(first, 'Location')));
    assert.equal(drafts(second, 'Location').length, 3);
  });

  it('given another owner with the same texts, when mapped, then the staff is its own', () => {
    const first = resource(map([visit]), 'Practitioner');
    const second = resource(map([visit], { owner: 'Organization/other' }), 'Practitioner');
    assert.notEqual(second.id, first.id);
  });

  it('given other separators, when mapped, then the same text is divided as they say', () => {
    const header = 'MSH|*~\\&|APP|HOSPA|HUB|HUB|20240506103015||ADT*A01|M1|P|2.5.1';
    map([visit]);
    assert.equal(drafts(map([visit], { header }), 'Location').length, 1);
  });

  it('given a code without translation, when it comes again, then it is counted again', () => {
    const segments = [patient('P1'), 'PV1|1|I||Q9^Odd^HL70007'];
    const count = (): number => map(segments).unmapped.filter((item) => item.kind === 'code').length;
    assert.deepEqual([count(), count()], [1, 1]);
  });

  it('given a value with a component that no rule reads, when it comes again, then that is kept beside again', () => {
    const segments = [patient('P1'), 'PV1|1|I|||||7002^Gu^Yun^^^^^^^^^^^^^^^^^^^PLACE'];
    const left = (): string => JSON.stringify(resource(map(segments), 'Encounter')['extension']);
    assert.match(left(), /PLACE/);
    assert.equal(left(), left());
  });

  it('given a kept element, when somebody changes it, then that throws and no other patient has the change', () => {
    map([patient('P1'), visit]);
    const practitioner = resource(map([patient('P2'), visit]), 'Practitioner');
    const [name] = practitioner['name'] as Element[];
    assert.throws(() => ((name as Element)['family'] = 'changed'), TypeError);
    assert.match(JSON.stringify(resource(map([patient('P3'), visit]), 'Practitioner')), /"family":"Song"/);
  });

  it('given an insurer of an earlier message, when a policy names it, then its resource is that one, with its address', () => {
    const policy = (number: string): string =>
      `IN1|1|PLAN|C7^^^HOSPA|Mutual Care|2 Quay Road^^Hangzhou|||G1|||||||||||||||||||||||||||${number}`;
    const insurer = (number: string): Element => resource(map([patient(number), policy(number)]), 'Organization');
    const [first, second] = [insurer('P1'), insurer('P2')];
    assert.equal(JSON.stringify(second), JSON.stringify(first));
    assert.match(JSON.stringify(second), /"city":"Hangzhou"/);
    assert.equal(insurer('P3'), insurer('P4'));
  });

  it('given an insurer with a component that no rule reads, when it comes again, then that is kept beside again', () => {
    const segments = [patient('P1'), 'IN1|1|PLAN|C8^^^^^^^^^^^^LOST|Care'];
    const left = (): string => JSON.stringify(resource(map(segments), 'Coverage')['extension']);
    assert.match(left(), /LOST/);
    assert.equal(left(), left());
  });

  it('given what is kept of a ward, when a message says more of it, then only its own resource has that', () => {
    map([patient('P1'), visit]);
    const more = drafts(map([patient('P2'), 'PV1|1|I|W7^R2^B3|||W7^R2^B3^^^^^^Window']), 'Location');
    assert.match(JSON.stringify(more), /Window/);
    assert.doesNotMatch(JSON.stringify(drafts(map([patient('P3'), visit]), 'Location')), /Window/);
  });

  it('given a code that two rules read, when it comes again, then both have it', () => {
    const visits = (): unknown[] =>
      ['class', 'status'].map((name) => resource(map([patient('P1'), 'PV1|1|E']), 'Encounter')[name]);
    assert.deepEqual(visits(), visits());
    assert.match(JSON.stringify(visits()), /"code":"EMER"/);
  });

  it('given the same doctor with another name in one message, when mapped, then only that message says both', () => {
    map([visit]);
    const both = resource(map([`${visit}|7001^Song^Lanlan^^^^^^HOSPA`]), 'Practitioner');
    assert.equal((both['name'] as unknown[]).length, 2);
    assert.equal((resource(map([visit]), 'Practitioner')['name'] as unknown[]).length, 1);
  });
});

describe('a field read as one text', () => {
  const segment = parseMessage('MSH|^~\\&|A\rZZZ|one|a^b|x~y||e\\T\\e').segments[1];
  for (const [field, plain, single] of [
    [1, 'one', 'one'],
    [2, undefined, 'a^b'],
    [3, undefined, undefined],
    [4, '', ''],
    [5, undefined, 'e\\T\\e'],
    [6, '', ''],
  ] as const) {
    it(`ZZZ-${field}: plain is ${plain}, single is ${single}`, () => {
      assert.deepEqual([segment?.plain(field), segment?.single(field)], [plain, single]);
    });
  }
});
