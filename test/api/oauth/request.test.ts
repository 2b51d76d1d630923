/** The forms that the authorization server takes, and the bounds it keeps. @see RFC 6749 section 3.2 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import fc from 'fast-check';
import { sql } from '../../../src/db/sql.ts';
import { givenHub, type GivenHub } from '../../given-hub.ts';
import { assertionType, givenClient, postForm, type GivenClient } from './given.ts';

describe('requests of the authorization server (RFC 6749 section 3.2)', function () {
  this.timeout(300_000);
  let hub: GivenHub;
  let client: GivenClient;
  let other: GivenClient;
  before(async () => {
    hub = await givenHub();
    client = await givenClient(hub, 'assistant');
    other = await givenClient(hub, 'other', { organization: 'Organization/other' });
  });
  after(() => hub.close());

  const url = (): string => `${hub.url}/oauth/token`;
  const form = async (): Promise<Record<string, string>> => ({
    grant_type: 'client_credentials',
    scope: 'system/Patient.rs',
    client_assertion_type: assertionType,
    client_assertion: await client.assertion(),
  });

  for (const grant of ['password', 'implicit', 'urn:ietf:params:oauth:grant-type:jwt-bearer']) {
    it(`the grant ${grant} is not served`, async () => {
      const { status, json } = await client.token({ grant_type: grant });
      assert.deepEqual([status, json['error']], [400, 'unsupported_grant_type']);
    });
  }

  for (const name of ['grant_type', 'scope', 'client_assertion', 'client_assertion_type']) {
    it(`${name} twice is refused, also when both say the same`, async () => {
      const body = new URLSearchParams(await form());
      body.append(name, body.get(name) ?? '');
      const { status, json } = await postForm(url(), body.toString());
      assert.deepEqual([status, json['error']], [400, 'invalid_request']);
    });
  }

  const rows: readonly [string, Record<string, string>, number, string][] = [
    ['no grant_type', { grant_type: '' }, 400, 'invalid_request'],
    ['no assertion', { client_assertion: '' }, 401, 'invalid_client'],
    ['another type of assertion', { client_assertion_type: 'urn:other' }, 401, 'invalid_client'],
    ['a client_id that is not the subject', { client_id: 'other' }, 401, 'invalid_client'],
    ['a secret beside the assertion', { client_secret: 'x' }, 400, 'invalid_request'],
    ['another resource (RFC 8707)', { resource: 'https://other.example' }, 400, 'invalid_target'],
  ];
  for (const [title, changes, status, error] of rows) {
    it(`${title}: ${error}`, async () => {
      const { status: got, json } = await postForm(url(), { ...(await form()), ...changes });
      assert.deepEqual([got, json['error']], [status, error]);
    });
  }

  it('client_id and resource may be said again', async () => {
    const body = { ...(await form()), client_id: 'assistant', resource: hub.fhir };
    assert.equal((await postForm(url(), body)).status, 200);
  });

  it('an Authorization header is no way to authenticate, and its scheme is answered', async () => {
    const { status, headers, json } = await postForm(url(), await form(), { authorization: 'Basic YTpi' });
    assert.deepEqual(
      [status, json['error'], headers.get('www-authenticate')],
      [401, 'invalid_client', 'Basic realm="hub"'],
    );
  });

  it('nothing is taken from the URL; a body is a form, in UTF-8, of bounded size', async () => {
    assert.equal((await postForm(`${url()}?scope=system/Patient.rs`, await form())).status, 400);
    assert.equal(
      (await postForm(url(), JSON.stringify(await form()), { 'content-type': 'application/json' })).status,
      400,
    );
    assert.equal((await postForm(url(), { ...(await form()), padding: 'a'.repeat(33_000) })).status, 413);
    const many = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`p${at}`, '1']));
    assert.equal((await postForm(url(), { ...(await form()), ...many })).status, 400);
  });

  it('bodies that come slowly hold up nobody', async () => {
    const { port } = new URL(hub.url);
    const slow = Array.from({ length: 80 }, () => {
      const socket = connect(Number(port), '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write(
        'POST /oauth/token HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 100\r\n\r\na',
      );
      return socket;
    });
    await Promise.all(slow.map((socket) => once(socket, 'connect')));
    assert.equal((await client.token()).status, 200);
    for (const socket of slow) socket.destroy();
  });

  it('GET is 405; everything that is not served is 404', async () => {
    for (const path of ['/oauth/token', '/oauth/introspect', '/oauth/revoke']) {
      const response = await fetch(`${hub.url}${path}`);
      assert.deepEqual([response.status, response.headers.get('allow')], [405, 'POST']);
    }
    for (const path of ['auth', 'userinfo', 'me', 'interaction/x', 'session/end', 'TOKEN', 'token/']) {
      assert.equal((await fetch(`${hub.url}/oauth/${path}`)).status, 404, path);
      assert.equal((await fetch(`${hub.url}/oauth/${path}`, { method: 'POST' })).status, 404, path);
    }
  });

  it('sets no cookie, and no origin is reflected', async () => {
    const { headers } = await postForm(url(), await form(), { origin: 'https://evil.example' });
    assert.deepEqual([headers.get('set-cookie'), headers.get('access-control-allow-origin')], [null, '*']);
  });

  it('64 at once are worked on; the next is told to wait, and nobody is lost', async () => {
    const ask = () => postForm(`${hub.url}/oauth/token`, assertions.pop() as Record<string, string>);
    const assertions = await Promise.all(
      Array.from({ length: 65 }, async () => ({
        grant_type: 'client_credentials',
        scope: 'system/*.rs',
        client_assertion_type: assertionType,
        client_assertion: await other.assertion(),
      })),
    );
    const all: ReturnType<typeof ask>[] = [];
    await hub.database.inTransaction(async (tx) => {
      await tx.query(sql`lock table client in access exclusive mode`);
      for (let n = 0; n < 65; n++) all.push(ask());
      // None that is worked on is answered now.
      const { status, headers, json } = await Promise.race(all);
      assert.deepEqual([status, json['error'], headers.has('retry-after')], [429, 'temporarily_unavailable', true]);
    });
    const statuses = (await Promise.all(all)).map(({ status }) => status);
    assert.deepEqual(
      statuses.toSorted((a, b) => a - b),
      [...Array.from({ length: 64 }, () => 200), 429],
    );
  });

  it('whatever is in a form, the answer is a refusal in JSON and never our fault', async () => {
    const name = fc.oneof(
      fc.constantFrom('grant_type', 'scope', 'resource', 'client_id', 'purpose_of_use', 'token', 'token_type_hint'),
      fc.string({ unit: 'binary', maxLength: 20 }),
    );
    const form = fc.dictionary(name, fc.string({ unit: 'binary', maxLength: 60 }), { maxKeys: 8 });
    const path = fc.constantFrom('/oauth/token', '/oauth/introspect', '/oauth/revoke');
    const one = await givenClient(hub, 'fuzzed');
    await fc.assert(
      fc.asyncProperty(path, form, async (where, parameters) => {
        const { status, json } = await one.post(where, parameters);
        assert.ok(status < 500 && status !== 429, `${status}`);
        if (status !== 200) assert.equal(typeof json['error'], 'string');
      }),
      { numRuns: 50 },
    );
  });

  it('a client has 600 requests in a minute; the others are not held up', async () => {
    const busy = await givenClient(hub, 'busy');
    await hub.database.query(sql`
      insert into client_assertion (issuer, client, jti, expires_at)
      select ${hub.url}, 'busy', n::text, now() + interval '5 minutes' from generate_series(1, 600) n`);
    const { status, headers, json } = await busy.token();
    assert.deepEqual([status, json['error'], headers.get('retry-after')], [429, 'temporarily_unavailable', '10']);
    assert.equal((await client.token()).status, 200);
  });
});
