/** What a person changes about their own sign-in, each time proving again who they are. */
import assert from 'node:assert/strict';
import { inviteAccount } from '../../../src/access/login/account.ts';
import { sql } from '../../../src/db/sql.ts';
import { givenHub, type GivenHub } from '../../given-hub.ts';
import { enrolOn, openBrowser, password, type Browser } from './given-browser.ts';

const codesOn = (text: string): string[] =>
  [...text.matchAll(/<code>([\w-]{19})<\/code>/g)].map(([, code = '']) => code);

describe('the page of one’s own sign-in', () => {
  let hub: GivenHub;
  let people = 0;
  before(async () => {
    hub = await givenHub();
  });
  beforeEach(() => hub.database.query(sql`delete from login_attempt`));
  after(() => hub.close());

  const somebody = async (): Promise<{ browser: Browser; login: string; codes: string[] }> => {
    people++;
    const browser = openBrowser(hub.url);
    const login = `own-person-${people}`;
    const { code } = await inviteAccount(hub.database, `Patient/own${people}`, new Date(Date.now() + 3_600_000));
    const { page } = await enrolOn(browser, code, login);
    return { browser, login, codes: codesOn(page.text) };
  };
  const signedIn = async (
    login: string,
    code = '',
    secret = password,
  ): Promise<{ browser: Browser; status: number }> => {
    const browser = openBrowser(hub.url);
    await browser.get('/oauth/login');
    const { status } = await browser.send('/oauth/login', { login, password: secret, code });
    return { browser, status };
  };

  it('given nobody signed in, then it leads to the sign-in and back', async () => {
    const { status, location } = await openBrowser(hub.url).get('/oauth/account');
    assert.equal(status, 303);
    assert.equal(location, '/oauth/login?return_to=%2Foauth%2Faccount&ui_locales=en');
  });

  it('a changed password: the old one is void, the new one signs in, all other sessions end, this one stays', async () => {
    const { browser, login, codes } = await somebody();
    const [first, second, third, fourth] = codes;
    const elsewhere = (await signedIn(login, first)).browser;
    await browser.get('/oauth/account');
    const changed = await browser.send('/oauth/account/password', {
      new: 'three grey geese',
      password,
      code: second ?? '',
    });
    assert.ok(changed.text.includes('The password is changed'));
    assert.equal((await browser.get('/oauth/account')).status, 200);
    assert.equal((await elsewhere.get('/oauth/account')).status, 303);
    assert.equal((await signedIn(login, third)).status, 401);
    assert.equal((await signedIn(login, fourth, 'three grey geese')).status, 303);
  });

  const refusals: [string, (codes: string[]) => Record<string, string>, number][] = [
    ['another old password', ([code = '']) => ({ new: 'three grey geese', password: 'wrong', code }), 401],
    ['no code', () => ({ new: 'three grey geese', password, code: '' }), 401],
    ['a password that is too short', ([code = '']) => ({ new: 'short', password, code }), 422],
  ];
  for (const [name, fields, expected] of refusals) {
    it(`given ${name}, then ${expected}, and nothing is changed`, async () => {
      const { browser, login, codes } = await somebody();
      await browser.get('/oauth/account');
      const { status } = await browser.send('/oauth/account/password', fields(codes));
      assert.equal(status, expected);
      assert.equal((await signedIn(login, codes[0])).status, 303, 'nor is a code used up');
    });
  }

  it('new recovery codes: those before are void', async () => {
    const { browser, login, codes } = await somebody();
    await browser.get('/oauth/account');
    const { text } = await browser.send('/oauth/account/recovery', { password, code: codes[0] ?? '' });
    const next = codesOn(text);
    assert.equal(next.length, 10);
    assert.equal((await signedIn(login, codes[1])).status, 401);
    assert.equal((await signedIn(login, next[0])).status, 303);
  });

  it('lists where one is signed in, and ends it there', async () => {
    const { browser, login, codes } = await somebody();
    const elsewhere = (await signedIn(login, codes[0])).browser;
    const { text } = await browser.get('/oauth/account');
    assert.equal(text.match(/Firefox, Linux/g)?.length, 2);
    const ended = await browser.send('/oauth/account/end');
    assert.ok(ended.text.includes('Signed out there.'));
    assert.equal((await elsewhere.get('/oauth/account')).status, 303);
    assert.equal((await browser.get('/oauth/account')).status, 200);
  });

  it('ends nobody else’s session', async () => {
    const [one, other] = [await somebody(), await somebody()];
    await signedIn(one.login, one.codes[0]);
    await one.browser.get('/oauth/account');
    const [{ id } = { id: '' }] = await hub.database.query<{ id: string }>(sql`
      select session.id from account_session session join account on account.id = session.account where login = ${other.login}`);
    await one.browser.send('/oauth/account/end', { session: id });
    assert.equal((await other.browser.get('/oauth/account')).status, 200);
  });

  it('is on record', async () => {
    const { browser, codes } = await somebody();
    await browser.get('/oauth/account');
    await browser.send('/oauth/account/recovery', { password, code: codes[0] ?? '' });
    const rows = await hub.database.query<{ interaction: string }>(
      sql`select interaction from audit_entry where patient = ${`own${people}`} order by at, seq`,
    );
    assert.deepEqual(
      rows.map(({ interaction }) => interaction),
      ['enrol', 'recovery-codes'],
    );
  });
});
