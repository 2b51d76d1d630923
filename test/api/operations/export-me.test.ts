/** Patient/[id]/$export-me: everything about a person, to take away. */
import assert from 'node:assert/strict';
import { sql } from '../../../src/db/sql.ts';
import type { AnyResource } from '../../../src/fhir/types.ts';
import { given } from '../../given.ts';
import { givenConsent } from '../../given-consent.ts';
import { givenHub, type GivenHub, type HubResponse } from '../../given-hub.ts';

describe('Patient/$export-me (GDPR articles 15 and 20)', () => {
  let hub: GivenHub;
  let self: string;
  let service: string;
  before(async () => {
    hub = await givenHub({ HUB_ROLES: 'api' });
    const hospital = await hub.token('hospital', { organization: 'Organization/h' });
    self = await hub.token('patient', { patient: 'p', fhirUser: 'Patient/p' });
    service = await hub.token('ai', { organization: 'Organization/ai', client_id: 'ai' });
    const put = async (token: string, body: AnyResource): Promise<void> => {
      const { status, text } = await hub.send('PUT', `${body.resourceType}/${body.id}`, token, { body });
      assert.ok(status < 300, text);
    };
    for (const id of ['p', 'p2', 'q']) await put(hospital, given.patient({ id }));
    for (const value of [1, 2]) await put(hospital, given.observation({ id: 'o', patient: 'p', value }));
    await put(hospital, given.observation({ id: 'o2', patient: 'p2' }));
    await put(hospital, given.observation({ id: 'gone', patient: 'p', value: 7 }));
    await hub.send('DELETE', 'Observation/gone', hospital);
    await put(hospital, given.observation({ id: 'of-q', patient: 'q' }));
    await hub.database.query(sql`
      insert into person_member (patient, bucket, person, evidence, linked_at)
      select patient, 0, '00000000-0000-4000-8000-000000000001', '{}', now() from unnest(array['p', 'p2']) as patient`);
    await put(self, { ...givenConsent('p', 'Organization/ai'), id: 'c' });
    await put(self, { ...givenConsent('p', 'Organization/ai'), id: 'c', status: 'inactive' });
    await hub.send('GET', 'Observation/o', service);
  });
  after(() => hub.close());

  const ask = (token: string, patient = 'p'): Promise<HubResponse> =>
    hub.send('GET', `Patient/${patient}/$export-me`, token, { headers: { accept: 'application/fhir+ndjson' } });
  const linesOf = ({ text }: HubResponse): AnyResource[] =>
    text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as AnyResource);

  it('every version of all their records, Consents with theirs, what was deleted, and who saw what', async () => {
    const answer = await ask(self);
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.headers.get('content-type')?.split(';', 1)[0], 'application/fhir+ndjson');
    assert.match(answer.headers.get('content-disposition') ?? '', /^attachment/);
    assert.equal(answer.headers.get('cache-control'), 'no-store');
    const [first, ...lines] = linesOf(answer);
    assert.equal(first?.resourceType, 'Parameters');
    const versions = lines.flatMap(({ resourceType, id, meta }) =>
      resourceType === 'AuditEvent' ? [] : [`${resourceType}/${id}/${meta?.versionId}`],
    );
    assert.deepEqual(versions.toSorted(), [
      'Consent/c/1',
      'Consent/c/2',
      'Observation/gone/1',
      'Observation/o/1',
      'Observation/o/2',
      'Observation/o2/1',
      'Patient/p/1',
      'Patient/p2/1',
    ]);
    const log = lines.filter(({ resourceType }) => resourceType === 'AuditEvent');
    assert.ok(log.length > 3);
    assert.match(JSON.stringify(log), /Organization\/ai/);
  });

  it('taking it away is on record', async () => {
    const log = await hub.send('GET', 'AuditEvent?patient=Patient/p&_count=5', self);
    assert.match(Buffer.from(JSON.stringify(log.json), 'utf8').toString(), /operation/);
  });

  it('nobody else: of another patient the same 404 as of nobody, of a third party 403', async () => {
    const [hidden, unknown] = [await ask(self, 'q'), await ask(self, 'unknown')];
    assert.deepEqual([hidden.status, hidden.text], [unknown.status, unknown.text]);
    assert.equal(hidden.status, 404);
    assert.deepEqual([(await ask(service)).status, (await ask(service, 'unknown')).status], [403, 403]);
  });
});
