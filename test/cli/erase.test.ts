/** `hub erase` and `hub hold`: each a process of its own, beside a hub that serves and erases nothing by itself. */
import assert from 'node:assert/strict';
import { openAudit, type Audit } from '../../src/access/audit/audit.ts';
import { askErasure, confirmErasure, orderErasure } from '../../src/access/erasure/erasure.ts';
import { openDatabase, type Database } from '../../src/db.ts';
import { sql } from '../../src/db/sql.ts';
import { eraseStep } from '../../src/hub/erase.ts';
import { given } from '../given.ts';
import { givenHub, type GivenHub } from '../given-hub.ts';
import { runHub } from '../hub-process.ts';

const reason = 'letter of 3 March';

describe('hub erase', function () {
  this.timeout(300_000);
  let hub: GivenHub;
  let trail: Database;
  let audit: Audit;
  let hospital: string;

  before(async () => {
    hub = await givenHub({ HUB_ROLES: 'api' });
    trail = openDatabase({ url: hub.databaseUrl, poolMax: 1, pipelines: 1 });
    audit = openAudit(trail);
    hospital = await hub.token('hospital', { organization: 'Organization/h' });
  });
  after(async () => {
    await audit.close();
    await trail.close();
    await hub.close();
  });

  const run = (...args: string[]) => runHub(args, { env: { DATABASE_URL: hub.databaseUrl, HUB_PUBLIC_URL: hub.url } });
  const write = async (...ids: string[]): Promise<void> => {
    for (const id of ids) {
      await hub.send('PUT', `Patient/${id}`, hospital, { body: given.patient({ id }) });
      await hub.send('PUT', `Observation/o-${id}`, hospital, {
        body: given.observation({ id: `o-${id}`, patient: id }),
      });
    }
  };
  const status = async (path: string): Promise<number> => (await hub.send('GET', path, hospital)).status;

  it('erases all the records of the person, ends when it is done, and leaves why in their log', async () => {
    await write('p', 'q', 'neighbour');
    await hub.database.query(sql`
      insert into person_member (patient, bucket, person, evidence, linked_at)
      select patient, 0, '00000000-0000-4000-8000-000000000001', '{}', now() from unnest(array['p', 'q']) as patient`);
    const { code, stdout, stderr } = await run('erase', 'Patient/p', '--reason', reason);
    assert.deepEqual([code, stderr], [0, '']);
    const { patients, held, rows, doneAt } = JSON.parse(stdout) as Record<string, unknown>;
    assert.deepEqual([patients, held, rows], [['p', 'q'], [], 4]);
    assert.ok(!Number.isNaN(Date.parse(String(doneAt))));
    for (const path of ['Patient/p', 'Observation/o-p', 'Patient/q', 'Observation/o-q'])
      assert.equal(await status(path), 404, path);
    assert.equal(await status('Observation/o-neighbour'), 200);
    const log = await hub.database.query<{ interaction: string; reason: string | null }>(sql`
      select interaction, reason from audit_entry where patient = 'p' and interaction like 'erase%' order by at, seq`);
    assert.deepEqual(
      log.map((row) => [row.interaction, row.reason]),
      [
        ['erase-order', reason],
        ['erase-begin', null],
        ['erase', null],
      ],
    );
  });

  it('given the command was killed in the middle, then the same command goes on with it', async () => {
    await write('cut');
    const id = await trail.inTransaction((tx) => orderErasure(tx, ['cut'], { by: 'test', reason }));
    for (let step = 0; step < 3; step++) assert.equal(await eraseStep(trail, audit, id), 'busy');
    assert.equal(await status('Patient/cut'), 404, 'some of it is gone');
    const { code, stdout, stderr } = await run('erase', 'Patient/cut', '--reason', reason);
    assert.deepEqual([code, stderr], [0, '']);
    assert.equal((JSON.parse(stdout) as { id: string }).id, id);
    const rows = await hub.database.query(sql`select from erasure where 'cut' = any(patients)`);
    assert.equal(rows.length, 1);
  });

  it('given the person asked themselves and can still take it back, then that stands', async () => {
    await write('waits');
    await trail.inTransaction(async (tx) => {
      const { confirm } = await askErasure(tx, ['waits'], 'Patient/waits');
      await confirmErasure(tx, ['waits'], confirm);
    });
    const { code, stderr } = await run('erase', 'Patient/waits', '--reason', reason);
    assert.equal(code, 1);
    assert.match(stderr, /the erasure of this record is under way/);
    assert.equal(await status('Patient/waits'), 200);
  });

  const refused: [why: string, args: string[], message: RegExp][] = [
    ['a Patient of whom nothing is held', ['Patient/nobody', '--reason', reason], /holds nothing of this Patient/],
    ['something that is no Patient', ['Observation/o', '--reason', reason], /no Patient/],
    ['a reason without words', ['Patient/neighbour', '--reason', ' '], /--reason says why/],
    ['no reason', ['Patient/neighbour'], /required option '--reason/],
  ];
  for (const [why, args, message] of refused) {
    it(`given ${why}, then it says so, ends with 1, and erases nothing`, async () => {
      const { code, stdout, stderr } = await run('erase', ...args);
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, message);
      assert.equal(await status('Patient/neighbour'), 200);
    });
  }

  it('hub hold add, list, remove: what an erasure left is gone once nobody must keep it', async () => {
    await write('kept');
    const by = ['--reason', 'Medical Records Act', '--by', 'Dr. Lin'];
    const added = await run('hold', 'add', 'Organization/h', ...by);
    assert.deepEqual([added.code, added.stderr], [0, '']);
    const [listed] = (await run('hold', 'list')).stdout.trim().split('\n');
    const { organization, reason: why, placedBy } = JSON.parse(listed ?? '') as Record<string, unknown>;
    assert.deepEqual([organization, why, placedBy], ['Organization/h', 'Medical Records Act', 'Dr. Lin']);
    const erased = JSON.parse((await run('erase', 'Patient/kept', '--reason', reason)).stdout) as object;
    assert.deepEqual(
      { ...erased, id: '', doneAt: '' },
      { id: '', patients: [], held: ['kept'], rows: 0, messages: 0, doneAt: '' },
    );
    assert.equal(await status('Patient/kept'), 200);
    const removed = await run('hold', 'remove', 'Organization/h');
    assert.deepEqual(JSON.parse(removed.stdout), { organization: 'Organization/h', erasures: 1 });
    assert.equal((await run('hold', 'list')).stdout, '');
    assert.equal((await run('hold', 'remove', 'Organization/h')).code, 1);
    assert.equal((await run('hold', 'add', 'law', ...by)).code, 1);
    while ((await eraseStep(trail, audit)) === 'busy');
    assert.equal(await status('Patient/kept'), 404);
  });
});
