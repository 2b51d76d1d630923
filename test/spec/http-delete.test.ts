/** @see https://hl7.org/fhir/R4/http.html#delete */
import assert from 'node:assert/strict';
import { nationalIdSystem } from '../../src/fhir/identifiers.ts';
import { given } from '../given.ts';
import { givenConsent } from '../given-consent.ts';
import { givenHub, type GivenHub, type HubResponse, type SendOptions } from '../given-hub.ts';

describe('http.html#delete', () => {
  let hub: GivenHub;
  let hospital: string;
  let other: string;
  before(async () => {
    hub = await givenHub();
    hospital = await hub.token('hospital');
    other = await hub.token('hospital', { organization: 'Organization/other' });
  });
  after(() => hub.close());

  const create = async (resource: object, token = hospital): Promise<string> => {
    const { resourceType } = resource as { resourceType: string };
    const response = await hub.send('POST', resourceType, token, { body: resource });
    assert.equal(response.status, 201, response.text);
    return response.json['id'] as string;
  };
  const remove = (path: string, token = hospital, options: SendOptions = {}): Promise<HubResponse> =>
    hub.send('DELETE', path, token, options);
  const get = (path: string, token = hospital): Promise<HubResponse> => hub.send('GET', path, token);
  const selfOf = (patient: string): Promise<string> =>
    hub.token('patient', { patient, fhirUser: `Patient/${patient}` });

  it('answers 204 without a payload, with the ETag of the version that says so', async () => {
    const id = await create(given.patient());
    const response = await remove(`Patient/${id}`);
    assert.deepEqual([response.status, response.text, response.headers.get('etag')], [204, '', 'W/"2"']);
  });

  it('answers 200 with an OperationOutcome when that is preferred', async () => {
    const id = await create(given.patient());
    const response = await remove(`Patient/${id}`, hospital, { headers: { prefer: 'return=OperationOutcome' } });
    assert.deepEqual([response.status, response.json['resourceType']], [200, 'OperationOutcome']);
  });

  it('deleted again is 204, and makes no further version', async () => {
    const id = await create(given.patient());
    await remove(`Patient/${id}`);
    const again = await remove(`Patient/${id}`);
    assert.deepEqual([again.status, again.headers.get('etag')], [204, 'W/"2"']);
  });

  it('read afterwards is 410 to the owner; the version before it can be read; no search finds it', async () => {
    const id = await create({ ...given.patient(), identifier: [{ system: 'urn:delete', value: 'x' }] });
    await remove(`Patient/${id}`);
    assert.equal((await get(`Patient/${id}`)).status, 410);
    assert.equal((await get(`Patient/${id}/_history/1`)).status, 200);
    assert.equal((await get('Patient?identifier=urn:delete|x')).json['total'], 0);
  });

  it('410 to the patient, 404 to a third party who had consent', async () => {
    const patient = await create(given.patient());
    const self = await selfOf(patient);
    const ai = await hub.token('ai', { organization: 'Organization/assistant' });
    const consent = await create(givenConsent(patient, 'Organization/assistant'), self);
    const observation = await create(given.observation({ patient }));
    assert.equal((await get(`Observation/${observation}`, ai)).status, 200);
    await remove(`Observation/${observation}`);
    assert.equal((await get(`Observation/${observation}`, self)).status, 410);
    const hidden = await get(`Observation/${observation}`, ai);
    assert.equal(hidden.status, 404);
    assert.equal(hidden.text, (await get('Observation/none', ai)).text);
    await remove(`Consent/${consent}`, self);
  });

  it('what another wrote, and what never was, are refused alike (LEAKS 21, 35)', async () => {
    const id = await create(given.patient());
    const [foreign, unknown] = await Promise.all([remove(`Patient/${id}`, other), remove('Patient/none', other)]);
    assert.deepEqual([foreign.status, foreign.text], [404, unknown.text]);
    assert.equal(unknown.status, 404);
    assert.equal((await get(`Patient/${id}`)).status, 200);
  });

  it('a scope without d is 403', async () => {
    const id = await create(given.patient());
    const response = await remove(`Patient/${id}`, await hub.token('hospital', { scope: 'system/*.crus' }));
    assert.equal(response.status, 403);
  });

  it('If-Match of another version is 412, of the current one 204 (http.html#concurrency)', async () => {
    const id = await create(given.patient());
    const at = (tag: string): Promise<HubResponse> =>
      remove(`Patient/${id}`, hospital, { headers: { 'if-match': tag } });
    assert.equal((await at('W/"7"')).status, 412);
    assert.equal((await at('W/"1"')).status, 204);
  });

  it('an update brings it back to life: 201 (http.html#update)', async () => {
    const id = await create(given.patient());
    await remove(`Patient/${id}`);
    const back = await hub.send('PUT', `Patient/${id}`, hospital, { body: given.patient({ id }) });
    assert.deepEqual([back.status, back.headers.get('etag')], [201, 'W/"3"']);
  });

  it('a Patient with a record is refused: 409; without one it goes', async () => {
    const patient = await create(given.patient());
    const observation = await create(given.observation({ patient }));
    const refused = await remove(`Patient/${patient}`);
    assert.deepEqual([refused.status, refused.json['issue'][0].code], [409, 'conflict'], refused.text);
    assert.equal((await get(`Patient/${patient}`)).status, 200);
    await remove(`Observation/${observation}`);
    assert.equal((await remove(`Patient/${patient}`)).status, 204);
  });

  it('a deleted Consent ends its rules with it', async () => {
    const patient = await create(given.patient());
    const self = await selfOf(patient);
    const ai = await hub.token('ai', { organization: 'Organization/assistant' });
    const consent = await create(givenConsent(patient, 'Organization/assistant'), self);
    assert.equal((await get(`Patient/${patient}`, ai)).status, 200);
    assert.equal((await remove(`Consent/${consent}`)).status, 403, 'a hospital ends no Consent');
    assert.equal((await remove(`Consent/${consent}`, self)).status, 204);
    assert.equal((await get(`Patient/${patient}`, ai)).status, 404);
  });

  it('a deleted Patient leaves the person it was linked to', async () => {
    const identifier = [{ system: nationalIdSystem, value: '11010519491231002X' }];
    const own = await create({ ...given.patient(), identifier });
    const there = await create({ ...given.patient(), identifier }, other);
    const self = await selfOf(there);
    assert.equal((await get(`Patient/${own}`, self)).status, 200, 'one person');
    await remove(`Patient/${own}`);
    assert.equal((await get(`Patient/${own}`, self)).status, 404, 'two records again');
  });

  it('is in the log of the patient, with action D (BALP)', async () => {
    const patient = await create(given.patient());
    const observation = await create(given.observation({ patient }));
    await remove(`Observation/${observation}`);
    const log = await get('AuditEvent', await selfOf(patient));
    const deletion = (log.json['entry'] as { resource: Record<string, unknown> }[]).find(
      ({ resource }) => resource['action'] === 'D',
    )?.resource;
    assert.equal(deletion?.['outcome'], '0');
    assert.match(JSON.stringify(deletion?.['entity']), new RegExp(`Observation/${observation}`));
  });
});
