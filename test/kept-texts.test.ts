/** What is kept by text, because the same texts come again, keeps no long ones: a sender may send a new megabyte each time. */
import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { keyHash } from '../src/store/params/columns.ts';
import { spellName } from '../src/fhir/hanzi.ts';
import { canonicalUnit } from '../src/fhir/ucum.ts';
import { map } from './mapping/given.ts';

const count = 64;
const chars = 1_000_000;

describe('texts that are kept', () => {
  before(() => setFlagsFromString('--expose-gc'));

  const heldBytes = (): number => {
    (runInNewContext('gc') as () => void)();
    return process.memoryUsage().heapUsed;
  };
  // Built anew and flat, as from JSON: a rope of one repeated text would weigh nothing.
  const long = (start: string, at: number): string => Buffer.alloc(chars, `${start}${at}.`).toString();

  const rows: [string, (at: number) => unknown][] = [
    ['values that are indexed', (at) => keyHash('exact', 'name', long('a', at))],
    ['units', (at) => canonicalUnit(long('m', at))],
    ['names in characters', (at) => spellName(long('王', at), true)],
    ['reference ranges of HL7v2', (at) => map([`OBX|1|NM|1^a^L||5||${long('x', at)}`], { type: 'ORU^R01' })],
    [
      'numbers of staff in HL7v2',
      (at) => map([`OBX|1|NM|1^a^L||5|||||||||||${long('x', at)}^Lin`], { type: 'ORU^R01' }),
    ],
  ];
  for (const [what, use] of rows) {
    it(`${what}: not ${count} of a million characters`, () => {
      use(-1);
      const before = heldBytes();
      for (let at = 0; at < count; at++) use(at);
      const grown = heldBytes() - before;
      assert.ok(grown < (count * chars) / 2, `${Math.round(grown / 1e6)} MB are held`);
    });
  }
});
