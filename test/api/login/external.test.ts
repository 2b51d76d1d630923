/** Signing in with an OpenID provider that the installation has: a real one, on this machine. */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { disableAccount, inviteAccount } from '../../../src/access/login/account.ts';
import { sql } from '../../../src/db/sql.ts';
import { givenHub, type GivenHub } from '../../given-hub.ts';
import { openBrowser, untilSlowedDown, type Browser, type Shown } from './given-browser.ts';
import { givenProvider, providerEnvironment, type GivenProvider } from './given-provider.ts';

describe('signing in with an external OpenID provider', () => {
  let hub: GivenHub;
  let provider: GivenProvider;
  let people = 0;
  before(async () => {
    const port = await freePort();
    provider = await givenProvider(`http://127.0.0.1:${port}`);
    hub = await givenHub({ ...providerEnvironment(provider.issuer), HUB_PORT: String(port) });
  });
  beforeEach(async () => {
    await hub.database.query(sql`delete from login_attempt`);
    people++;
    provider.person = `person-${people}`;
  });
  after(async () => {
    await hub.close();
    await provider.close();
  });

  const nextOf = ({ text }: Shown): string =>
    (/http-equiv="refresh"\s+content="0;url=([^"]+)"/.exec(text)?.[1] ?? '').replaceAll('&amp;', '&');
  /** @returns what the hub answers when the browser comes back */
  const thereAndBack = async (browser: Browser, fields: Record<string, string> = {}): Promise<Shown> => {
    const there = nextOf(await browser.send('/oauth/login/external', fields));
    assert.ok(there.startsWith(provider.issuer), there);
    return browser.get((await provider.visit(there)).slice(hub.url.length));
  };
  const bound = async (who: string): Promise<Browser> => {
    const { code } = await inviteAccount(hub.database, who, new Date(Date.now() + 3_600_000));
    const browser = openBrowser(hub.url);
    await browser.get('/oauth/enrol');
    await browser.send('/oauth/enrol', { invitation: code });
    assert.equal((await thereAndBack(browser)).status, 303);
    return browser;
  };
  const sessionOf = async (browser: Browser): Promise<{ fhirUser?: string }> => {
    const { text } = await browser.post('/portal/token', '', { 'x-hub-page': '1' });
    return JSON.parse(text) as { fhirUser?: string };
  };

  it('given an invitation, then who signs in there is that person here, and signs in again without one', async () => {
    const first = await bound(`Patient/external-${people}`);
    assert.equal((await sessionOf(first)).fhirUser, `Patient/external-${people}`);
    const browser = openBrowser(hub.url);
    const { text } = await browser.get('/oauth/login?return_to=/oauth/account');
    assert.ok(text.includes(`Sign in with ${new URL(provider.issuer).host}`));
    const back = await thereAndBack(browser);
    assert.deepEqual([back.status, back.location], [303, '/oauth/account']);
    assert.equal((await sessionOf(browser)).fhirUser, `Patient/external-${people}`);
    const [row] = await hub.database.query<{ methods: string[] }>(sql`
      select methods from account_session order by last_seen_at desc limit 1`);
    assert.deepEqual(row?.methods, ['external', 'pwd', 'hwk']);
    assert.equal(browser.cookies.has('hub-external'), false);
  });

  it('the request has PKCE (S256), state, nonce and nothing of the person', async () => {
    const browser = openBrowser(hub.url);
    await browser.get('/oauth/login');
    const url = new URL(nextOf(await browser.send('/oauth/login/external')));
    assert.equal(url.searchParams.get('code_challenge_method'), 'S256');
    assert.equal(url.searchParams.get('scope'), 'openid');
    assert.equal(url.searchParams.get('redirect_uri'), `${hub.url}/oauth/login/callback`);
    for (const name of ['state', 'nonce', 'code_challenge']) {
      assert.ok((url.searchParams.get(name) ?? '').length >= 43, name);
    }
  });

  it('given somebody nobody here knows, then they are told, and are not in', async () => {
    const browser = openBrowser(hub.url);
    await browser.get('/oauth/login');
    const { status, text } = await thereAndBack(browser);
    assert.equal(status, 403);
    assert.ok(text.includes('Nobody here is known by that account yet'));
    assert.equal(browser.cookies.has('hub-session'), false);
  });

  it('given somebody who is a person here already, then a second invitation does not make them another', async () => {
    await bound(`Patient/external-${people}`);
    const { code } = await inviteAccount(
      hub.database,
      `Patient/external-other-${people}`,
      new Date(Date.now() + 60_000),
    );
    const browser = openBrowser(hub.url);
    await browser.get('/oauth/enrol');
    await browser.send('/oauth/enrol', { invitation: code });
    assert.equal((await thereAndBack(browser)).status, 403);
  });

  it('given an account that is disabled, then the provider opens nothing', async () => {
    await bound(`Patient/external-${people}`);
    await disableAccount(hub.database, `Patient/external-${people}`);
    const browser = openBrowser(hub.url);
    await browser.get('/oauth/login');
    assert.equal((await thereAndBack(browser)).status, 403);
  });

  it('given somebody who declines there, then they are back at the sign-in', async () => {
    provider.person = undefined;
    const browser = openBrowser(hub.url);
    await browser.get('/oauth/login');
    const { status, text } = await thereAndBack(browser);
    assert.equal(status, 400);
    assert.ok(text.includes('Signing in there did not work'));
  });

  describe('what comes back is refused', () => {
    const begun = async (): Promise<{ browser: Browser; back: string }> => {
      await bound(`Patient/external-${people}`);
      const browser = openBrowser(hub.url);
      await browser.get('/oauth/login');
      const there = nextOf(await browser.send('/oauth/login/external'));
      return { browser, back: (await provider.visit(there)).slice(hub.url.length) };
    };
    const wrongs: [string, number, (begun: { browser: Browser; back: string }) => Promise<Shown>][] = [
      ['in another browser (login CSRF)', 400, ({ back }) => openBrowser(hub.url).get(back)],
      ['with another state', 400, ({ browser, back }) => browser.get(back.replace(/state=[^&]+/, 'state=other'))],
      [
        'with another issuer (RFC 9207, mix-up)',
        400,
        ({ browser, back }) => browser.get(back.replace(/iss=[^&]+/, 'iss=https%3A%2F%2Fevil.example')),
      ],
      ['without its code', 400, ({ browser, back }) => browser.get(back.replace(/code=[^&]+&?/, ''))],
      ['with a code of nobody', 400, ({ browser, back }) => browser.get(back.replace(/code=[^&]+/, 'code=other'))],
      [
        'with a cookie that is not ours',
        400,
        ({ browser, back }) => {
          browser.cookies.set('hub-external', 'AAAAAAAA.BBBB');
          return browser.get(back);
        },
      ],
      [
        'a second time',
        400,
        async ({ browser, back }) => {
          assert.equal((await browser.get(back)).status, 303);
          return browser.get(back);
        },
      ],
      [
        'a second time, with the cookie kept',
        400,
        async ({ browser, back }) => {
          const kept = browser.cookies.get('hub-external') ?? '';
          await browser.get(back);
          browser.cookies.set('hub-external', kept);
          return browser.get(back);
        },
      ],
    ];
    for (const [name, status, send] of wrongs) {
      it(`${name}: ${status}`, async () => assert.equal((await send(await begun())).status, status));
    }
  });

  it('begins by a form of this browser alone', async () => {
    assert.equal((await openBrowser(hub.url).post('/oauth/login/external', '')).status, 403);
  });

  it('codes guessed at the callback slow down like any other guess', async () => {
    const browser = openBrowser(hub.url);
    const before = provider.exchanges();
    let guesses = 0;
    await untilSlowedDown(20, async () => {
      await browser.get('/oauth/login');
      const url = new URL(nextOf(await browser.send('/oauth/login/external')));
      const state = url.searchParams.get('state') ?? '';
      const iss = encodeURIComponent(provider.issuer);
      return browser.get(`/oauth/login/callback?code=guess-${++guesses}&state=${state}&iss=${iss}`);
    });
    assert.equal(provider.exchanges() - before, guesses - 1);
  });

  it('a page of an account without a password offers none', async () => {
    const browser = await bound(`Patient/external-${people}`);
    const { status, text } = await browser.get('/oauth/account');
    assert.equal(status, 200);
    assert.equal(text.includes('New password'), false);
  });

  it('given a provider that is away, then the page says so, and passwords go on', async () => {
    const away = await givenHub({ HUB_LOGIN_ISSUER: `http://127.0.0.1:${await freePort()}` });
    try {
      const browser = openBrowser(away.url);
      assert.equal((await browser.get('/oauth/login')).status, 200);
      assert.equal((await browser.send('/oauth/login/external')).status, 502);
      assert.equal((await browser.send('/oauth/login', { login: 'nobody', password: 'x', code: '1' })).status, 401);
    } finally {
      await away.close();
    }
  });
});

/** The provider wants to know where it sends people back to before the hub listens. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
