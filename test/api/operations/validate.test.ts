/** $validate. @see https://hl7.org/fhir/R4/resource-operation-validate.html */
import assert from 'node:assert/strict';
import { given } from '../../given.ts';
import { givenHub, type GivenHub, type HubResponse } from '../../given-hub.ts';

describe('$validate (R4 resource-operation-validate.html)', () => {
  let hub: GivenHub;
  let hospital: string;
  before(async () => {
    hub = await givenHub();
    hospital = await hub.token('hospital');
    await hub.send('PUT', 'Patient/p', hospital, { body: given.patient({ id: 'p' }) });
  });
  after(() => hub.close());

  const validate = (path: string, body?: unknown, token = hospital): Promise<HubResponse> =>
    hub.send(body === undefined ? 'GET' : 'POST', path, token, { body });
  /** `severity code expression` of each issue. */
  const issues = ({ status, json, text }: HubResponse): string[] => {
    assert.equal(status, 200, text);
    assert.equal(json['resourceType'], 'OperationOutcome');
    return json['issue'].map(
      ({ severity, code, expression = [] }: { severity: string; code: string; expression?: string[] }) =>
        [severity, code, ...expression].join(' '),
    );
  };
  const errors = (response: HubResponse): string[] => issues(response).filter((issue) => issue.startsWith('error'));

  const narrative = { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">Wei Chen</div>' };
  const patient = (more: object = {}): object => ({
    resourceType: 'Patient',
    text: narrative,
    name: [{ family: 'Chen', given: ['Wei'] }],
    ...more,
  });

  it('a resource that nothing is wrong with: 200 and one information', async () => {
    assert.deepEqual(issues(await validate('Patient/$validate', patient())), ['information informational']);
  });

  it('every fault is an issue with severity, code, expression and what to do; the answer is 200 all the same', async () => {
    const response = await validate('Patient/$validate', patient({ gender: 'm', birthDate: '1.2.1980', nmae: [] }));
    assert.deepEqual(errors(response), [
      'error code-invalid Patient.gender',
      'error value Patient.birthDate',
      'error structure Patient.nmae',
    ]);
    assert.equal(response.json['issue'][2].details.text, 'Is name meant?');
  });

  it('what refuses no write is a warning: best practice, extensible bindings', async () => {
    const { text: _, ...bare } = patient() as { text: unknown };
    assert.deepEqual(issues(await validate('Patient/$validate', bare)), ['warning invariant Patient']);
    const married = patient({ maritalStatus: { coding: [{ system: 'urn:x', code: 'm' }] } });
    assert.deepEqual(issues(await validate('Patient/$validate', married)), [
      'warning code-invalid Patient.maritalStatus',
    ]);
    assert.equal((await hub.send('POST', 'Patient', hospital, { body: married })).status, 201);
  });

  it('a Parameters resource with resource, mode and profile', async () => {
    const parameters = (...parameter: object[]): object => ({ resourceType: 'Parameters', parameter });
    const resource = { name: 'resource', resource: patient({ gender: 'm' }) };
    assert.deepEqual(
      errors(await validate('Patient/$validate', parameters(resource, { name: 'mode', valueCode: 'create' }))),
      ['error code-invalid Patient.gender'],
    );
    const unknown = { name: 'profile', valueUri: 'http://example.org/none' };
    assert.deepEqual(errors(await validate('Patient/$validate', parameters(resource, unknown))), [
      'error not-found profile',
      'error code-invalid Patient.gender',
    ]);
  });

  it('a resource of another type than the URL', async () => {
    assert.deepEqual(errors(await validate('Observation/$validate', patient())), ['error invalid resourceType']);
  });

  describe('mode', () => {
    const rows: [string, string, object, string[]][] = [
      ['create: an id is ignored', 'Patient/$validate?mode=create', patient({ id: 'a/b' }), []],
      ['none: an id must be one', 'Patient/$validate', patient({ id: 'a/b' }), ['error value Patient.id']],
      ['update: has an id', 'Patient/$validate?mode=update', patient(), ['error invalid Patient.id']],
      [
        'update: that of the URL',
        'Patient/p/$validate?mode=update',
        patient({ id: 'q' }),
        ['error invalid Patient.id'],
      ],
      ['update: as it should be', 'Patient/p/$validate?mode=update', patient({ id: 'p' }), []],
    ];
    for (const [what, path, body, expected] of rows) {
      it(what, async () => assert.deepEqual(errors(await validate(path, body)), expected));
    }
    it('create of what this token may not write is an issue', async () => {
      const consent = { resourceType: 'Consent', status: 'active' };
      assert.ok(errors(await validate('Consent/$validate?mode=create', consent)).includes('error forbidden Consent'));
    });
    it('delete: of a stored resource', async () => {
      assert.deepEqual(issues(await validate('Patient/p/$validate?mode=delete')), ['information informational']);
      assert.equal((await validate('Patient/$validate?mode=delete')).status, 400);
      assert.equal((await validate('Patient/none/$validate?mode=delete')).status, 404);
      const reader = await hub.token('ai', { scope: 'system/*.rs' });
      assert.equal((await validate('Patient/p/$validate?mode=delete', undefined, reader)).status, 403);
    });
    it('no such mode is 400, and so is mode=profile without one', async () => {
      assert.equal((await validate('Patient/$validate?mode=mend', patient())).status, 400);
      assert.equal((await validate('Patient/$validate?mode=profile', patient())).status, 400);
    });
  });

  it('a stored resource, by GET', async () => {
    assert.deepEqual(errors(await validate('Patient/p/$validate')), []);
  });

  it('a hidden resource is unknown: the same bytes (LEAKS)', async () => {
    const other = await hub.token('hospital', { organization: 'Organization/other' });
    const [hidden, unknown] = await Promise.all(
      ['Patient/p/$validate', 'Patient/none/$validate'].map((path) => validate(path, undefined, other)),
    );
    assert.deepEqual([hidden?.status, hidden?.text], [404, unknown?.text]);
  });

  it('nothing to validate, no JSON, a parameter it does not have: 400', async () => {
    assert.equal((await validate('Patient/$validate')).status, 400);
    assert.equal((await validate('Patient/$validate', '{')).status, 400);
    assert.equal((await validate('Patient/$validate?profil=x', patient())).status, 400);
    const nothing = { resourceType: 'Parameters', parameter: [{ name: 'resource', resource: null }] };
    assert.equal((await validate('Patient/$validate', nothing)).status, 400);
  });

  it('nobody without a token, or without a right on the type', async () => {
    assert.equal((await hub.send('POST', 'Patient/$validate', undefined, { body: patient() })).status, 401);
    const narrow = await hub.token('hospital', { scope: 'system/Observation.cruds' });
    assert.equal((await validate('Patient/$validate', patient(), narrow)).status, 403);
  });

  it('what is validated is not stored', async () => {
    await validate('Patient/$validate', patient({ identifier: [{ system: 'urn:mrn', value: 'only-validated' }] }));
    assert.equal((await hub.send('GET', 'Patient?identifier=only-validated', hospital)).json['entry'], undefined);
  });

  it('a message never shows a value', async () => {
    const response = await validate(
      'Patient/$validate',
      patient({ gender: 'SECRET', 'SECRET name': 1, active: 'SECRET' }),
    );
    assert.equal(/SECRET/.test(response.text), false, response.text);
  });
});
