import assert from 'node:assert/strict';
import { ConfigError, describeVariables, readConfig } from '../src/config.ts';

describe('config: environment -> Config', () => {
  it('given nothing, has the documented defaults', () => {
    const config = readConfig({});
    assert.equal(config.host, '127.0.0.1');
    assert.equal(config.port, 8080);
    assert.equal(config.mllpPort, 2575);
    assert.match(config.dataDir, /\/data$/);
    assert.equal(config.databaseUrl, undefined);
    assert.equal(config.publicUrl, undefined);
    assert.deepEqual([...config.roles], ['api', 'ingest', 'worker', 'scheduler']);
    assert.deepEqual(config.subscriptionAllow, []);
    assert.equal(config.logLevel, 'info');
  });

  const accepted: [Record<string, string>, (config: ReturnType<typeof readConfig>) => unknown, unknown][] = [
    [{ HUB_PORT: '0' }, (config) => config.port, 0],
    [{ HUB_PORT: '' }, (config) => config.port, 8080],
    [{ HUB_PUBLIC_URL: 'https://hub.example.org/' }, (config) => config.publicUrl, 'https://hub.example.org'],
    [{ HUB_ROLES: 'api, worker' }, (config) => [...config.roles], ['api', 'worker']],
    [{}, (config) => config.messageDays, undefined],
    [{ HUB_MESSAGE_DAYS: '90' }, (config) => config.messageDays, 90],
    [{ HUB_WORKERS: '3' }, (config) => config.workers, 3],
    [
      { HUB_SUBSCRIPTION_ALLOW: 'https://a.example/,https://b.example/x' },
      (config) => config.subscriptionAllow,
      ['https://a.example/', 'https://b.example/x'],
    ],
    [
      { HUB_TRUSTED_ISSUERS: '[{"issuer":"https://i.example","jwks_uri":"https://i.example/jwks","audience":"a"}]' },
      (config) => config.trustedIssuers,
      [{ issuer: 'https://i.example', jwksUri: 'https://i.example/jwks', audience: 'a' }],
    ],
    [{}, (config) => config.login, undefined],
    [
      { HUB_LOGIN_ISSUER: 'https://id.example/', HUB_LOGIN_CLIENT_SECRET: 's' },
      (config) => config.login,
      { issuer: 'https://id.example/', clientId: 'health-record-hub', clientSecret: 's' },
    ],
    [{ HUB_LOGIN_ISSUER: 'http://127.0.0.1:9000' }, (config) => config.login?.issuer, 'http://127.0.0.1:9000'],
    [{ HUB_PROT: '9' }, (config) => config.unknownVariables, ['HUB_PROT']],
  ];
  for (const [environment, read, expected] of accepted) {
    it(`takes ${JSON.stringify(environment)}`, () => assert.deepEqual(read(readConfig(environment)), expected));
  }

  const refused: Record<string, string>[] = [
    { HUB_MESSAGE_DAYS: '0' },
    { HUB_PORT: '65536' },
    { HUB_PORT: '80.5' },
    { HUB_MLLP_PORT: '-1' },
    { HUB_PUBLIC_URL: 'hub.example.org' },
    { HUB_PUBLIC_URL: 'ftp://hub.example.org' },
    { HUB_ROLES: 'api,web' },
    { HUB_ROLES: ',' },
    { HUB_WORKERS: '0' },
    { HUB_WORKERS: '1000' },
    { HUB_LOG_LEVEL: 'loud' },
    { HUB_TRUSTED_ISSUERS: '{"issuer":"https://i.example"}' },
    { HUB_TRUSTED_ISSUERS: '[{"issuer":"https://i.example","jwks":"https://i.example/jwks"}]' },
    { HUB_TRUSTED_ISSUERS: 'nonsense' },
    { HUB_SUBSCRIPTION_ALLOW: 'not a url' },
    { HUB_LOGIN_ISSUER: 'http://id.example' },
    { HUB_LOGIN_ISSUER: 'id.example' },
    { DATABASE_URL: 'mysql://x' },
    { HUB_MLLP_TLS_KEY: '/nowhere/key.pem', HUB_MLLP_TLS_CERT: '/nowhere/cert.pem' },
  ];
  for (const environment of refused) {
    it(`refuses ${JSON.stringify(environment)}, naming the variable and what to do`, () => {
      const [name = ''] = Object.keys(environment);
      assert.throws(
        () => readConfig(environment),
        (error) =>
          error instanceof ConfigError &&
          error.message.startsWith(name) &&
          /Set it to .+ or unset it\./.test(error.message),
      );
    });
  }

  it('never repeats a database URL, which holds a password', () => {
    assert.throws(
      () => readConfig({ DATABASE_URL: 'x://hub:secret@db/name' }),
      (error: Error) => !/secret/.test(error.message),
    );
  });

  it('names every variable that is wrong at once', () => {
    assert.throws(() => readConfig({ HUB_PORT: 'x', HUB_WORKERS: 'y' }), /HUB_PORT[^]*HUB_WORKERS/);
  });

  it('given --help, then each name stands apart from its rule', () => {
    const lines = describeVariables().trim().split('\n').slice(1);
    assert.ok(lines.length > 30);
    for (const line of lines) assert.match(line.trim(), /^[A-Z_]+ {2,}\S/);
  });

  it('refuses half a TLS pair', () => {
    assert.throws(() => readConfig({ HUB_MLLP_TLS_KEY: import.meta.filename }), /belong together/);
  });
});
