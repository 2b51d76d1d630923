/** `hub backup` while messages come in, `hub restore` into an empty directory: what was acknowledged before is there, and can be opened. */
import assert from 'node:assert/strict';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connectMllp } from '../../adapters/hl7v2/client.ts';
import { givenMessage } from '../given-ingest.ts';
import { givenDataDir, givenHubProcess, runHub, type HubProcess } from '../hub-process.ts';

describe('hub backup and hub restore', () => {
  let dirs: Awaited<ReturnType<typeof givenDataDir>>[];
  let hubs: HubProcess[];
  beforeEach(async () => {
    dirs = await Promise.all([givenDataDir(), givenDataDir(), givenDataDir()]);
    hubs = [];
  });
  afterEach(async () => {
    for (const hub of hubs) {
      hub.signal('SIGTERM');
      await hub.ended;
    }
    await Promise.all(dirs.map((dir) => dir.close()));
  });
  const [original, copy, restored] = [0, 1, 2];
  const pathOf = (index: number): string => dirs[index]?.path ?? '';
  const env = (index: number): Record<string, string> => ({ HUB_DATA_DIR: pathOf(index) });
  const start = async (index: number): Promise<HubProcess> => {
    const hub = await givenHubProcess({ env: env(index) });
    hubs.push(hub);
    return hub;
  };

  it('has every message that was acknowledged before it began, in a hub that goes on from there', async () => {
    const hub = await start(original);
    const added = await runHub(
      ['endpoint', 'add', 'ward', '--kind', 'hl7v2-mllp', '--organization', 'Organization/a', '--facility', 'HOSPA'],
      { env: env(original) },
    );
    assert.equal(added.code, 0, added.stderr);
    const { mllpPort } = await hub.logged('ready');
    const client = connectMllp({ host: '127.0.0.1', port: Number(mllpPort) });
    let sent = 0;
    const over = new AbortController();
    const acknowledged = new Set<string>();
    const sending = (async () => {
      while (!over.signal.aborted) {
        const id = `M${++sent}`;
        const { code } = await client.send(
          Buffer.from(givenMessage({ id, patient: `P${sent % 50}`, value: `${sent}` })),
        );
        if (code === 'AA') acknowledged.add(id);
      }
    })();
    while (acknowledged.size < 100) await new Promise((resolve) => setTimeout(resolve, 20));
    const before = [...acknowledged];
    const backup = await runHub(['backup', join(pathOf(copy), 'monday')], { env: env(original) });
    const during = acknowledged.size - before.length;
    over.abort();
    await sending;
    client.destroy();
    assert.equal(backup.code, 0, backup.stderr);
    assert.ok(during > 0, 'messages came in while it was made');

    const from = join(pathOf(copy), 'monday');
    const result = await runHub(['restore', from], { env: env(restored) });
    assert.equal(result.code, 0, result.stderr);
    const other = await start(restored);
    assert.equal((await fetch(`${other.url}/readyz`)).status, 200);
    const listed = await runHub(['messages', '--source', 'ward'], { env: env(restored) });
    const ids = listed.stdout
      .split('\n')
      .flatMap((line) => (line === '' ? [] : [(JSON.parse(line) as { controlId: string }).controlId]));
    const kept = new Set(ids);
    assert.deepEqual(
      before.filter((id) => !kept.has(id)),
      [],
    );
    assert.equal(kept.size, ids.length, 'none twice');
    // The keys came along: tokens of the one are good for the other.
    const token = await runHub(['token', '--preset', 'operator', '--client', 'ops'], {
      env: { ...env(original), HUB_PUBLIC_URL: other.url },
    });
    const answer = await fetch(`${other.url}/ops/health`, {
      headers: { authorization: `Bearer ${token.stdout.trim()}` },
    });
    assert.equal(answer.status, 200);
    const verified = await runHub(['audit', 'verify'], { env: env(restored) });
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  });

  it('overwrites nothing: neither a directory that has something, nor a database', async () => {
    await writeFile(join(pathOf(copy), 'something'), '');
    const backup = await runHub(['backup', pathOf(copy)], { env: env(original) });
    assert.match(backup.stderr, /not empty/);
    for (const index of [copy, restored]) await mkdir(join(pathOf(index), 'pg'));
    await writeFile(join(pathOf(copy), 'pg', 'backup_label'), '');
    await writeFile(join(pathOf(restored), 'pg', 'PG_VERSION'), '18');
    const result = await runHub(['restore', pathOf(copy)], { env: env(restored) });
    assert.match(result.stderr, /has a database already/);
  });

  it('what is no whole backup is not restored', async () => {
    await mkdir(join(pathOf(copy), 'pg'));
    await writeFile(join(pathOf(copy), 'pg', 'PG_VERSION'), '18');
    const { code, stderr } = await runHub(['restore', pathOf(copy)], { env: env(restored) });
    assert.equal(code, 1);
    assert.match(stderr, /no whole backup/);
    assert.deepEqual(
      (await readdir(pathOf(restored))).filter((name) => name === 'pg'),
      [],
    );
  });

  it('a database that is not its own it leaves to its own tools', async () => {
    const { code, stderr } = await runHub(['backup', join(pathOf(copy), 'x')], {
      env: { ...env(original), DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' },
    });
    assert.equal(code, 1);
    assert.match(stderr, /pg_basebackup/);
    await rm(join(pathOf(copy), 'x'), { recursive: true, force: true });
  });
});
