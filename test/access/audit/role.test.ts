/**
 * A hub under a role that is not the owner: it appends to the trail and cannot change it. And when the trail cannot be written, nothing
 * is disclosed and nothing is written by the facade, while what hospitals send is taken and processed.
 */
import assert from 'node:assert/strict';
import { connectMllp } from '../../../adapters/hl7v2/client.ts';
import { openDatabase } from '../../../src/db.ts';
import { raw, sql } from '../../../src/db/sql.ts';
import { addEndpoint } from '../../../src/ingest/endpoint.ts';
import { verifyAudit } from '../../../src/access/audit/verify.ts';
import { givenConsent } from '../../given-consent.ts';
import { givenDatabase } from '../../given.ts';
import { givenHub, type GivenHub, type HubResponse } from '../../given-hub.ts';
import { givenMessage } from '../../given-ingest.ts';
import { until } from '../../until.ts';
import { resource } from '../../spec/world.ts';

const role = `hub_test_${process.pid}`;

describe('the role that runs the hub', () => {
  let given: Awaited<ReturnType<typeof givenDatabase>>;
  let hub: GivenHub;
  let hospital: string;

  before(async () => {
    given = await givenDatabase();
    await given.database.query(raw(`create role ${role} login password 'test'`));
    await given.database.query(sql`select grant_run_time(${role})`);
    const url = new URL(given.url);
    url.username = role;
    url.password = 'test';
    hub = await givenHub({ DATABASE_URL: url.href });
    hospital = await hub.token('hospital');
    for (const one of [resource('Patient/p'), resource('Observation/o', { subject: { reference: 'Patient/p' } })]) {
      const { status, text } = await hub.send('PUT', `${one.resourceType}/${one.id}`, hospital, { body: one });
      assert.equal(status, 201, text);
    }
    await addEndpoint(given.database, {
      name: 'hospital-a',
      kind: 'hl7v2-mllp',
      organization: 'Organization/a',
      facilities: ['HOSPA'],
    });
  });
  after(async () => {
    await hub.close();
    await given.database.query(raw(`drop owned by ${role}`));
    await given.database.query(raw(`drop role ${role}`));
    await given.close();
  });

  it('appends to the trail, and neither changes nor removes what is on record', async () => {
    assert.equal((await hub.send('GET', 'Observation/o', hospital)).status, 200);
    const url = new URL(given.url);
    url.username = role;
    url.password = 'test';
    const own = openDatabase({ url: url.href, pipelines: 1, poolMax: 1 });
    for (const statement of [
      'update audit_block set first = 0',
      'delete from audit_block',
      'truncate audit_block',
      'update audit_event set rows = 0',
      'delete from audit_event',
      'truncate audit_event',
      'update audit_head set number = 0',
      'delete from audit_head',
      'truncate audit_head',
      'delete from audit_shard',
      'truncate audit_shard',
      'drop table audit_block',
      'alter table audit_block disable trigger all',
      'drop view audit_entry',
      `select grant_run_time('${role}')`,
      'delete from knex_migrations',
    ]) {
      await assert.rejects(own.query(raw(statement)), { code: '42501' }, statement);
    }
    await own.close();
    assert.equal((await verifyAudit(given.database)).isIntact, true);
  });

  it('tables of later migrations are included', async () => {
    await given.database.query(raw('create table of_later (id int)'));
    const [row] = await given.database.query<{ may: boolean }>(sql`
      select has_table_privilege(${role}, 'of_later', 'select, insert, update, delete') as may`);
    assert.equal(row?.may, true);
  });

  describe('given a trail that cannot be written', () => {
    const asked: readonly [string, (hub: GivenHub) => Promise<HubResponse>][] = [
      ['read', (h) => h.send('GET', 'Observation/o', hospital)],
      ['vread', (h) => h.send('GET', 'Observation/o/_history/1', hospital)],
      ['history', (h) => h.send('GET', 'Observation/o/_history', hospital)],
      ['search', (h) => h.send('GET', 'Observation?patient=p', hospital)],
      ['search that finds nothing', (h) => h.send('GET', 'Observation?patient=nobody', hospital)],
      [
        'search by POST',
        (h) =>
          h.send('POST', 'Observation/_search?patient=p', hospital, {
            headers: { 'content-type': 'application/x-www-form-urlencoded' },
          }),
      ],
      ['compartment', (h) => h.send('GET', 'Patient/p/*', hospital)],
      ['$everything', (h) => h.send('GET', 'Patient/p/$everything', hospital)],
      ['what is hidden', (h) => h.send('GET', 'Observation/unknown', hospital)],
      ['create', (h) => h.send('POST', 'Patient', hospital, { body: resource('Patient/x') })],
      ['update', (h) => h.send('PUT', 'Patient/p', hospital, { body: resource('Patient/p', { active: true }) })],
      [
        'conditional update',
        (h) => h.send('PUT', 'Patient?_id=p', hospital, { body: resource('Patient/p', { active: true }) }),
      ],
      ['delete', (h) => h.send('DELETE', 'Observation/o', hospital)],
      [
        'transaction',
        (h) =>
          h.send('POST', '', hospital, {
            body: {
              resourceType: 'Bundle',
              type: 'transaction',
              entry: [{ resource: resource('Patient/y'), request: { method: 'PUT', url: 'Patient/y' } }],
            },
          }),
      ],
      [
        'a Consent',
        async (h) =>
          h.send('POST', 'Consent', await h.token('patient', { fhirUser: 'Patient/p', patient: 'p' }), {
            body: givenConsent('p', 'Organization/ai'),
          }),
      ],
      [
        'the log itself',
        async (h) => h.send('GET', 'AuditEvent', await h.token('patient', { fhirUser: 'Patient/p', patient: 'p' })),
      ],
    ];
    const counts = async (): Promise<unknown> =>
      given.database.query(
        raw(
          'select (select count(*) from resource) as rows, (select count(*) from resource_history) as past, (select count(*) from consent_rule) as rules',
        ),
      );
    let untouched: unknown;

    before(async () => {
      untouched = await counts();
      await given.database.query(raw(`revoke insert on audit_block from ${role}`));
    });
    after(() => given.database.query(raw(`grant insert on audit_block to ${role}`)));

    for (const [title, ask] of asked) {
      it(`${title} is refused with 503, and shows nothing`, async () => {
        const { status, json, text } = await ask(hub);
        assert.equal(status, 503, text);
        assert.equal(json['resourceType'], 'OperationOutcome');
        assert.deepEqual(await counts(), untouched, 'nothing was written');
      });
    }

    it('no chain is claimed for each of them', async () => {
      const [row] = await given.database.query<{ shards: number }>(raw('select count(*) as shards from audit_shard'));
      assert.ok((row?.shards ?? 0) <= 4, `${row?.shards} shards`);
    });

    it('what a hospital sends is accepted and processed', async () => {
      const client = connectMllp({ host: '127.0.0.1', port: hub.mllpPort });
      const ack = await client.send(Buffer.from(givenMessage({ id: 'M-1', patient: 'P1', value: '1' })));
      await client.close();
      assert.match(ack.code, /^[AC]A$/);
      await until('it is processed', async () => {
        const [row] = await given.database.query<{ done: number }>(
          raw('select count(*) as done from message where status = 1'),
        );
        return row?.done === 1;
      });
    });
  });

  it('when it can be written again, all goes on, and the chains hold', async () => {
    assert.equal((await hub.send('GET', 'Observation?patient=p', hospital)).json['total'], 1);
    assert.equal((await hub.send('POST', 'Patient', hospital, { body: resource('Patient/x') })).status, 201);
    assert.equal((await verifyAudit(given.database)).isIntact, true);
  });
});
