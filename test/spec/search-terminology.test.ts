/** What a search says when the terminology it asks for is not there. @see https://hl7.org/fhir/R4/search.html#modifiers */
import assert from 'node:assert/strict';
import { Problem } from '../../src/fhir/problem.ts';
import { givenWorld, type World } from './given-search.ts';

describe(':in, :below and the terminology (R4 search.html#modifiers)', () => {
  let world: World;
  before(async () => {
    const concept = Array.from({ length: 1001 }, (_, n) => ({ code: `c${n}` }));
    const system = 'http://example.org/many';
    world = await givenWorld([
      { resourceType: 'CodeSystem', id: 'many', url: system, status: 'active', content: 'complete', concept },
      {
        resourceType: 'ValueSet',
        id: 'many',
        url: 'http://example.org/vs/many',
        status: 'active',
        compose: { include: [{ system }] },
      },
    ]);
  });
  after(() => world.close());

  for (const [what, query, code] of [
    ['an unknown value set', 'code:in=http://example.org/none', 'value'],
    ['a value set by an unknown id', 'code:in=ValueSet/none', 'value'],
    ['a code system that is not loaded', 'code:below=http://example.org/none|a', 'not-supported'],
    ['more codes than a search compares', 'code:in=http://example.org/vs/many', 'too-costly'],
  ] as const) {
    it(`${what} is ${code}, with the parameter and a hint`, async () => {
      await assert.rejects(world.find('Observation', query), (error) => {
        assert.ok(error instanceof Problem);
        assert.deepEqual([error.code, error.hint !== undefined || code === 'too-costly'], [code, true]);
        assert.match(error.expression.join(), /^code:(in|below)$/);
        return true;
      });
    });
  }
});
