/** Codes and refresh tokens: each is good once, for who got it. @see RFC 6749 sections 4.1.3 and 6, RFC 7636, RFC 9700 */
import assert from 'node:assert/strict';
import { createLocalJWKSet, decodeJwt, jwtVerify, type JSONWebKeySet } from 'jose';
import { disableClient, registerClient } from '../../../src/access/client/client.ts';
import { sweepGrants, takeCode } from '../../../src/access/oauth/app-grant.ts';
import { readApp } from '../../../src/access/oauth/app.ts';
import { openDatabase } from '../../../src/db.ts';
import { sql } from '../../../src/db/sql.ts';
import { givenHub, type GivenHub } from '../../given-hub.ts';
import { givenClient, postForm, type OAuthResponse } from './given.ts';
import { givenApp, givenPerson, redirectUri, type Changes, type GivenApp, type GivenPerson } from './given-app.ts';

const offline = { scope: 'launch/patient openid fhirUser offline_access patient/*.rs' };

describe('POST /oauth/token for apps (SMART App Launch)', function () {
  this.timeout(300_000);
  let hub: GivenHub;
  let app: GivenApp;
  let other: GivenApp;
  let confidential: GivenApp;
  let anna: GivenPerson;
  let signedInAt: number;
  before(async () => {
    hub = await givenHub();
    app = await givenApp(hub, 'diary');
    other = await givenApp(hub, 'other');
    confidential = await givenApp(hub, 'confidential', { isConfidential: true });
    const hospital = await hub.token('hospital');
    for (const id of ['anna', 'bob']) {
      await hub.send('PUT', `Patient/${id}`, hospital, { body: { resourceType: 'Patient', id, gender: 'female' } });
    }
    signedInAt = Date.now();
    anna = await givenPerson(hub, 'Patient/anna');
  });
  after(() => hub.close());

  const tokens = async (one = app, changes: Changes = offline): Promise<Record<string, string>> => {
    const { status, json } = await one.redeem(await one.code(anna, changes));
    assert.equal(status, 200, JSON.stringify(json));
    return json as Record<string, string>;
  };
  const statusOf = async (token: string | undefined): Promise<number> =>
    (await hub.send('GET', 'Patient/anna', token)).status;
  const refused = ({ status, json }: OAuthResponse, error = 'invalid_grant', code = 400): void => {
    assert.deepEqual([status, json['error'], json['access_token']], [code, error, undefined], JSON.stringify(json));
  };

  it('SMART: the answer has the token, its scope, the patient and the id_token', async () => {
    const { json, headers } = await app.redeem(await app.code(anna, { ...offline, nonce: 'n-1' }));
    assert.deepEqual(Object.keys(json).toSorted(), [
      'access_token',
      'expires_in',
      'id_token',
      'patient',
      'refresh_token',
      'scope',
      'token_type',
    ]);
    assert.deepEqual(
      [json['token_type'], json['expires_in'], json['scope'], json['patient']],
      ['Bearer', 900, 'openid fhirUser launch/patient offline_access patient/*.rs', 'anna'],
    );
    assert.deepEqual([headers.get('cache-control'), headers.get('pragma')], ['no-store', 'no-cache']);
  });

  it('the access token is of the patient: purpose PATRQT, no organization, for their record alone', async () => {
    const { access_token: token = '' } = await tokens();
    const {
      iss,
      aud,
      sub,
      client_id,
      scope,
      patient,
      fhirUser,
      purpose_of_use,
      organization,
      exp = 0,
      iat = 0,
    } = decodeJwt<Record<string, unknown>>(token);
    assert.deepEqual(
      { iss, aud, sub, client_id, scope, patient, fhirUser, purpose_of_use, organization, lifetime: exp - iat },
      {
        iss: hub.url,
        aud: hub.fhir,
        sub: 'Patient/anna',
        client_id: 'diary',
        scope: 'openid fhirUser launch/patient offline_access patient/*.rs',
        patient: 'anna',
        fhirUser: 'Patient/anna',
        purpose_of_use: 'PATRQT',
        organization: undefined,
        lifetime: 900,
      },
    );
    assert.equal(await statusOf(token), 200);
    assert.equal((await hub.send('GET', 'Patient/bob', token)).status, 404, 'LEAKS 51');
  });

  it("an app's scopes narrow what the patient could see, and read alone writes nothing", async () => {
    const { access_token: token } = await tokens(app, { scope: 'patient/Observation.rs' });
    assert.equal(await statusOf(token), 403);
    assert.equal((await hub.send('GET', 'Observation', token)).status, 200);
    const { access_token: reading } = await tokens();
    const body = { resourceType: 'Patient', id: 'anna' };
    assert.equal((await hub.send('PUT', 'Patient/anna', reading, { body })).status, 403);
  });

  it('OpenID Connect: the id_token is signed by the published key, for this app, with nonce, auth_time, amr, fhirUser', async () => {
    const { json } = await app.redeem(await app.code(anna, { nonce: 'n-1' }));
    const keys = (await (await fetch(`${hub.url}/oauth/jwks`)).json()) as JSONWebKeySet;
    const { payload, protectedHeader } = await jwtVerify(String(json['id_token']), createLocalJWKSet(keys), {
      issuer: hub.url,
      audience: 'diary',
    });
    assert.deepEqual(
      [payload.sub, payload['nonce'], payload['amr'], payload['fhirUser'], protectedHeader.alg],
      ['Patient/anna', 'n-1', ['pwd', 'otp'], `${hub.fhir}/Patient/anna`, 'ES256'],
    );
    assert.ok(Math.abs(Number(payload['auth_time']) * 1_000 - signedInAt) < 60_000);
  });

  it('LEAKS 50: an id_token, a code and a refresh token are no access tokens', async () => {
    const { id_token, refresh_token } = await tokens();
    for (const token of [id_token, refresh_token, await app.code(anna)]) assert.equal(await statusOf(token), 401);
  });

  it('without openid there is no id_token, without fhirUser no such claim, without patient/ no patient', async () => {
    const plain = await tokens(app, { scope: 'patient/Patient.rs' });
    assert.deepEqual([plain['id_token'], plain['refresh_token'], plain['patient']], [undefined, undefined, 'anna']);
    const signedIn = await tokens(app, { scope: 'openid' });
    assert.deepEqual([signedIn['patient'], signedIn['scope']], [undefined, 'openid']);
    assert.equal(decodeJwt(signedIn['id_token'] ?? '')['fhirUser'], undefined);
    assert.equal(await statusOf(signedIn['access_token']), 403);
  });

  const wrong: readonly [string, Changes, string, number][] = [
    ['another verifier', { code_verifier: 'a'.repeat(43) }, 'invalid_grant', 400],
    ['no verifier', { code_verifier: undefined }, 'invalid_request', 400],
    ['an empty verifier', { code_verifier: '' }, 'invalid_request', 400],
    ['another redirect_uri', { redirect_uri: `${redirectUri}/` }, 'invalid_grant', 400],
    ['no redirect_uri', { redirect_uri: undefined }, 'invalid_request', 400],
    ['a code that is none', { code: 'a'.repeat(43) }, 'invalid_grant', 400],
    ['no code', { code: undefined }, 'invalid_request', 400],
    ['another client', { client_id: 'other' }, 'invalid_grant', 400],
    ['an unknown client', { client_id: 'nobody' }, 'invalid_client', 401],
    ['no client', { client_id: '' }, 'invalid_client', 401],
    ['a confidential client that only says its name', { client_id: 'confidential' }, 'invalid_client', 401],
    ['a secret', { client_secret: 'x' }, 'invalid_request', 400],
    ['another resource', { resource: 'https://other.example' }, 'invalid_target', 400],
    ['another grant', { grant_type: 'client_credentials' }, 'unauthorized_client', 400],
    ['an unknown grant', { grant_type: 'password' }, 'unsupported_grant_type', 400],
  ];
  for (const [title, changes, error, status] of wrong) {
    it(`a code with ${title}: ${error}`, async () => {
      const code = await app.code(anna);
      refused(await app.redeem(code, changes), error, status);
    });
  }

  it('a code of an app is not opened by an app that has a key', async () => {
    refused(await confidential.redeem(await app.code(anna)));
  });

  it('a code that was tried with a wrong verifier is used up', async () => {
    const code = await app.code(anna);
    refused(await app.redeem(code, { code_verifier: 'a'.repeat(43) }));
    refused(await app.redeem(code));
  });

  it('RFC 7636: the challenge, which an eavesdropper saw, is no verifier', async () => {
    refused(await app.redeem(await app.code(anna), { code_verifier: app.request()['code_challenge'] }));
  });

  it('another client uses up nothing', async () => {
    const code = await app.code(anna);
    refused(await other.redeem(code));
    assert.equal((await app.redeem(code)).status, 200);
  });

  it('a code is good for a minute', async () => {
    const code = await app.code(anna);
    await hub.database.query(sql`update app_grant set expires_at = now() - interval '1 second'`);
    refused(await app.redeem(code));
  });

  it('RFC 6749 section 4.1.2: a code that comes twice ends what came of it', async () => {
    const code = await app.code(anna, offline);
    const { json } = await app.redeem(code);
    assert.equal(await statusOf(String(json['access_token'])), 200);
    refused(await app.redeem(code));
    assert.equal(await statusOf(String(json['access_token'])), 401);
    refused(await app.refresh(json['refresh_token']));
  });

  it('64 redemptions of a code at once: exactly one', async () => {
    const code = await app.code(anna, offline);
    const all = await Promise.all(Array.from({ length: 64 }, () => app.redeem(code)));
    assert.equal(all.filter(({ status }) => status === 200).length, 1);
    for (const one of all.filter(({ status }) => status !== 200)) refused(one);
  });

  it('a confidential app shows its key, and gets the same', async () => {
    const { access_token: token } = await tokens(confidential);
    assert.equal(await statusOf(token), 200);
  });

  describe('grant_type=refresh_token', () => {
    it('gives a new access token and a new refresh token, with the same patient and sub', async () => {
      const first = await tokens();
      const { status, json } = await app.refresh(first['refresh_token']);
      assert.equal(status, 200);
      assert.notEqual(json['refresh_token'], first['refresh_token']);
      assert.deepEqual([json['patient'], json['scope']], [first['patient'], first['scope']]);
      assert.equal(decodeJwt(String(json['id_token'])).sub, 'Patient/anna');
      assert.equal(await statusOf(String(json['access_token'])), 200);
    });

    it('RFC 9700: one that comes twice ends the family', async () => {
      const first = await tokens();
      const second = await app.refresh(first['refresh_token']);
      refused(await app.refresh(first['refresh_token']));
      refused(await app.refresh(second.json['refresh_token']));
      for (const token of [first['access_token'], String(second.json['access_token'])]) {
        assert.equal(await statusOf(token), 401);
      }
    });

    it('64 at once: one succeeds, and because the others came the family ends', async () => {
      const { refresh_token } = await tokens();
      const all = await Promise.all(Array.from({ length: 64 }, () => app.refresh(refresh_token)));
      const won = all.filter(({ status }) => status === 200);
      assert.equal(won.length, 1);
      refused(await app.refresh(won[0]?.json['refresh_token']));
    });

    const bad: readonly [string, () => Promise<OAuthResponse>, string?][] = [
      ['of another client', async () => other.refresh((await tokens())['refresh_token'])],
      ['that is none', () => app.refresh('a'.repeat(64))],
      ['of no shape', () => app.refresh('x')],
      ['that is an access token', async () => app.refresh((await tokens())['access_token'])],
      [
        'of a confidential app, sent by a public one',
        async () => app.refresh((await tokens(confidential))['refresh_token']),
      ],
      [
        'with more than was granted',
        async () =>
          app.refresh((await tokens(app, { scope: 'offline_access patient/Patient.r' }))['refresh_token'], {
            scope: 'patient/Observation.rs',
          }),
        'invalid_scope',
      ],
      [
        'with an unknown scope',
        async () => app.refresh((await tokens())['refresh_token'], { scope: 'nonsense' }),
        'invalid_scope',
      ],
    ];
    for (const [title, attempt, error] of bad) it(`refused: one ${title}`, async () => refused(await attempt(), error));

    it('another client that sends one ends nothing', async () => {
      const { refresh_token } = await tokens();
      refused(await other.refresh(refresh_token));
      assert.equal((await app.refresh(refresh_token)).status, 200);
    });

    it('SMART: a public app need not say its client_id; a confidential one shows its key', async () => {
      assert.equal((await app.refresh((await tokens())['refresh_token'], { client_id: '' })).status, 200);
      const { refresh_token = '' } = await tokens(confidential);
      const form = { grant_type: 'refresh_token', refresh_token };
      refused(await postForm(`${hub.url}/oauth/token`, form), 'invalid_client', 401);
      refused(await postForm(`${hub.url}/oauth/token`, { ...form, refresh_token: 'x' }), 'invalid_client', 401);
      assert.equal((await confidential.refresh(refresh_token)).status, 200);
    });

    it('RFC 6749 section 6: less may be asked for, and everything the next time', async () => {
      const { refresh_token, scope } = await tokens();
      const less = await app.refresh(refresh_token, { scope: 'patient/Observation.rs' });
      assert.equal(less.json['scope'], 'patient/Observation.rs');
      assert.equal((await app.refresh(less.json['refresh_token'])).json['scope'], scope);
    });

    it('an app whose registration became less gets less', async () => {
      const narrowed = await givenApp(hub, 'narrowed');
      const { refresh_token } = await tokens(narrowed);
      const scope = 'offline_access patient/Patient.r';
      await registerClient(
        hub.database,
        readApp({ issuer: hub.url, id: 'narrowed', name: 'x', redirectUris: [redirectUri], scope }),
      );
      assert.equal((await narrowed.refresh(refresh_token)).json['scope'], scope);
    });

    const endings: readonly [string, Changes, (person: GivenPerson) => Promise<unknown>, boolean][] = [
      ['online_access ends with the session', { scope: 'online_access patient/*.rs' }, endSession, false],
      ['offline_access goes on without it', { scope: 'offline_access patient/*.rs' }, endSession, true],
      ['offline_access ends with the account', { scope: 'offline_access patient/*.rs' }, endAccount, false],
      ['online_access ends with the account', { scope: 'online_access patient/*.rs' }, endAccount, false],
    ];
    for (const [title, changes, end, goesOn] of endings) {
      it(title, async () => {
        const bob = await givenPerson(hub, 'Patient/bob');
        const { json } = await app.redeem(await app.code(bob, changes));
        await end(bob);
        const again = await app.refresh(json['refresh_token']);
        if (goesOn) assert.equal(again.status, 200);
        else refused(again);
      });
    }
    function endSession({ session }: GivenPerson): Promise<unknown> {
      return hub.database.query(sql`delete from account_session where id = ${session}`);
    }
    function endAccount({ account }: GivenPerson): Promise<unknown> {
      return hub.database.query(sql`update account set is_active = false where id = ${account}`);
    }

    it('is refused after it expired; each refresh puts that off to 30 days from then, and not beyond the year', async () => {
      const { refresh_token } = await tokens();
      const daysLeft = async (): Promise<number> => {
        const [row] = await hub.database.query<{ days: number }>(sql`
          select round(extract(epoch from max(expires_at) - now()) / 86400)::int as days from app_grant`);
        return row?.days ?? 0;
      };
      await hub.database.query(sql`update app_grant set expires_at = now() + interval '1 day'`);
      const second = await app.refresh(refresh_token);
      assert.equal(await daysLeft(), 30);
      await hub.database.query(sql`update app_grant set ends_at = now() + interval '2 days'`);
      const third = await app.refresh(second.json['refresh_token']);
      assert.ok((await daysLeft()) <= 30);
      await hub.database.query(sql`update app_grant set expires_at = now() - interval '1 second'`);
      refused(await app.refresh(third.json['refresh_token']));
    });

    it('who may act for the patient no more gets no further token, and the one they have shows nothing', async () => {
      const hospital = await hub.token('hospital');
      const write = (body: Record<string, unknown>) =>
        hub.send('PUT', `${String(body['resourceType'])}/${String(body['id'])}`, hospital, { body });
      const birthDate = new Date(Date.now() - 5 * 365 * 86_400_000).toISOString().slice(0, 10);
      const father = {
        resourceType: 'RelatedPerson',
        id: 'father',
        patient: { reference: 'Patient/child' },
        relationship: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-RoleCode', code: 'FTH' }] }],
      };
      await write({ resourceType: 'Patient', id: 'child', birthDate });
      await write(father);
      const person = await givenPerson(hub, 'RelatedPerson/father');
      const { json } = await app.redeem(await app.code(person, offline));
      const token = String(json['access_token']);
      assert.deepEqual([json['patient'], decodeJwt(token)['fhirUser']], ['child', 'RelatedPerson/father']);
      assert.equal((await hub.send('GET', 'Patient/child', token)).status, 200);
      const refreshed = await app.refresh(json['refresh_token']);
      assert.equal(refreshed.status, 200);
      await write({ ...father, active: false });
      assert.notEqual((await hub.send('GET', 'Patient/child', token)).status, 200);
      refused(await app.refresh(refreshed.json['refresh_token']));
    });

    it('a disabled app gets nothing', async () => {
      const leaver = await givenApp(hub, 'leaver');
      const { refresh_token } = await tokens(leaver);
      await disableClient(hub.database, hub.url, 'leaver');
      refused(await leaver.refresh(refresh_token), 'invalid_client', 401);
    });
  });

  describe('revocation and introspection', () => {
    it('RFC 7009: a refresh token ends with its access tokens, from the next read', async () => {
      const first = await tokens();
      const second = (await app.refresh(first['refresh_token'])).json;
      assert.equal((await app.post('/oauth/revoke', { token: String(second['refresh_token']) })).status, 200);
      for (const token of [first['access_token'], String(second['access_token'])]) {
        assert.equal(await statusOf(token), 401);
      }
      refused(await app.refresh(second['refresh_token']));
      assert.equal((await app.post('/oauth/revoke', { token: String(second['refresh_token']) })).status, 200);
    });

    it('an access token ends alone', async () => {
      const { access_token: token = '', refresh_token } = await tokens();
      assert.equal((await app.post('/oauth/revoke', { token })).status, 200);
      assert.equal(await statusOf(token), 401);
      assert.equal((await app.refresh(refresh_token)).status, 200);
    });

    it("nobody ends what is another's", async () => {
      const { access_token: token = '', refresh_token = '' } = await tokens();
      await other.post('/oauth/revoke', { token: refresh_token });
      refused(await other.post('/oauth/revoke', { token }));
      assert.equal(await statusOf(token), 200);
      assert.equal((await app.refresh(refresh_token)).status, 200);
    });

    it('RFC 7662: an app with a key learns of its own tokens, and only while they live', async () => {
      const { access_token: token = '', refresh_token = '' } = await tokens(confidential);
      const introspect = async (of: string, by = confidential): Promise<Record<string, unknown>> =>
        (await by.post('/oauth/introspect', { token: of })).json;
      assert.deepEqual(await introspect(token), { active: true, token_type: 'bearer', ...decodeJwt(token) });
      const { active, client_id, sub, patient, scope } = await introspect(refresh_token);
      assert.deepEqual([active, client_id, sub, patient], [true, 'confidential', 'Patient/anna', 'anna']);
      assert.match(String(scope), /offline_access/);
      const foreign = await tokens();
      assert.deepEqual(await introspect(foreign['refresh_token'] ?? ''), { active: false });
      await confidential.refresh(refresh_token);
      assert.deepEqual(await introspect(refresh_token), { active: false });
      refused(await app.post('/oauth/introspect', { token: foreign['refresh_token'] ?? '' }), 'invalid_client', 401);
    });

    it('what became of tokens is in the log of the patient, by jti', async () => {
      const audited = await givenApp(hub, 'audited');
      const { access_token = '', refresh_token = '' } = await tokens(audited);
      await audited.post('/oauth/revoke', { token: refresh_token });
      const rows = await hub.database.query(sql`
        select interaction, subject, patient, jti from audit_entry where client = 'audited' order by at, seq`);
      const of = { subject: 'Patient/anna', patient: 'anna' };
      assert.deepEqual(rows, [
        { ...of, interaction: 'authorize', jti: null },
        { ...of, interaction: 'token', jti: decodeJwt(access_token).jti },
        { ...of, interaction: 'token-revoke', jti: null },
      ]);
    });

    it('no code, token or verifier is kept as it is', async () => {
      const code = await app.code(anna, offline);
      const { json } = await app.redeem(code);
      const rows = await hub.database.query(sql`select app_grant::text as row from app_grant`);
      const text = JSON.stringify(rows);
      for (const secret of [code, String(json['refresh_token']), app.verifier])
        assert.equal(text.includes(secret), false);
    });

    it('grants go when nothing of them is left: no refresh token, and no access token that lives', async () => {
      const [lasting, short] = [await tokens(), await tokens(app, { scope: 'patient/*.rs' })];
      const count = async (): Promise<number> => {
        const [row] = await hub.database.query<{ count: number }>(sql`select count(*) from app_grant`);
        return row?.count ?? 0;
      };
      await hub.database.query(
        sql`update app_grant set expires_at = now() - interval '2 hours' where refresh_hash is null`,
      );
      await hub.database.query(
        sql`update app_token set expires_at = now() - interval '2 hours' where jti <> ${jtiOf(short)}`,
      );
      await sweepGrants(hub.database);
      const before = await count();
      assert.equal(await statusOf(short['access_token']), 200);
      await hub.database.query(sql`update app_token set expires_at = now() - interval '2 hours'`);
      await sweepGrants(hub.database);
      assert.equal(await count(), before - 1);
      assert.equal((await app.refresh(lasting['refresh_token'])).status, 200);
    });
    function jtiOf({ access_token: token = '' }: Record<string, string>): string | undefined {
      return decodeJwt(token).jti;
    }
  });

  it('a service has no business with codes', async () => {
    const service = await givenClient(hub, 'service');
    for (const grant of ['authorization_code', 'refresh_token']) {
      refused(await service.token({ grant_type: grant, code: 'x', refresh_token: 'x' }), 'unauthorized_client');
    }
  });

  it('pages of any origin may ask for tokens, and take no cookie along', async () => {
    const { headers } = await postForm(`${hub.url}/oauth/token`, {}, { origin: 'https://app.example' });
    assert.deepEqual(
      [headers.get('access-control-allow-origin'), headers.get('access-control-allow-credentials')],
      ['*', null],
    );
    const preflight = await fetch(`${hub.url}/oauth/token`, {
      method: 'OPTIONS',
      headers: { origin: 'https://app.example', 'access-control-request-method': 'POST' },
    });
    assert.deepEqual(
      [preflight.status, preflight.headers.get('access-control-allow-headers')],
      [204, 'Content-Type, Accept, DPoP'],
    );
  });

  it('two processes agree on whose code it is', async () => {
    const second = openDatabase({ url: hub.databaseUrl });
    const code = await app.code(anna);
    const of = { issuer: hub.url, client: 'diary', code, jkt: undefined };
    const taken = await Promise.all(
      Array.from({ length: 64 }, (_, at) => takeCode(at % 2 === 0 ? hub.database : second, of)),
    );
    await second.close();
    assert.equal(taken.filter((grant) => grant !== undefined).length, 1);
  });
});
