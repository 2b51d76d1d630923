/** The hub's own pages get tokens from the session: for whom, for what, and until when. */
import assert from 'node:assert/strict';
import { decodeJwt } from 'jose';
import { inviteAccount } from '../../../src/access/login/account.ts';
import { sql } from '../../../src/db/sql.ts';
import { given } from '../../given.ts';
import { givenHub, type GivenHub } from '../../given-hub.ts';
import { enrolOn, openBrowser, type Browser, type Shown } from './given-browser.ts';

const page = { 'x-hub-page': '1', 'content-type': 'application/json' };

describe('tokens of the session', () => {
  let hub: GivenHub;
  let patient: string;
  let other: string;
  let browser: Browser;
  let people = 0;
  before(async () => {
    hub = await givenHub();
    const hospital = await hub.token('hospital');
    for (const family of ['Zhang', 'Li']) {
      const { json } = await hub.send('POST', 'Patient', hospital, { body: given.patient({ family }) });
      other = patient;
      patient = json['id'] as string;
    }
    browser = await enrolled(`Patient/${patient}`);
  });
  beforeEach(() => hub.database.query(sql`delete from login_attempt`));
  after(() => hub.close());

  const enrolled = async (who: string): Promise<Browser> => {
    const opened = openBrowser(hub.url);
    const { code } = await inviteAccount(hub.database, who, new Date(Date.now() + 3_600_000));
    people++;
    await enrolOn(opened, code, `portal-person-${people}`);
    return opened;
  };
  const ask = (from: Browser, body = '', headers: Record<string, string> = page): Promise<Shown> =>
    from.post('/portal/token', body, headers);
  const tokenOf = async (from: Browser): Promise<string> =>
    (JSON.parse((await ask(from)).text) as { access_token: string }).access_token;

  it('of a patient: PATRQT, their own record, five minutes, and it opens that record', async () => {
    const { status, text, headers } = await ask(browser);
    assert.equal(status, 200);
    assert.equal(headers.get('cache-control'), 'no-store');
    const answer = JSON.parse(text) as Record<string, string>;
    const {
      fhirUser,
      patient: context,
      purpose_of_use: purpose,
      scope,
      exp = 0,
      iat = 0,
    } = decodeJwt(answer['access_token'] ?? '');
    assert.deepEqual([fhirUser, context, purpose], [`Patient/${patient}`, patient, 'PATRQT']);
    assert.equal(scope, 'patient/*.rs patient/Consent.cruds patient/Patient.d');
    assert.equal(exp - iat, 300);
    assert.equal((await hub.send('GET', `Patient/${patient}`, answer['access_token'])).status, 200);
    assert.equal((await hub.send('GET', `Patient/${other}`, answer['access_token'])).status, 404);
  });

  it('of an operator: the console and nothing clinical', async () => {
    const token = await tokenOf(await enrolled('operator'));
    assert.equal(decodeJwt(token)['scope'], 'hub/ops');
    assert.equal((await hub.send('GET', '/ops/messages', token)).status, 200);
    assert.equal((await hub.send('GET', `Patient/${patient}`, token)).status, 403);
  });

  it('of a practitioner there is none: apps ask for theirs', async () => {
    assert.equal((await ask(await enrolled('Practitioner/who'))).status, 403);
  });

  it('of a RelatedPerson who may act for nobody there is none', async () => {
    assert.equal((await ask(await enrolled('RelatedPerson/nobody'))).status, 403);
  });

  it('for a record that is not theirs there is none', async () => {
    assert.equal((await ask(browser, JSON.stringify({ patient: other }))).status, 403);
    assert.equal((await ask(browser, JSON.stringify({ patient }))).status, 200);
  });

  const refusals: [string, number, (from: Browser) => Promise<Shown>][] = [
    ['nobody signed in', 401, () => ask(openBrowser(hub.url))],
    ['no header of the page (CSRF)', 403, (from) => ask(from, '', { 'content-type': 'text/plain' })],
    ['sent by another site', 403, (from) => ask(from, '', { ...page, 'sec-fetch-site': 'cross-site' })],
    ['a body that is none', 400, (from) => ask(from, '{"patient":')],
    ['a patient that is none', 400, (from) => ask(from, '{"patient":{}}')],
    ['a body beyond 1 kB', 413, (from) => ask(from, JSON.stringify({ patient: 'x'.repeat(2000) }))],
    ['a GET', 405, (from) => from.get('/portal/token', page)],
  ];
  for (const [name, status, send] of refusals) {
    it(`${name} is ${status}`, async () => assert.equal((await send(browser)).status, status));
  }

  it('CORS lets no other origin ask', async () => {
    const response = await fetch(`${hub.url}/portal/token`, {
      method: 'OPTIONS',
      headers: {
        origin: 'https://evil.example',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'x-hub-page',
      },
    });
    assert.equal(response.headers.get('access-control-allow-origin'), null);
  });

  it('a session has so many at a time and no more', async () => {
    const one = await enrolled('Patient/many-tabs');
    await hub.database.query(sql`
      insert into account_token (jti, session, expires_at)
      select 'filler-' || number, session.id, now() + interval '5 minutes' from generate_series(1, 100) number,
        (select account_session.id from account_session join account on account.id = account_session.account
         where fhir_user = 'Patient/many-tabs') session`);
    const { status, headers } = await ask(one);
    assert.equal(status, 429);
    assert.ok(headers.get('retry-after'));
  });

  it('given a sign-out, then the next request with the token is refused', async () => {
    const one = await enrolled(`Patient/${other}`);
    const token = await tokenOf(one);
    assert.equal((await hub.send('GET', `Patient/${other}`, token)).status, 200);
    const out = await one.post('/portal/sign-out', '', page);
    assert.equal(out.status, 204);
    assert.equal(one.cookies.has('hub-session'), false);
    assert.equal((await hub.send('GET', `Patient/${other}`, token)).status, 401);
    assert.equal((await ask(one)).status, 401);
  });

  it('each is in the log of the patient, by its jti', async () => {
    const jti = decodeJwt(await tokenOf(browser)).jti;
    const rows = await hub.database.query<{ interaction: string; patient: string }>(
      sql`select interaction, patient from audit_entry where jti = ${jti}`,
    );
    assert.deepEqual(rows, [{ interaction: 'token', patient }]);
  });
});
