/** What HTTP itself offers on every interaction (https://hl7.org/fhir/R4/http.html). */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { givenHub, type GivenHub, type HubResponse } from '../given-hub.ts';

/** An answer with its bytes as they came. */
interface Raw {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly bytes: Buffer;
}

describe('HTTP', () => {
  let hub: GivenHub;
  let hospital: string;
  let id: string;
  before(async () => {
    hub = await givenHub();
    hospital = await hub.token('hospital');
    const body = { resourceType: 'Patient', name: [{ family: 'Wide' }], gender: 'female', active: true };
    id = (await hub.send('POST', 'Patient', hospital, { body })).json['id'] as string;
    for (let day = 10; day < 30; day++) {
      const observation = `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/${id}"},"effectiveDateTime":"2026-01-${day}","valueQuantity":{"value":1.50}}`;
      await hub.send('POST', 'Observation', hospital, { body: observation });
    }
  });
  after(() => hub.close());

  const raw = (method: string, path: string, headers: Record<string, string> = {}, token = hospital): Promise<Raw> =>
    new Promise((resolve, reject) => {
      const all = { ...(token === '' ? {} : { authorization: `Bearer ${token}` }), ...headers };
      request(new URL(`${hub.fhir}/${path}`), { method, headers: all }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, bytes: Buffer.concat(chunks) }),
        );
      })
        .on('error', reject)
        .end();
    });
  const get = (path: string, headers: Record<string, string> = {}): Promise<HubResponse> =>
    hub.send('GET', path, hospital, { headers });

  describe('HEAD is GET without the body (http.html#read)', () => {
    for (const path of [
      'Patient/:id',
      'Patient/:id/_history/1',
      'Patient?_id=:id',
      'Patient/:id/_history',
      'metadata',
      'Patient/none',
      'Patient/:id/$meta',
    ]) {
      it(path, async () => {
        const [head, full] = (await Promise.all(
          ['HEAD', 'GET'].map((method) => raw(method, path.replace(':id', id))),
        )) as [Raw, Raw];
        assert.equal(head.bytes.length, 0);
        assert.equal(head.status, full.status);
        for (const name of ['etag', 'last-modified', 'content-type', 'content-length'] as const) {
          assert.equal(head.headers[name], full.headers[name], name);
        }
      });
    }
    it('is refused as GET is', async () => {
      assert.equal((await raw('HEAD', `Patient/${id}`, {}, '')).status, 401);
    });
  });

  describe('_format and _pretty (http.html#parameters)', () => {
    it('_pretty=true prints to be read, and keeps digits', async () => {
      const { text } = await get(`Observation?patient=${id}&_count=1&_pretty=true`);
      assert.match(text, /^\{\n {2}"resourceType": "Bundle",\n/);
      assert.match(text, /"value": 1\.50\n/);
    });
    it('errors too', async () => assert.match((await get('Patient/none?_pretty=true')).text, /^\{\n {2}"/));
    for (const query of ['_pretty=false', 'x_pretty=true', '']) {
      it(`?${query} is sent as stored`, async () =>
        assert.doesNotMatch((await get(`Patient/${id}?${query}`)).text, /\n/));
    }
    for (const format of ['json', 'application/fhir%2Bjson', 'application/fhir+json', 'text/json']) {
      it(`_format=${format} is served, whatever Accept says`, async () =>
        assert.equal((await get(`Patient/${id}?_format=${format}`, { accept: 'application/xml' })).status, 200));
    }
    for (const path of ['Patient/:id', 'metadata']) {
      it(`${path}?_format=xml is 406, and so is XML alone in Accept`, async () => {
        assert.equal((await get(`${path.replace(':id', id)}?_format=xml`)).status, 406);
        assert.equal((await get(path.replace(':id', id), { accept: 'application/fhir+xml' })).status, 406);
      });
    }
  });

  describe('_summary and _elements on read, vread and history (http.html#parameters)', () => {
    for (const path of ['Patient/:id', 'Patient/:id/_history/1']) {
      it(`${path}?_elements=gender has it, what is required, and the mark of a part`, async () => {
        const { json } = await get(`${path.replace(':id', id)}?_elements=gender`);
        assert.deepEqual([json['gender'], json['name'], json['id']], ['female', undefined, id]);
        assert.equal(json['meta'].tag.at(-1).code, 'SUBSETTED');
      });
    }
    it('_summary=text leaves the text alone; _summary=false everything', async () => {
      assert.equal((await get(`Patient/${id}?_summary=text`)).json['name'], undefined);
      assert.deepEqual((await get(`Patient/${id}?_summary=false`)).json['name'], [{ family: 'Wide' }]);
    });
    it('of each version of a history', async () => {
      const { json } = await get(`Patient/${id}/_history?_elements=gender`);
      assert.deepEqual([json['entry'][0].resource.gender, json['entry'][0].resource.name], ['female', undefined]);
    });
    for (const query of ['_summary=count', '_summary=short']) {
      it(`?${query} is 400`, async () => assert.equal((await get(`Patient/${id}?${query}`)).status, 400));
    }
  });

  describe('gzip (http.html#compression)', () => {
    const search = (): string => `Observation?patient=${id}`;
    it('a long answer, for who takes it: the same body, shorter', async () => {
      const [plain, zipped] = await Promise.all([
        raw('GET', search()),
        raw('GET', search(), { 'accept-encoding': 'br, gzip;q=0.5' }),
      ]);
      assert.equal(plain.headers['content-encoding'], undefined);
      assert.equal(zipped.headers['content-encoding'], 'gzip');
      assert.equal(zipped.headers['vary'], 'Accept-Encoding');
      assert.equal(Number(zipped.headers['content-length']), zipped.bytes.length);
      assert.ok(zipped.bytes.length < plain.bytes.length / 3);
      assert.deepEqual(JSON.parse(gunzipSync(zipped.bytes).toString()), JSON.parse(plain.bytes.toString()));
    });
    for (const [encodings, expected] of [
      ['identity', undefined],
      ['br', undefined],
      ['gzip;q=0', undefined],
      ['gzip;q=0.0, *', undefined],
      ['*', 'gzip'],
      ['GZIP', 'gzip'],
      ['deflate, gzip', 'gzip'],
    ] as const) {
      it(`Accept-Encoding: ${encodings}: ${expected ?? 'as it is'}`, async () =>
        assert.equal(
          (await raw('GET', search(), { 'accept-encoding': encodings })).headers['content-encoding'],
          expected,
        ));
    }
    it('a short one leaves as it is, and so does an error', async () => {
      for (const path of [`Patient/${id}`, 'Patient/none']) {
        assert.equal((await raw('GET', path, { 'accept-encoding': 'gzip' })).headers['content-encoding'], undefined);
      }
    });
    it('what is too long to compress at once comes whole', async () => {
      const zipped = await raw('GET', 'metadata', { 'accept-encoding': 'gzip' });
      assert.equal(zipped.headers['content-encoding'], 'gzip');
      const text = gunzipSync(zipped.bytes).toString();
      assert.ok(text.length > 65_536);
      assert.equal((JSON.parse(text) as { resourceType: string }).resourceType, 'CapabilityStatement');
    });
    it('what streams is compressed while it streams', async () => {
      const zipped = await raw('GET', `Patient/${id}/$everything`, { 'accept-encoding': 'gzip' });
      assert.equal(zipped.headers['content-encoding'], 'gzip');
      const bundle = JSON.parse(gunzipSync(zipped.bytes).toString()) as { entry: unknown[] };
      assert.equal(bundle.entry.length, 21);
    });
  });

  describe('pages of other origins (https://fetch.spec.whatwg.org/#http-cors-protocol)', () => {
    const origin = 'https://app.example.org';
    it('may read answers and the headers they need; no origin is reflected, no credentials are allowed (LEAKS 53)', async () => {
      for (const path of [`Patient/${id}`, 'Patient/none', 'metadata', '.well-known/smart-configuration']) {
        const { headers } = await raw('GET', path, { origin });
        assert.equal(headers['access-control-allow-origin'], '*', path);
        assert.match(String(headers['access-control-expose-headers']), /ETag.*Location/);
        assert.equal(headers['access-control-allow-credentials'], undefined);
      }
      assert.equal((await raw('GET', `Patient/${id}`, { origin }, '')).headers['access-control-allow-origin'], '*');
    });
    it('without an Origin nothing is added', async () =>
      assert.equal((await raw('GET', `Patient/${id}`)).headers['access-control-allow-origin'], undefined));

    it('a preflight names the methods of the path and the headers of FHIR, without a token', async () => {
      const preflight = await raw('OPTIONS', `Patient/${id}`, { origin, 'access-control-request-method': 'PUT' }, '');
      assert.equal(preflight.status, 204);
      const { headers } = preflight;
      assert.equal(headers['access-control-allow-origin'], '*');
      assert.match(String(headers['access-control-allow-methods']), /\bPUT\b/);
      for (const name of ['Authorization', 'Content-Type', 'If-Match', 'Prefer', 'If-None-Exist']) {
        assert.ok(String(headers['access-control-allow-headers']).includes(name), name);
      }
    });
    it('nothing outside of the facade is opened', async () => {
      const response = await fetch(`${hub.url}/ops/messages`, { headers: { origin } });
      assert.equal(response.headers.get('access-control-allow-origin'), null);
    });
  });

  describe('methods', () => {
    const rows: [string, string, number, string | undefined][] = [
      ['OPTIONS', 'Patient/x', 204, 'GET, HEAD, PUT, PATCH, DELETE, OPTIONS'],
      ['OPTIONS', 'Patient/x/_history', 204, 'GET, HEAD, OPTIONS'],
      ['OPTIONS', 'metadata', 204, 'GET, HEAD, OPTIONS'],
      ['OPTIONS', 'a/b/c/d/e/f', 404, undefined],
      ['POST', 'Patient/x', 405, 'GET, HEAD, PUT, PATCH, DELETE, OPTIONS'],
      ['DELETE', 'Patient/x/_history', 405, 'GET, HEAD, OPTIONS'],
      ['PUT', 'AuditEvent/x', 405, 'GET, HEAD, OPTIONS'],
      ['TRACE', 'Patient/x', 405, 'GET, HEAD, PUT, PATCH, DELETE, OPTIONS'],
      ['PUT', 'ValueSet/$expand', 405, 'GET, HEAD, POST, OPTIONS'],
    ];
    for (const [method, path, status, allow] of rows) {
      it(`${method} ${path}: ${status}${allow === undefined ? '' : ` with Allow: ${allow}`} (RFC 9110 section 15.5.6)`, async () => {
        const response = await raw(method, path);
        assert.deepEqual([response.status, response.headers['allow']], [status, allow]);
      });
    }
  });
});
