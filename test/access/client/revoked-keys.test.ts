/** Keys that are taken back: a client's, and the hub's own. What they signed ends within a second, in every process. */
import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { generateKeyPair, exportJWK } from 'jose';
import { findClient, registerClient, revokeClientKey, showClient } from '../../../src/access/client/client.ts';
import { issueToken } from '../../../src/access/token/issue.ts';
import {
  listIssuerKeys,
  loadIssuerKeys,
  removeIssuerKey,
  rotateIssuerKeys,
  type IssuerKeys,
} from '../../../src/access/token/keys.ts';
import { openRegistry, revokeIssuerKey } from '../../../src/access/client/registry.ts';
import { openAuthenticator, type Authenticator } from '../../../src/access/token/token.ts';
import type { ClientKey } from '../../../src/access/client/keys.ts';
import type { Database } from '../../../src/db.ts';
import { givenDatabase } from '../../given.ts';
import { givenDataDir } from '../../hub-process.ts';

const issuer = 'https://hub.test';
const audience = `${issuer}/fhir/R4`;

describe('keys that are taken back', () => {
  let database: Awaited<ReturnType<typeof givenDatabase>>;
  let db: Database;
  let dataDir: Awaited<ReturnType<typeof givenDataDir>>;
  let clock = Date.parse('2026-06-01T08:00:00Z');
  let keys: IssuerKeys;
  const processes: Authenticator[] = [];

  before(async () => {
    [database, dataDir] = await Promise.all([givenDatabase(), givenDataDir()]);
    db = database.database;
    keys = await loadIssuerKeys(dataDir.path);
    for (let n = 0; n < 2; n++) {
      const own = n === 0 ? keys : await loadIssuerKeys(dataDir.path);
      const registry = openRegistry(
        db,
        () => clock,
        () => own.refresh(),
      );
      processes.push(
        openAuthenticator({ issuer, audience, keys: own, trustedIssuers: [], registry, now: () => clock }),
      );
    }
  });
  after(() => Promise.all([database.close(), dataDir.close()]));

  const issue = async (claims: object = {}): Promise<string> =>
    `Bearer ${await issueToken(
      keys,
      { client_id: 'c', scope: 'system/*.rs', purpose_of_use: 'TREAT', ...claims },
      { issuer, audience, jti: crypto.randomUUID(), now: Math.floor(clock / 1000) },
    )}`;
  /** What each process says of it: the code of the refusal. */
  const asked = (header: string): Promise<string[]> =>
    Promise.all(
      processes.map((one) =>
        one.authenticate(header).then(
          () => 'accepted',
          (error: { code: string }) => error.code,
        ),
      ),
    );
  const accepted = ['accepted', 'accepted'];
  const refused = ['login', 'login'];

  async function clientKey(kid: string): Promise<ClientKey> {
    const { publicKey } = await generateKeyPair('ES384', { extractable: true });
    return { ...(await exportJWK(publicKey)), kid, alg: 'ES384', use: 'sig' };
  }

  it("a client's key: what was obtained by it is refused, what by another stays", async () => {
    const both = [await clientKey('old'), await clientKey('new')];
    const client = { issuer, id: 'c', kind: 'hospital', organization: 'Organization/c', purposes: 3, keys: both };
    await registerClient(db, client);
    clock += 1001;
    const [byOld, byNew, byOperator] = [
      await issue({ client_kid: 'old' }),
      await issue({ client_kid: 'new' }),
      await issue(),
    ];
    for (const token of [byOld, byNew, byOperator]) assert.deepEqual(await asked(token), accepted);
    await revokeClientKey(db, { issuer, id: 'c', kid: 'old' });
    clock += 1001;
    assert.deepEqual(await asked(byOld), refused);
    assert.deepEqual(await asked(byNew), accepted);
    assert.deepEqual(await asked(byOperator), accepted);
    assert.deepEqual(
      (await findClient(db, issuer, 'c'))?.keys.map(({ kid }) => kid),
      ['new'],
    );
    assert.deepEqual(((await showClient(db, issuer, 'c')) as { revokedKeys: string[] }).revokedKeys, ['old']);
    await assert.rejects(registerClient(db, client), { code: 'value' });
    await assert.rejects(revokeClientKey(db, { issuer, id: 'c', kid: 'old' }), { code: 'not-found' });
    await assert.rejects(revokeClientKey(db, { issuer, id: 'nobody', kid: 'new' }), { code: 'not-found' });
  });

  it('the last key: the client is disabled, and does not become one that needs no key', async () => {
    const app = { issuer, id: 'app', kind: 'app', purposes: 0, keys: [await clientKey('only')] };
    await registerClient(db, app);
    assert.ok(await findClient(db, issuer, 'app'));
    await revokeClientKey(db, { issuer, id: 'app', kid: 'only' });
    assert.equal(await findClient(db, issuer, 'app'), undefined);
  });

  it("rotation of the hub's keys: the new one signs, the former still verifies, in every process", async () => {
    const before = await issue();
    const former = keys.kid;
    const kid = await rotateIssuerKeys(dataDir.path, new Date(clock), new Date(clock - 90_000_000));
    clock += 1001;
    assert.deepEqual(await asked(before), accepted);
    assert.equal(keys.kid, kid);
    assert.notEqual(kid, former);
    assert.deepEqual(await asked(await issue()), accepted);
    assert.deepEqual(
      (await listIssuerKeys(dataDir.path)).map((key) => [key.kid, key.signs]),
      [
        [kid, true],
        [former, false],
      ],
    );
  });

  it('a key whose tokens have all expired goes with a later rotation', async () => {
    const before = (await listIssuerKeys(dataDir.path)).map(({ kid }) => kid);
    const later = new Date(clock + 100_000_000);
    await rotateIssuerKeys(dataDir.path, later, new Date(later.getTime() - 90_000_000));
    const after = (await listIssuerKeys(dataDir.path)).map(({ kid }) => kid);
    assert.deepEqual(after.slice(1), before.slice(0, 1), 'the one that signed until now stays');
  });

  it('a key of the hub that is revoked: its tokens are refused in every process within a second', async () => {
    clock += 1001;
    // What the file says by now.
    await asked(await issue());
    const { kid } = keys;
    const token = await issue();
    assert.deepEqual(await asked(token), accepted);
    await revokeIssuerKey(db, issuer, kid);
    // The file is as it was: a process of another data directory has it still.
    clock += 1001;
    assert.deepEqual(await asked(token), refused);
    assert.equal(await removeIssuerKey(dataDir.path, kid, new Date(clock)), true);
    clock += 1001;
    assert.deepEqual(await asked(token), refused);
    assert.notEqual(keys.kid, kid);
    assert.deepEqual(await asked(await issue()), accepted);
    assert.equal(await removeIssuerKey(dataDir.path, kid, new Date(clock)), false);
  });

  it('the file stays readable by its owner alone', async () => {
    const path = join(dataDir.path, 'issuer-keys.json');
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.ok((JSON.parse(await readFile(path, 'utf8')) as { keys: object[] }).keys.length > 0);
  });

  it('LEAKS 32: a client comes from its networks, whatever its header says', async () => {
    await registerClient(db, {
      issuer,
      id: 'n',
      kind: 'ai',
      organization: 'Organization/n',
      purposes: 1,
      networks: ['10.1.0.0/16'],
    });
    clock += 1001;
    const header = await issue({ client_id: 'n' });
    const from = (remoteAddress: string | undefined, forwarded?: string): Promise<unknown> =>
      (processes[0] as Authenticator).authenticate(header, {
        socket: { remoteAddress },
        headers: { 'x-forwarded-for': forwarded },
      });
    await from('10.1.2.3');
    for (const address of ['10.2.2.3', '::1', undefined]) await assert.rejects(from(address), { code: 'forbidden' });
    await assert.rejects(from('9.9.9.9', '10.1.2.3'), { code: 'forbidden' });
    await registerClient(db, {
      issuer,
      id: 'n',
      kind: 'ai',
      organization: 'Organization/n',
      purposes: 1,
      networks: [],
    });
    clock += 1001;
    await from('10.2.2.3');
  });
});
