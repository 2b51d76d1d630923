/**
 * Conditional create, update, patch, delete.
 * @see https://hl7.org/fhir/R4/http.html#ccreate
 * @see https://hl7.org/fhir/R4/http.html#cond-update
 */
import assert from 'node:assert/strict';
import { conditionalDeletesMax } from '../../src/api/write/target.ts';
import { given } from '../given.ts';
import { givenConsent } from '../given-consent.ts';
import { givenHub, type GivenHub, type HubResponse } from '../given-hub.ts';

describe('conditional interactions (http.html)', () => {
  let hub: GivenHub;
  let hospital: string;
  let other: string;
  before(async () => {
    hub = await givenHub();
    hospital = await hub.token('hospital');
    other = await hub.token('hospital', { organization: 'Organization/other' });
  });
  after(() => hub.close());

  let values = 0;
  /** A patient with an identifier of its own, and the condition that describes it. */
  const someone = (value = `c-${++values}`): { body: Record<string, unknown>; condition: string } => ({
    body: { ...given.patient(), identifier: [{ system: 'urn:c', value }] },
    condition: `identifier=urn:c|${value}`,
  });
  const create = (body: object, condition: string | undefined, token = hospital): Promise<HubResponse> =>
    hub.send('POST', (body as { resourceType: string }).resourceType, token, {
      body,
      ...(condition === undefined ? {} : { headers: { 'if-none-exist': condition } }),
    });
  const count = async (query: string, token = hospital): Promise<number> =>
    (await hub.send('GET', `Patient?${query}`, token)).json['total'] as number;

  describe('create with If-None-Exist (#ccreate)', () => {
    it('no match: 201; one match: 200 with what is there, and nothing is written', async () => {
      const { body, condition } = someone();
      const first = await create(body, condition);
      const second = await create({ ...body, gender: 'male' }, condition);
      assert.deepEqual([first.status, second.status], [201, 200]);
      assert.equal(second.json['id'], first.json['id']);
      assert.equal(second.json['gender'], undefined);
      assert.equal(second.headers.get('etag'), 'W/"1"');
      assert.equal(second.headers.get('location'), first.headers.get('location'));
      assert.equal(await count(condition), 1);
    });

    it('several matches: 412', async () => {
      const { body, condition } = someone();
      await create(body, undefined);
      await create(body, undefined);
      const response = await create(body, condition);
      assert.deepEqual([response.status, response.json['issue'][0].code], [412, 'multiple-matches']);
    });

    it('what is deleted is no match', async () => {
      const { body, condition } = someone();
      const first = await create(body, condition);
      await hub.send('DELETE', `Patient/${first.json['id']}`, hospital);
      assert.equal((await create(body, condition)).status, 201);
    });

    const refused: [string, string, number][] = [
      ['no parameter', '', 412],
      ['a result parameter alone', '_count=1', 412],
      ['a parameter without a value', 'identifier=', 400],
      ['an unknown parameter', 'colour=red', 400],
      ['an unknown parameter beside a known one', 'identifier=urn:c|1&colour=red', 400],
    ];
    for (const [title, condition, status] of refused) {
      it(`a condition with ${title} is refused, never matched widely: ${status}`, async () => {
        assert.equal((await create(someone().body, condition)).status, status);
      });
    }

    it('what another wrote is no match, visible by consent or not (LEAKS 23)', async () => {
      const { body, condition } = someone();
      const patient = (await create(body, undefined, other)).json['id'] as string;
      const hidden = await create(body, condition);
      assert.equal(hidden.status, 201);
      const self = await hub.token('patient', { patient, fhirUser: `Patient/${patient}` });
      const consent = await hub.send('POST', 'Consent', self, { body: givenConsent(patient, 'Organization/hospital') });
      assert.equal(consent.status, 201, consent.text);
      assert.equal(await count(condition), 2, 'both are seen now');
      const again = await create(body, condition);
      assert.deepEqual([again.status, again.json['id']], [200, hidden.json['id']]);
    });

    it('needs the scope to search: a condition is one', async () => {
      const { body, condition } = someone();
      const writer = await hub.token('hospital', { scope: 'system/*.cu' });
      assert.equal((await create(body, undefined, writer)).status, 201);
      assert.equal((await create(body, condition, writer)).status, 403);
    });

    it('a payer may repeat its own create, though its purpose lets it read nothing', async () => {
      const payer = await hub.token('payment', { scope: 'system/PaymentReconciliation.crus' });
      const body = {
        resourceType: 'PaymentReconciliation',
        identifier: [{ system: 'urn:c', value: 'pay' }],
        status: 'active',
        created: '2026-01-01',
        paymentDate: '2026-01-01',
        paymentAmount: { value: 1, currency: 'EUR' },
      };
      const first = await create(body, 'identifier=urn:c|pay', payer);
      assert.equal(first.status, 201, first.text);
      const { id } = first.json;
      assert.equal((await hub.send('GET', `PaymentReconciliation/${id}`, payer)).status, 404);
      const again = await create(body, 'identifier=urn:c|pay', payer);
      assert.deepEqual([again.status, again.json['id']], [200, id]);
    });

    it('64 clients run it at once: one resource, one 201', async () => {
      const { body, condition } = someone();
      const answers = await Promise.all(Array.from({ length: 64 }, () => create(body, condition)));
      assert.deepEqual(Map.groupBy(answers, ({ status }) => status).get(201)?.length, 1);
      assert.ok(answers.every(({ status }) => status === 201 || status === 200));
      assert.equal(new Set(answers.map(({ json }) => json['id'])).size, 1);
      assert.equal(await count(condition), 1);
    });

    it('conditions that say the same in another order wait for each other too', async () => {
      const { body, condition } = someone();
      const orders = [`${condition}&family=Zhang`, `family=Zhang&${condition}`];
      const answers = await Promise.all(Array.from({ length: 16 }, (_, n) => create(body, orders[n % 2])));
      assert.equal(answers.filter(({ status }) => status === 201).length, 1);
    });
  });

  describe('update (#cond-update)', () => {
    const update = (
      body: object,
      condition: string,
      headers: Record<string, string> = {},
      token = hospital,
    ): Promise<HubResponse> => hub.send('PUT', `Patient?${condition}`, token, { body, headers });

    it('no match, no id: creates, 201', async () => {
      const { body, condition } = someone();
      const response = await update(body, condition);
      assert.equal(response.status, 201);
      assert.ok(response.headers.get('location'));
    });

    it('no match, an id: creates under that id', async () => {
      const { body, condition } = someone();
      const response = await update({ ...body, id: 'chosen-1' }, condition);
      assert.deepEqual([response.status, response.json['id']], [201, 'chosen-1']);
    });

    it('no match, an id that is taken: 412, and what is there stays', async () => {
      await hub.send('PUT', 'Patient/chosen-2', hospital, { body: given.patient({ id: 'chosen-2', family: 'First' }) });
      const { body, condition } = someone();
      assert.equal((await update({ ...body, id: 'chosen-2' }, condition)).status, 412);
      assert.match((await hub.send('GET', 'Patient/chosen-2', hospital)).text, /First/);
    });

    it('one match: updates it, 200, with or without its id', async () => {
      const { body, condition } = someone();
      const { id } = (await create(body, undefined)).json;
      const without = await update({ ...body, gender: 'male' }, condition);
      assert.deepEqual([without.status, without.json['id'], without.headers.get('etag')], [200, id, 'W/"2"']);
      assert.equal((await update({ ...body, id, gender: 'female' }, condition)).headers.get('etag'), 'W/"3"');
    });

    it('one match, another id: 400', async () => {
      const { body, condition } = someone();
      await create(body, undefined);
      assert.equal((await update({ ...body, id: 'another' }, condition)).status, 400);
    });

    it('several matches: 412', async () => {
      const { body, condition } = someone();
      await create(body, undefined);
      await create(body, undefined);
      assert.equal((await update(body, condition)).status, 412);
    });

    it('If-Match of another version than that of the match: 412', async () => {
      const { body, condition } = someone();
      await create(body, undefined);
      const changed = { ...body, gender: 'male' };
      assert.equal((await update(changed, condition, { 'if-match': 'W/"2"' })).status, 412);
      assert.equal((await update(changed, condition, { 'if-match': 'W/"1"' })).status, 200);
    });

    it('what another wrote is no match: a resource of one’s own is created beside it', async () => {
      const { body, condition } = someone();
      await create(body, undefined, other);
      assert.equal((await update(body, condition)).status, 201);
    });

    it('without a condition: 412', async () => assert.equal((await update(someone().body, '')).status, 412));
  });

  describe('delete', () => {
    const remove = (query: string, headers: Record<string, string> = {}): Promise<HubResponse> =>
      hub.send('DELETE', query, hospital, { headers });

    it('no match: 204, with an outcome that says so when it is preferred', async () => {
      assert.equal((await remove('Patient?identifier=urn:c|none')).status, 204);
      const told = await remove('Patient?identifier=urn:c|none', { prefer: 'return=OperationOutcome' });
      assert.deepEqual([told.status, told.json['issue'][0].diagnostics], [200, '0 resources deleted']);
    });

    it('one match: it is deleted', async () => {
      const { body, condition } = someone();
      const { id } = (await create(body, undefined)).json;
      assert.equal((await remove(`Patient?${condition}`)).status, 204);
      assert.equal((await hub.send('GET', `Patient/${id}`, hospital)).status, 410);
    });

    it('several matches: all are deleted, as the CapabilityStatement says (conditionalDelete: multiple)', async () => {
      const { body, condition } = someone();
      for (let n = 0; n < 3; n++) await create(body, undefined);
      const response = await remove(`Patient?${condition}`, { prefer: 'return=OperationOutcome' });
      assert.equal(response.json['issue'][0].diagnostics, '3 resources deleted');
      assert.equal(await count(condition), 0);
    });

    it(`more than ${conditionalDeletesMax} matches: 412, and all stay`, async () => {
      const organization = {
        resourceType: 'Organization',
        name: 'Many',
        identifier: [{ system: 'urn:c', value: 'many' }],
      };
      await Promise.all(Array.from({ length: conditionalDeletesMax + 1 }, () => create(organization, undefined)));
      assert.equal((await remove('Organization?identifier=urn:c|many')).status, 412);
      const left = await hub.send('GET', 'Organization?identifier=urn:c|many&_summary=count', hospital);
      assert.equal(left.json['total'], conditionalDeletesMax + 1);
    });

    it('what another wrote stays', async () => {
      const { body, condition } = someone();
      const { id } = (await create(body, undefined, other)).json;
      assert.equal((await remove(`Patient?${condition}`)).status, 204);
      assert.equal((await hub.send('GET', `Patient/${id}`, other)).status, 200);
    });

    it('without a condition: 412', async () => assert.equal((await remove('Patient')).status, 412));
  });

  describe('patch', () => {
    const patch = (condition: string): Promise<HubResponse> =>
      hub.send('PATCH', `Patient?${condition}`, hospital, {
        body: [{ op: 'add', path: '/gender', value: 'male' }],
        headers: { 'content-type': 'application/json-patch+json' },
      });

    it('one match is patched; none is 404; several are 412', async () => {
      const { body, condition } = someone();
      assert.equal((await patch(condition)).status, 404);
      await create(body, undefined);
      const response = await patch(condition);
      assert.deepEqual([response.status, response.json['gender']], [200, 'male']);
      await create(body, undefined);
      assert.equal((await patch(condition)).status, 412);
    });
  });

  describe('preconditions (#concurrency)', () => {
    it('PUT with If-None-Match: * creates, and is 412 when there is one', async () => {
      const put = (): Promise<HubResponse> =>
        hub.send('PUT', 'Patient/only-new', hospital, {
          body: given.patient({ id: 'only-new' }),
          headers: { 'if-none-match': '*' },
        });
      assert.equal((await put()).status, 201);
      assert.equal((await put()).status, 412);
    });

    it('the same If-Match update by 64 clients: one 200, the others 412', async () => {
      const { id } = (await create(someone().body, undefined)).json;
      const answers = await Promise.all(
        Array.from({ length: 64 }, (_, n) =>
          hub.send('PUT', `Patient/${id}`, hospital, {
            body: given.patient({ id: id as string, family: `F${n}` }),
            headers: { 'if-match': 'W/"1"' },
          }),
        ),
      );
      const statuses = answers.map(({ status }) => status).toSorted((one, two) => one - two);
      assert.deepEqual(statuses, [200, ...Array.from({ length: 63 }, () => 412)]);
    });
  });

  describe('a token for one record (LEAKS 51)', () => {
    it('writes nothing into another', async () => {
      const [mine, theirs] = await Promise.all([create(someone().body, undefined), create(someone().body, undefined)]);
      const bound = await hub.token('hospital', { patient: mine.json['id'] as string });
      const write = (patient: string): Promise<HubResponse> =>
        hub.send('POST', 'Observation', bound, { body: given.observation({ patient }) });
      assert.equal((await write(mine.json['id'] as string)).status, 201);
      assert.equal((await write(theirs.json['id'] as string)).status, 403);
    });
  });
});
