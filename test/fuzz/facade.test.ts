/** A small share of `npm run fuzz:facade`; the seed is fixed, so that a commit is judged by what it changes. */
import assert from 'node:assert/strict';
import { fuzz } from './facade/run.ts';
import { givenFuzzWorld, type FuzzWorld } from './facade/world.ts';

describe('FHIR fuzz: any request is answered or refused, within bounds, and shows nothing that is hidden', function () {
  this.timeout(300_000);
  let world: FuzzWorld;
  before(async () => {
    world = await givenFuzzWorld();
  });
  after(() => world.close());

  it('requests of every row of the route table, by eight callers', async () => {
    assert.deepEqual(await fuzz(world, { total: 400, seed: 7 }), []);
  });
});
