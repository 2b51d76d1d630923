/** The FHIR REST facade over real sockets: interactions, headers, errors and limits. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { bodyBytesMax } from '../../src/api/incoming.ts';
import { givenHub, type GivenHub, type HubResponse } from '../given-hub.ts';

describe('the FHIR facade', () => {
  let hub: GivenHub;
  let hospital: string;
  before(async () => {
    hub = await givenHub();
    hospital = await hub.token('hospital');
  });
  after(() => hub.close());

  const patient = (more: object = {}): object => ({
    resourceType: 'Patient',
    name: [{ family: 'Chen', given: ['Wei'] }],
    ...more,
  });
  const send: GivenHub['send'] = (...args) => hub.send(...args);
  const create = async (resource: object): Promise<HubResponse> =>
    send('POST', (resource as { resourceType: string }).resourceType, hospital, { body: resource });
  const issue = (response: HubResponse): Record<string, unknown> =>
    (response.json['issue'] as Record<string, unknown>[])[0] ?? {};

  describe('create', () => {
    it('answers 201 with Location, ETag, Last-Modified and the resource as stored', async () => {
      const response = await create(patient());
      assert.equal(response.status, 201);
      const { id, meta } = response.json;
      assert.equal(response.headers.get('location'), `${hub.fhir}/Patient/${id}/_history/1`);
      assert.equal(response.headers.get('etag'), 'W/"1"');
      assert.ok(response.headers.get('last-modified'));
      assert.equal(response.headers.get('content-type'), 'application/fhir+json; charset=utf-8');
      assert.equal(meta.versionId, '1');
    });

    it('ignores an id in the body', async () => {
      const response = await create(patient({ id: 'mine' }));
      assert.equal(response.status, 201);
      assert.notEqual(response.json['id'], 'mine');
    });

    it('keeps the digits of a decimal', async () => {
      const { id } = (await create(patient())).json;
      const body = `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/${id}"},"valueQuantity":{"value":1.50}}`;
      const created = await send('POST', 'Observation', hospital, { body });
      assert.match(created.text, /"value":1\.50[,}]/);
      assert.match((await send('GET', `Observation/${created.json['id']}`, hospital)).text, /"value":1\.50[,}]/);
    });

    for (const [value, hasBody] of [
      ['minimal', false],
      ['representation', true],
      ['OperationOutcome', true],
    ] as const) {
      it(`Prefer: return=${value}`, async () => {
        const response = await send('POST', 'Patient', hospital, {
          body: patient(),
          headers: { prefer: `return=${value}` },
        });
        assert.equal(response.status, 201);
        assert.equal(response.text !== '', hasBody);
        if (hasBody) assert.equal(response.json['resourceType'], value === 'OperationOutcome' ? value : 'Patient');
      });
    }

    const refused: [string, unknown, number, string, string?][] = [
      ['no JSON', '{', 400, 'structure'],
      ['an array', [], 400, 'structure'],
      ['another type', { resourceType: 'Observation' }, 400, 'invalid', 'resourceType'],
      ['an unknown element', patient({ colour: 'red' }), 400, 'structure', 'Patient.colour'],
      ['a code outside a required binding', patient({ gender: 'm' }), 422, 'code-invalid', 'Patient.gender'],
      ['a deep body', `{"resourceType":"Patient","x":${'['.repeat(100)}${']'.repeat(100)}}`, 400, 'structure'],
      ['a key of a prototype', '{"resourceType":"Patient","__proto__":{"x":1}}', 400, 'structure'],
    ];
    for (const [title, body, status, code, expression] of refused) {
      it(`refuses ${title}: ${status} ${code}`, async () => {
        const response = await send('POST', 'Patient', hospital, { body });
        assert.equal(response.json['resourceType'], 'OperationOutcome', response.text);
        assert.deepEqual([response.status, issue(response)['code']], [status, code], response.text);
        if (expression !== undefined) assert.deepEqual(issue(response)['expression'], [expression]);
      });
    }

    it('refuses a body that is too long, before reading it', async () => {
      const response = await send('POST', 'Patient', hospital, { body: ' '.repeat(bodyBytesMax + 1) });
      assert.deepEqual([response.status, response.headers.get('connection')], [413, 'close']);
    });
  });

  describe('read, vread, update', () => {
    it('update makes a version, vread keeps the old one', async () => {
      const created = (await create(patient())).json;
      const updated = await send('PUT', `Patient/${created.id}`, hospital, { body: { ...created, gender: 'male' } });
      assert.equal(updated.status, 200);
      assert.equal(updated.headers.get('etag'), 'W/"2"');
      assert.equal((await send('GET', `Patient/${created.id}`, hospital)).json['gender'], 'male');
      const old = await send('GET', `Patient/${created.id}/_history/1`, hospital);
      assert.equal(old.json['gender'], undefined);
      assert.equal(old.headers.get('etag'), 'W/"1"');
      assert.equal((await send('GET', `Patient/${created.id}/_history/3`, hospital)).status, 404);
    });

    it('update of an id that does not exist creates it', async () => {
      const response = await send('PUT', 'Patient/assigned-1', hospital, { body: patient({ id: 'assigned-1' }) });
      assert.equal(response.status, 201);
      assert.equal((await send('GET', 'Patient/assigned-1', hospital)).status, 200);
    });

    it('If-Match of an older version is 412', async () => {
      const created = (await create(patient())).json;
      const put = (match: string, gender: string): Promise<HubResponse> =>
        send('PUT', `Patient/${created.id}`, hospital, {
          body: { ...created, gender },
          headers: { 'if-match': match },
        });
      assert.equal((await put('W/"1"', 'male')).status, 200);
      assert.equal((await put('W/"1"', 'female')).status, 412);
      assert.equal((await put('nonsense', 'female')).status, 400);
    });

    it('the id of the body must be that of the URL', async () => {
      const response = await send('PUT', 'Patient/one', hospital, { body: patient({ id: 'other' }) });
      assert.deepEqual([response.status, issue(response)['expression']], [400, ['Patient.id']]);
    });

    it('If-None-Match of the current version is 304 without a body', async () => {
      const { id } = (await create(patient())).json;
      const response = await send('GET', `Patient/${id}`, hospital, { headers: { 'if-none-match': 'W/"1"' } });
      assert.deepEqual([response.status, response.text, response.headers.get('etag')], [304, '', 'W/"1"']);
    });

    it('another hospital can neither read nor overwrite it, and takes over no id', async () => {
      const { id } = (await create(patient())).json;
      const other = await hub.token('hospital', { organization: 'Organization/other' });
      assert.equal((await send('GET', `Patient/${id}`, other)).status, 404);
      assert.equal((await send('PUT', `Patient/${id}`, other, { body: patient({ id }) })).status, 404);
      assert.equal((await send('GET', `Patient/${id}`, hospital)).headers.get('etag'), 'W/"1"');
    });
  });

  describe('search', () => {
    let id: string;
    before(async () => {
      id = (await create(patient())).json['id'] as string;
      for (const day of [1, 2, 3]) {
        await create({
          resourceType: 'Observation',
          status: 'final',
          code: { coding: [{ system: 'http://loinc.org', code: '718-7' }] },
          subject: { reference: `Patient/${id}` },
          effectiveDateTime: `2026-01-0${day}T08:00:00Z`,
          valueQuantity: { value: day },
        });
      }
    });

    it('by patient and code, as a searchset with total and self link', async () => {
      const { json } = await send('GET', `Observation?patient=Patient/${id}&code=http://loinc.org|718-7`, hospital);
      assert.equal(json['type'], 'searchset');
      assert.equal(json['total'], 3);
      assert.equal(json['entry'].length, 3);
      assert.equal(json['entry'][0].fullUrl, `${hub.fhir}/Observation/${json['entry'][0].resource.id}`);
      assert.deepEqual(json['entry'][0].search, { mode: 'match' });
      assert.ok((json['link'][0].url as string).startsWith(`${hub.fhir}/Observation?patient=`));
    });

    it('POST _search finds the same', async () => {
      const response = await send('POST', 'Observation/_search', hospital, {
        body: `patient=Patient/${id}`,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      });
      assert.equal(response.json['total'], 3);
    });

    it('pages by the next link, each row once, in order', async () => {
      const days: string[] = [];
      let url: string | undefined = `${hub.fhir}/Observation?patient=Patient/${id}&_sort=date&_count=1`;
      while (url !== undefined) {
        const { json } = await send('GET', url.slice(hub.fhir.length + 1), hospital);
        for (const entry of json['entry'] ?? []) days.push(entry.resource.effectiveDateTime as string);
        url = (json['link'] as { relation: string; url: string }[]).find((link) => link.relation === 'next')?.url;
      }
      assert.deepEqual(days, ['2026-01-01T08:00:00Z', '2026-01-02T08:00:00Z', '2026-01-03T08:00:00Z']);
    });

    it('a next link of one caller continues nothing for another (LEAKS 5)', async () => {
      const { json } = await send('GET', `Observation?patient=Patient/${id}&_count=1`, hospital);
      const next = (json['link'][1].url as string).slice(hub.fhir.length + 1);
      assert.equal((await send('GET', next, await hub.token('hospital', { client_id: 'another' }))).status, 400);
      assert.equal((await send('GET', next, hospital)).status, 200);
    });

    it('_summary=count has the total alone', async () => {
      const { json } = await send('GET', `Observation?patient=Patient/${id}&_summary=count`, hospital);
      assert.deepEqual([json['total'], json['entry']], [3, undefined]);
    });

    it('_elements leaves out the rest and says so', async () => {
      const { json } = await send(
        'GET',
        `Observation?patient=Patient/${id}&_elements=effectiveDateTime&_count=1`,
        hospital,
      );
      const { resource } = json['entry'][0];
      assert.equal(resource.subject, undefined);
      assert.equal(resource.status, 'final');
      assert.equal(resource.meta.tag.at(-1).code, 'SUBSETTED');
    });

    it('an unknown parameter is named in an outcome (lenient) or refused (strict)', async () => {
      const lenient = await send('GET', `Observation?patient=Patient/${id}&colour=red`, hospital);
      assert.equal(lenient.json['entry'].at(-1).search.mode, 'outcome');
      assert.doesNotMatch(lenient.json['link'][0].url as string, /colour/);
      const strict = await send('GET', 'Observation?colour=red', hospital, { headers: { prefer: 'handling=strict' } });
      assert.equal(strict.status, 400);
    });

    for (const query of ['_count=x', 'date=yesterday', 'status.name=x', '_include=Observation:status']) {
      it(`refuses ?${query} with 400`, async () => {
        const response = await send('GET', `Observation?${query}`, hospital);
        assert.deepEqual([response.status, response.json['resourceType']], [400, 'OperationOutcome']);
      });
    }
  });

  describe('borders', () => {
    const statuses: [string, string, string, Record<string, string>, number][] = [
      ['no token', 'GET', 'Patient/x', { authorization: '' }, 401],
      ['XML wanted', 'GET', 'Patient/x', { accept: 'application/fhir+xml' }, 406],
      [
        'R5 wanted (http.html#version-parameter)',
        'GET',
        'Patient/x',
        { accept: 'application/fhir+json; fhirVersion=5.0' },
        406,
      ],
      ['XML wanted by _format', 'GET', 'Patient?_format=xml', {}, 406],
      ['an unknown type', 'GET', 'Patience', {}, 404],
      ['PUT of a version, which is not served', 'PUT', 'Patient/x/_history/1', {}, 405],
      ['a path that is none', 'GET', 'Patient/x/y/z', {}, 404],
      ['a path that cannot be decoded', 'GET', 'Patient/%ff', {}, 400],
      ['a long URL', 'GET', `Patient?name=${'x'.repeat(9_000)}`, {}, 414],
    ];
    for (const [title, method, path, headers, status] of statuses) {
      it(`${title}: ${status} with an OperationOutcome`, async () => {
        const response = await send(method, path, hospital, { headers });
        assert.deepEqual([response.status, response.json['resourceType']], [status, 'OperationOutcome'], response.text);
        assert.equal(response.headers.get('cache-control'), 'no-store');
      });
    }

    for (const accept of [
      '*/*',
      'application/json',
      'application/fhir+json;q=0.9',
      'application/fhir+json; fhirVersion=4.0',
      'application/fhir+json; fhirVersion=5.0, application/fhir+json; fhirVersion=4.0; q=0.5',
      'text/html, application/json;q=0.5',
    ]) {
      it(`Accept: ${accept} is served`, async () => {
        assert.equal((await send('GET', 'Patient?_count=0', hospital, { headers: { accept } })).status, 200);
      });
    }

    it('XML sent is 415, and so are another version of FHIR and a compressed body', async () => {
      const xml = await send('POST', 'Patient', hospital, {
        body: '<Patient/>',
        headers: { 'content-type': 'application/fhir+xml' },
      });
      assert.equal(xml.status, 415);
      for (const [version, status] of [
        ['3.0', 415],
        ['4.0', 201],
      ] as const) {
        const headers = { 'content-type': `application/fhir+json; fhirVersion=${version}` };
        assert.equal((await send('POST', 'Patient', hospital, { body: patient(), headers })).status, status, version);
      }
      const zipped = await send('POST', 'Patient', hospital, {
        body: patient(),
        headers: { 'content-encoding': 'gzip' },
      });
      assert.equal(zipped.status, 415);
    });

    it('a scope that does not cover it is 403, whether the resource exists or not', async () => {
      const { id } = (await create(patient())).json;
      const narrow = await hub.token('hospital', { scope: 'system/Observation.rs' });
      const [known, unknown] = await Promise.all([
        send('GET', `Patient/${id}`, narrow),
        send('GET', 'Patient/none', narrow),
      ]);
      assert.equal(known.status, 403);
      assert.equal(known.text, unknown.text);
    });

    it('links come from the configured URL, never from Host (LEAKS 47)', async () => {
      const text = await new Promise<string>((resolve, reject) => {
        const url = new URL(`${hub.fhir}/Patient?_count=0`);
        request(url, { headers: { host: 'evil.example', authorization: `Bearer ${hospital}` } }, (response) => {
          let body = '';
          response.on('data', (chunk: Buffer) => (body += chunk.toString())).on('end', () => resolve(body));
        })
          .on('error', reject)
          .end();
      });
      assert.doesNotMatch(text, /evil/);
    });

    it('an operator reads no clinical content', async () => {
      const { id } = (await create(patient())).json;
      assert.equal((await send('GET', `Patient/${id}`, await hub.token('operator'))).status, 403);
    });
  });

  describe('what it says about itself', () => {
    it('the CapabilityStatement is open and lists exactly the routes', async () => {
      const { json, status } = await send('GET', 'metadata', undefined);
      assert.equal(status, 200);
      const resources = json['rest'][0].resource as { type: string; interaction: { code: string }[] }[];
      const codes = (type: string): string[] =>
        resources.find((resource) => resource.type === type)?.interaction.map(({ code }) => code) ?? [];
      assert.deepEqual(
        codes('Observation').toSorted(),
        'create delete history-instance history-type patch read search-type update vread'.split(' '),
      );
      assert.deepEqual(codes('AuditEvent'), ['search-type', 'read']);
    });

    it('smart-configuration names issuer and keys, and the keys are there', async () => {
      const { json } = await send('GET', '.well-known/smart-configuration', undefined);
      assert.equal(json['issuer'], hub.url);
      const keys = (await (await fetch(json['jwks_uri'] as string)).json()) as { keys: Record<string, unknown>[] };
      assert.equal(keys.keys[0]?.['d'], undefined);
      assert.ok(keys.keys[0]?.['x']);
    });

    it('metrics count requests by interaction, without any value of a request', async () => {
      const text = await (await fetch(`${hub.url}/metrics`)).text();
      assert.match(text, /hub_http_requests_total\{interaction="read",status="200"\} \d+/);
      assert.doesNotMatch(text, /assigned-1/);
    });

    it('the portal is served with a policy that allows nothing inline', async () => {
      const response = await fetch(`${hub.url}/portal/`);
      assert.equal(response.status, 200);
      assert.match(
        response.headers.get('content-security-policy') ?? '',
        /default-src 'none';script-src 'self';style-src 'self';/,
      );
    });
  });
});
