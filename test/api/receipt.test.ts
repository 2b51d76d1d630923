/** Consent-Receipt: every answer that needed a Consent names the versions that allowed it. */
import assert from 'node:assert/strict';
import { get } from 'node:http';
import { addDecided, receiptOf } from '../../src/api/receipt.ts';
import { given } from '../given.ts';
import { givenConsent } from '../given-consent.ts';
import { givenHub, type GivenHub, type HubResponse } from '../given-hub.ts';

const ofType = (code: string): Record<string, unknown> => ({
  class: [{ system: 'http://hl7.org/fhir/resource-types', code }],
});

describe('the consent receipt', () => {
  let hub: GivenHub;
  let hospital: string;
  let patient: string;
  let ai: string;
  before(async () => {
    hub = await givenHub();
    hospital = await hub.token('hospital', { organization: 'Organization/h' });
    ai = await hub.token('ai', { organization: 'Organization/ai' });
    patient = await hub.token('patient', { patient: 'p', fhirUser: 'Patient/p' });
    const stranger = await hub.token('patient', { patient: 'q', fhirUser: 'Patient/q' });
    for (const id of ['p', 'q']) {
      await put(`Patient/${id}`, given.patient({ id }), hospital);
      await put(`Observation/o-${id}`, given.observation({ id: `o-${id}`, patient: id }), hospital);
      await put(`Encounter/e-${id}`, given.encounter({ id: `e-${id}`, patient: id, start: '2026-01-01' }), hospital);
    }
    await put('Consent/a', { ...givenConsent('p', 'Organization/ai', ofType('Observation')), id: 'a' }, patient);
    await put('Consent/b', { ...givenConsent('p', 'Organization/other'), id: 'b' }, patient);
    await put('Consent/b', { ...givenConsent('p', 'Organization/ai', ofType('Encounter')), id: 'b' }, patient);
    await put('Consent/c', { ...givenConsent('q', 'Organization/ai'), id: 'c' }, stranger);
  });
  after(() => hub.close());

  async function put(path: string, body: unknown, token: string): Promise<void> {
    const { status, text } = await hub.send('PUT', path, token, { body });
    assert.ok(status < 300, text);
  }
  const receipt = ({ headers }: HubResponse): string | null => headers.get('consent-receipt');
  const bundle = (type: string, ...urls: readonly string[]): object => ({
    resourceType: 'Bundle',
    type,
    entry: urls.map((url) => ({ request: { method: 'GET', url } })),
  });

  const asked: readonly [string, string, string | null][] = [
    ['a read', 'Observation/o-p', 'Consent/a/_history/1'],
    ['the version of the Consent that is in force', 'Encounter/e-p', 'Consent/b/_history/2'],
    ['a search of one patient', 'Observation?patient=p', 'Consent/a/_history/1'],
    ['a search across patients', 'Observation?code=718-7', 'Consent/a/_history/1, Consent/c/_history/1'],
    ['a history', 'Observation/o-p/_history', 'Consent/a/_history/1'],
    ['an operation', 'Patient/p/$everything', 'Consent/a/_history/1, Consent/b/_history/2'],
    ['what is included', 'Encounter?patient=q&_include=Encounter:patient', 'Consent/c/_history/1'],
    ['nothing found', 'Observation?patient=p&code=none', null],
    ['hidden', 'Patient/p', null],
    ['unknown', 'Patient/none', null],
  ];
  for (const [title, path, expected] of asked) {
    it(`${title}: ${expected}`, async () => {
      const found = receipt(await hub.send('GET', path, ai));
      assert.deepEqual(found?.split(', ').toSorted() ?? null, expected?.split(', ') ?? null);
    });
  }

  it('not modified is an answer too', async () => {
    const found = await hub.send('GET', 'Observation/o-p', ai, { headers: { 'if-none-match': 'W/"1"' } });
    assert.deepEqual([found.status, receipt(found)], [304, 'Consent/a/_history/1']);
  });

  it('one’s own record, and what one wrote, need no Consent', async () => {
    for (const token of [patient, hospital])
      assert.equal(receipt(await hub.send('GET', 'Observation/o-p', token)), null);
  });

  it('a batch and a transaction name those of all their entries', async () => {
    for (const type of ['batch', 'transaction']) {
      const found = await hub.send('POST', '', ai, {
        body: bundle(type, 'Observation/o-p', 'Encounter/e-p', 'Observation/o-p'),
      });
      assert.equal(found.status, 200, found.text);
      assert.equal(
        receipt(found)?.split(', ').toSorted().join(', '),
        'Consent/a/_history/1, Consent/b/_history/2',
        type,
      );
    }
  });

  it('an answer that is made while it leaves has it behind its last chunk', async () => {
    const many = Array.from({ length: 1_100 }, (_, index) => ({
      request: { method: 'PUT', url: `Observation/many-${index}` },
      resource: given.observation({ id: `many-${index}`, patient: 'q' }),
    }));
    const written = await hub.send('POST', '', hospital, {
      body: { resourceType: 'Bundle', type: 'batch', entry: many },
    });
    assert.equal(written.status, 200);
    const trailers = await new Promise<NodeJS.Dict<string>>((resolve, reject) => {
      get(`${hub.fhir}/Patient/q/$everything`, { headers: { authorization: `Bearer ${ai}` } }, (response) => {
        response
          .resume()
          .on('end', () => resolve(response.trailers))
          .on('error', reject);
      }).on('error', reject);
    });
    assert.equal(trailers['consent-receipt'], 'Consent/c/_history/1');
  });

  it('the patient’s log names every Consent that allowed an answer', async () => {
    await hub.send('GET', 'Patient/p/$everything', ai);
    const { json } = await hub.send('GET', 'AuditEvent?patient=Patient/p&_count=1', patient);
    const event = (
      json['entry'] as { resource: { entity: { what?: { reference?: string } }[]; outcomeDesc: string } }[]
    )[0]?.resource;
    const named = event?.entity.map(({ what }) => what?.reference).filter((one) => one?.startsWith('Consent/'));
    assert.deepEqual(named?.toSorted(), ['Consent/a/_history/1', 'Consent/b/_history/2']);
    assert.match(event?.outcomeDesc ?? '', /allowed by consent:\w\/\d, consent:\w\/\d$/);
  });

  it('is bounded, and says how many more there are', () => {
    const shown = Array.from({ length: 40 }, (_, index) => ({ patient: 'p', decidedBy: `consent:c${index}/1` }));
    const text = receiptOf(addDecided(undefined, shown) ?? new Set());
    assert.ok(text.length < 1_000);
    assert.match(text, /^Consent\/c0\/_history\/1, .*Consent\/c11\/_history\/1;more=28$/);
  });

  it('a page of another origin may read it', async () => {
    const { headers } = await hub.send('GET', 'Observation/o-p', ai, { headers: { origin: 'https://app.example' } });
    assert.match(headers.get('access-control-expose-headers') ?? '', /Consent-Receipt/);
  });
});
