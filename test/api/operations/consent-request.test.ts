/** Requests for consent: asked by a service, read, narrowed, granted or declined by the patient. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { sql } from '../../../src/db/sql.ts';
import type { AnyResource } from '../../../src/fhir/types.ts';
import { given } from '../../given.ts';
import { givenConsent } from '../../given-consent.ts';
import { givenHub, type GivenHub, type HubResponse } from '../../given-hub.ts';

const base = 'https://health-record-hub.example/fhir/StructureDefinition';
const days = (value: unknown): object => ({
  url: `${base}/copies-kept`,
  valueDuration: { value, unit: 'days', system: 'http://unitsofmeasure.org', code: 'd' },
});
const reason = { url: `${base}/consent-request-reason`, valueString: 'To warn you of interactions of your medicines.' };
const types = (...codes: string[]): object[] =>
  codes.map((code) => ({ system: 'http://hl7.org/fhir/resource-types', code }));
const nationalId = { system: 'urn:oid:2.16.156.1', value: '42' };

describe('requests for consent', () => {
  let hub: GivenHub;
  let ai: string;
  let other: string;
  let patient: string;
  let stranger: string;
  let hospital: string;
  before(async () => {
    hub = await givenHub();
    hospital = await hub.token('hospital');
    const scope = 'system/*.rs system/Consent.c';
    ai = await hub.token('ai', { organization: 'Organization/ai', scope });
    other = await hub.token('ai', { organization: 'Organization/other', scope });
    patient = await hub.token('patient', { patient: 'p', fhirUser: 'Patient/p' });
    stranger = await hub.token('patient', { patient: 'q', fhirUser: 'Patient/q' });
    const named = { ...given.patient({ id: 'p' }), identifier: [nationalId] };
    await hub.send('PUT', 'Patient/p', hospital, { body: named });
    await hub.send('PUT', 'Patient/q', hospital, { body: given.patient({ id: 'q' }) });
    await hub.send('PUT', 'Condition/c', hospital, {
      body: { resourceType: 'Condition', id: 'c', subject: { reference: 'Patient/p' }, code: { text: 'x' } },
    });
  });
  beforeEach(() => hub.database.query(sql`truncate consent_request, consent_copy, consent_rule`));
  after(() => hub.close());

  const year = new Date().getUTCFullYear();
  const proposal = (changes: Record<string, unknown> = {}, rule: Record<string, unknown> = {}): AnyResource => {
    const { performer: _performer, ...consent } = givenConsent('p', 'Organization/ai', {
      class: types('Condition', 'Observation'),
      period: { end: `${year + 1}-01-01` },
      ...rule,
    });
    const plain = { ...consent, status: 'proposed', extension: [reason, days(30)], ...changes };
    return JSON.parse(JSON.stringify(plain)) as AnyResource;
  };
  const ask = (body: unknown, token = ai): Promise<HubResponse> =>
    hub.send('POST', 'Consent/$request', token, { body });
  const asked = async (): Promise<string> => {
    const { status, json, text } = await ask(proposal());
    assert.equal(status, 201, text);
    return json['id'] as string;
  };
  const listed = async (token = patient, id = 'p'): Promise<AnyResource[]> => {
    const { status, json, text } = await hub.send('GET', `Patient/${id}/$consent-requests`, token);
    assert.equal(status, 200, text);
    return ((json['entry'] ?? []) as { resource: AnyResource }[]).map(({ resource }) => resource);
  };
  const stateOf = async (id: string): Promise<unknown> => {
    const { json } = await hub.send('GET', `Consent/${id}/$request-state`, ai);
    return (json['parameter'] as { valueCode?: string }[] | undefined)?.[0]?.valueCode;
  };
  const grant = (id: string, changes: Record<string, unknown> = {}, rule: object = {}): Promise<HubResponse> => {
    const proposed = proposal();
    const body = {
      ...proposed,
      status: 'active',
      performer: [{ reference: 'Patient/p' }],
      sourceReference: { reference: `Consent/${id}` },
      provision: { ...(proposed['provision'] as object), ...rule },
      ...changes,
    };
    return hub.send('POST', 'Consent', patient, { body: JSON.parse(JSON.stringify(body)) as unknown });
  };

  it('asked by id: the patient reads it as a proposed Consent about themselves, and it allows nothing', async () => {
    const id = await asked();
    const [found, ...more] = await listed();
    assert.equal(more.length, 0);
    assert.deepEqual([found?.id, found?.['status'], found?.['patient']], [id, 'proposed', { reference: 'Patient/p' }]);
    assert.equal((await hub.send('GET', 'Condition/c', ai)).status, 404);
    const explained = await hub.send('POST', 'Consent/$explain?language=en', patient, { body: found });
    assert.match(explained.text, /allows nothing until you grant it/);
    assert.match(explained.text, /ai may see for your care/);
    assert.match(explained.text, /30 days/);
  });

  it('asked by identifier: the same', async () => {
    assert.equal((await ask(proposal({ patient: { identifier: nationalId } }))).status, 201);
    const [found] = await listed();
    assert.deepEqual(found?.['patient'], { reference: 'Patient/p' });
    assert.deepEqual(await listed(stranger, 'q'), []);
  });

  it('LEAKS 21: whether there is such a patient changes nothing in the answer', async () => {
    const shapeOf = ({ status, headers, json }: HubResponse): unknown => [
      status,
      [...headers.keys()].toSorted(),
      { ...json, id: 'id', patient: 'x' },
    ];
    const patients = [
      { reference: 'Patient/p' },
      { reference: 'Patient/none' },
      { identifier: nationalId },
      { identifier: { ...nationalId, value: 'none' } },
    ];
    const answers = await Promise.all(patients.map(async (who) => shapeOf(await ask(proposal({ patient: who })))));
    for (const one of answers) assert.deepEqual(one, answers[0]);
  });

  it('granted as it was asked: the service sees, knows so, and the time for copies runs from the end', async () => {
    const id = await asked();
    const granted = await grant(id);
    assert.equal(granted.status, 201, granted.text);
    assert.equal(await stateOf(id), 'granted');
    assert.equal((await hub.send('GET', 'Condition/c', ai)).status, 200);
    assert.deepEqual(await listed(), []);
    const [copy] = await hub.database.query<{ kept_days: number; erase_at: Date; recipients: string[] }>(
      sql`select kept_days, erase_at, recipients from consent_copy`,
    );
    assert.deepEqual([copy?.kept_days, copy?.recipients], [30, ['Organization/ai']]);
    assert.equal(copy?.erase_at.toISOString(), `${year + 1}-02-01T00:00:00.000Z`);
  });

  it('revoked: the service knows so, and the time for copies runs from then', async () => {
    const id = await asked();
    const { json } = await grant(id);
    const consent = { ...json, status: 'inactive' };
    assert.equal((await hub.send('PUT', `Consent/${json['id']}`, patient, { body: consent })).status, 200);
    assert.equal(await stateOf(id), 'ended');
    const [copy] = await hub.database.query<{ left: number }>(
      sql`select (extract(epoch from erase_at - now()) / 86400)::float8 as left from consent_copy`,
    );
    assert.ok(copy !== undefined && copy.left > 29 && copy.left <= 30);
  });

  it('granted narrower; never wider, and by one Consent', async () => {
    const id = await asked();
    const wider: readonly [string, Promise<HubResponse>, RegExp][] = [
      ['classes', grant(id, {}, { class: undefined }), /Consent\.provision/],
      ['time', grant(id, {}, { period: undefined }), /Consent\.provision/],
      [
        'recipient',
        grant(id, {}, { actor: (givenConsent('p', 'Organization/other')['provision'] as { actor: unknown }).actor }),
        /Consent\.provision/,
      ],
      ['copies', grant(id, { extension: [days(31)] }), /Consent\.extension/],
      ['copies without end', grant(id, { extension: undefined }), /Consent\.extension/],
    ];
    for (const [what, answer, at] of wider) {
      const { status, text } = await answer;
      assert.equal(status, 422, what);
      assert.match(text, at, what);
    }
    assert.equal(await stateOf(id), 'open');
    const narrower = await grant(id, { extension: [days(7)] }, { class: types('Observation') });
    assert.equal(narrower.status, 201, narrower.text);
    assert.equal((await hub.send('GET', 'Condition/c', ai)).status, 404);
    assert.equal((await grant(id)).status, 422);
    const widened = { ...narrower.json, provision: proposal()['provision'] };
    assert.equal((await hub.send('PUT', `Consent/${narrower.json['id']}`, patient, { body: widened })).status, 200);
    assert.equal((await hub.send('GET', 'Condition/c', ai)).status, 200);
  });

  it('declined: the service knows so, nothing is seen, and it is not granted afterwards', async () => {
    const id = await asked();
    const declined = await hub.send('POST', `Consent/${id}/$decline`, patient);
    assert.deepEqual([declined.status, declined.json['status']], [200, 'rejected']);
    assert.equal(await stateOf(id), 'declined');
    assert.deepEqual(await listed(), []);
    assert.equal((await grant(id)).status, 422);
    assert.equal((await hub.send('POST', `Consent/${id}/$decline`, patient)).status, 409);
  });

  it('not answered in time: over', async () => {
    const id = await asked();
    await hub.database.query(sql`update consent_request set expires_at = now()`);
    assert.equal(await stateOf(id), 'expired');
    assert.deepEqual(await listed(), []);
    assert.equal((await grant(id)).status, 422);
  });

  it('a request is its service’s and its patient’s: to everybody else as if it were not', async () => {
    const id = await asked();
    const none = randomUUID();
    const paths: readonly [string, string, string][] = [
      ['GET', '$request-state', other],
      ['GET', '$request-state', patient],
      ['POST', '$decline', stranger],
    ];
    for (const [method, operation, token] of paths) {
      const hidden = await hub.send(method, `Consent/${id}/${operation}`, token);
      const unknown = await hub.send(method, `Consent/${none}/${operation}`, token);
      assert.deepEqual([hidden.status, hidden.text], [404, unknown.text], operation);
    }
    assert.equal((await hub.send('GET', `Consent/${id}`, ai)).status, 404);
    assert.equal((await hub.send('GET', 'Patient/p/$consent-requests', stranger)).status, 404);
    assert.equal((await hub.send('GET', 'Patient/p/$consent-requests', ai)).status, 403);
    assert.equal((await hub.send('POST', `Consent/${id}/$decline`, ai)).status, 403);
    // A Consent of somebody else that names it is what it is, and answers nothing.
    const body = { ...givenConsent('q', 'Organization/ai'), sourceReference: { reference: `Consent/${id}` } };
    assert.equal((await hub.send('POST', 'Consent', stranger, { body })).status, 201);
    assert.equal(await stateOf(id), 'open');
  });

  it('the same words again are the same request; of one patient so many, and no more', async () => {
    const id = await asked();
    const again = await ask(proposal());
    assert.deepEqual([again.status, again.json['id']], [200, id]);
    const askOther = (n: number): Promise<HubResponse> =>
      ask(proposal({}, { dataPeriod: { start: String(2000 + n) } }));
    assert.deepEqual(
      [(await askOther(1)).status, (await askOther(2)).status, (await askOther(3)).status],
      [201, 201, 429],
    );
    // Declining them makes no room for asking every day.
    for (const { id: one } of await listed()) await hub.send('POST', `Consent/${one}/$decline`, patient);
    assert.deepEqual(
      [(await askOther(3)).status, (await askOther(4)).status, (await askOther(5)).status],
      [201, 201, 429],
    );
  });

  it('what nobody answered is forgotten after a year, when the same is asked again', async () => {
    const id = await asked();
    await hub.database.query(sql`
      update consent_request set created_at = now() - interval '2 years', expires_at = now() - interval '23 months'`);
    assert.notEqual(await asked(), id);
    assert.equal(await stateOf(id), undefined);
  });

  it('is in the log of the patient, who asked and what became of it', async () => {
    const id = await asked();
    await hub.send('POST', `Consent/${id}/$decline`, patient);
    const { text } = await hub.send('GET', 'AuditEvent?patient=Patient/p&_count=10', patient);
    assert.match(text, /consent-request/);
    assert.match(text, /consent-decline/);
  });

  const refused: readonly [string, AnyResource, number, RegExp][] = [
    ['active', proposal({ status: 'active' }), 422, /Consent\.status/],
    [
      'for another recipient',
      proposal({}, { actor: (givenConsent('p', 'Organization/x')['provision'] as { actor: unknown }).actor }),
      422,
      /provision\.actor/,
    ],
    [
      'for a purpose its token does not have',
      proposal({}, { purpose: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: 'HRESCH' }] }),
      422,
      /provision\.purpose/,
    ],
    ['without an end', proposal({}, { period: { start: '2026-01-01' } }), 422, /period\.end/],
    ['for longer than two years', proposal({}, { period: { end: `${year + 3}-01-01` } }), 422, /period\.end/],
    ['that is over', proposal({}, { period: { end: '2020-01-01' } }), 422, /period\.end/],
    ['without a reason', proposal({ extension: [days(30)] }), 422, /Consent\.extension/],
    [
      'with a reason like a page',
      proposal({ extension: [{ ...reason, valueString: 'x'.repeat(501) }, days(30)] }),
      422,
      /Consent\.extension/,
    ],
    ['without a time for copies', proposal({ extension: [reason] }), 422, /Consent\.extension/],
    ['with copies for ever', proposal({ extension: [reason, days(36_500)] }), 422, /valueDuration/],
    [
      'with exceptions',
      proposal({}, { provision: [{ type: 'deny', class: types('Condition') }] }),
      422,
      /Consent\.provision/,
    ],
    ['in the patient’s name', proposal({ performer: [{ reference: 'Patient/p' }] }), 422, /Consent\.performer/],
    ['of nobody', proposal({ patient: { display: 'Zhang' } }), 422, /Consent\.patient/],
    [
      'of what cannot be enforced',
      proposal({}, { extension: [{ url: 'urn:x', valueCode: 'x' }] }),
      422,
      /provision\.extension/,
    ],
  ];
  for (const [title, body, status, at] of refused) {
    it(`refused: a request ${title}`, async () => {
      const answer = await ask(body);
      assert.equal(answer.status, status, answer.text);
      assert.match(answer.text, at);
    });
  }

  it('refused: who is no organization, or whose scope does not cover it', async () => {
    assert.equal((await ask(proposal(), patient)).status, 403);
    assert.equal((await ask(proposal(), await hub.token('ai', { organization: 'Organization/ai' }))).status, 403);
    assert.equal((await hub.send('POST', 'Consent', ai, { body: proposal() })).status, 403);
  });
});
