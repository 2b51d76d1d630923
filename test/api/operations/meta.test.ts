/** $meta. @see https://hl7.org/fhir/R4/resource-operation-meta.html */
import assert from 'node:assert/strict';
import { given } from '../../given.ts';
import { givenHub, type GivenHub } from '../../given-hub.ts';

const tag = { system: 'http://example.org/tags', code: 'seen' };
const security = { system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' };
const profile = 'http://example.org/profile';

describe('$meta (R4 resource-operation-meta.html)', () => {
  let hub: GivenHub;
  let hospital: string;
  before(async () => {
    hub = await givenHub();
    hospital = await hub.token('hospital');
    const put = (path: string, body: object) => hub.send('PUT', path, hospital, { body });
    await put('Patient/p', { ...given.patient({ id: 'p' }), meta: { tag: [tag] } });
    await put('Patient/p', { ...given.patient({ id: 'p' }), meta: { tag: [tag], security: [security] } });
    const observation = { ...given.observation({ id: 'o', patient: 'p' }), meta: { profile: [profile], tag: [tag] } };
    await put('Observation/o', observation);
  });
  after(() => hub.close());

  const metaOf = async (path: string, token = hospital): Promise<Record<string, unknown>> =>
    (await hub.send('GET', path, token)).json['parameter']?.[0].valueMeta;

  it('of a resource is the meta that reading it shows', async () => {
    const { json } = await hub.send('GET', 'Patient/p', hospital);
    assert.deepEqual(await metaOf('Patient/p/$meta'), json['meta']);
  });

  it('of a past version is that version’s', async () => {
    const found = await metaOf('Patient/p/_history/1/$meta');
    assert.deepEqual([found['versionId'], found['security']], ['1', undefined]);
  });

  it('of a type is the union over its resources, without versionId and lastUpdated', async () => {
    assert.deepEqual(await metaOf('Observation/$meta'), { profile: [profile], tag: [tag] });
    assert.deepEqual(await metaOf('Patient/$meta'), { tag: [tag], security: [security] });
  });

  it('of the server is the union over all', async () => {
    assert.deepEqual(await metaOf('$meta'), { profile: [profile], tag: [tag], security: [security] });
  });

  it('a hidden resource is unknown, and adds to no union (LEAKS 9)', async () => {
    const other = await hub.token('hospital', { organization: 'Organization/other' });
    const [hidden, unknown] = await Promise.all(
      ['Patient/p/$meta', 'Patient/none/$meta'].map((path) => hub.send('GET', path, other)),
    );
    assert.deepEqual([hidden?.status, hidden?.text], [404, unknown?.text]);
    assert.deepEqual(await metaOf('$meta', other), {});
  });

  it('needs the scope to read', async () => {
    const narrow = await hub.token('hospital', { scope: 'system/Observation.rs' });
    assert.equal((await hub.send('GET', 'Patient/p/$meta', narrow)).status, 403);
    assert.equal((await hub.send('GET', '$meta', narrow)).status, 403);
    assert.equal((await hub.send('GET', 'Observation/$meta', narrow)).status, 200);
  });

  it('the patient sees the union over their own record', async () => {
    const self = await hub.token('patient', { fhirUser: 'Patient/p' });
    assert.deepEqual(await metaOf('Observation/$meta', self), { profile: [profile], tag: [tag] });
  });
});
