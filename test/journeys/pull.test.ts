/** Journey: a hospital's FHIR server is registered; from then on the hub has what the server has, and is told what it was not. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { sourceId } from '../../src/fhir/ids.ts';
import { kindRules } from '../../src/hub/kinds.ts';
import { addEndpoint, changeEndpoint } from '../../src/ingest/registry/change.ts';
import { givenFhirServer, type GivenFhirServer } from '../given-fhir-server.ts';
import { givenHub, type GivenHub } from '../given-hub.ts';
import { until } from '../until.ts';

describe('journey: a FHIR server is asked', () => {
  const organization = 'Organization/renji';
  let hub: GivenHub;
  let server: GivenFhirServer;
  let token: string;
  const signed = { by: 'lin', at: new Date(), kinds: kindRules };

  before(async () => {
    [hub, server] = await Promise.all([givenHub(), givenFhirServer({ hasHistory: true })]);
    token = await hub.token('hospital', { organization });
  });
  after(async () => {
    await hub.close();
    await server.close();
  });

  const idOf = (type: string, id: string): string => sourceId({ organization, base: server.base }, type, id);
  const read = (type: string, id: string) => hub.send('GET', `${type}/${idOf(type, id)}`, token);
  const untilStatus = (type: string, id: string, status: number): Promise<void> =>
    until(`${type}/${id}: ${status}`, async () => (await read(type, id)).status === status);

  it('what the server has is read from the hub: ids of the hub, references to them, the numbers of the source kept', async () => {
    server.put('Patient', 'p1', { name: [{ family: '王', given: ['芳'] }] });
    server.put('Observation', 'o1', {
      status: 'final',
      code: { text: 'Haemoglobin' },
      subject: { reference: 'Patient/p1' },
      valueQuantity: { value: 13.5, unit: 'g/dL' },
    });
    await addEndpoint(
      hub.database,
      {
        name: 'renji-fhir',
        kind: 'fhir-rest',
        organization,
        facilities: [],
        config: { title: 'Renji Hospital', base: server.base, every: '1s', overlap: '1s' },
      },
      signed,
    );
    await untilStatus('Observation', 'o1', 200);
    const { json: observation } = await read('Observation', 'o1');
    assert.equal(observation['subject'].reference, `Patient/${idOf('Patient', 'p1')}`);
    assert.deepEqual(observation['identifier'], [{ system: `${server.base}/Observation`, value: 'o1' }]);
    assert.equal(observation['meta'].source, server.base);
    const { json: patient } = await read('Patient', 'p1');
    assert.deepEqual(patient['name'], [{ family: '王', given: ['芳'] }]);
  });

  it('a change is a version; what did not change is none, however often it is asked', async () => {
    server.put('Patient', 'p1', { name: [{ family: '王', given: ['芳芳'] }] });
    await until('the change', async () => (await read('Patient', 'p1')).json['name'][0].given[0] === '芳芳');
    const { json } = await hub.send('GET', `Observation/${idOf('Observation', 'o1')}/_history`, token);
    assert.equal(json['total'], 1);
  });

  it('a deletion is one', async () => {
    server.delete('Observation', 'o1');
    await untilStatus('Observation', 'o1', 410);
  });

  it('an observation whose patient comes later is not put aside', async () => {
    server.put('Observation', 'o2', { status: 'final', code: { text: 'x' }, subject: { reference: 'Patient/p2' } });
    await untilStatus('Observation', 'o2', 200);
    server.put('Patient', 'p2', { name: [{ family: 'Li' }] });
    await until('the patient', async () => (await read('Patient', 'p2')).json['name']?.[0].family === 'Li');
  });

  it('its runs are counted, and paused it is left alone', async () => {
    const { text } = await hub.send('GET', '/metrics', undefined);
    assert.match(text, /hub_pull_runs_total\{endpoint="renji-fhir",outcome="done"\} [1-9]/);
    assert.match(text, /hub_pull_resources_total\{endpoint="renji-fhir",result="received"\} [1-9]/);
    await changeEndpoint(hub.database, 'renji-fhir', { state: 'paused' }, signed);
    // A run may have begun before it was known; after it there is none, although one was due each second.
    await until('nothing is asked in so many turns', async () => {
      const asked = server.asked.length;
      await sleep(2_500);
      return server.asked.length === asked;
    });
  });
});
