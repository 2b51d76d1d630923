import assert from 'node:assert/strict';
import { chmod, mkdir, realpath, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { openCluster, readPostmaster, type Cluster } from '../../src/db/cluster.ts';
import { findBinaries, serverAccount } from '../../src/db/binaries.ts';
import { startEmbedded, type Embedded, type EmbeddedEvent } from '../../src/db/embedded.ts';
import { givenDataDir } from '../hub-process.ts';
import { until } from '../until.ts';

async function ask(url: string, statement: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(statement);
    return Object.values(rows[0] ?? {})[0];
  } finally {
    await client.end();
  }
}

async function clusterIn(dataDir: string): Promise<Cluster> {
  const account = await serverAccount();
  return openCluster(dataDir, await findBinaries(account), account);
}

async function serverPid(dataDir: string): Promise<number> {
  return (await readPostmaster(await clusterIn(dataDir)))?.pid ?? 0;
}

describe('embedded PostgreSQL', function () {
  // initdb alone takes twenty seconds where others want the processor.
  this.timeout(300_000);
  let dataDir: Awaited<ReturnType<typeof givenDataDir>>;
  const running: Embedded[] = [];
  const start = async (onEvent?: (event: EmbeddedEvent) => void): Promise<Embedded> => {
    const embedded = await startEmbedded({ dataDir: dataDir.path, isDurable: false, onEvent });
    running.push(embedded);
    return embedded;
  };
  before(async () => {
    dataDir = await givenDataDir();
  });
  afterEach(async () => {
    for (const embedded of running.splice(0)) await embedded.stop();
  });
  after(() => dataDir.close());

  it('starts in an empty directory, and again with what was there', async () => {
    const first = await start();
    await ask(first.url, 'create table kept as select 42 as answer');
    await first.stop();
    assert.equal(await serverPid(dataDir.path), 0);
    const second = await start();
    assert.equal(await ask(second.url, 'select answer from kept'), 42);
  });

  it('is reached by its own directory: no port that other users could try', async () => {
    const embedded = await start();
    assert.equal(await ask(embedded.url, 'show listen_addresses'), '');
    assert.equal(await ask(embedded.url, 'show unix_socket_permissions'), '0700');
  });

  it('given a server that outlived its hub, attaches to it', async () => {
    const first = await start();
    const pid = await serverPid(dataDir.path);
    const events: EmbeddedEvent[] = [];
    const second = await start((event) => events.push(event));
    assert.deepEqual(events, ['attached']);
    assert.equal(await serverPid(dataDir.path), pid);
    await first.stop();
    assert.equal(await ask(second.url, 'select 1'), 1, 'the first to leave does not take the server along');
    await second.stop();
    assert.equal(await serverPid(dataDir.path), 0, 'the last to leave does');
  });

  it('given two starts at the same moment, both have the one server', async () => {
    const [first, second] = await Promise.all([start(), start()]);
    assert.equal(await ask(first.url, 'select 1'), 1);
    assert.equal(await ask(second.url, 'select 1'), 1);
  });

  it('given kill -9 of PostgreSQL while the hub runs, starts it again', async () => {
    const events: EmbeddedEvent[] = [];
    const embedded = await start((event) => events.push(event));
    const pid = await serverPid(dataDir.path);
    process.kill(pid, 'SIGKILL');
    await until('it is started again', () => events.filter((event) => event === 'started').length === 2);
    assert.deepEqual(events, ['started', 'lost', 'started']);
    assert.notEqual(await serverPid(dataDir.path), pid);
    assert.equal(await ask(embedded.url, 'select 1'), 1);
  });

  for (const [whose, pid] of [
    ['a process that is gone', 2 ** 22 - 1],
    ['a living process that is no PostgreSQL', process.pid],
  ] as const) {
    it(`given a pid file of ${whose}, starts all the same`, async () => {
      await (await start()).stop();
      const cluster = await clusterIn(dataDir.path);
      await writeFile(
        join(cluster.directory, 'postmaster.pid'),
        `${pid}\n${cluster.directory}\n0\n5432\n\n\n\nready\n`,
      );
      const embedded = await start();
      assert.equal(await ask(embedded.url, 'select 1'), 1);
    });
  }

  it('given a start that was cut short, begins anew', async () => {
    const other = await givenDataDir();
    try {
      await mkdir(join(other.path, `pg.init-${2 ** 22 - 1}`));
      const embedded = await startEmbedded({ dataDir: other.path, isDurable: false });
      assert.equal(await ask(embedded.url, 'select 1'), 1);
      await embedded.stop();
    } finally {
      await other.close();
    }
  });

  it('given a path too long for a socket, listens on a loopback port that asks for a password', async () => {
    const other = await givenDataDir();
    const long = join(other.path, 'a'.repeat(100));
    try {
      await chmod(other.path, 0o711);
      const embedded = await startEmbedded({ dataDir: long, isDurable: false });
      assert.match(embedded.url, /^postgres:\/\/hub:[\w-]+@127\.0\.0\.1:\d+\/postgres$/);
      assert.equal(await ask(embedded.url, 'select 1'), 1);
      await assert.rejects(
        ask(embedded.url.replace(/:[\w-]+@/, ':guess@'), 'select 1'),
        /password authentication failed/,
      );
      await embedded.stop();
      const again = await startEmbedded({ dataDir: long, isDurable: false });
      assert.equal(again.url, embedded.url, 'the port is remembered');
      await again.stop();
    } finally {
      await other.close();
    }
  });

  it('as root, given a data directory that the account of the server cannot enter, keeps the cluster beside', async function () {
    if ((await serverAccount()) === undefined) this.skip();
    const other = await givenDataDir();
    const inner = join(other.path, 'data');
    try {
      const embedded = await startEmbedded({ dataDir: inner, isDurable: false });
      assert.equal(await ask(embedded.url, 'select 1'), 1);
      await embedded.stop();
      const elsewhere = await realpath(join(inner, 'pg'));
      assert.ok(!elsewhere.startsWith(other.path));
      await rm(join(elsewhere, '..'), { recursive: true });
    } finally {
      await other.close();
    }
  });

  it('refuses a cluster of another version with the way out', async () => {
    const other = await givenDataDir();
    try {
      await mkdir(join(other.path, 'pg'));
      await writeFile(join(other.path, 'pg', 'PG_VERSION'), '12\n');
      await assert.rejects(startEmbedded({ dataDir: other.path }), /was made by PostgreSQL 12/);
    } finally {
      await other.close();
    }
  });
});
