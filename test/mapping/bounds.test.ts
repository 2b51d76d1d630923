/** Long messages take time in proportion to their length: what each of a thousand asks, the next does not ask again. */
import assert from 'node:assert/strict';
import { Problem } from '../../src/fhir/problem.ts';
import { map } from './given.ts';

const many = 8_000;

describe('the time of mapping is in proportion to the message', () => {
  const rows: [string, string, (count: number) => string[]][] = [
    ['results with one key', 'ORU^R01', (n) => ['OBR|1||F1|X^Y^L', ...list(n, 'OBX|1|NM|1^a^LN||5')]],
    ['results without any', 'ORU^R01', (n) => ['OBR|1', ...list(n, 'OBX')]],
    ['diagnoses without a visit', 'ADT^A01', (n) => list(n, 'DG1|1||X')],
    ['charges with one key', 'DFT^P03', (n) => list(n, 'FT1|1|||20240101||CG|a')],
  ];
  for (const [what, type, segments] of rows) {
    // With the square of their number, these would not end within the time that a test has, by far.
    it(`${what}: ${many} of them come to an end`, () => {
      assert.ok(map(segments(many), { type }).drafts.length > 0);
    });
  }

  it('the same key is numbered on as before', () => {
    const ids = (count: number): string[] =>
      map(['OBR|1||F1|X^Y^L', ...list(count, 'OBX|1|NM|1^a^LN||5')], { type: 'ORU^R01' })
        .drafts.filter(({ resource }) => resource.resourceType === 'Observation')
        .map(({ resource }) => resource.id);
    const fifty = ids(50);
    assert.equal(new Set(fifty).size, 50);
    assert.deepEqual(ids(20), fifty.slice(0, 20));
  });

  it('references of each to all have a bound', () => {
    const referrals = [...list(900, 'RF1|P'), ...list(900, 'DG1|1||X')];
    assert.throws(
      () => map(referrals, { type: 'REF^I12' }),
      (error) => error instanceof Problem && error.code === 'too-long',
    );
  });
});

function list(count: number, segment: string): string[] {
  return Array.from({ length: count }, () => segment);
}

describe('names that every object has are only text', () => {
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    it(`${name} as data type, code, unit and name of a segment`, () => {
      const { drafts } = map(['OBR|1', `OBX|1|${name}|${name}^x^L||${name}|${name}|||||F`, `${name}|1`], {
        type: 'ORU^R01',
      });
      const observation = drafts.find(({ resource }) => resource.resourceType === 'Observation')?.resource;
      assert.equal(observation?.['valueString'], name);
    });
  }
});
