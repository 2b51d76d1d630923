/** Collecting an export: step by step, by workers that come and go, as of one instant. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '../../src/db.ts';
import { sql } from '../../src/db/sql.ts';
import { compileConsent } from '../../src/access/consent/write.ts';
import type { Principal } from '../../src/access/principal/principal.ts';
import {
  cancelExport,
  exportLimits,
  findExport,
  forgetExpired,
  notePoll,
  startExport,
  type ExportRequest,
} from '../../src/feeds/export.ts';
import { appendKeys, listParts, readKeys } from '../../src/feeds/export-parts.ts';
import { collectStep, startPosition, stepLimits } from '../../src/feeds/export-run.ts';
import { startExporting } from '../../src/feeds/export-worker.ts';
import { Problem } from '../../src/fhir/problem.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { commit } from '../../src/store/commit.ts';
import { givenPrincipal, givenSelf } from '../access/world.ts';
import { given, givenDatabase } from '../given.ts';
import { givenConsent } from '../given-consent.ts';
import { until } from '../until.ts';

const base = 'http://hub.test/fhir/R4';
const hospital = givenPrincipal({ organization: 'Organization/hospital', clientId: 'hospital' });
const ai = givenPrincipal();
const limits = { ...exportLimits, settleMs: 0 };

describe('collecting an export', () => {
  let world: Awaited<ReturnType<typeof givenDatabase>>;
  let database: Database;
  const expected: string[] = [];
  let clients = 0;
  before(async () => {
    world = await givenDatabase();
    ({ database } = world);
    const resources: AnyResource[] = [given.organization({ id: 'org' })];
    for (let n = 0; n < 7; n++) {
      resources.push(given.patient({ id: `p${n}` }));
      for (let m = 0; m < n; m++) resources.push(given.observation({ id: `o${n}-${m}`, patient: `p${n}` }));
    }
    await write(resources);
    expected.push(...resources.map(({ resourceType, id }) => `${resourceType}/${id}`).toSorted());
    for (const patient of ['p3', 'p5']) {
      const resource = { ...givenConsent(patient, 'Organization/ai'), id: `c-${patient}` };
      await database.inTransaction(async (tx) => {
        await commit(tx, [{ kind: 'update', resource, owner: `Patient/${patient}`, speaksFor: [patient] }], {
          at: new Date(),
        });
        await compileConsent(tx, givenSelf(patient), { id: resource.id, version: 1, resource });
      });
    }
  });
  after(() => world.close());

  async function write(resources: readonly AnyResource[], at = new Date()): Promise<void> {
    const writes = resources.map((resource) => ({ kind: 'update' as const, resource, owner: 'Organization/hospital' }));
    await database.inTransaction((tx) => commit(tx, writes, { at }));
  }
  async function begin(
    principal: Principal,
    more: Partial<ExportRequest> = {},
  ): Promise<{ id: string; client: string }> {
    const client = `client-${++clients}`;
    const request: ExportRequest = { url: 'x', level: 'system', typeFilters: [], ...more };
    const position = startPosition(request);
    const id = await startExport(database, { client, principal, request, position, at: Date.now() }, limits);
    return { id, client };
  }
  const statusOf = async ({ id, client }: { id: string; client: string }): Promise<string | undefined> =>
    (await findExport(database, id, client))?.status;
  async function untilDone(job: { id: string; client: string }): Promise<string | undefined> {
    await until('it is collected', async () => (await statusOf(job)) !== 'collecting');
    return statusOf(job);
  }
  async function collected(id: string): Promise<string[]> {
    const parts = await listParts(database, id);
    const lists = await Promise.all(parts.map(async ({ part }) => readKeys(database, id, part)));
    return lists.flatMap((keys) => keys?.ids.map((one) => `${keys.type}/${one}`) ?? []).toSorted();
  }

  for (const [keysMax, patientsMax] of [
    [1, 1],
    [2, 3],
    [3, 2],
    [1_000, 50],
  ] as const) {
    it(`every row once, in steps of ${keysMax} keys and ${patientsMax} patients`, async () => {
      const job = await begin(hospital);
      // As often as it takes: it begins when whatever runs on the server at the moment has ended.
      await until('it is collected', async () => {
        await database.inTransaction((tx) => collectStep(tx, job.id, base, { ...stepLimits, keysMax, patientsMax }));
        return (await statusOf(job)) !== 'collecting';
      });
      assert.deepEqual(await collected(job.id), expected);
    });
  }

  it('by consent, only of those who permit it', async () => {
    const job = await begin(ai);
    while ((await statusOf(job)) === 'collecting') await database.inTransaction((tx) => collectStep(tx, job.id, base));
    const names = await collected(job.id);
    assert.deepEqual(
      names,
      expected.filter((name) => /\/(p|o)[35]/.test(name)),
    );
  });

  it('a worker that ends in the middle is followed by one that goes on: nothing is lost or doubled', async () => {
    const job = await begin(hospital);
    const options = { database, base, limits: { keysMax: 2, patientsMax: 2, waitMs: 1 }, onError: fail };
    const first = await startExporting({ ...options, worker: 'first' });
    // Nothing slower than the steps themselves, or the last one is over before it is seen that the first is.
    while (((await findExport(database, job.id, job.client))?.rowCount ?? 0) === 0);
    await first.close();
    const second = await startExporting({ ...options, worker: 'second' });
    assert.equal(await untilDone(job), 'ready');
    await second.close();
    assert.deepEqual(await collected(job.id), expected);
  });

  it('waits for a transaction of before its time, and has what that one wrote', async () => {
    const at = new Date();
    const job = await database.inTransaction(async (tx) => {
      const late = given.observation({ id: 'late', patient: 'p0' });
      await commit(tx, [{ kind: 'update', resource: late, owner: 'Organization/hospital' }], { at });
      await sleep(2);
      const begun = await begin(hospital, { types: ['Observation'] });
      for (let step = 0; step < 3; step++) await database.inTransaction((inner) => collectStep(inner, begun.id, base));
      assert.equal(await statusOf(begun), 'collecting');
      assert.deepEqual(await collected(begun.id), []);
      return begun;
    });
    while ((await statusOf(job)) === 'collecting') await database.inTransaction((tx) => collectStep(tx, job.id, base));
    assert.ok((await collected(job.id)).includes('Observation/late'));
    await database.inTransaction((tx) =>
      commit(
        tx,
        [{ kind: 'delete', resource: { resourceType: 'Observation', id: 'late' }, owner: 'Organization/hospital' }],
        { at: new Date() },
      ),
    );
  });

  it('a token that was revoked collects nothing more', async () => {
    const job = await begin({ ...hospital, jti: 'revoked' });
    await database.query(sql`
      insert into revoked_token (jti, issuer, expires_at) values ('revoked', ${hospital.issuer}, now() + interval '1 hour')`);
    while ((await statusOf(job)) === 'collecting') await database.inTransaction((tx) => collectStep(tx, job.id, base));
    assert.deepEqual(await collected(job.id), []);
  });

  it('a step that fails again and again ends the export', async () => {
    const job = await begin(hospital, { typeFilters: [{ type: 'Observation', query: 'nonsense=x' }] });
    const errors: unknown[] = [];
    const worker = await startExporting({
      database,
      base,
      worker: 'failing',
      limits: { waitMs: 1 },
      retryMs: 1,
      onError: (error) => errors.push(error),
    });
    assert.equal(await untilDone(job), 'failed');
    await worker.close();
    const failures = errors.filter((error) => !(error instanceof Problem && error.code === 'lock-error'));
    assert.equal(failures.length, 5);
  });

  it('who asks how far it is does not wait for the step that is under way', async () => {
    const job = await begin(hospital);
    await database.inTransaction(async (tx) => {
      await collectStep(tx, job.id, base);
      assert.equal(await notePoll(database, job.id, 60_000), true);
    });
    assert.deepEqual(
      [await notePoll(database, job.id, 60_000), await notePoll(database, job.id, 60_000)],
      [true, false],
    );
  });

  it('one that is cancelled while it runs leaves nothing behind', async () => {
    const job = await begin(hospital);
    for (let step = 0; step < 3; step++) {
      await database.inTransaction((tx) =>
        collectStep(tx, job.id, base, { ...stepLimits, keysMax: 1, patientsMax: 1 }),
      );
    }
    assert.equal(await cancelExport(database, job.id, job.client), true);
    await database.inTransaction((tx) => collectStep(tx, job.id, base));
    assert.deepEqual(await listParts(database, job.id), []);
  });

  it('what has expired is gone, with its keys', async () => {
    const job = await begin(hospital);
    while ((await statusOf(job)) === 'collecting') await database.inTransaction((tx) => collectStep(tx, job.id, base));
    await database.query(sql`update export_job set expires_at = now() - interval '1 s' where id = ${job.id}::uuid`);
    assert.equal(await findExport(database, job.id, job.client), undefined);
    await forgetExpired(database);
    assert.deepEqual(await listParts(database, job.id), []);
  });

  it('files are filled before another is begun, by type, deleted rows apart', async () => {
    const job = await begin(hospital);
    const keys = (type: string, isDeleted: boolean, ...ids: string[]) =>
      ids.map((id) => ({ bucket: 1, type, id, version: 1, isDeleted }));
    const append = async (...list: ReturnType<typeof keys>): Promise<void> =>
      database.inTransaction((tx) => appendKeys(tx, job.id, list, 3));
    await append(...keys('Patient', false, 'a', 'b'), ...keys('Observation', false, 'c'));
    await append(...keys('Patient', false, 'd', 'e', 'f', 'g', 'h'), ...keys('Patient', true, 'i'));
    const parts = await listParts(database, job.id);
    const contents = await Promise.all(
      parts.map(async ({ part }) => (await readKeys(database, job.id, part))?.ids.join('')),
    );
    assert.deepEqual(
      parts.map(({ type, isDeleted, rowCount }, index) => [type, isDeleted, rowCount, contents[index]]),
      [
        ['Observation', false, 1, 'c'],
        ['Patient', false, 3, 'abd'],
        ['Patient', false, 3, 'efg'],
        ['Patient', false, 1, 'h'],
        ['Patient', true, 1, 'i'],
      ],
    );
  });
});

function fail(error: unknown): never {
  throw error;
}
