/** The pages of signing in over HTTP, as a browser without JavaScript has them: forms, cookies, headers, where they lead. */
import assert from 'node:assert/strict';
import { inviteAccount } from '../../../src/access/login/account.ts';
import { chooseLanguage } from '../../../src/api/login/language.ts';
import { returnPath } from '../../../src/api/login/return-to.ts';
import { texts } from '../../../src/api/login/texts.ts';
import { sql } from '../../../src/db/sql.ts';
import { givenHub, type GivenHub } from '../../given-hub.ts';
import { enrolOn, formsOf, openBrowser, password, untilSlowedDown, type Browser, type Shown } from './given-browser.ts';

describe('pages of signing in', () => {
  let hub: GivenHub;
  let people = 0;
  before(async () => {
    hub = await givenHub();
  });
  // What other tests tried from this address is not what a test is about.
  beforeEach(() => hub.database.query(sql`delete from login_attempt`));
  after(() => hub.close());

  const invite = async (): Promise<string> => {
    people++;
    const expiresAt = new Date(Date.now() + 3_600_000);
    return (await inviteAccount(hub.database, `Patient/page${people}`, expiresAt)).code;
  };
  /** Somebody with an account, in a new browser, and a recovery code: app codes are good once in 30 s. */
  const somebody = async (): Promise<{ browser: Browser; login: string; codes: string[] }> => {
    const browser = openBrowser(hub.url);
    const login = `page-person-${people + 1}`;
    const { page } = await enrolOn(browser, await invite(), login);
    const codes = [...page.text.matchAll(/<code>([\w-]{19})<\/code>/g)].map(([, code = '']) => code);
    return { browser, login, codes };
  };

  it('invitation, enrolment, recovery codes, sign-out, sign-in: without JavaScript', async () => {
    const { browser, login, codes } = await somebody();
    assert.equal(codes.length, 10);
    assert.equal((await browser.get('/oauth/account')).status, 200);
    const out = await browser.send('/oauth/logout');
    assert.equal(out.location, '/oauth/login');
    assert.equal(browser.cookies.has('hub-session'), false);
    await browser.get('/oauth/login');
    const signedIn = await browser.send('/oauth/login', { login: login.toUpperCase(), password, code: codes[0] ?? '' });
    assert.deepEqual([signedIn.status, signedIn.location], [303, '/portal/']);
    assert.ok(browser.cookies.has('hub-session'));
  });

  it('given a wrong password, then 401, the name is still there, and nothing says what was wrong', async () => {
    const { login, codes } = await somebody();
    const browser = openBrowser(hub.url);
    await browser.get('/oauth/login');
    const known = await browser.send('/oauth/login', { login, password: 'wrong', code: codes[0] ?? '' });
    const unknown = await browser.send('/oauth/login', { login: 'nobody-x-1', password, code: codes[0] ?? '' });
    assert.equal(known.status, 401);
    assert.ok(known.text.includes(`value="${login}"`));
    assert.equal(known.text.includes('wrong"'), false);
    assert.equal(known.text.replace(login, 'nobody-x-1'), unknown.text);
    assert.equal(browser.cookies.has('hub-session'), false);
  });

  it('given too many attempts, then 429 with Retry-After, for known and unknown names alike', async () => {
    const { login } = await somebody();
    const pages: string[] = [];
    for (const name of [login, 'nobody-x-2']) {
      const browser = openBrowser(hub.url);
      await browser.get('/oauth/login');
      const page = await untilSlowedDown(4, () =>
        browser.send('/oauth/login', { login: name, password: 'wrong', code: '1' }),
      );
      assert.match(page.headers.get('retry-after') ?? '', /^[1-9]\d*$/);
      pages.push(page.text.replace(name, ''));
      await hub.database.query(sql`delete from login_attempt`);
    }
    const [one, other] = pages.map((text) => text.replaceAll(/value="[\w-]{43}"/g, ''));
    assert.equal(one, other);
  });

  it('counts by the address that a trusted proxy names, and by no other', async () => {
    const behind = await givenHub({ HUB_TRUSTED_PROXIES: '127.0.0.0/8' });
    try {
      const guess = async (url: string, address: string): Promise<Shown> => {
        const browser = openBrowser(url, { 'x-forwarded-for': address });
        await browser.get('/oauth/enrol');
        return browser.send('/oauth/enrol', { invitation: 'nonsense' });
      };
      await untilSlowedDown(20, () => guess(behind.url, '192.0.2.1'));
      assert.equal((await guess(behind.url, '192.0.2.2')).status, 422);
      // Without such a proxy, what a stranger writes there is nothing.
      let address = 0;
      await untilSlowedDown(20, () => guess(hub.url, `192.0.2.${++address}`));
    } finally {
      await behind.close();
    }
  });

  it('no page has script, or style, or a handler of its own; all say no-store, and nobody frames them', async () => {
    const { browser } = await somebody();
    for (const path of ['/oauth/login', '/oauth/enrol', '/oauth/account']) {
      const { headers, text } = await browser.get(path);
      const policy = headers.get('content-security-policy') ?? '';
      assert.match(policy, /default-src 'none'/);
      assert.match(policy, /frame-ancestors 'none'/);
      assert.match(policy, /form-action 'self'/);
      assert.doesNotMatch(policy, /script-src|unsafe|\*/);
      assert.equal(headers.get('cache-control'), 'no-store');
      assert.equal(headers.get('x-frame-options'), 'DENY');
      assert.equal(headers.get('referrer-policy'), 'no-referrer');
      assert.equal(headers.get('x-content-type-options'), 'nosniff');
      assert.doesNotMatch(text, /<script|<style| style=| on\w+=/i);
    }
  });

  it('what is typed comes back as text', async () => {
    const browser = openBrowser(hub.url);
    await browser.get('/oauth/login');
    const { text } = await browser.send('/oauth/login', {
      login: '"><script>alert(1)</script>',
      password: 'x',
      code: '1',
    });
    assert.ok(text.includes('&quot;&gt;&lt;script&gt;'));
    assert.equal(text.includes('<script>'), false);
  });

  describe('cookies', () => {
    const attributesOf = (headers: Headers, name: string): string =>
      headers.getSetCookie().find((one) => one.startsWith(`${name}=`)) ?? '';

    it('are HttpOnly and SameSite=Lax, for the whole hub', async () => {
      const browser = openBrowser(hub.url);
      const { page } = await enrolOn(browser, await invite(), `page-cookie-${people}`);
      for (const name of ['hub-session', 'hub-device']) {
        assert.match(attributesOf(page.headers, name), /; Path=\/; HttpOnly; SameSite=Lax/);
      }
      assert.doesNotMatch(attributesOf(page.headers, 'hub-session'), /Max-Age|Domain|Secure/);
    });

    it('the session is another one after each sign-in, and the one before is over (fixation)', async () => {
      const { browser, login, codes } = await somebody();
      const before = browser.cookies.get('hub-session') ?? '';
      await browser.get('/oauth/login');
      await browser.send('/oauth/login', { login, password, code: codes[0] ?? '' });
      const after = browser.cookies.get('hub-session');
      assert.notEqual(after, before);
      browser.cookies.set('hub-session', before);
      assert.equal((await browser.get('/oauth/account')).status, 303);
    });

    it('a session cookie that a stranger set is not taken over', async () => {
      const { login, codes } = await somebody();
      const browser = openBrowser(hub.url);
      browser.cookies.set('hub-session', 'A'.repeat(43));
      await browser.get('/oauth/login');
      await browser.send('/oauth/login', { login, password, code: codes[0] ?? '' });
      assert.notEqual(browser.cookies.get('hub-session'), 'A'.repeat(43));
    });

    it('two session cookies are none', async () => {
      const { browser } = await somebody();
      const session = browser.cookies.get('hub-session') ?? '';
      browser.cookies.clear();
      const { status } = await browser.get('/oauth/account', { cookie: `hub-session=${session}; hub-session=other` });
      assert.equal(status, 303);
    });
  });

  describe('a form that this browser was not given is refused (CSRF)', () => {
    const forged: [string, (browser: Browser) => Promise<{ status: number }>][] = [
      ['without a token', (browser) => browser.post('/oauth/logout', '')],
      [
        'with a token of another browser',
        async (browser) => {
          const other = await openBrowser(hub.url).get('/oauth/login');
          const token = formsOf(other.text)[0]?.fields['form_token'] ?? '';
          return browser.post('/oauth/logout', `form_token=${token}`);
        },
      ],
      [
        'with the token this browser had before it signed in',
        async (browser) => {
          const session = browser.cookies.get('hub-session') ?? '';
          browser.cookies.delete('hub-session');
          const { text } = await browser.get('/oauth/login');
          browser.cookies.set('hub-session', session);
          return browser.post('/oauth/logout', `form_token=${formsOf(text)[0]?.fields['form_token']}`);
        },
      ],
      [
        'sent by another site',
        async (browser) => {
          await browser.get('/oauth/account');
          return browser.send('/oauth/logout', {}, { 'sec-fetch-site': 'cross-site' });
        },
      ],
      [
        'sent by a neighbour under the same domain',
        async (browser) => {
          await browser.get('/oauth/account');
          return browser.send('/oauth/logout', {}, { 'sec-fetch-site': 'same-site' });
        },
      ],
      [
        'as text, which needs no preflight',
        (browser) => browser.post('/oauth/logout', 'form_token=x', { 'content-type': 'text/plain' }),
      ],
    ];
    for (const [name, send] of forged) {
      it(name, async () => {
        const { browser } = await somebody();
        const { status } = await send(browser);
        assert.ok(status === 403 || status === 415, String(status));
        assert.equal((await browser.get('/oauth/account')).status, 200, 'still signed in');
      });
    }

    it('signing in is such a form too: nobody is signed in as somebody else', async () => {
      const { login, codes } = await somebody();
      const browser = openBrowser(hub.url);
      const body = new URLSearchParams({ login, password, code: codes[0] ?? '' }).toString();
      assert.equal((await browser.post('/oauth/login', body)).status, 403);
    });
  });

  describe('bounds', () => {
    it('a form beyond 16 kB is refused', async () => {
      const { status } = await openBrowser(hub.url).post('/oauth/login', `login=${'x'.repeat(20_000)}`);
      assert.equal(status, 413);
    });
    for (const [method, path] of [
      ['PUT', '/oauth/login'],
      ['DELETE', '/oauth/enrol'],
      ['GET', '/oauth/logout'],
      ['GET', '/oauth/enrol/account'],
    ] as const) {
      it(`${method} ${path} is 405`, async () => {
        const response = await fetch(hub.url + path, { method, redirect: 'manual' });
        assert.equal(response.status, 405);
        assert.ok(response.headers.get('allow'));
      });
    }
  });

  describe('return_to is a path of the hub, and nothing else', () => {
    const kept = [
      '/portal',
      '/portal/',
      '/portal/?a=b',
      '/console',
      '/oauth/authorize?client_id=a&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&state=%2F%2Fx',
    ];
    for (const path of kept) it(`${path} is kept`, () => assert.equal(returnPath(path), path));
    const refused = [
      undefined,
      '',
      'https://evil.example/',
      '//evil.example/portal/',
      '/\\evil.example/portal',
      '\\\\evil.example',
      '/\t/evil.example/portal/',
      '/portal/..//evil.example',
      '/portal/%2e%2e//evil.example',
      '/portal/../ops',
      '/portalx',
      '/fhir/R4/Patient',
      '/console/x',
      'javascript:alert(1)',
      'data:text/html,x',
      ' /portal',
      'portal',
      '/',
      `/portal/${'x'.repeat(9000)}`,
    ];
    for (const path of refused) {
      it(`${JSON.stringify(path?.slice(0, 40))} leads to the portal`, () => {
        const found = returnPath(path);
        assert.equal(found, '/portal/');
      });
    }

    for (const path of ['//evil.example/', 'https://evil.example/portal', '/\\evil.example']) {
      it(`a sign-in with ${path} ends in the portal`, async () => {
        const { login, codes } = await somebody();
        const browser = openBrowser(hub.url);
        const { text } = await browser.get(`/oauth/login?return_to=${encodeURIComponent(path)}`);
        assert.equal(text.includes('evil'), false);
        const { location } = await browser.send('/oauth/login', { login, password, code: codes[0] ?? '' });
        assert.equal(location, '/portal/');
      });
    }

    it('what goes on to an application leaves from a page, because form-action holds for redirects too', async () => {
      const { login, codes } = await somebody();
      const browser = openBrowser(hub.url);
      const path = '/oauth/authorize?client_id=a&state="x';
      await browser.get(`/oauth/login?return_to=${encodeURIComponent(path)}`);
      const { status, text } = await browser.send('/oauth/login', { login, password, code: codes[0] ?? '' });
      assert.equal(status, 200);
      assert.match(
        text,
        /<meta\s+http-equiv="refresh"\s+content="0;url=\/oauth\/authorize\?client_id=a&amp;state=%22x"/,
      );
    });
  });

  describe('languages', () => {
    const chosen: [string | null, string | undefined, string][] = [
      [null, undefined, 'en'],
      [null, 'de-CH,de;q=0.9,en;q=0.8', 'de'],
      [null, 'fr,en;q=0.3,zh-CN;q=0.9', 'zh'],
      ['fr zh-Hant', 'de', 'zh'],
      ['fr', 'de', 'de'],
      [null, 'de;q=0, en', 'en'],
      [null, ';;;,,q=', 'en'],
    ];
    for (const [uiLocales, accept, language] of chosen) {
      it(`ui_locales ${uiLocales}, Accept-Language ${accept}: ${language}`, () =>
        assert.equal(chooseLanguage(uiLocales, accept), language));
    }
    it('a page is in it, says so, and so is what follows', async () => {
      const browser = openBrowser(hub.url);
      const { text, headers } = await browser.get('/oauth/login?ui_locales=zh');
      assert.match(text, /<html lang="zh">/);
      assert.equal(headers.get('content-language'), 'zh');
      const refused = await browser.send('/oauth/login', { login: 'x', password: 'x', code: 'x' });
      assert.ok(refused.text.includes(texts.zh.refused));
    });
    it('all three say the same things with the same places to fill', () => {
      for (const [key, text] of Object.entries(texts.en)) {
        for (const language of ['zh', 'de'] as const) {
          const other = texts[language][key as keyof typeof texts.en];
          assert.ok(other !== '', `${language} ${key}`);
          assert.deepEqual(other.match(/\{\w+\}/g), text.match(/\{\w+\}/g), `${language} ${key}`);
        }
      }
    });
  });
});
