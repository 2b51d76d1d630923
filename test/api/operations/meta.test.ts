/** $meta. @see https://hl7.org/fhir/R4/resource-operation-meta.html */
import assert from 'node:assert/strict';
import { given } from '../../given.ts';
import { givenConsent } from '../../given-consent.ts';
import { givenHub, type GivenHub, type HubResponse } from '../../given-hub.ts';

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

  describe('$meta-add and $meta-delete (R4 resource-operation-meta-add.html, -delete.html)', () => {
    const change = async (
      operation: string,
      valueMeta: object,
      {
        id = 'changing',
        token = hospital,
        headers = {},
      }: { id?: string; token?: string; headers?: Record<string, string> } = {},
    ): Promise<HubResponse> =>
      hub.send('POST', `Patient/${id}/$${operation}`, token, {
        body: { resourceType: 'Parameters', parameter: [{ name: 'meta', valueMeta }] },
        headers,
      });
    const current = async (): Promise<HubResponse['json']> =>
      (await hub.send('GET', 'Patient/changing', hospital)).json;
    const other = { system: 'http://example.org/tags', code: 'other' };
    beforeEach(async () => {
      const body = {
        ...given.patient({ id: 'changing' }),
        meta: { profile: [profile], tag: [{ ...tag, display: 'Seen' }] },
      };
      assert.ok((await hub.send('PUT', 'Patient/changing', hospital, { body })).status < 300);
    });

    const rows: [string, string, object, object][] = [
      [
        'adds what is not there',
        'meta-add',
        { tag: [other], security: [security] },
        { profile: [profile], tag: [{ ...tag, display: 'Seen' }, other], security: [security] },
      ],
      [
        'a tag is its system and code: display and version make no other',
        'meta-add',
        { tag: [{ ...tag, display: 'X', version: '2' }] },
        { profile: [profile], tag: [{ ...tag, display: 'Seen' }] },
      ],
      [
        'what is given twice is added once',
        'meta-add',
        { tag: [other, other] },
        { profile: [profile], tag: [{ ...tag, display: 'Seen' }, other] },
      ],
      ['deletes what is there', 'meta-delete', { tag: [tag] }, { profile: [profile] }],
      ['a profile by its full URL', 'meta-delete', { profile: [profile] }, { tag: [{ ...tag, display: 'Seen' }] }],
      [
        'it is no error if it is not there',
        'meta-delete',
        { tag: [other], profile: ['http://example.org/none'] },
        { profile: [profile], tag: [{ ...tag, display: 'Seen' }] },
      ],
    ];
    for (const [title, operation, meta, expected] of rows) {
      it(title, async () => {
        const response = await change(operation, meta);
        assert.equal(response.status, 200, response.text);
        const { meta: found } = await current();
        assert.deepEqual(response.json['parameter'], [{ name: 'return', valueMeta: found }]);
        const { versionId: _version, lastUpdated: _lastUpdated, ...sets } = found;
        assert.deepEqual(sets, expected);
      });
    }

    it('a change is a version; without one there is none', async () => {
      const { versionId } = (await current())['meta'];
      await change('meta-add', { tag: [tag] });
      assert.equal((await current())['meta'].versionId, versionId);
      await change('meta-add', { tag: [other] }, { headers: { prefer: 'return=minimal' } });
      assert.equal((await current())['meta'].versionId, String(Number(versionId) + 1));
      assert.equal(
        (await change('meta-delete', { tag: [other] }, { headers: { 'if-match': `W/"${versionId}"` } })).status,
        412,
      );
    });

    it('a sensitivity that is taken away still guards the row (LEAKS 8, 36)', async () => {
      const id = 'guarded';
      const psychiatric = { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'PSY' };
      await hub.send('PUT', `Patient/${id}`, hospital, { body: given.patient({ id }) });
      const self = await hub.token('patient', { fhirUser: `Patient/${id}` });
      const body = givenConsent(id, 'Organization/ai-health-manager');
      assert.equal((await hub.send('POST', 'Consent', self, { body })).status, 201);
      const ai = await hub.token('ai');
      const seen = async (): Promise<number> => (await hub.send('GET', `Patient/${id}`, ai)).status;
      assert.equal(await seen(), 200);
      await change('meta-add', { security: [psychiatric] }, { id });
      assert.equal(await seen(), 404);
      const { json } = await change('meta-delete', { security: [psychiatric] }, { id });
      assert.equal(json['parameter'][0].valueMeta.security, undefined);
      assert.equal(await seen(), 404);
    });

    it('only its source changes it; to others it is as unknown as one that never was', async () => {
      const token = await hub.token('hospital', { organization: 'Organization/other' });
      const response = await change('meta-delete', { tag: [tag] }, { token });
      const body = { resourceType: 'Parameters', parameter: [{ name: 'meta', valueMeta: {} }] };
      const unknown = await hub.send('POST', 'Patient/none/$meta-delete', token, { body });
      assert.deepEqual([response.status, response.text], [404, unknown.text]);
      assert.equal((await change('meta-add', { tag: [other] }, { token: await hub.token('ai') })).status, 403);
    });

    it('is a change in the log of the patient', async () => {
      await change('meta-add', { tag: [other] });
      const self = await hub.token('patient', { fhirUser: 'Patient/changing' });
      const { json } = await hub.send('GET', 'AuditEvent?_count=1', self);
      const { action, subtype } = json['entry'][0].resource;
      assert.deepEqual([action, subtype.map(({ code }: { code: string }) => code)], ['U', ['patch']]);
    });

    const refused: [string, object, number][] = [
      ['a label that is no Coding', { security: [{ code: 7 }] }, 422],
      ['a list that is none', { tag: tag }, 400],
    ];
    for (const [title, meta, status] of refused) {
      it(`refuses ${title}`, async () => {
        const response = await change('meta-add', meta);
        assert.deepEqual([response.status, response.json['resourceType']], [status, 'OperationOutcome'], response.text);
      });
    }

    it('is POST alone, and needs its parameter', async () => {
      assert.equal((await hub.send('GET', 'Patient/changing/$meta-add', hospital)).status, 405);
      assert.equal((await hub.send('POST', 'Patient/changing/$meta-add', hospital)).status, 422);
    });
  });
});
