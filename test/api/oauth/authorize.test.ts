/** The authorization endpoint: what an app may ask, and what a person is shown. @see SMART App Launch STU2.2, RFC 6749, 7636, 9207 */
import assert from 'node:assert/strict';
import { disableClient } from '../../../src/access/client/client.ts';
import { sql } from '../../../src/db/sql.ts';
import { givenHub, type GivenHub } from '../../given-hub.ts';
import { givenClient } from './given.ts';
import {
  decide,
  fieldsOf,
  givenApp,
  givenPerson,
  redirectUri,
  type Changes,
  type GivenApp,
  type GivenPerson,
} from './given-app.ts';

describe('GET /oauth/authorize (SMART standalone launch)', function () {
  this.timeout(300_000);
  let hub: GivenHub;
  let app: GivenApp;
  let anna: GivenPerson;
  before(async () => {
    hub = await givenHub();
    app = await givenApp(hub, 'diary');
    await hub.send('PUT', 'Patient/anna', await hub.token('hospital'), {
      body: {
        resourceType: 'Patient',
        id: 'anna',
        name: [{ family: '王', given: ['小', '芳'] }],
        birthDate: '1980-02-03',
      },
    });
    anna = await givenPerson(hub, 'Patient/anna');
    await givenClient(hub, 'service');
  });
  after(() => hub.close());

  const locationOf = (response: Response): URL => new URL(response.headers.get('location') ?? '', hub.url);

  it('given nobody is signed in, then the login page comes first, and leads back to the same request', async () => {
    const response = await app.authorize(undefined);
    const location = locationOf(response);
    assert.deepEqual([response.status, location.pathname], [303, '/oauth/login']);
    const back = new URL(location.searchParams.get('return_to') ?? '', hub.url);
    assert.equal(back.pathname, '/oauth/authorize');
    assert.deepEqual(Object.fromEntries(back.searchParams), app.request());
    assert.equal((await fetch(location)).status, 200, 'the login page takes it');
  });

  it('the page names the app, the patient, what is asked and where one goes from here; and may run nothing', async () => {
    const response = await app.authorize(anna, { scope: 'launch/patient offline_access patient/Observation.rs' });
    const html = await response.text();
    assert.equal(response.status, 200);
    for (const text of [
      'Blood sugar diary',
      '王小芳, 1980-02-03',
      'see: results and measurements',
      '127.0.0.1:9',
      'up to a year',
    ]) {
      assert.ok(html.includes(text), text);
    }
    assert.doesNotMatch(html, /<script|style=|\son\w+=/);
    const policy = response.headers.get('content-security-policy') ?? '';
    assert.match(policy, /default-src 'none'/);
    assert.match(policy, /form-action 'self' http:\/\/127\.0\.0\.1:9;/);
    assert.doesNotMatch(policy, /script-src|unsafe/);
    assert.deepEqual(
      ['cache-control', 'x-frame-options', 'referrer-policy'].map((name) => response.headers.get(name)),
      ['no-store', 'DENY', 'no-referrer'],
    );
  });

  for (const [language, text] of [
    ['zh', '“Blood sugar diary”请求访问'],
    ['de', 'Blood sugar diary bittet um Zugriff'],
    ['en', 'Blood sugar diary asks for access'],
  ] as const) {
    it(`speaks ${language}`, async () => {
      const html = await (await app.authorize(anna, { ui_locales: language })).text();
      assert.ok(html.includes(text));
      assert.match(html, new RegExp(`<html lang="${language}"`));
    });
  }

  it('markup in a name is text', async () => {
    const odd = await givenApp(hub, 'odd', { name: 'A & "B" \'C\'' });
    assert.match(await (await odd.authorize(anna)).text(), /A &amp; &quot;B&quot; &#39;C&#39; asks/);
  });

  it('writing of Consents is said in so many words', async () => {
    const writer = await givenApp(hub, 'writer', { scope: 'patient/*.cruds' });
    for (const [scope, isSaid] of [
      ['patient/Consent.cu', true],
      ['patient/*.cruds', true],
      ['patient/Consent.rs', false],
      ['patient/Observation.cruds', false],
    ] as const) {
      const html = await (await writer.authorize(anna, { scope })).text();
      assert.equal(html.includes('who else may see these records'), isSaid, scope);
    }
  });

  const toNobody: readonly [string, Changes][] = [
    ['no client_id', { client_id: undefined }],
    ['an unknown client', { client_id: 'nobody' }],
    ['a client that is a service', { client_id: 'service' }],
    ['a client_id that is no text', { client_id: 'a\u0000b' }],
    ['no redirect_uri', { redirect_uri: undefined }],
    ['another redirect_uri', { redirect_uri: 'https://evil.example/callback' }],
    ['one more character', { redirect_uri: `${redirectUri}/` }],
    ['a query added', { redirect_uri: `${redirectUri}?a=b` }],
    ['a fragment added', { redirect_uri: `${redirectUri}#a` }],
    ['another case', { redirect_uri: redirectUri.replace('callback', 'Callback') }],
    ['another port', { redirect_uri: redirectUri.replace(':9/', ':10/') }],
    ['the same place by other dots', { redirect_uri: redirectUri.replace('/callback', '/x/../callback') }],
  ];
  for (const [title, changes] of toNobody) {
    it(`RFC 6749 section 4.1.2.1: told to the person and sent nowhere: ${title}`, async () => {
      for (const person of [undefined, anna]) {
        const response = await app.authorize(person, changes);
        assert.deepEqual([response.status, response.headers.get('location')], [400, null]);
        assert.match(await response.text(), /This app cannot be opened/);
      }
    });
  }

  it('a parameter that is there twice is sent nowhere', async () => {
    const query = new URLSearchParams(app.request());
    query.append('redirect_uri', 'https://evil.example');
    const response = await fetch(`${hub.url}/oauth/authorize?${query.toString()}`, { redirect: 'manual' });
    assert.deepEqual([response.status, response.headers.get('location')], [400, null]);
  });

  it('a disabled app is sent nowhere', async () => {
    const gone = await givenApp(hub, 'gone');
    await disableClient(hub.database, hub.url, 'gone');
    assert.equal((await gone.authorize(anna)).status, 400);
  });

  const toApp: readonly [string, Changes, string][] = [
    ['no response_type', { response_type: undefined }, 'invalid_request'],
    ['the implicit grant', { response_type: 'token' }, 'unsupported_response_type'],
    ['a hybrid', { response_type: 'code id_token' }, 'unsupported_response_type'],
    ['an answer in the fragment', { response_mode: 'fragment' }, 'invalid_request'],
    ['RFC 7636: no code_challenge', { code_challenge: undefined }, 'invalid_request'],
    ['RFC 7636: the method plain', { code_challenge_method: 'plain' }, 'invalid_request'],
    ['RFC 7636: no method, which means plain', { code_challenge_method: undefined }, 'invalid_request'],
    ['RFC 7636: a challenge that is no SHA-256', { code_challenge: 'short' }, 'invalid_request'],
    ['SMART: no aud', { aud: undefined }, 'invalid_request'],
    ['SMART: the aud of another server', { aud: 'https://other.example/fhir' }, 'invalid_target'],
    ['no scope', { scope: undefined }, 'invalid_scope'],
    ['an unknown scope', { scope: 'patient/Nonsense.rs' }, 'invalid_scope'],
    ['an unknown scope beside a known one', { scope: 'launch/patient patient/Patient.rs frobnicate' }, 'invalid_scope'],
    ['a scope of SMART 1', { scope: 'patient/*.read' }, 'invalid_scope'],
    ['a scope of services', { scope: 'system/*.rs' }, 'invalid_scope'],
    ['a scope of clinicians', { scope: 'user/*.rs' }, 'invalid_scope'],
    ['a scope with a NUL', { scope: 'patient/Observation.rs?code=a\u0000b' }, 'invalid_scope'],
    ['a nonce with a NUL', { nonce: 'a\u0000b' }, 'invalid_request'],
    ['the scope of the console', { scope: 'hub/ops' }, 'invalid_scope'],
    ['letters in another order', { scope: 'patient/Patient.sr' }, 'invalid_scope'],
    ['more than is registered, and nothing else', { scope: 'patient/Patient.c' }, 'invalid_scope'],
    ['a launch from within an EHR', { launch: 'xyz' }, 'invalid_request'],
    ['a request object', { request: 'a.b.c' }, 'request_not_supported'],
    ['LEAKS 41: an address of a request', { request_uri: 'http://127.0.0.1:1/' }, 'request_uri_not_supported'],
    ['a thumbprint that is none', { dpop_jkt: 'x' }, 'invalid_request'],
    ['prompt none and another', { prompt: 'none login' }, 'invalid_request'],
    ['max_age that is no number', { max_age: 'soon' }, 'invalid_request'],
    ['prompt none: a person has to see this', { prompt: 'none' }, 'interaction_required'],
  ];
  for (const [title, changes, error] of toApp) {
    it(`the app is told ${error}: ${title}`, async () => {
      const response = await app.authorize(anna, changes);
      const { origin, pathname, searchParams } = locationOf(response);
      assert.deepEqual([response.status, `${origin}${pathname}`], [303, redirectUri]);
      assert.equal(searchParams.get('error'), error);
      assert.equal(searchParams.get('state'), 'state-1');
      assert.equal(searchParams.get('iss'), hub.url, 'RFC 9207');
      assert.equal(searchParams.has('code'), false);
      assert.match(searchParams.get('error_description') ?? '', /^[\x20-\x21\x23-\x5B\x5D-\x7E]+$/, 'RFC 6749 4.1.2.1');
    });
  }

  it('prompt none, and nobody is signed in: login_required', async () => {
    const { searchParams } = locationOf(await app.authorize(undefined, { prompt: 'none' }));
    assert.equal(searchParams.get('error'), 'login_required');
  });

  it('a state of any length, and a request of any length, are refused', async () => {
    const { searchParams } = locationOf(await app.authorize(anna, { state: 'a'.repeat(1_025) }));
    assert.equal(searchParams.get('error'), 'invalid_request');
    assert.equal((await app.authorize(anna, { nonce: 'a'.repeat(4_096) })).status, 400);
  });

  it('OpenID Connect: a form does as well, and becomes the same request', async () => {
    const response = await app.authorize(undefined, {}, 'POST');
    assert.equal(response.status, 303);
    assert.deepEqual(Object.fromEntries(locationOf(response).searchParams), app.request());
  });

  for (const changes of [{ max_age: '3600' }, { prompt: 'login' }, { max_age: '0' }]) {
    it(`a sign-in that is too long ago is asked for again: ${JSON.stringify(changes)}`, async () => {
      const someone = await givenPerson(hub, 'Patient/anna');
      assert.equal((await app.authorize(someone, changes)).status, 200, 'just signed in');
      await hub.database.query(sql`
        update account_session set authenticated_at = now() - interval '2 hours' where id = ${someone.session}`);
      assert.equal(locationOf(await app.authorize(someone, changes)).pathname, '/oauth/login');
      assert.equal((await app.authorize(someone)).status, 200, 'who does not mind, does not ask');
    });
  }

  it('an account without a patient has nothing to share, and a way back', async () => {
    for (const person of [await givenPerson(hub, 'Practitioner/doc'), await givenPerson(hub, undefined)]) {
      const html = await (await app.authorize(person)).text();
      assert.match(html, /No records to share/);
      assert.match(html, /href="http:\/\/127\.0\.0\.1:9\/callback\?error=access_denied&amp;state=state-1&amp;iss=/);
    }
  });

  const addresses: readonly [string, string, string, RegExp][] = [
    [
      'a query of its own stays',
      'https://diary.example/cb?tenant=1',
      'https://diary.example',
      /^https:\/\/diary\.example\/cb\?tenant=1&code=/,
    ],
    [
      'a port',
      'https://diary.example:8443/cb',
      'https://diary.example:8443',
      /^https:\/\/diary\.example:8443\/cb\?code=/,
    ],
    ['RFC 8252: a native app', 'example.diary:/cb', 'example.diary:', /^example\.diary:\/cb\?code=/],
    ['RFC 8252: the loopback of IPv6', 'http://[::1]:9/cb', 'http://[::1]:9', /^http:\/\/\[::1\]:9\/cb\?code=/],
  ];
  for (const [title, uri, source, expected] of addresses) {
    it(`the answer goes to the address as it is registered, and the page may lead there alone: ${title}`, async () => {
      const one = await givenApp(hub, `at-${addresses.findIndex((row) => row[0] === title)}`, { redirectUris: [uri] });
      const page = await one.authorize(anna, { redirect_uri: uri });
      const policy = page.headers.get('content-security-policy') ?? '';
      assert.ok(policy.includes(`form-action 'self' ${source};`), policy);
      const decided = await decide(hub, anna, { ...fieldsOf(await page.text()), decision: 'allow' });
      assert.match(decided.headers.get('location') ?? '', expected);
    });
  }

  describe('POST /oauth/decision', () => {
    const pageOf = async (changes?: Changes): Promise<Record<string, string>> =>
      fieldsOf(await (await app.authorize(anna, changes)).text());

    it('yes: code, state and iss, and nothing else', async () => {
      const answered = await app.launch(anna);
      assert.deepEqual([...answered.keys()].toSorted(), ['code', 'iss', 'state']);
      assert.deepEqual([answered.get('state'), answered.get('iss')], ['state-1', hub.url]);
    });

    it('no: access_denied', async () => {
      const answered = await app.launch(anna, {}, { decision: 'deny' });
      assert.deepEqual([answered.get('error'), answered.has('code')], ['access_denied', false]);
    });

    it('without a state there is none in the answer', async () => {
      assert.equal((await app.launch(anna, { state: undefined })).has('state'), false);
    });

    const refused: readonly [string, () => Promise<Response>][] = [
      ['nobody is signed in', async () => decide(hub, undefined, { ...(await pageOf()), decision: 'allow' })],
      [
        'another session, of the same person',
        async () => decide(hub, await givenPerson(hub, 'Patient/anna'), { ...(await pageOf()), decision: 'allow' }),
      ],
      [
        'CSRF: from another site',
        async () => decide(hub, anna, { ...(await pageOf()), decision: 'allow' }, { 'sec-fetch-site': 'cross-site' }),
      ],
      ['no request', async () => decide(hub, anna, { decision: 'allow', patient: 'anna' })],
      [
        'a request that was changed',
        async () => {
          const fields = await pageOf();
          const [header, body = '', signature] = (fields['request'] ?? '').split('.');
          const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as { request: object };
          const other = { ...claims, request: { ...claims.request, redirectUri: 'https://evil.example' } };
          const request = `${header}.${Buffer.from(JSON.stringify(other)).toString('base64url')}.${signature}`;
          return decide(hub, anna, { ...fields, request, decision: 'allow' });
        },
      ],
    ];
    for (const [title, attempt] of refused) {
      it(`refused: ${title}`, async () => {
        const response = await attempt();
        assert.deepEqual([response.status, response.headers.get('location')], [400, null]);
      });
    }

    it('a patient whom the person may not act for is refused, whatever the form says', async () => {
      const answered = await app.launch(anna, {}, { patient: 'bob' });
      assert.deepEqual([answered.get('error'), answered.has('code')], ['access_denied', false]);
    });

    it('scopes that were not asked for are not granted, whatever the form says', async () => {
      const answer = { 'scope.0': 'patient/Observation.rs', 'scope.1': 'patient/*.cruds' };
      const code = await app.code(anna, { scope: 'patient/Observation.rs' }, answer);
      assert.equal((await app.redeem(code)).json['scope'], 'patient/Observation.rs');
    });

    it('what the person takes away is not granted; all of it is a no', async () => {
      const wanted = { scope: 'launch/patient patient/Observation.rs patient/Condition.rs' };
      const code = await app.code(anna, wanted, { 'scope.1': undefined });
      assert.equal((await app.redeem(code)).json['scope'], 'launch/patient patient/Observation.rs');
      const none = await app.launch(anna, wanted, { 'scope.0': undefined, 'scope.1': undefined });
      assert.equal(none.get('error'), 'access_denied');
    });

    it('is in the log of the patient, yes and no', async () => {
      const audited = await givenApp(hub, 'audited');
      await audited.launch(anna);
      await audited.launch(anna, {}, { decision: 'deny' });
      const rows = await hub.database.query(sql`
        select interaction, subject, patient, outcome from audit_entry where client = 'audited' order by at, seq`);
      const of = { interaction: 'authorize', subject: 'Patient/anna', patient: 'anna' };
      assert.deepEqual(rows, [
        { ...of, outcome: 0 },
        { ...of, outcome: 4 },
      ]);
    });
  });

  it('is served to no page of another origin, and takes GET and POST', async () => {
    const response = await app.authorize(anna);
    assert.equal(response.headers.get('access-control-allow-origin'), null);
    const put = await fetch(`${hub.url}/oauth/authorize`, { method: 'PUT' });
    assert.deepEqual([put.status, put.headers.get('allow')], [405, 'GET, HEAD, POST']);
    assert.equal((await fetch(`${hub.url}/oauth/decision`)).status, 405);
  });
});
