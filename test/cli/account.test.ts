/** `hub account`: what the commands print, refuse and leave in the trail. */
import assert from 'node:assert/strict';
import { sql } from '../../src/db/sql.ts';
import { given } from '../given.ts';
import { givenHub, type GivenHub } from '../given-hub.ts';
import { runHub } from '../hub-process.ts';

describe('hub account', function () {
  this.timeout(300_000);
  let hub: GivenHub;
  let patient: string;
  before(async () => {
    hub = await givenHub();
    const { json } = await hub.send('POST', 'Patient', await hub.token('hospital'), { body: given.patient() });
    patient = `Patient/${json['id'] as string}`;
  });
  after(() => hub.close());

  const run = (...args: string[]) =>
    runHub(['account', ...args], { env: { DATABASE_URL: hub.databaseUrl, HUB_PUBLIC_URL: hub.url } });

  it('invites, lists, resets, disables; each is in the log of the patient, and no code is kept', async () => {
    const invited = JSON.parse((await run('invite', patient, '--hours', '1')).stdout) as Record<string, string>;
    assert.equal(invited['page'], `${hub.url}/oauth/enrol`);
    const hours = (Date.parse(invited['expiresAt'] ?? '') - Date.now()) / 3_600_000;
    assert.ok(hours > 0.9 && hours <= 1, String(hours));
    const reset = JSON.parse((await run('reset', patient)).stdout) as Record<string, string>;
    assert.equal(reset['account'], invited['account']);
    assert.notEqual(reset['code'], invited['code']);
    const listed = await run('list');
    assert.match(listed.stdout, new RegExp(`"who":"${patient}","isActive":true`));
    assert.equal(listed.stdout.includes(reset['code'] ?? '-'), false);
    assert.equal((await run('disable', invited['account'] ?? '')).code, 0);
    assert.match((await run('list')).stdout, /"isActive":false/);
    const rows = await hub.database.query<{ interaction: string }>(sql`
      select interaction from audit_entry where patient = ${patient.slice('Patient/'.length)} and interaction like 'account-%'
      order by at, seq`);
    assert.deepEqual(
      rows.map(({ interaction }) => interaction),
      ['account-invite', 'account-reset', 'account-disable'],
    );
    const [{ text } = { text: '' }] = await hub.database.query<{ text: string }>(sql`
      select string_agg(account::text, ' ') as text from account`);
    assert.equal(text.includes((reset['code'] ?? '-').replaceAll('-', '')), false);
  });

  const refused: [string, string[], RegExp][] = [
    ['somebody who cannot sign in', ['invite', 'Organization/a'], /nobody who can sign in/],
    ['a patient who is not there', ['invite', 'Patient/nobody'], /no such resource/],
    ['an unknown account', ['disable', 'nobody'], /no such account/],
    ['hours without end', ['invite', 'operator', '--hours', '100000'], /--hours/],
    ['hours that are none', ['invite', 'operator', '--hours', 'soon'], /--hours/],
  ];
  for (const [name, args, message] of refused) {
    it(`given ${name}, then it says so and ends with 1`, async () => {
      const { code, stderr } = await run(...args);
      assert.equal(code, 1);
      assert.match(stderr, message);
    });
  }
});
