/** Organizations that must keep here by law what they sent: what an erasure leaves of it, who sees that, and when it goes. */
import assert from 'node:assert/strict';
import { openAudit, type Audit } from '../../../src/access/audit/audit.ts';
import { liftHold, listHolds, placeHold } from '../../../src/access/erasure/hold.ts';
import { openDatabase, type Database } from '../../../src/db.ts';
import { sql } from '../../../src/db/sql.ts';
import { given } from '../../given.ts';
import { givenConsent } from '../../given-consent.ts';
import { givenHub, type GivenHub, type HubResponse } from '../../given-hub.ts';
import { eraseAllDue, letTimePass } from './given-erasure.ts';

const [law, court, free, ai] = ['Organization/law', 'Organization/court', 'Organization/free', 'Organization/ai'];
const byLaw = { reason: 'Medical Records Act 12(3)', placedBy: 'Dr. Lin' };

describe('a legal hold', () => {
  let hub: GivenHub;
  let trail: Database;
  let audit: Audit;
  let self: string;
  const tokens: Record<string, string> = {};

  before(async () => {
    // No role `worker`: erasures take the steps that the test asks for.
    hub = await givenHub({ HUB_ROLES: 'api' });
    trail = openDatabase({ url: hub.databaseUrl, poolMax: 1, pipelines: 1 });
    audit = openAudit(trail);
    for (const organization of [law, court, free])
      tokens[organization] = await hub.token('hospital', { organization, client_id: organization.slice(13) });
    tokens[ai] = await hub.token('ai', { organization: ai, client_id: 'ai' });
    self = await hub.token('patient', { patient: 'of-law', fhirUser: 'Patient/of-law' });
  });
  after(async () => {
    await audit.close();
    await trail.close();
    await hub.close();
  });
  beforeEach(async () => {
    await hub.database.query(sql`delete from legal_hold`);
  });

  const put = async (token: string | undefined, path: string, body: object): Promise<number> =>
    (await hub.send('PUT', path, token, { body })).status;
  const status = async (path: string, token: string | undefined): Promise<number> =>
    (await hub.send('GET', path, token)).status;
  const lift = (organization: string): Promise<number> => trail.inTransaction((tx) => liftHold(tx, organization));
  const operate = async (name: string, query = ''): Promise<HubResponse> =>
    hub.send('POST', `Patient/of-law/$${name}${query}`, self);
  const partsOf = ({ json }: HubResponse): Record<string, unknown> =>
    Object.fromEntries(
      (json['parameter'] as Record<string, unknown>[]).map(({ name, part, ...value }) => [
        name as string,
        part ?? Object.values(value)[0],
      ]),
    );
  const state = async (): Promise<Record<string, unknown>> =>
    partsOf(await hub.send('GET', 'Patient/of-law/$erase-status?language=en', self));
  const erase = async (): Promise<void> => {
    const { confirm } = partsOf(await operate('erase'));
    assert.equal((await operate('erase', `?confirm=${String(confirm)}`)).status, 200);
  };

  it('names an organization, the law and who decided; placed again, it has the newer reason', async () => {
    await placeHold(hub.database, { organization: law, ...byLaw });
    await placeHold(hub.database, { organization: law, reason: 'Order 7', placedBy: 'the court' });
    const [hold, ...more] = await listHolds(hub.database);
    assert.deepEqual([hold?.organization, hold?.reason, hold?.placedBy], [law, 'Order 7', 'the court']);
    assert.equal(more.length, 0);
  });

  for (const wrong of ['law', 'Patient/law', 'Organization/', 'Organization/a b', `Organization/${'x'.repeat(65)}`]) {
    it(`of ${wrong.slice(0, 20)} is refused`, async () => {
      await assert.rejects(placeHold(hub.database, { organization: wrong, ...byLaw }), { code: 'value' });
    });
  }

  it('that is not there is not lifted', async () => {
    await assert.rejects(lift(law), { code: 'not-found' });
  });

  it('placed in the days in which an erasure waits, it leaves the records of that organization and takes all others', async () => {
    for (const [id, owner] of [
      ['of-law', law],
      ['of-court', court],
      ['of-free', free],
    ] as const) {
      assert.equal(await put(tokens[owner], `Patient/${id}`, given.patient({ id })), 201);
      const observation = given.observation({ id: `o-${id}`, patient: id });
      assert.equal(await put(tokens[owner], `Observation/o-${id}`, observation), 201);
    }
    await hub.database.query(sql`
      insert into person_member (patient, bucket, person, evidence, linked_at)
      select patient, 0, '00000000-0000-4000-8000-000000000001', '{}', now()
      from unnest(array['of-law', 'of-court', 'of-free']) as patient`);
    assert.equal(await put(self, 'Consent/c', { ...givenConsent('of-law', ai), id: 'c' }), 201);
    assert.equal(await status('Observation/o-of-law', tokens[ai]), 200);
    await erase();
    await placeHold(hub.database, { organization: law, ...byLaw });
    await placeHold(hub.database, { organization: court, ...byLaw });
    await letTimePass(hub.database);
    await eraseAllDue(hub.database, audit);
    for (const path of ['Patient/of-free', 'Observation/o-of-free'])
      for (const token of [tokens[free], self]) assert.equal(await status(path, token), 404, path);
    assert.equal(await status('Observation/o-of-law', tokens[law]), 200);
  });

  it('what is left is seen by its organization and by the person, and by nobody else', async () => {
    assert.equal(await status('Observation/o-of-law', self), 200);
    for (const other of [ai, free, court])
      assert.equal(await status('Observation/o-of-law', tokens[other]), 404, other);
    assert.equal(await status('Observation/o-of-court', tokens[court]), 200);
  });

  it('the person reads that it is done, and who keeps what by law', async () => {
    await placeHold(hub.database, { organization: law, ...byLaw });
    const { state: how, done, held } = await state();
    assert.deepEqual([how, typeof done], ['done', 'string']);
    assert.deepEqual(held, [
      { name: 'patient', valueReference: { reference: 'Patient/of-law' } },
      { name: 'by', valueReference: { reference: law, display: 'law' } },
    ]);
  });

  it('the organization goes on writing what it must keep; one whose records went does not', async () => {
    const more = given.observation({ id: 'later', patient: 'of-law' });
    assert.equal(await put(tokens[law], 'Observation/later', more), 201);
    assert.equal(await put(tokens[free], 'Patient/of-free', given.patient({ id: 'of-free' })), 422);
  });

  it('lifted, what erasures left of it goes; what another must keep does not', async () => {
    await placeHold(hub.database, { organization: law, ...byLaw });
    await placeHold(hub.database, { organization: court, ...byLaw });
    assert.equal(await lift(law), 1);
    await eraseAllDue(hub.database, audit);
    for (const path of ['Patient/of-law', 'Observation/o-of-law', 'Observation/later'])
      for (const token of [tokens[law], self]) assert.equal(await status(path, token), 404, path);
    assert.equal(await status('Observation/o-of-court', tokens[court]), 200);
    assert.equal(await lift(court), 1);
    await eraseAllDue(hub.database, audit);
    assert.equal(await status('Observation/o-of-court', tokens[court]), 404);
  });

  it('each erasure is in the log of the record that it took, and lifting what erased nothing erases nothing', async () => {
    const rows = await hub.database.query<{ patient: string }>(sql`
      select distinct patient from audit_entry where interaction = 'erase' order by patient`);
    assert.deepEqual(
      rows.map(({ patient }) => patient),
      ['of-court', 'of-free', 'of-law'],
    );
    await placeHold(hub.database, { organization: law, ...byLaw });
    assert.equal(await lift(law), 0);
  });
});
