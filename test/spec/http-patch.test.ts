/** @see https://hl7.org/fhir/R4/http.html#patch */
import assert from 'node:assert/strict';
import { given } from '../given.ts';
import { givenHub, type GivenHub, type HubResponse } from '../given-hub.ts';

const jsonPatch = 'application/json-patch+json';

describe('http.html#patch', () => {
  let hub: GivenHub;
  let hospital: string;
  let other: string;
  before(async () => {
    hub = await givenHub();
    hospital = await hub.token('hospital');
    other = await hub.token('hospital', { organization: 'Organization/other' });
  });
  after(() => hub.close());

  const create = async (resource: object = given.patient()): Promise<string> => {
    const { resourceType } = resource as { resourceType: string };
    const response = await hub.send('POST', resourceType, hospital, { body: resource });
    assert.equal(response.status, 201, response.text);
    return response.json['id'] as string;
  };
  const patch = (
    path: string,
    body: unknown,
    headers: Record<string, string> = {},
    token = hospital,
  ): Promise<HubResponse> =>
    hub.send('PATCH', path, token, { body, headers: { 'content-type': jsonPatch, ...headers } });
  const setGender = [{ op: 'add', path: '/gender', value: 'male' }];
  const fhirPath = (...parts: object[]): object => ({
    resourceType: 'Parameters',
    parameter: [{ name: 'operation', part: parts }],
  });

  it('JSON Patch makes a version: 200, ETag, the resource', async () => {
    const id = await create();
    const response = await patch(`Patient/${id}`, setGender);
    assert.deepEqual(
      [response.status, response.headers.get('etag'), response.json['gender']],
      [200, 'W/"2"', 'male'],
      response.text,
    );
    assert.equal((await hub.send('GET', `Patient/${id}/_history/1`, hospital)).json['gender'], undefined);
  });

  it('FHIRPath Patch as a Parameters resource', async () => {
    const id = await create();
    const body = fhirPath(
      { name: 'type', valueCode: 'add' },
      { name: 'path', valueString: 'Patient' },
      { name: 'name', valueString: 'gender' },
      { name: 'value', valueCode: 'female' },
    );
    const response = await patch(`Patient/${id}`, body, { 'content-type': 'application/fhir+json' });
    assert.deepEqual([response.status, response.json['gender']], [200, 'female'], response.text);
  });

  it('Prefer: return=minimal and OperationOutcome', async () => {
    const id = await create();
    assert.equal((await patch(`Patient/${id}`, setGender, { prefer: 'return=minimal' })).text, '');
    const told = await patch(`Patient/${id}`, [{ op: 'remove', path: '/gender' }], {
      prefer: 'return=OperationOutcome',
    });
    assert.equal(told.json['resourceType'], 'OperationOutcome');
  });

  it('what changes nothing makes no version', async () => {
    const id = await create();
    const response = await patch(`Patient/${id}`, [{ op: 'test', path: '/name/0/family', value: 'Zhang' }]);
    assert.deepEqual([response.status, response.headers.get('etag')], [200, 'W/"1"']);
  });

  it('removing the last item of a list takes the list along (json.html: arrays are never empty)', async () => {
    const id = await create({ ...given.patient(), telecom: [{ system: 'phone', value: '1' }] });
    const response = await patch(`Patient/${id}`, [{ op: 'remove', path: '/telecom/0' }]);
    assert.deepEqual([response.status, response.json['telecom']], [200, undefined], response.text);
  });

  it('the digits of a decimal stay, patched or not', async () => {
    const patient = await create();
    const body = `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/${patient}"},"valueQuantity":{"value":1.50}}`;
    const { id } = (await hub.send('POST', 'Observation', hospital, { body })).json;
    const operations = '[{"op":"add","path":"/referenceRange","value":[{"low":{"value":1.00}}]}]';
    const response = await patch(`Observation/${id}`, operations);
    assert.match(response.text, /"value":1\.50.*"value":1\.00/);
  });

  const refused: [string, unknown, number, string, Record<string, string>?][] = [
    ['a test that fails: 422', [{ op: 'test', path: '/gender', value: 'male' }], 422, 'value'],
    ['a test of another value: 422', [{ op: 'test', path: '/name/0/family', value: 'Li' }], 422, 'business-rule'],
    ['a path that is not there', [{ op: 'remove', path: '/gender' }], 422, 'value'],
    ['a result that is not valid', [{ op: 'add', path: '/gender', value: 'm' }], 422, 'code-invalid'],
    ['an element that R4 does not have', [{ op: 'add', path: '/colour', value: 'red' }], 400, 'structure'],
    ['another id', [{ op: 'replace', path: '/id', value: 'x' }], 422, 'business-rule'],
    ['another type', [{ op: 'replace', path: '/resourceType', value: 'Person' }], 422, 'business-rule'],
    ['another versionId', [{ op: 'replace', path: '/meta/versionId', value: '9' }], 422, 'business-rule'],
    ['nothing at all', [{ op: 'replace', path: '', value: null }], 422, 'business-rule'],
    ['what is no patch', { op: 'add' }, 400, 'structure'],
    ['what is no JSON', '[', 400, 'structure'],
    ['XML Patch', '<diff/>', 415, 'not-supported', { 'content-type': 'application/xml-patch+xml' }],
    [
      'a resource that is no Parameters',
      given.patient(),
      400,
      'structure',
      { 'content-type': 'application/fhir+json' },
    ],
    ['__proto__ (LEAKS 44)', [{ op: 'add', path: '/__proto__/x', value: 1 }], 400, 'structure'],
  ];
  for (const [title, body, status, code, headers] of refused) {
    it(`refuses ${title} (${status})`, async () => {
      const id = await create();
      const response = await patch(`Patient/${id}`, body, headers);
      assert.deepEqual([response.status, response.json['issue']?.[0]?.code], [status, code], response.text);
      assert.equal((await hub.send('GET', `Patient/${id}`, hospital)).headers.get('etag'), 'W/"1"');
    });
  }

  it('the patient of a resource stays (LEAKS 34)', async () => {
    const [one, two] = [await create(), await create()];
    const id = await create(given.observation({ patient: one }));
    const response = await patch(`Observation/${id}`, [
      { op: 'replace', path: '/subject/reference', value: `Patient/${two}` },
    ]);
    assert.equal(response.status, 422);
  });

  it('of another’s resource a test tells nothing: the answer is that of an unknown one, byte for byte (LEAKS 24)', async () => {
    const id = await create();
    const test = (path: string, value: string): Promise<HubResponse> =>
      patch(path, [{ op: 'test', path: '/name/0/family', value }], {}, other);
    const answers = [
      await test(`Patient/${id}`, 'Zhang'),
      await test(`Patient/${id}`, 'Li'),
      await test('Patient/none', 'Li'),
    ];
    assert.deepEqual(
      answers.map(({ status, text }) => [status, text]),
      Array.from({ length: 3 }, () => [404, answers[2]?.text]),
    );
    const stale = await patch(`Patient/${id}`, setGender, { 'if-match': 'W/"9"' }, other);
    assert.deepEqual([stale.status, stale.text], [404, answers[2]?.text]);
  });

  it('of what is deleted: 410 to the owner', async () => {
    const id = await create();
    await hub.send('DELETE', `Patient/${id}`, hospital);
    assert.equal((await patch(`Patient/${id}`, setGender)).status, 410);
  });

  it('If-Match of another version: 412 (http.html#concurrency)', async () => {
    const id = await create();
    assert.equal((await patch(`Patient/${id}`, setGender, { 'if-match': 'W/"2"' })).status, 412);
    assert.equal((await patch(`Patient/${id}`, setGender, { 'if-match': 'W/"1"' })).status, 200);
  });

  it('64 clients that each add an item: nobody’s is lost, each answer 200', async () => {
    const id = await create();
    const answers = await Promise.all(
      Array.from({ length: 64 }, (_, n) => {
        const value = [{ value: `t-${n}` }];
        return n === 0
          ? patch(`Patient/${id}`, [{ op: 'add', path: '/identifier', value }])
          : patch(`Patient/${id}`, [{ op: 'add', path: '/name/-', value: { text: `n-${n}` } }]);
      }),
    );
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
    const { json } = await hub.send('GET', `Patient/${id}`, hospital);
    assert.deepEqual([json['name'].length, json['meta'].versionId], [64, '65']);
  });
});
