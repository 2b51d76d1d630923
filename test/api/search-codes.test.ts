/** Searches that need the definitions of R4 before anybody has asked for them (search.html#modifiers :in). */
import assert from 'node:assert/strict';
import { givenHub, type GivenHub } from '../given-hub.ts';

describe('the first search by a value set of R4', function () {
  this.timeout(300_000);
  let hub: GivenHub;
  let hospital: string;
  before(async () => {
    hub = await givenHub();
    hospital = await hub.token('hospital');
  });
  after(() => hub.close());

  // Across resources it is read in a snapshot, where nothing can be written.
  for (const query of [
    'Observation?subject:Patient.gender:in=VS',
    'Patient?gender:in=VS&_revinclude=Observation:subject',
  ]) {
    it(`${query} is answered`, async () => {
      const url = query.replace('VS', 'http://hl7.org/fhir/ValueSet/administrative-gender');
      const response = await hub.send('GET', url, hospital);
      assert.equal(response.status, 200, response.text);
    });
  }
});
