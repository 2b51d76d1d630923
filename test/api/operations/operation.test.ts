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
    assert.match(text, /"display":"Patient\/\$meta"/);
    assert.match(text, /"outcomeDesc":"1 record \(\$meta\), allowed by source"/);
  });
});
