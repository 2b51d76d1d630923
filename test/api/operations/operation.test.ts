/** How operations are invoked, whatever they do. @see https://hl7.org/fhir/R4/operations.html */
import assert from 'node:assert/strict';
import { given } from '../../given.ts';
import { givenHub, type GivenHub } from '../../given-hub.ts';

describe('operations (R4 operations.html)', () => {
  let hub: GivenHub;
  let hospital: string;
  before(async () => {
    hub = await givenHub();
    hospital = await hub.token('hospital');
    await hub.send('PUT', 'Patient/p', hospital, { body: given.patient({ id: 'p' }) });
  });
  after(() => hub.close());

  describe('#executing', () => {
    for (const method of ['GET', 'POST']) {
      it(`one that changes nothing takes ${method}`, async () => {
        const { status, json } = await hub.send(method, 'Patient/p/$meta', hospital);
        assert.deepEqual([status, json['resourceType']], [200, 'Parameters']);
      });
    }

    const refused: [string, string, string, number][] = [
      ['one nobody has, on the server', 'GET', '$nonsense', 404],
      ['one nobody has, on a type', 'POST', 'Patient/$nonsense', 404],
      ['one nobody has, on a resource', 'GET', 'Patient/p/$nonsense', 404],
      ['$graphql', 'POST', '$graphql', 404],
      ['a method that is none of its', 'DELETE', 'Patient/p/$meta', 405],
      ['a type R4 does not have', 'GET', 'Patience/p/$meta', 404],
    ];
    for (const [title, method, path, status] of refused) {
      it(`refuses ${title}: ${status} not-supported, with a hint`, async () => {
        const response = await hub.send(method, path, hospital);
        const [issue] = response.json['issue'] as { code: string; details?: { text: string } }[];
        assert.deepEqual([response.status, issue?.code], [status, 'not-supported'], response.text);
        assert.ok(issue?.details?.text);
      });
    }

    it('$graphql is refused with what to use instead', async () => {
      assert.match((await hub.send('GET', '$graphql?query={x}', hospital)).text, /_include/);
    });

    it('needs a token as everything else', async () => {
      assert.equal((await hub.send('GET', 'Patient/p/$meta', undefined)).status, 401);
    });
  });

  describe('#request', () => {
    const parameters = (...parameter: object[]): object => ({ resourceType: 'Parameters', parameter });
    const bodies: [string, unknown, number, string?][] = [
      ['an empty Parameters resource', parameters(), 200],
      ['no JSON', '{', 400, 'structure'],
      ['another resource where none is asked for', given.patient(), 400, 'invalid'],
      ['a parameter it does not have', parameters({ name: 'colour', valueString: 'red' }), 400, 'not-supported'],
      ['a parameter without a name', parameters({ valueString: 'red' }), 422, 'required'],
      ['a parameter with two values', parameters({ name: 'x', valueString: 'a', valueCode: 'b' }), 422, 'invariant'],
    ];
    for (const [title, body, status, code] of bodies) {
      it(`POST with ${title}: ${status}`, async () => {
        const response = await hub.send('POST', 'Patient/p/$meta', hospital, { body });
        const expected = status === 422 ? 400 : status;
        assert.deepEqual([response.status, response.json['issue']?.[0].code], [expected, code], response.text);
      });
    }

    it('an unknown parameter of the URL is refused, and ignored with Prefer: handling=lenient', async () => {
      assert.equal((await hub.send('GET', 'Patient/p/$meta?colour=red', hospital)).status, 400);
      const headers = { prefer: 'handling=lenient' };
      assert.equal((await hub.send('GET', 'Patient/p/$meta?colour=red', hospital, { headers })).status, 200);
    });

    it('_format and _pretty are nobody’s parameters', async () => {
      assert.equal((await hub.send('GET', 'Patient/p/$meta?_format=json', hospital)).status, 200);
      assert.equal((await hub.send('GET', 'Patient/p/$meta?_format=xml', hospital)).status, 406);
    });
  });

  it('the CapabilityStatement lists each where it can be invoked, with its definition', async () => {
    const { json } = await hub.send('GET', 'metadata', undefined);
    const [rest] = json['rest'] as { operation: object[]; resource: { type: string; operation: object[] }[] }[];
    const definition = 'http://hl7.org/fhir/OperationDefinition/Resource-meta';
    const listed = (operations: object[] | undefined): boolean =>
      operations?.some((one) => JSON.stringify(one) === JSON.stringify({ name: 'meta', definition })) ?? false;
    assert.ok(listed(rest?.operation));
    assert.ok(listed(rest?.resource.find(({ type }) => type === 'Observation')?.operation));
  });

  it('the patient reads in their own log which operation was invoked, without its values', async () => {
    await hub.send('GET', 'Patient/p/$meta', hospital);
    const self = await hub.token('patient', { fhirUser: 'Patient/p' });
    const { text } = await hub.send('GET', 'AuditEvent?patient=Patient/p', self);
    assert.match(text, /"description":"Patient\/\$meta"/);
    assert.match(text, /"outcomeDesc":"1 record \(\$meta\), allowed by source"/);
  });

  describe('what cannot be meant is refused, never an error of the hub', () => {
    const texts = ['%00', 'a%00b', '%ff', '', ',', '-1', '9'.repeat(40), '2026-02-30', '{}', "'", '__proto__', '*'];
    const inputs: [string, string[]][] = [
      ['Patient/p/$everything', ['_type', 'start', '_since', '_count', '_cursor']],
      ['Observation/$lastn?patient=p&category=x', ['max', 'code', 'date', '_elements']],
      ['DocumentReference/$docref?patient=p', ['start', 'type', 'on-demand', 'profile']],
      ['$export', ['_since', '_typeFilter', '_outputFormat', 'includeAssociatedData']],
      ['$meta', ['x']],
      ['Consent/x/$explain', ['language', 'timezone']],
    ];
    for (const [path, names] of inputs) {
      it(`the parameters of ${path}`, async () => {
        const asked = names.flatMap((name) =>
          texts.map((text) => `${path}${path.includes('?') ? '&' : '?'}${name}=${text}`),
        );
        const answers = await Promise.all(asked.map((url) => send('GET', url)));
        assert.deepEqual(
          asked.filter((_, index) => (answers[index]?.status ?? 500) >= 500),
          [],
        );
      });
    }

    it('ids that are none: the same 404 as for unknown ones', async () => {
      const ids = ['%00', 'a%00', 'x'.repeat(65), '%20'];
      const paths = ids.flatMap((id) => [
        `Patient/${id}/$everything`,
        `Encounter/${id}/$everything`,
        `Group/${id}/$export`,
        `Patient/${id}/$meta`,
        `Consent/${id}/$explain`,
        `_export/${id}`,
        `_export/${id}/${id}`,
      ]);
      const answers = await Promise.all(paths.map((path) => send('GET', path)));
      assert.deepEqual(
        paths.filter((_, index) => answers[index]?.status !== 404),
        [],
      );
    });

    it('parameters of a body', async () => {
      const given = [null, 1, [], {}, { name: null }, { name: 'x' }, { name: 'x', part: [] }];
      const named = ['meta', 'patient', '_type', '_elements', '_typeFilter', 'max'].flatMap((name) =>
        [null, 7, [], {}, 'a\u0000', { tag: [null] }, { profile: [{}] }].map((value) => ({ name, valueString: value })),
      );
      const paths = [
        'Patient/p/$meta-add',
        'Patient/p/$meta-delete',
        'Patient/p/$everything',
        'Observation/$lastn',
        'Patient/$export',
      ];
      const asked = paths.flatMap((path) => [...given, ...named].map((parameter) => ({ path, parameter })));
      const answers = await Promise.all(
        asked.map(({ path, parameter }) => send('POST', path, { resourceType: 'Parameters', parameter: [parameter] })),
      );
      assert.deepEqual(
        asked.filter((_, index) => (answers[index]?.status ?? 500) >= 500),
        [],
      );
    });

    const send = async (method: string, path: string, body?: object): Promise<{ status: number }> =>
      hub.send(method, path, hospital, {
        headers: { prefer: 'respond-async' },
        ...(body === undefined ? {} : { body }),
      });
  });
});
