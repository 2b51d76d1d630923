/** `hub secrets`: another key for all that is sealed, while people sign in; killed in the middle, and gone on with. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createSecretKey, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openKeyring, readSecretKeys, removeSecretKeys } from '../../../src/access/secrets/keyring.ts';
import { countSealed, rotateSecrets } from '../../../src/access/secrets/rotate.ts';
import { openSealer, type Sealer } from '../../../src/access/secrets/seal.ts';
import { raw, sql } from '../../../src/db/sql.ts';
import { openHeaders, sealHeaders } from '../../../src/feeds/subscription/seal.ts';
import { sealedColumns } from '../../../src/hub/sealed.ts';
import { givenDatabase, type GivenDatabase } from '../../given.ts';
import { givenDataDir, launcher, runHub } from '../../hub-process.ts';
import { until } from '../../until.ts';

const headers = [{ name: 'Authorization', value: 'Bearer of-the-receiver' }];

describe('keys of what is sealed at rest', () => {
  let given: GivenDatabase;
  let dataDir: Awaited<ReturnType<typeof givenDataDir>>;
  /** As a running hub has it, from before every rotation. */
  let sealer: Sealer;

  beforeEach(async () => {
    [given, dataDir] = await Promise.all([givenDatabase(), givenDataDir()]);
    sealer = openSealer(await openKeyring(dataDir.path));
    await given.database.query(sql`
      insert into subscription (id, creator, principal, status, request, headers, channel)
      values ('s1', 'c', '{}', 'off', '{}', ${sealHeaders(headers, 's1', sealer)}, 'rest-hook')`);
  });
  afterEach(async () => {
    await Promise.all([given.close(), dataDir.close()]);
  });

  async function addAccounts(count: number): Promise<void> {
    const ids = Array.from({ length: count }, (_, index) => `account-${String(index).padStart(6, '0')}`);
    await given.database.query(sql`
      insert into account (id, totp_key, code_totp_key)
      select id, key, case when ordinality % 10 = 0 then key end
      from unnest(${ids}::text[], ${ids.map((id) => sealer.seal(`key of ${id}`, id))}::text[]) with ordinality as a (id, key)`);
  }
  /** Every row opens, by a sealer that is new and by one that was there before. */
  async function assertAllOpen(count: number): Promise<void> {
    const rows = await given.database.query<{ id: string; key: string }>(
      raw('select id, totp_key as key from account'),
    );
    assert.equal(rows.length, count);
    for (const one of [sealer, openSealer(await openKeyring(dataDir.path))]) {
      for (const { id, key } of rows) assert.equal(one.open(key, id), `key of ${id}`);
      const [row] = await given.database.query<{ headers: string }>(raw('select headers from subscription'));
      assert.deepEqual(openHeaders(row?.headers, 's1', one), headers);
    }
  }
  const rotate = (settleMs = 0): ReturnType<typeof rotateSecrets> =>
    rotateSecrets({ db: given.database, dataDir: dataDir.path, sealer, columns: sealedColumns, settleMs });
  const keysInUse = async (): Promise<string[]> => [
    ...new Set((await countSealed(given.database, sealedColumns)).map(({ key }) => key)),
  ];

  it('all is sealed anew, and the former key is gone', async () => {
    await addAccounts(250);
    const [former] = await readSecretKeys(dataDir.path);
    const rotated = await rotate();
    assert.deepEqual(rotated, { isResumed: false, resealed: 250 + 25 + 1, unopened: 0, removed: [former?.id] });
    const [current, ...others] = await readSecretKeys(dataDir.path);
    assert.deepEqual(others, []);
    assert.notEqual(current?.id, former?.id);
    assert.deepEqual(await keysInUse(), [current?.id]);
    await assertAllOpen(250);
  });

  it('what a running hub seals meanwhile is kept: it follows at once, and the former key stays until all has settled', async () => {
    await addAccounts(1);
    const late = sealer.seal('key of late', 'late');
    // Longer than it takes to be there before its end.
    const running = rotate(4_000);
    await until('the new key seals', () => Promise.resolve(sealer.keyId() !== late.split('.')[0]));
    // Sealed before, and only now in its row.
    await given.database.query(sql`insert into account (id, totp_key) values ('late', ${late})`);
    await running;
    assert.deepEqual(await keysInUse(), [sealer.keyId()]);
    await assertAllOpen(2);
  });

  it('given kill -9 in the middle, everything opens, and the next run goes on with the same key', async function () {
    this.timeout(300_000);
    const count = 6_000;
    await addAccounts(count);
    const environment = { ...process.env, DATABASE_URL: given.runTimeUrl, HUB_DATA_DIR: dataDir.path };
    await given.database.inTransaction(async (tx) => {
      // Of the last rows: it is not through before it is killed.
      await tx.query(sql`select from account where id = ${`account-${String(count - 1).padStart(6, '0')}`} for update`);
      const child = spawn(process.execPath, [launcher, 'secrets', 'rotate', '--settle', '0'], {
        env: environment,
        stdio: 'ignore',
      });
      await until('the first rows are sealed anew', async () => (await keysInUse()).length === 2);
      child.kill('SIGKILL');
      await once(child, 'exit');
    });
    const keys = await readSecretKeys(dataDir.path);
    assert.equal(keys.length, 2, 'the former key is still there');
    assert.deepEqual((await keysInUse()).length, 2, 'it was in the middle');
    await assertAllOpen(count);

    const { code, stdout, stderr } = await runHub(['secrets', 'rotate', '--settle', '0'], {
      env: { DATABASE_URL: given.runTimeUrl, HUB_DATA_DIR: dataDir.path },
    });
    assert.equal(code, 0, stderr);
    assert.equal((JSON.parse(stdout.split('\n')[0] ?? '') as { isResumed: boolean }).isResumed, true);
    assert.deepEqual(
      (await readSecretKeys(dataDir.path)).map(({ id }) => id),
      [keys[0]?.id],
    );
    await assertAllOpen(count);
    const trail = await given.database.query(
      raw("select outcome from audit_entry where interaction = 'secrets-rotate'"),
    );
    assert.equal(trail.length, 2);
  });

  it('a text that no key opens is told and its key is not taken for one that nothing needs', async () => {
    await addAccounts(2);
    await given.database.query(
      sql`update account set totp_key = (select totp_key from account where id = 'account-000000')`,
    );
    const [former] = await readSecretKeys(dataDir.path);
    const rotated = await rotate();
    assert.deepEqual([rotated.unopened, rotated.removed], [1, []]);
    assert.deepEqual(
      (await readSecretKeys(dataDir.path)).map(({ id }) => id),
      [sealer.keyId(), former?.id],
    );
  });

  it('hub secrets list names keys and numbers, and no value', async () => {
    await addAccounts(3);
    const file = join(dataDir.path, 'secret-keys.json');
    const { stdout } = await runHub(['secrets', 'list'], {
      env: { DATABASE_URL: given.runTimeUrl, HUB_DATA_DIR: dataDir.path },
    });
    const [key] = await readSecretKeys(dataDir.path);
    assert.deepEqual(JSON.parse(stdout), {
      key: sealer.keyId(),
      created: key?.created,
      seals: true,
      sealed: { 'keys of second factors': 3, 'header values of subscriptions': 1 },
    });
    assert.equal(
      stdout.includes((JSON.parse(await readFile(file, 'utf8')) as { keys: { k: string }[] }).keys[0]?.k ?? ''),
      false,
    );
    assert.equal((await stat(file)).mode & 0o777, 0o600);
  });

  it('the key that seals is never removed', async () => {
    await removeSecretKeys(dataDir.path, new Set([sealer.keyId()]));
    assert.equal((await readSecretKeys(dataDir.path)).length, 1);
  });

  it('the one key of earlier versions goes on', async () => {
    const other = join(dataDir.path, 'earlier');
    await mkdir(other);
    const key = randomBytes(32);
    await writeFile(join(other, 'account-key'), key);
    const sealed = openSealer(() => [createSecretKey(key)]).seal('secret', 'a');
    assert.equal(openSealer(await openKeyring(other)).open(sealed, 'a'), 'secret');
  });

  it('the one key of earlier versions, when it cannot be read, is not taken for none', async () => {
    const other = join(dataDir.path, 'unreadable');
    await mkdir(join(other, 'account-key'), { recursive: true });
    await assert.rejects(readSecretKeys(other), { code: 'EISDIR' });
  });
});
