import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { sql } from '../../../src/db/sql.ts';
import { startPulling } from '../../../src/ingest/pull/schedule.ts';
import { until } from '../../until.ts';
import { givenPull, type PullWorld } from '../../given-pull.ts';
import { changeFeed } from './change-feed.ts';

describe('the adapter of docs/adapters.md', () => {
  const changes: object[] = [];
  let server: Server;
  let world: PullWorld;
  before(async () => {
    world = await givenPull();
    server = createServer((request, response) => {
      const after = Number(new URL(request.url ?? '', 'http://x').searchParams.get('after'));
      response.statusCode = request.headers.authorization === 'Bearer s3cret' ? 200 : 401;
      response.end(
        changes
          .slice(after)
          .map((change) => `${JSON.stringify(change)}\n`)
          .join(''),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  after(async () => {
    server.close();
    await world.close();
  });

  it('is the one that is printed there', () => {
    const [page, code] = ['docs/adapters.md', 'test/adapters/example/change-feed.ts'].map((path) =>
      readFileSync(join(import.meta.dirname, '../../..', path), 'utf8'),
    ) as [string, string];
    assert.ok(page.includes(code.replaceAll("'../../../src/", "'../../src/")));
  });

  it('takes each change once, goes on where it was, and does not know of leases, fences and messages', async () => {
    const patient = { resourceType: 'Patient', id: 'p1' };
    const observation = { resourceType: 'Observation', id: 'o1', subject: { reference: 'Patient/p1' } };
    changes.push({ n: 1, resource: patient }, { n: 2, resource: observation });
    let now = new Date('2026-03-01T10:00:00Z');
    const { port } = server.address() as AddressInfo;
    await world.endpoint('feed', { config: { base: `http://127.0.0.1:${port}`, every: '1m' } });
    let secret = 'wrong';
    const pulling = startPulling({
      database: world.database,
      registry: world.registry,
      pullers: [{ kind: 'fhir-rest', ...changeFeed }],
      worker: 'w1',
      secretsOf: async () => ({ token: secret }),
      now: () => now,
      isTicking: false,
    });
    const turn = async (): Promise<void> => {
      now = new Date(now.getTime() + 61_000);
      await pulling.tick();
      await until('no run', async () => pulling.running() === 0);
    };
    await turn();
    assert.equal((await world.state('feed')).last_error, 'login: the source does not take the token');
    secret = 's3cret';
    await turn();
    changes.push({ n: 3, deleted: true, resource: observation });
    await turn();
    await turn();
    await pulling.close();
    const messages = await world.database.query<{ name: string; lane: number }>(sql`
      select type || ' ' || control_id as name, lane_key as lane from message order by id`);
    assert.deepEqual(
      messages.map(({ name }) => name),
      ['Patient Patient/p1/1', 'Observation Observation/o1/2', 'Observation:delete Observation/o1/3'],
    );
    assert.equal(new Set(messages.map(({ lane }) => lane)).size, 1);
    assert.deepEqual((await world.state('feed')).watermark, { n: 3 });
    assert.deepEqual(
      (await world.runs('feed')).map(({ received }) => received),
      [0, 2, 1, 0],
    );
  });

  it('refuses settings that it does not know', () => {
    for (const config of [{}, { base: 'ftp://x' }, { base: 'http://x', depth: 3 }])
      assert.throws(() => changeFeed.readConfig(config), { name: 'Problem', code: 'value' });
  });
});
