/** What clients discover is what runs. @see SMART conformance, RFC 8414, OpenID Connect Discovery */
import assert from 'node:assert/strict';
import { givenHub, type GivenHub } from '../../given-hub.ts';

const places = [
  '/fhir/R4/.well-known/smart-configuration',
  '/.well-known/oauth-authorization-server',
  '/.well-known/openid-configuration',
];

describe('discovery of the authorization server', function () {
  this.timeout(300_000);
  let hub: GivenHub;
  before(async () => {
    hub = await givenHub();
  });
  after(() => hub.close());

  for (const place of places) {
    it(`${place}: its endpoints answer, and it is open to pages of other origins`, async () => {
      const response = await fetch(`${hub.url}${place}`, { headers: { origin: 'https://app.example' } });
      assert.equal(response.headers.get('access-control-allow-origin'), '*');
      const document = (await response.json()) as Record<string, string>;
      assert.equal(document['issuer'], hub.url);
      const endpoints = Object.entries(document).filter(([name]) => /_(endpoint|uri)$/.test(name));
      assert.equal(endpoints.length, 6);
      for (const [name, url] of endpoints) {
        const got = await fetch(url, { redirect: 'manual' });
        // The page refuses a request that says nothing; the others want a POST.
        const expected = name === 'jwks_uri' ? 200 : name === 'authorization_endpoint' ? 400 : 405;
        assert.equal(got.status, expected, name);
      }
    });
  }

  it('SMART: what has to be there for standalone launch, and no claim of what is not served', async () => {
    const { json } = await hub.send('GET', '.well-known/smart-configuration', undefined);
    for (const capability of [
      'launch-standalone',
      'client-public',
      'sso-openid-connect',
      'context-standalone-patient',
      'permission-offline',
      'permission-v2',
    ]) {
      assert.ok(json['capabilities'].includes(capability), capability);
    }
    const claimed = (json['capabilities'] as string[]).join(' ');
    assert.doesNotMatch(claimed, /launch-ehr|context-ehr|permission-v1|client-confidential-symmetric/);
    assert.deepEqual(json['code_challenge_methods_supported'], ['S256']);
    assert.deepEqual(json['response_types_supported'], ['code']);
    assert.equal(json['authorization_response_iss_parameter_supported'], true);
  });

  it('OpenID Connect Discovery: what is required', async () => {
    const document = (await (await fetch(`${hub.url}/.well-known/openid-configuration`)).json()) as Record<
      string,
      unknown
    >;
    for (const name of [
      'issuer',
      'authorization_endpoint',
      'token_endpoint',
      'jwks_uri',
      'response_types_supported',
      'subject_types_supported',
      'id_token_signing_alg_values_supported',
    ]) {
      assert.ok(document[name], name);
    }
  });
});
