/** Patient/[id]/$erase-status: how an erasure stands, for the person and who may ask for it; nobody else learns that there is one. */
import assert from 'node:assert/strict';
import { openAudit, type Audit } from '../../../src/access/audit/audit.ts';
import { openDatabase, type Database } from '../../../src/db.ts';
import { sql } from '../../../src/db/sql.ts';
import { eraseStep } from '../../../src/hub/erase.ts';
import { eraseAllDue, letTimePass } from '../../access/erasure/given-erasure.ts';
import { given } from '../../given.ts';
import { givenHub, type GivenHub, type HubResponse } from '../../given-hub.ts';

describe('Patient/$erase-status', () => {
  let hub: GivenHub;
  let trail: Database;
  let audit: Audit;
  let hospital: string;
  let self: string;

  before(async () => {
    hub = await givenHub({ HUB_ROLES: 'api' });
    trail = openDatabase({ url: hub.databaseUrl, poolMax: 1, pipelines: 1 });
    audit = openAudit(trail);
    hospital = await hub.token('hospital', { organization: 'Organization/h' });
    self = await hub.token('patient', { patient: 'p', fhirUser: 'Patient/p' });
    for (const id of ['p', 'other']) await hub.send('PUT', `Patient/${id}`, hospital, { body: given.patient({ id }) });
    await hub.send('PUT', 'Observation/o', hospital, { body: given.observation({ id: 'o', patient: 'p' }) });
  });
  after(async () => {
    await audit.close();
    await trail.close();
    await hub.close();
  });

  const ask = (token = self, id = 'p'): Promise<HubResponse> => hub.send('GET', `Patient/${id}/$erase-status`, token);
  const read = ({ status, text, json }: HubResponse): Record<string, unknown> => {
    assert.equal(status, 200, text);
    return Object.fromEntries(
      (json['parameter'] as Record<string, unknown>[]).map(({ name, ...value }) => [name, Object.values(value)[0]]),
    );
  };
  const operate = async (name: string, query = ''): Promise<Record<string, unknown>> =>
    read(await hub.send('POST', `Patient/p/$${name}${query}`, self));
  const confirm = async (): Promise<void> => {
    const asked = await operate('erase');
    await operate('erase', `?confirm=${String(asked['confirm'])}`);
  };

  it('none, also while one is asked for and not confirmed', async () => {
    assert.deepEqual(read(await ask()), { state: 'none' });
    await operate('erase');
    assert.deepEqual(read(await ask()), { state: 'none' });
  });

  it('waiting, until which moment it can be taken back; taken back', async () => {
    await confirm();
    const { state, due, ...rest } = read(await ask());
    assert.deepEqual([state, rest], ['waiting', {}]);
    const days = (Date.parse(String(due)) - Date.now()) / 86_400_000;
    assert.ok(days > 6.9 && days < 7.1, String(days));
    await operate('erase-cancel');
    assert.deepEqual(read(await ask()), { state: 'cancelled' });
  });

  it('begun; then done, how many records went, and that sources are kept out until the person lifts it', async () => {
    await confirm();
    await letTimePass(hub.database);
    assert.equal(await eraseStep(hub.database, audit), 'busy');
    assert.deepEqual(read(await ask()), { state: 'begun' });
    await eraseAllDue(hub.database, audit);
    assert.equal((await hub.send('GET', 'Patient/p', self)).status, 404);
    const { state, done, records, keptOut } = read(await ask());
    assert.deepEqual([state, records, keptOut], ['done', 2, true]);
    assert.ok(Math.abs(Date.parse(String(done)) - Date.now()) < 600_000);
    await operate('erase-lift');
    assert.equal(read(await ask())['keptOut'], false);
  });

  it('LEAKS 20: of another the same 404 as of nobody; of a third party 403 whatever the id', async () => {
    const other = await hub.token('patient', { patient: 'other', fhirUser: 'Patient/other' });
    const [hidden, unknown] = [await ask(other, 'p'), await ask(other, 'nobody')];
    assert.deepEqual([hidden.status, hidden.text], [unknown.status, unknown.text]);
    assert.equal(hidden.status, 404);
    const service = await hub.token('ai', { organization: 'Organization/ai' });
    for (const token of [hospital, service]) {
      const [known, none] = [await ask(token, 'p'), await ask(token, 'nobody')];
      assert.deepEqual([known.status, known.text], [none.status, none.text]);
      assert.equal(known.status, 403);
    }
    const narrow = await hub.token('patient', { patient: 'p', fhirUser: 'Patient/p', scope: 'patient/Observation.rs' });
    assert.equal((await ask(narrow)).status, 403);
  });

  it('it changes nothing, and is in the person’s own log', async () => {
    const rows = await hub.database.query<{ query: string }>(sql`
      select query from audit_entry where patient = 'p' and query like '%erase-status%'`);
    assert.ok(rows.length >= 6, `${rows.length}`);
  });
});
