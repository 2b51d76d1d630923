/** A share of `npm run corpus`: what others published is written to a hub and read back equal, digit by digit. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { runRoundTrip } from '../../bench/corpus/round-trip.ts';
import { corpusFolder } from '../fhir/examples.ts';
import { givenHub, type GivenHub } from '../given-hub.ts';

describe('the FHIR corpus, through a running hub', () => {
  const folder = corpusFolder();
  let hub: GivenHub | undefined;
  before(async function () {
    if (folder === undefined) {
      console.log('      skipped: no shared corpus here (CORPUS_DIR)');
      this.skip();
    }
    hub = await givenHub();
  });
  after(() => hub?.close());

  it('comes back equal; what is refused is listed with its reason', async function () {
    this.timeout(300_000);
    const running = hub ?? assert.fail();
    const hospital = await running.token('hospital', { organization: 'Organization/corpus' });
    const found = await runRoundTrip(
      join(folder ?? '', 'fhir'),
      async (method, path, { body, patient } = {}) => {
        const bearer =
          patient === undefined ? hospital : await running.token('patient', { fhirUser: `Patient/${patient}` });
        return running.send(method, path === '' ? '/fhir/R4' : path, bearer, {
          ...(body === undefined ? {} : { body }),
          headers: { prefer: 'return=minimal' },
        });
      },
      { every: 16 },
    );
    assert.deepEqual([found.unexpected, found.differences], [[], []]);
    assert.ok(
      found.written['r4-examples'] > 14 && found.written.ips === 4 && found.written.synthea > 100,
      JSON.stringify(found.written),
    );
    assert.ok(found.values > 6_000 && found.resolved > 300, `${found.values} ${found.resolved}`);
  });
});
