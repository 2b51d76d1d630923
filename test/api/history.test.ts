/** history (https://hl7.org/fhir/R4/http.html#history): what it holds, in what order, and for whom. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AnyResource } from '../../src/fhir/types.ts';
import { validate } from '../../src/fhir/validate.ts';
import { givenConsent } from '../given-consent.ts';
import { givenHub, type GivenHub, type HubResponse } from '../given-hub.ts';

interface Entry {
  fullUrl: string;
  resource?: AnyResource & { id: string; meta: { versionId: string; lastUpdated: string }; gender?: string };
  request: { method: string; url: string };
  response: { status: string; etag: string; lastModified: string };
}

describe('history', () => {
  let hub: GivenHub;
  let hospital: string;
  before(async () => {
    hub = await givenHub();
    hospital = await hub.token('hospital', { organization: 'Organization/history' });
  });
  after(() => hub.close());

  const get = (path: string, token = hospital): Promise<HubResponse> => hub.send('GET', path, token);
  const entries = ({ json }: HubResponse): Entry[] => (json['entry'] ?? []) as Entry[];
  const versions = (response: HubResponse): string[] => entries(response).map(({ response: { etag } }) => etag);
  const link = ({ json }: HubResponse, relation: string): string | undefined =>
    (json['link'] as { relation: string; url: string }[]).find((one) => one.relation === relation)?.url;
  const patient = (more: object = {}): object => ({ resourceType: 'Patient', name: [{ family: 'Past' }], ...more });
  const create = async (resource: object, token = hospital): Promise<string> => {
    const { resourceType } = resource as { resourceType: string };
    const response = await hub.send('POST', resourceType, token, { body: resource });
    assert.equal(response.status, 201, response.text);
    return response.json['id'] as string;
  };
  const put = async (resource: object & { id: string }, token = hospital): Promise<HubResponse> => {
    const response = await hub.send('PUT', `Patient/${resource.id}`, token, { body: resource });
    assert.ok(response.status < 300, response.text);
    return response;
  };

  describe('of a resource', () => {
    let id: string;
    let between: string;
    before(async () => {
      id = await create(patient());
      await sleep(20);
      between = new Date().toISOString();
      await sleep(20);
      await put({ ...patient({ gender: 'male' }), id });
      await put({ ...patient({ gender: 'female' }), id });
    });

    it('every version, newest first, with what was asked and what came of it', async () => {
      const response = await get(`Patient/${id}/_history`);
      assert.equal(response.status, 200, response.text);
      assert.equal(response.json['type'], 'history');
      assert.equal(response.json['total'], 3);
      assert.deepEqual(versions(response), ['W/"3"', 'W/"2"', 'W/"1"']);
      const [last, , first] = entries(response) as [Entry, Entry, Entry];
      assert.equal(last.fullUrl, `${hub.fhir}/Patient/${id}`);
      assert.deepEqual([last.resource?.gender, last.resource?.meta.versionId], ['female', '3']);
      assert.deepEqual([first.resource?.gender, first.resource?.meta.versionId], [undefined, '1']);
      assert.deepEqual(last.request, { method: 'PUT', url: `Patient/${id}` });
      assert.deepEqual(first.request, { method: 'POST', url: 'Patient' });
      assert.deepEqual([last.response.status, first.response.status], ['200', '201']);
      assert.equal(last.response.lastModified, last.resource?.meta.lastUpdated);
      assert.equal(link(response, 'self'), `${hub.fhir}/Patient/${id}/_history`);
    });

    it('the Bundle is valid R4', async () => {
      const problems = validate((await get(`Patient/${id}/_history`)).json);
      assert.deepEqual(
        problems.map(({ message }) => message),
        [],
      );
    });

    it('_count pages by the next link, each version once', async () => {
      const seen: string[] = [];
      let url: string | undefined = `${hub.fhir}/Patient/${id}/_history?_count=1`;
      for (let page = 0; url !== undefined && page < 9; page++) {
        const response: HubResponse = await get(url.slice(hub.fhir.length + 1));
        assert.equal(entries(response).length, 1, response.text);
        assert.equal(response.json['total'], undefined);
        seen.push(...versions(response));
        url = link(response, 'next');
      }
      assert.deepEqual(seen, ['W/"3"', 'W/"2"', 'W/"1"']);
    });

    it('_since: made at or after it', async () => {
      assert.deepEqual(versions(await get(`Patient/${id}/_history?_since=${between}`)), ['W/"3"', 'W/"2"']);
      const [last] = entries(await get(`Patient/${id}/_history`)) as [Entry];
      assert.deepEqual(versions(await get(`Patient/${id}/_history?_since=${last.response.lastModified}`)), ['W/"3"']);
      const none = await get(`Patient/${id}/_history?_since=2999-01-01`);
      assert.deepEqual([none.status, none.json['total'], none.json['entry']], [200, 0, undefined]);
    });

    it('_at: current at some time within it', async () => {
      assert.deepEqual(versions(await get(`Patient/${id}/_history?_at=${between}`)), ['W/"1"']);
      assert.deepEqual(versions(await get(`Patient/${id}/_history?_at=2999`)), ['W/"3"']);
      assert.deepEqual(versions(await get(`Patient/${id}/_history?_at=1999`)), []);
      assert.equal(versions(await get(`Patient/${id}/_history?_at=${between.slice(0, 4)}`)).length, 3);
    });

    for (const query of ['_since=0001', '_since=9999-12-31', '_at=9999', '_at=0001']) {
      it(`?${query} is answered`, async () => assert.equal((await get(`Patient/${id}/_history?${query}`)).status, 200));
    }
    const refused = [
      '_count=0',
      '_count=x',
      '_since=yesterday',
      '_at=2024-99',
      '_since=2024&_since=2025',
      '_cursor=abc',
      '_summary=count',
    ];
    for (const query of refused) {
      it(`?${query} is 400`, async () => assert.equal((await get(`Patient/${id}/_history?${query}`)).status, 400));
    }
    it('an unknown parameter is refused under strict handling, ignored else', async () => {
      assert.equal((await get(`Patient/${id}/_history?colour=red`)).status, 200);
      const headers = { prefer: 'handling=strict' };
      assert.equal((await hub.send('GET', `Patient/${id}/_history?colour=red`, hospital, { headers })).status, 400);
    });

    it('a deletion is an entry without a resource; what came after it was created again', async () => {
      const gone = 'history-gone';
      await put({ ...patient(), id: gone });
      assert.equal((await hub.send('DELETE', `Patient/${gone}`, hospital)).status, 204);
      const deleted = await get(`Patient/${gone}/_history`);
      const [deletion, first] = entries(deleted) as [Entry, Entry];
      assert.deepEqual(
        [deletion.resource, deletion.request, deletion.response.status],
        [undefined, { method: 'DELETE', url: `Patient/${gone}` }, '204'],
      );
      assert.deepEqual([first.request.method, first.response.status], ['PUT', '201']);
      assert.deepEqual(validate(deleted.json), []);
      assert.equal((await get(`Patient/${gone}/_history/2`)).status, 410);
      assert.equal((await get(`Patient/${gone}/_history/1`)).status, 200);
      await put({ ...patient(), id: gone });
      const [again] = entries(await get(`Patient/${gone}/_history`)) as [Entry];
      assert.deepEqual([again.request.method, again.response.status], ['PUT', '201']);
    });

    it('hidden and unknown are the same answer, byte for byte', async () => {
      const other = await hub.token('hospital', { organization: 'Organization/other' });
      const [hidden, unknown] = [await get(`Patient/${id}/_history`, other), await get('Patient/none/_history', other)];
      assert.deepEqual([hidden.status, hidden.text], [404, unknown.text]);
      const scope = 'system/Observation.rs';
      assert.equal((await get(`Patient/${id}/_history`, await hub.token('hospital', { scope }))).status, 403);
    });

    it('a next link of one caller continues nothing for another (LEAKS 5)', async () => {
      const next = link(await get(`Patient/${id}/_history?_count=1`), 'next')?.slice(hub.fhir.length + 1) as string;
      const other = await hub.token('hospital', { organization: 'Organization/history', client_id: 'another' });
      assert.equal((await get(next, other)).status, 400);
      assert.equal((await get(next)).status, 200);
    });
  });

  describe('of a type and of everything', () => {
    it('what the source wrote, newest first, each version once over the pages, and nothing of another', async () => {
      const [own, other] = (await Promise.all(
        ['Organization/wide', 'Organization/wide-other'].map((organization) => hub.token('hospital', { organization })),
      )) as [string, string];
      const ids = [await create(patient(), own), await create(patient(), own)] as [string, string];
      await create(patient(), other);
      await create(
        {
          resourceType: 'Observation',
          status: 'final',
          code: { text: 'x' },
          subject: { reference: `Patient/${ids[0]}` },
        },
        own,
      );
      await put({ ...patient({ gender: 'male' }), id: ids[0] }, own);
      const seen: string[] = [];
      let url: string | undefined = `${hub.fhir}/Patient/_history?_count=2`;
      while (url !== undefined) {
        const response: HubResponse = await get(url.slice(hub.fhir.length + 1), own);
        seen.push(...entries(response).map((entry) => `${entry.resource?.id} ${entry.response.etag}`));
        url = link(response, 'next');
      }
      assert.deepEqual(seen, [`${ids[0]} W/"2"`, `${ids[1]} W/"1"`, `${ids[0]} W/"1"`]);
      const all = await get('_history', own);
      assert.deepEqual(
        entries(all).map(({ resource }) => resource?.resourceType),
        ['Patient', 'Observation', 'Patient', 'Patient'],
      );
      assert.equal(link(all, 'self'), `${hub.fhir}/_history`);
      const narrow = await hub.token('hospital', { organization: 'Organization/wide', scope: 'system/Observation.rs' });
      assert.equal(entries(await get('_history', narrow)).length, 1);
      assert.equal((await get('Patient/_history', narrow)).status, 403);
    });

    it('a patient reads the history of their own record; a third party that of a resource they consented to, no more', async () => {
      const own = await hub.token('hospital', { organization: 'Organization/consented' });
      const [id, stranger] = [await create(patient(), own), await create(patient(), own)];
      const self = await hub.token('patient', { fhirUser: `Patient/${id}`, patient: id });
      const ids = (response: HubResponse): Set<string | undefined> =>
        new Set(entries(response).map(({ resource }) => resource?.id));
      assert.deepEqual(ids(await get('Patient/_history', self)), new Set([id]));
      const ai = await hub.token('ai');
      assert.equal((await get(`Patient/${id}/_history`, ai)).status, 404);
      const consent = await hub.send('POST', 'Consent', self, { body: givenConsent(id, 'Device/ai-health-manager') });
      assert.equal(consent.status, 201, consent.text);
      assert.equal((await get(`Patient/${id}/_history`, ai)).status, 200);
      assert.equal((await get(`Patient/${stranger}/_history`, ai)).status, 404);
      const payment = await hub.token('payment');
      for (const path of ['Patient/_history', '_history']) {
        assert.deepEqual(entries(await get(path, ai)), []);
        assert.equal((await get(path, payment)).status, 403);
      }
    });
  });

  it('the CapabilityStatement lists them', async () => {
    const [rest] = (await get('metadata')).json['rest'];
    const codes = (list: { code: string }[]): string[] => list.map(({ code }) => code);
    assert.ok(codes(rest.interaction).includes('history-system'));
    const { interaction } = rest.resource.find(({ type }: { type: string }) => type === 'Patient');
    assert.ok(codes(interaction).includes('history-type') && codes(interaction).includes('history-instance'));
  });
});
