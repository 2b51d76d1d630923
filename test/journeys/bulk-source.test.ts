/** A hospital that speaks STU3 and exports in bulk: what it has is served as R4, and follows what changes there. */
import assert from 'node:assert/strict';
import { sql } from '../../src/db/sql.ts';
import { sourceId } from '../../src/fhir/ids.ts';
import { validate } from '../../src/fhir/validate.ts';
import { givenBulk, type GivenBulk } from '../given-bulk.ts';
import { givenHub, type GivenHub } from '../given-hub.ts';
import { until } from '../until.ts';

const organization = 'Organization/hospital-s';

describe('a hospital that speaks STU3 and exports in bulk', function () {
  this.timeout(300_000);
  const deleted: string[] = [];
  let server: GivenBulk;
  let hub: GivenHub;
  let token: string;

  before(async () => {
    [server, hub] = await Promise.all([givenBulk({ fhirVersion: '3.0.2', polls: 1, deleted }), givenHub()]);
    token = await hub.token('hospital', { client_id: 'reader', organization });
    const subject = { reference: 'Patient/p1' };
    server.put('Patient', 'p1', { name: [{ family: '王', given: ['芳'] }], gender: 'female' });
    server.put('Observation', 'o1', {
      status: 'final',
      code: { coding: [{ system: 'http://loinc.org', code: '718-7' }] },
      category: [{ coding: [{ system: 'http://hl7.org/fhir/observation-category', code: 'laboratory' }] }],
      subject,
      comment: 'haemolysed',
      bench: 'B7',
    });
    server.put('ProcedureRequest', 'r1', {
      status: 'suspended',
      intent: 'order',
      code: { text: 'Sonography' },
      subject,
      requester: { agent: { reference: 'Practitioner/d1' } },
    });
    server.put('ReferralRequest', 'r1', {
      status: 'active',
      intent: 'plan',
      subject,
      basedOn: [{ reference: 'ProcedureRequest/r1' }],
    });
    server.put('Practitioner', 'd1', { name: [{ family: 'Li' }] });
    const config = { base: server.base, version: 'stu3', every: '1s' };
    await hub.database.query(sql`
      insert into endpoint (name, kind, organization, facilities, config, state)
      values ('city', 'fhir-bulk', ${organization}, '{}', ${JSON.stringify(config)}::jsonb, 'live')`);
  });
  after(() => Promise.all([hub?.close(), server?.close()]));

  const idOf = (type: string, id: string): string => sourceId({ organization, base: server.base }, type, id);
  const read = async (type: string, id: string): Promise<{ status: number; json: Record<string, unknown> }> =>
    hub.send('GET', `${type}/${id}`, token);
  const untilIs = (type: string, id: string, status: number): Promise<void> =>
    until(`${type} answers ${status}`, async () => (await read(type, id)).status === status);

  it('its orders are ServiceRequests, those of two types with one id apart, and point to each other', async () => {
    const [one, other] = [idOf('ProcedureRequest', 'r1'), idOf('ReferralRequest', 'r1')];
    await untilIs('ServiceRequest', one, 200);
    await untilIs('ServiceRequest', other, 200);
    const order = (await read('ServiceRequest', one)).json;
    assert.equal(order['status'], 'on-hold');
    assert.deepEqual(order['requester'], { reference: `Practitioner/${idOf('Practitioner', 'd1')}` });
    const referral = (await read('ServiceRequest', other)).json;
    assert.deepEqual(referral['basedOn'], [{ reference: `ServiceRequest/${one}` }]);
    assert.deepEqual([...validate(order), ...validate(referral)], []);
  });

  it('is found by the search of R4, by systems as R4 calls them', async () => {
    const id = idOf('Observation', 'o1');
    await untilIs('Observation', id, 200);
    const category = encodeURIComponent('http://terminology.hl7.org/CodeSystem/observation-category|laboratory');
    const query = `Observation?patient=Patient/${idOf('Patient', 'p1')}&category=${category}`;
    const { json } = await hub.send('GET', query, token);
    assert.deepEqual(
      (json['entry'] as { resource: { id: string; note: unknown } }[]).map(({ resource }) => [
        resource.id,
        resource.note,
      ]),
      [[id, [{ text: 'haemolysed' }]]],
    );
  });

  it('what R4 has no element for stands in the record and on the work list of the endpoint', async () => {
    const { json } = await read('Observation', idOf('Observation', 'o1'));
    assert.deepEqual(json['extension'], [
      { url: 'http://hl7.org/fhir/3.0/StructureDefinition/extension-Observation.bench', valueString: 'B7' },
    ]);
    let positions: string[] = [];
    // Counted by each process, and written every few seconds.
    await until('it is counted', async () => {
      const rows = await hub.database.query<{ position: string }>(sql`
        select distinct position from unmapped where endpoint_id = (select id from endpoint where name = 'city')`);
      positions = rows.map(({ position }) => position);
      return positions.length > 0;
    });
    assert.deepEqual(positions, ['Observation.bench']);
  });

  it('the message keeps the bytes of the source', async () => {
    const rows = await hub.database.query<{ text: string }>(
      sql`select convert_from(raw, 'UTF8') as text from message where control_id = 'Observation/o1/1'`,
    );
    assert.deepEqual(rows, [{ text: server.lines('Observation')[0] }]);
  });

  it('what changes there changes here, what is deleted there is gone here; each state was received once', async () => {
    server.put('Patient', 'p1', { name: [{ family: '王', given: ['芳芳'] }], gender: 'female' });
    deleted.push('ReferralRequest/r1');
    await untilIs('ServiceRequest', idOf('ReferralRequest', 'r1'), 410);
    await until('the name is new', async () => {
      const { json } = await read('Patient', idOf('Patient', 'p1'));
      return JSON.stringify(json['name']).includes('芳芳');
    });
    assert.equal((await read('ServiceRequest', idOf('ProcedureRequest', 'r1'))).status, 200);
    const rows = await hub.database.query<{ status: number; number: number }>(sql`
      select status, count(*)::int as number
      from message where endpoint_id = (select id from endpoint where name = 'city') group by 1`);
    // Five at first, a change, a deletion.
    assert.deepEqual(rows, [{ status: 1, number: 7 }]);
    assert.ok(server.kickOffs.length >= 2);
  });
});
