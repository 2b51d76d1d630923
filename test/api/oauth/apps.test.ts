/** What a person allowed, and how they end it: GET and POST /oauth/apps, and the operator's end of an account. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from '../../../src/db/sql.ts';
import { givenHub, type GivenHub } from '../../given-hub.ts';
import { runHub } from '../../hub-process.ts';
import { fieldsOf, givenApp, givenPerson, type GivenApp, type GivenPerson } from './given-app.ts';

const offline = { scope: 'launch/patient offline_access patient/Observation.rs' };

describe('/oauth/apps: what a person allowed', function () {
  this.timeout(300_000);
  let hub: GivenHub;
  let app: GivenApp;
  let anna: GivenPerson;
  let bob: GivenPerson;
  before(async () => {
    hub = await givenHub();
    app = await givenApp(hub, 'diary');
    const hospital = await hub.token('hospital');
    for (const id of ['anna', 'bob']) {
      await hub.send('PUT', `Patient/${id}`, hospital, {
        body: { resourceType: 'Patient', id, name: [{ text: `Name ${id}` }] },
      });
    }
    [anna, bob] = [await givenPerson(hub, 'Patient/anna'), await givenPerson(hub, 'Patient/bob')];
  });
  beforeEach(() => hub.database.query(sql`delete from app_grant`));
  after(() => hub.close());

  const tokens = async (person: GivenPerson, changes = offline): Promise<Record<string, string>> =>
    (await app.redeem(await app.code(person, changes))).json as Record<string, string>;
  const show = async (person: GivenPerson | undefined, query = ''): Promise<Response> =>
    fetch(`${hub.url}/oauth/apps${query}`, {
      redirect: 'manual',
      headers: person === undefined ? {} : { cookie: person.cookie },
    });
  const end = (person: GivenPerson | undefined, grant: string, headers = {}): Promise<Response> =>
    fetch(`${hub.url}/oauth/apps`, {
      method: 'POST',
      redirect: 'manual',
      headers: { ...(person === undefined ? {} : { cookie: person.cookie }), ...headers },
      body: new URLSearchParams({ grant }),
    });
  const grantOf = async (person: GivenPerson): Promise<string> =>
    fieldsOf(await (await show(person)).text())['grant'] ?? '';
  const statusOf = async (token: string | undefined): Promise<number> =>
    (await hub.send('GET', 'Observation', token)).status;

  it('lists the app, for whom, what, since when; only what they allowed themselves', async () => {
    await tokens(anna);
    const html = await (await show(anna)).text();
    for (const text of ['Blood sugar diary', 'Name anna', 'see: results and measurements', 'since ']) {
      assert.ok(html.includes(text), text);
    }
    assert.match(await (await show(bob)).text(), /You allowed no app/);
    assert.match(await (await show(bob, '?ui_locales=zh')).text(), /您没有允许任何应用/);
  });

  it('nobody is signed in: they sign in first, and come back', async () => {
    const location = new URL((await show(undefined)).headers.get('location') ?? '', hub.url);
    assert.deepEqual([location.pathname, location.searchParams.get('return_to')], ['/oauth/login', '/oauth/apps']);
  });

  it('what is ended ends with the next request: the refresh token and the access token', async () => {
    const { access_token, refresh_token } = await tokens(anna);
    assert.equal(await statusOf(access_token), 200);
    assert.equal((await end(anna, await grantOf(anna))).status, 303);
    assert.equal(await statusOf(access_token), 401);
    assert.equal((await app.refresh(refresh_token)).json['error'], 'invalid_grant');
    assert.match(await (await show(anna)).text(), /You allowed no app/);
    const rows = await hub.database.query(sql`
      select patient, outcome from audit_entry where interaction = 'token-revoke' and client = 'diary'`);
    assert.deepEqual(rows, [{ patient: 'anna', outcome: 0 }]);
  });

  it('an app without a refresh token is there while its access token lives; one that did not redeem its code is not', async () => {
    await tokens(anna, { scope: 'patient/Observation.rs' });
    await app.code(bob);
    assert.match(await (await show(anna)).text(), /Blood sugar diary/);
    assert.match(await (await show(bob)).text(), /You allowed no app/);
    await hub.database.query(sql`update app_token set expires_at = now() - interval '1 second'`);
    assert.match(await (await show(anna)).text(), /You allowed no app/);
  });

  const refused: readonly [string, (grant: string) => Promise<Response>][] = [
    ['by nobody', (grant) => end(undefined, grant)],
    ["by somebody else's session", (grant) => end(bob, grant)],
    ['CSRF: from another site', (grant) => end(anna, grant, { 'sec-fetch-site': 'cross-site' })],
    ['CSRF: without what the page carries', () => end(anna, '')],
    [
      'by what another page carries',
      async () => end(anna, fieldsOf(await (await app.authorize(anna)).text())['request'] ?? ''),
    ],
  ];
  for (const [title, attempt] of refused) {
    it(`not ended ${title}`, async () => {
      const { access_token } = await tokens(anna);
      const { status, headers } = await attempt(await grantOf(anna));
      assert.deepEqual([status, headers.get('location')], [400, null]);
      assert.equal(await statusOf(access_token), 200);
    });
  }

  it('an account that the operator disables ends what it allowed, at once', async () => {
    const hospital = await hub.token('hospital');
    const patient = { reference: 'Patient/carol' };
    await hub.send('PUT', 'Patient/carol', hospital, { body: { resourceType: 'Patient', id: 'carol' } });
    await hub.send('POST', 'Observation', hospital, {
      body: { resourceType: 'Observation', status: 'final', code: { text: 'glucose' }, subject: patient },
    });
    const carol = await givenPerson(hub, 'Patient/carol');
    const { access_token, refresh_token } = await tokens(carol);
    const seen = async (): Promise<unknown> => (await hub.send('GET', 'Observation', access_token)).json['entry'];
    assert.ok(await seen());
    const env = { DATABASE_URL: hub.databaseUrl, HUB_PUBLIC_URL: hub.url };
    const { code, stderr } = await runHub(['account', 'disable', 'Patient/carol'], { env });
    assert.equal(code, 0, stderr);
    // Another process: its reads end with the next statement, by the table. That it is told so may take a second.
    assert.equal(await seen(), undefined);
    while ((await statusOf(access_token)) === 200) await sleep(50);
    assert.equal(await statusOf(access_token), 401);
    assert.equal((await app.refresh(refresh_token)).json['error'], 'invalid_grant');
  });
});
