/** SMART Backend Services: what a token says, and what of it was asked for and granted. */
import assert from 'node:assert/strict';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { sql } from '../../../src/db/sql.ts';
import { givenHub, type GivenHub } from '../../given-hub.ts';
import { givenClient, type GivenClient } from './given.ts';

describe('POST /oauth/token (SMART Backend Services)', function () {
  this.timeout(300_000);
  let hub: GivenHub;
  let client: GivenClient;
  before(async () => {
    hub = await givenHub();
    client = await givenClient(hub, 'assistant');
  });
  after(() => hub.close());

  it('given a signed assertion, then a token of five minutes in the form that the facade verifies', async () => {
    const { status, headers, json } = await client.token();
    assert.equal(status, 200, JSON.stringify(json));
    assert.deepEqual(
      [json['token_type'], json['expires_in'], json['scope'], headers.get('cache-control'), headers.get('pragma')],
      ['bearer', 300, 'system/Patient.rs', 'no-store', 'no-cache'],
    );
    const token = String(json['access_token']);
    assert.equal(decodeProtectedHeader(token).typ, 'at+jwt');
    const { iat = 0, exp, jti, client_kid: kid, ...claims } = decodeJwt(token);
    assert.equal(typeof kid, 'string');
    assert.equal(exp, iat + 300);
    assert.equal(jti?.length, 36);
    assert.deepEqual(claims, {
      iss: hub.url,
      aud: hub.fhir,
      sub: 'assistant',
      client_id: 'assistant',
      scope: 'system/Patient.rs',
      organization: 'Organization/ai-health-manager',
      purpose_of_use: 'TREAT',
    });
    assert.equal((await hub.send('GET', 'Patient', token)).status, 200);
  });

  describe('scope', () => {
    const rows: readonly [string, string, string | undefined][] = [
      ['system/*.rs', 'system/Patient.rs', 'system/Patient.rs'],
      ['system/*.rs', 'system/Patient.r', 'system/Patient.r'],
      ['system/*.rs', 'system/*.cruds', 'system/*.rs'],
      ['system/Patient.rs system/Observation.r', 'system/*.rs', 'system/Patient.rs system/Observation.r'],
      ['system/Patient.rs', 'system/Patient.rs system/Observation.rs', 'system/Patient.rs'],
      ['system/Patient.rs', 'system/Observation.rs', undefined],
      ['system/Patient.rs', 'system/Patient.c', undefined],
      ['system/Observation.rs?category=laboratory', 'system/*.rs', 'system/Observation.rs?category=laboratory'],
      ['system/*.rs', 'system/Observation.rs?code=718-7', 'system/Observation.rs?code=718-7'],
      [
        'system/Observation.rs?category=laboratory',
        'system/Observation.rs?code=718-7',
        'system/Observation.rs?code=718-7&category=laboratory',
      ],
      ['system/*.rs', 'system/Nonsense.rs', undefined],
      ['system/*.rs', 'system/Patient.rs system/Nonsense.rs', undefined],
      ['system/*.rs', 'system/Patient.sr', undefined],
      ['system/*.rs', 'system/*.rs?code=718-7', undefined],
      ['system/*.rs', 'system/Observation.rs?code:not=718-7', undefined],
      ['system/*.rs', 'user/Patient.rs', undefined],
      ['system/*.rs', 'patient/Patient.rs', undefined],
      ['system/*.rs', 'hub/ops', undefined],
      ['system/*.rs', 'openid', undefined],
      ['system/*.rs', '', undefined],
      ['system/*.rs', Array.from({ length: 101 }, (_, at) => `system/Observation.rs?code=${at}`).join(' '), undefined],
    ];
    for (const [registered, requested, granted] of rows) {
      const asked = requested.length > 80 ? 'more than a hundred' : requested;
      it(`registered "${registered}", asked "${asked}": ${granted ?? 'invalid_scope'}`, async () => {
        const one = await givenClient(hub, 'scoped', { scope: registered });
        const { status, json } = await one.token({ scope: requested });
        assert.deepEqual(
          [status, json['scope'], json['error']],
          granted === undefined ? [400, undefined, 'invalid_scope'] : [200, granted, undefined],
        );
        if (granted === undefined) return assert.equal(json['access_token'], undefined);
        assert.equal(decodeJwt(String(json['access_token']))['scope'], granted);
      });
    }
  });

  describe('purpose of use (LEAKS 32)', () => {
    it('with several registered the client names those it asks for, and no other', async () => {
      const one = await givenClient(hub, 'hospital', { kind: 'hospital', purposes: ['TREAT', 'HOPERAT'] });
      const claim = async (purpose: string): Promise<unknown> => {
        const { json } = await one.token({ purpose_of_use: purpose });
        const token = json['access_token'];
        return typeof token === 'string' ? decodeJwt(token)['purpose_of_use'] : json['error'];
      };
      assert.equal(await claim('TREAT'), 'TREAT');
      assert.deepEqual(await claim('TREAT HOPERAT'), ['TREAT', 'HOPERAT']);
      for (const purpose of ['', 'ETREAT', 'TREAT ETREAT', 'PATRQT', 'FUN']) {
        assert.equal(await claim(purpose), 'invalid_request', purpose);
      }
    });
  });

  it('while the trail cannot be written nobody gets a token', async () => {
    await hub.database.query(sql`alter table audit_block rename to audit_block_away`);
    const { status, json } = await client.token();
    await hub.database.query(sql`alter table audit_block_away rename to audit_block`);
    assert.equal(json['access_token'], undefined);
    assert.ok(status >= 500, `${status}`);
    assert.equal((await client.token()).status, 200);
  });

  it('smart-configuration and CapabilityStatement name what is served', async () => {
    const { json } = await hub.send('GET', '.well-known/smart-configuration', undefined);
    for (const name of ['token_endpoint', 'introspection_endpoint', 'revocation_endpoint']) {
      assert.equal((await fetch(String(json[name]), { method: 'POST' })).status, 400, name);
    }
    assert.ok(json['grant_types_supported'].includes('client_credentials'));
    assert.ok(json['token_endpoint_auth_methods_supported'].includes('private_key_jwt'));
    assert.ok(json['token_endpoint_auth_signing_alg_values_supported'].includes('RS384'));
    assert.ok(json['token_endpoint_auth_signing_alg_values_supported'].includes('ES384'));
    assert.ok(json['capabilities'].includes('client-confidential-asymmetric'));
    const { json: metadata } = await hub.send('GET', 'metadata', undefined);
    assert.deepEqual(metadata['rest'][0].security.extension[0].extension, [
      { url: 'token', valueUri: `${hub.url}/oauth/token` },
      { url: 'authorize', valueUri: `${hub.url}/oauth/authorize` },
      { url: 'register', valueUri: `${hub.url}/oauth/register` },
      { url: 'introspect', valueUri: `${hub.url}/oauth/introspect` },
      { url: 'revoke', valueUri: `${hub.url}/oauth/revoke` },
    ]);
  });
});
