import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cp, mkdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { givenDataDir, givenHubProcess, launcher, runHub } from '../hub-process.ts';
import { until } from '../until.ts';

/** The system's Node, where it is older than the hub's; the launcher must hand over. */
const olderNode = ['/usr/bin/node', '/usr/local/bin/node'].find((path) => {
  try {
    return Number.parseInt(execFileSync(path, ['-p', 'process.versions.node'], { encoding: 'utf8' }), 10) < 24;
  } catch {
    return false;
  }
});

describe('the launcher', function () {
  this.timeout(300_000);

  for (const [title, node] of [
    ['an older Node', olderNode],
    ['the Node it brings', process.execPath],
  ] as const) {
    describe(`started by ${title}`, () => {
      before(function () {
        if (node === undefined) this.skip();
      });

      it('prints help and ends with 0', async () => {
        const { code, stdout } = await runHub(['--help'], { node });
        assert.equal(code, 0);
        assert.match(stdout, /Usage: hub/);
      });

      it('given an unknown command, ends with 1', async () => {
        const { code, stderr } = await runHub(['fly'], { node });
        assert.equal(code, 1);
        assert.match(stderr, /unknown command 'fly'/);
      });

      it('given SIGTERM, answers what is open, closes all and ends with 0', async () => {
        const dataDir = await givenDataDir();
        try {
          const hub = await givenHubProcess({ node, env: { HUB_DATA_DIR: dataDir.path } });
          assert.equal((await fetch(`${hub.url}/readyz`)).status, 200);
          hub.signal('SIGTERM');
          assert.equal(await hub.ended, 0);
          assert.equal(hub.log.at(-1)?.['event'], 'stopped');
        } finally {
          await dataDir.close();
        }
      });

      it('given kill -9, leaves no hub behind, and the next start attaches to its database', async () => {
        const dataDir = await givenDataDir();
        try {
          const hub = await givenHubProcess({ node, env: { HUB_DATA_DIR: dataDir.path } });
          hub.signal('SIGKILL');
          assert.equal(await hub.ended, 'SIGKILL');
          await assert.rejects(fetch(`${hub.url}/healthz`));
          const next = await givenHubProcess({ node, env: { HUB_DATA_DIR: dataDir.path } });
          assert.ok(next.log.some((line) => line['event'] === 'database attached'));
          next.signal('SIGINT');
          assert.equal(await next.ended, 0);
        } finally {
          await dataDir.close();
        }
      });
    });
  }

  it('given an older Node and no install scripts, says what to do', async function () {
    if (olderNode === undefined) this.skip();
    const copy = await givenDataDir();
    try {
      await mkdir(join(copy.path, 'bin'));
      await mkdir(join(copy.path, 'node_modules'));
      await cp(launcher, join(copy.path, 'bin', 'hub.mjs'));
      const { status, stderr } = spawnSync(olderNode, [join(copy.path, 'bin', 'hub.mjs'), 'serve'], {
        encoding: 'utf8',
      });
      assert.equal(status, 1);
      assert.match(stderr, /needs Node 24[^]*npm ci/);
    } finally {
      await copy.close();
    }
  });

  it('is found through a link, as npm makes one for `bin`', async () => {
    const folder = await givenDataDir();
    try {
      await symlink(launcher, join(folder.path, 'hub'));
      assert.match(
        execFileSync(process.execPath, [join(folder.path, 'hub'), '--help'], { encoding: 'utf8' }),
        /Usage: hub/,
      );
    } finally {
      await folder.close();
    }
  });
});

describe('hub serve', function () {
  // Several processes each; a machine that also runs other things needs its time.
  this.timeout(300_000);

  it('given settings that break a rule, names variable and remedy and ends with 2', async () => {
    const { code, stderr } = await runHub(['serve'], { env: { HUB_PORT: 'x' } });
    assert.equal(code, 2);
    assert.match(stderr, /^HUB_PORT="x" is not usable\. Set it to a port/);
  });

  it('given kill -9 of PostgreSQL, answers 503 in the gap and goes on after it', async () => {
    const dataDir = await givenDataDir();
    try {
      const hub = await givenHubProcess({ env: { HUB_DATA_DIR: dataDir.path } });
      const env = { HUB_DATA_DIR: dataDir.path, HUB_PUBLIC_URL: hub.url };
      const token = (await runHub(['token', '--preset', 'ai'], { env })).stdout.trim();
      const read = async (): Promise<Response> => {
        const response = await fetch(`${hub.url}/fhir/R4/Patient/x`, { headers: { authorization: `Bearer ${token}` } });
        await response.arrayBuffer();
        return response;
      };
      assert.equal((await read()).status, 404);
      process.kill(Number.parseInt(await readFile(join(dataDir.path, 'pg', 'postmaster.pid'), 'utf8'), 10), 'SIGKILL');
      // Its backends may answer for a moment still; then there is a gap, and after it nothing reminds of it.
      const isBack = (): boolean => {
        const lost = hub.log.findIndex((line) => line['event'] === 'database lost');
        return lost >= 0 && hub.log.slice(lost).some((line) => line['event'] === 'database started');
      };
      const answers: [number, string | null][] = [];
      while (!isBack()) {
        const { status, headers } = await read();
        answers.push([status, headers.get('retry-after')]);
        const health = await fetch(`${hub.url}/healthz`);
        // To its end, or the client gives the connection up when it likes.
        await health.arrayBuffer();
        assert.equal(health.status, 200);
      }
      const distinct = new Set(answers.map(String));
      assert.ok(distinct.delete('503,1'), 'nobody is told to come again');
      distinct.delete('404,');
      assert.deepEqual([...distinct], []);
      await until('it answers as before', async () => (await read()).status === 404);
      await until('it is ready', async () => (await fetch(`${hub.url}/readyz`)).status === 200);
      hub.signal('SIGTERM');
      assert.equal(await hub.ended, 0);
    } finally {
      await dataDir.close();
    }
  });
});

describe('hub migrate', function () {
  this.timeout(300_000);

  it('given four processes at once on an empty directory, ends with 0 in each', async () => {
    const dataDir = await givenDataDir();
    try {
      const runs = await Promise.all(
        Array.from({ length: 4 }, () => runHub(['migrate'], { env: { HUB_DATA_DIR: dataDir.path } })),
      );
      assert.deepEqual(
        runs.map(({ code, stderr }) => [code, stderr]),
        Array.from({ length: 4 }, () => [0, '']),
      );
    } finally {
      await dataDir.close();
    }
  });
});
