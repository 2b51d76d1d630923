/** A small share of `npm run fuzz`; the seed is fixed, so that a commit is judged by what it changes. */
import fc from 'fast-check';
import { generated, mutated, seeds } from './properties.ts';

const options = { numRuns: 300, seed: 7 };

describe('HL7v2 fuzz: any bytes give a result or a Problem, in bounded time and space', () => {
  it('generated messages are read as they were meant and written back as they were sent', () =>
    fc.assert(generated({ converted: 0, refused: 0 }), options));

  it('real messages, broken in any way', () => fc.assert(mutated(seeds(), { converted: 0, refused: 0 }), options));
});
