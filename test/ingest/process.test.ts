import assert from 'node:assert/strict';
import { sql } from '../../src/db/sql.ts';
import { Problem } from '../../src/fhir/problem.ts';
import type { Endpoint } from '../../src/ingest/contract.ts';
import { openRegistry } from '../../src/ingest/endpoint.ts';
import { pickWaiting } from '../../src/ingest/queue.ts';
import { dismissMessages } from '../../src/ingest/dismiss.ts';
import { replayMessages } from '../../src/ingest/replay.ts';
import { listMessages, parseStatus, type MessageFilter } from '../../src/ingest/status.ts';
import { openLeases } from '../../src/jobs/lease.ts';
import { startWorker } from '../../src/jobs/worker.ts';
import {
  appliedValues,
  applyValues,
  givenInbound,
  givenIngest,
  givenMessage,
  mapValue,
  type IngestWorld,
} from '../given-ingest.ts';
import { until } from '../until.ts';

describe('processing: order, fate and replay', () => {
  let world: IngestWorld;
  let going: Endpoint;
  let holding: Endpoint;
  before(async () => {
    world = await givenIngest();
    going = await world.endpoint({ name: 'going', facilities: ['GOING'] });
    holding = await world.endpoint({ name: 'holding', facilities: ['HOLDING'], poisonPolicy: 'hold' });
  });
  after(() => world.close());

  const send = (endpoint: Endpoint, patient: string, values: readonly string[]) =>
    Promise.all(
      values.map((value) =>
        world.door.receive(givenInbound(endpoint, givenMessage({ id: `${patient}-${value}`, patient, value }))),
      ),
    );
  const statusOf = async (filter: MessageFilter) =>
    (await listMessages(world.database, filter)).map(({ status }) => status);
  const settled = () => until('the queue is empty', async () => (await statusOf({ status: 'waiting' })).length === 0);
  /** Values that begin with `bad` are content nobody can convert. */
  const refuseBad = (raw: Buffer) => {
    const mapped = mapValue(raw);
    if (String(mapped.drafts[0]?.resource['value']).startsWith('bad')) {
      throw new Problem('code-invalid', 'a code that the hub does not know', { expression: 'OBX-5' });
    }
    return mapped;
  };
  const numbers = (count: number) => Array.from({ length: count }, (_, index) => String(index));

  it('keeps the order within a patient, with several workers and many patients', async () => {
    const workers = await Promise.all([world.process(), world.process({ batchMax: 5 }), world.process()]);
    const patients = Array.from({ length: 20 }, (_, index) => `ORDER${index}`);
    await Promise.all(patients.map((patient) => send(going, patient, numbers(15))));
    await settled();
    for (const patient of patients) assert.deepEqual(await appliedValues(world.database, patient), numbers(15));
    for (const worker of workers) await worker.close();
  });

  it('picks the oldest of all slots, at most 16 of one: a full slot neither falls behind nor keeps the others waiting', async () => {
    const slots = Array.from({ length: 256 }, (_, slot) => slot);
    const picked = async (limit: number) =>
      (await pickWaiting(world.database, slots, limit)).map(({ id, slot }) => ({ id, slot }));
    await send(going, 'ONE', numbers(12));
    const ofOne = await picked(10);
    assert.equal(ofOne.length, 10);
    assert.equal(new Set(ofOne.map(({ slot }) => slot)).size, 1);
    await Promise.all(Array.from({ length: 40 }, (_, index) => send(going, `MANY${index}`, ['1'])));
    const ofMany = await picked(30);
    assert.equal(ofMany.length, 30);
    assert.ok(new Set(ofMany.map(({ slot }) => slot)).size > 15);
    // In the order in which they came, within each slot without a gap.
    assert.deepEqual(
      ofMany,
      ofMany.toSorted((one, other) => one.id - other.id),
    );
    const countOfOne = (messages: typeof ofOne) => messages.filter(({ slot }) => slot === ofOne[0]?.slot).length;
    assert.ok(countOfOne(ofMany) >= 12);
    const [first] = await picked(1);
    assert.equal(first?.id, ofOne[0]?.id);
    await send(going, 'ONE', numbers(30).slice(12));
    assert.equal(countOfOne(await picked(1_000)), 16);
    const worker = await world.process();
    await settled();
    await worker.close();
  });

  it('given an endpoint that this worker has not heard of yet, asks for it and processes the message at once', async () => {
    const registry = await openRegistry(world.database);
    const failures: unknown[] = [];
    const worker = await world.process({ registry, onError: (error) => failures.push(error) });
    const fresh = await world.endpoint({ name: 'fresh', facilities: ['FRESH'] });
    await send(fresh, 'FRESH', ['1']);
    await settled();
    await worker.close();
    registry.close();
    assert.deepEqual(failures, []);
    assert.deepEqual(await appliedValues(world.database, 'FRESH'), ['1']);
  });

  it('records the map version and the time', async () => {
    const worker = await world.process();
    await send(going, 'VERSION', ['1']);
    await settled();
    const [line] = await listMessages(world.database, { controlId: 'VERSION-1' });
    assert.deepEqual([line?.status, line?.mapVersion, line?.attempts], ['processed', 'map-1', 1]);
    assert.ok((line?.processedAt ?? '') >= (line?.receivedAt ?? 'z'));
    await worker.close();
  });

  it('given poison, policy continue: it is quarantined with step, reason and position, and its lane goes on', async () => {
    const worker = await world.process({ convert: refuseBad });
    await send(going, 'POISON', ['1', 'bad', '2']);
    await settled();
    assert.deepEqual(await appliedValues(world.database, 'POISON'), ['1', '2']);
    const [line] = await listMessages(world.database, { controlId: 'POISON-bad' });
    assert.deepEqual(
      [line?.status, line?.step, line?.reason, line?.position, line?.attempts],
      ['quarantined', 'convert', 'code-invalid: a code that the hub does not know', 'OBX-5', 1],
    );
    await worker.close();
  });

  it('given poison, policy hold: its lane waits, others go on, and a replay frees it in order', async () => {
    const worker = await world.process({ convert: refuseBad });
    await send(holding, 'HELD', ['1', 'bad', '2']);
    await send(holding, 'FREE', ['1']);
    await settled();
    await send(holding, 'HELD', ['3']);
    await settled();
    assert.deepEqual(await appliedValues(world.database, 'HELD'), ['1']);
    assert.deepEqual(await appliedValues(world.database, 'FREE'), ['1']);
    const lane = ['HELD-1', 'HELD-bad', 'HELD-2', 'HELD-3'];
    const fates = async () => (await Promise.all(lane.map((controlId) => statusOf({ controlId })))).flat();
    assert.deepEqual(await fates(), ['processed', 'quarantined', 'held', 'held']);
    await worker.close();

    const repaired = await world.process();
    const replayed = await replayMessages(world.database, { source: 'holding', status: 'quarantined' });
    assert.deepEqual(replayed, { matched: 1, queued: 3, lanes: 1 });
    await settled();
    assert.deepEqual(await appliedValues(world.database, 'HELD'), ['1', 'bad', '2', '3']);
    assert.deepEqual(await fates(), ['processed', 'processed', 'processed', 'processed']);
    await repaired.close();
  });

  it('given poison, policy hold: dismissed, it never runs, and what was held behind it does, in order', async () => {
    const worker = await world.process({ convert: refuseBad });
    const own = await world.endpoint({ name: 'dismissing', facilities: ['DISMISSING'], poisonPolicy: 'hold' });
    await send(own, 'DISMISS', ['1', 'bad', '2', '3']);
    await settled();
    const lane = { source: 'dismissing', controlId: 'DISMISS-bad' };
    const done = await dismissMessages(world.database, lane, { why: 'test', at: new Date() });
    assert.deepEqual(done, { dismissed: 1, released: 2, isMore: false });
    worker.wake();
    await settled();
    assert.deepEqual(await appliedValues(world.database, 'DISMISS'), ['1', '2', '3']);
    const [line] = await listMessages(world.database, lane);
    assert.match(line?.reason ?? '', /^dismissed: test; code-invalid: /);
    await worker.close();
  });

  it('given a store that refuses one of a batch, then the others are stored, each once', async () => {
    const worker = await world.process({
      apply: async (tx, messages) => {
        await applyValues(tx, messages);
        if (messages.some(({ mapped }) => mapped.drafts[0]?.resource['value'] === 'owned')) {
          throw new Problem('not-found', 'an id that another owner holds');
        }
      },
    });
    await send(going, 'BATCH', ['1', 'owned', '2']);
    await settled();
    assert.deepEqual(await appliedValues(world.database, 'BATCH'), ['1', '2']);
    const [line] = await listMessages(world.database, { controlId: 'BATCH-owned' });
    assert.deepEqual([line?.status, line?.step], ['quarantined', 'apply']);
    await worker.close();
  });

  it('given a failure that passes, then it is tried again and its lane waits for it', async () => {
    let failures = 0;
    const worker = await world.process({
      // By this clock the next try is due in an hour: in the meantime it can be looked at.
      now: () => new Date(Date.now() + 3_600_000),
      apply: async (tx, messages) => {
        const isFirst = messages.some(({ mapped }) => mapped.drafts[0]?.resource['value'] === 'first');
        // Together, then alone: one failed try of the message.
        if (isFirst && ++failures <= 2) throw new Problem('transient', 'somebody else is writing');
        await applyValues(tx, messages);
      },
    });
    await send(going, 'RETRY', ['first', 'second']);
    await until('it is recorded', async () => {
      const [line] = await listMessages(world.database, { controlId: 'RETRY-first' });
      return line?.attempts === 1 && line.reason === 'transient: somebody else is writing';
    });
    assert.deepEqual(await appliedValues(world.database, 'RETRY'), []);
    await world.database.query(sql`update lane_hold set until = now()`);
    await settled();
    assert.deepEqual(await appliedValues(world.database, 'RETRY'), ['first', 'second']);
    await worker.close();
  });

  it('given an error of ours that stays, then it is tried some times and quarantined without its text', async () => {
    let now = Date.now();
    const worker = await world.process({
      // Every look at the clock is an hour before: the next try is due at once.
      now: () => new Date((now -= 3_600_000)),
      convert: () => {
        throw new TypeError('DOE^JANE is not a function');
      },
    });
    await send(going, 'BUG', ['1']);
    await settled();
    const [line] = await listMessages(world.database, { controlId: 'BUG-1' });
    assert.deepEqual(
      [line?.status, line?.step, line?.reason, line?.attempts],
      ['quarantined', 'convert', 'exception: TypeError', 8],
    );
    await worker.close();
  });

  it('a worker that lost its slots writes nothing, and its successor does', async () => {
    // It renews too late to notice by itself.
    const slow = await world.process({ leaseMs: 600_000 });
    await world.database.query(sql`update lane_slot set fence = fence + 1, worker = 'another', expires_at = now()`);
    await send(going, 'FENCE', ['1']);
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.deepEqual(await appliedValues(world.database, 'FENCE'), []);
    const next = await world.process();
    await settled();
    assert.deepEqual(await appliedValues(world.database, 'FENCE'), ['1']);
    await next.close();
    await slow.close();
  });

  it('what was replayed runs in source order, with what came after it in its lane', async () => {
    const worker = await world.process();
    await send(going, 'AGAIN', ['1', '2', '3']);
    await send(going, 'OTHER', ['1']);
    await settled();
    const replayed = await replayMessages(world.database, { controlId: 'AGAIN-2' });
    assert.deepEqual(replayed, { matched: 1, queued: 2, lanes: 1 });
    await settled();
    assert.deepEqual(await appliedValues(world.database, 'AGAIN'), ['1', '2', '3', '2', '3']);
    assert.deepEqual(await appliedValues(world.database, 'OTHER'), ['1']);
    await worker.close();
  });

  it('a replay of nothing queues nothing', async () => {
    assert.deepEqual(await replayMessages(world.database, { source: 'nobody' }), { matched: 0, queued: 0, lanes: 0 });
  });

  describe('/ops/messages', () => {
    const rows: [string, MessageFilter, number][] = [
      ['a source', { source: 'holding' }, 5],
      ['a source and a status', { source: 'going', status: 'quarantined' }, 3],
      ['a control id', { controlId: 'AGAIN-1' }, 1],
      ['a control id of another source', { controlId: 'AGAIN-1', source: 'holding' }, 0],
      ['a type', { source: 'holding', type: 'ORU' }, 5],
      ['a type and event', { source: 'holding', type: 'ORU^R01' }, 5],
      ['another type', { source: 'holding', type: 'ADT' }, 0],
      ['a time before', { source: 'holding', since: new Date(0) }, 5],
      ['a time to come', { since: new Date('2999-01-01') }, 0],
      ['an unknown source', { source: "' or true" }, 0],
    ];
    for (const [what, filter, count] of rows) {
      it(`given ${what}, then ${count} lines`, async () => {
        assert.equal((await listMessages(world.database, filter)).length, count);
      });
    }

    it('pages by the id of the last line', async () => {
      const first = await listMessages(world.database, { source: 'holding' }, { limit: 2 });
      const second = await listMessages(world.database, { source: 'holding' }, { limit: 3, after: first.at(-1)?.id });
      const all = await listMessages(world.database, { source: 'holding' });
      assert.deepEqual([...first, ...second], all);
    });

    it('never shows content', async () => {
      for (const line of await listMessages(world.database, {})) assert.ok(!JSON.stringify(line).includes('JANE'));
    });

    it('refuses a status that does not exist', () => assert.throws(() => parseStatus('lost'), { code: 'value' }));
  });
});

describe('leases: a slot has one holder', () => {
  let world: IngestWorld;
  before(async () => {
    world = await givenIngest();
  });
  after(() => world.close());
  /** Renewed twice a second; lost by nobody who is merely slow. */
  const open = (worker: string, leaseMs = 1_500) => openLeases({ database: world.database, worker, leaseMs });

  it('workers share the slots, and a slot is never held by two', async () => {
    const first = await open('w1');
    assert.equal(first.held().length, 256);
    const second = await open('w2');
    await until('they share', async () => first.held().length === 128 && second.held().length === 128);
    const slots = [...first.held(), ...second.held()].map(({ slot }) => slot);
    assert.equal(new Set(slots).size, 256);
    await first.close();
    await until('one has all', async () => second.held().length === 256);
    await second.close();
  });

  it('a slot in use is not given away', async () => {
    const first = await open('w3');
    first.setBusy(
      first.held().map(({ slot }) => slot),
      true,
    );
    const second = await open('w4');
    const renewals = async (): Promise<number> => {
      const [row] = await world.database.query<{ at: Date }>(sql`
        select min(expires_at) as at from lane_slot where worker = 'w3'`);
      return row?.at.getTime() ?? 0;
    };
    for (let turn = 0; turn < 2; turn++) {
      const before = await renewals();
      await until('it has renewed them', async () => (await renewals()) > before);
    }
    assert.deepEqual([first.held().length, second.held().length], [256, 0]);
    await first.close();
    await second.close();
  });

  it('given a slot that went to another worker while its items were picked, then they are left to that worker', async () => {
    const first = await open('w9');
    const all = first.held().map(({ slot }) => ({ slot }));
    const handled: number[] = [];
    let second: Awaited<ReturnType<typeof open>> | undefined;
    const worker = startWorker({
      leases: first,
      concurrency: 1,
      batchMax: all.length,
      work: {
        pick: async () => {
          if (second !== undefined) return [];
          second = await open('w10');
          await until('they share', async () => second?.held().length === 128);
          return all;
        },
        handle: async (items, leases) => {
          await world.database.inTransaction((tx) => first.confirm(tx, leases));
          handled.push(...items.map(({ slot }) => slot));
        },
      },
    });
    await until('a batch is done', async () => handled.length > 0);
    await worker.close();
    const others = new Set(second?.held().map(({ slot }) => slot));
    assert.equal(handled.length, 128);
    assert.ok(handled.every((slot) => !others.has(slot)));
    await first.close();
    await second?.close();
  });

  it('an expired lease is taken over with a larger fence, and the old one is refused', async () => {
    const dead = await open('w5', 60_000);
    const before = dead.held();
    await world.database.query(sql`update lane_slot set expires_at = now() - interval '1 s'`);
    await world.database.query(sql`delete from lane_worker`);
    const heir = await open('w6');
    assert.equal(heir.held().length, 256);
    for (const { slot, fence } of heir.held()) {
      assert.ok(fence > (before.find((lease) => lease.slot === slot)?.fence ?? Infinity));
    }
    await world.database.inTransaction((tx) => heir.confirm(tx, heir.held()));
    await assert.rejects(
      world.database.inTransaction((tx) => dead.confirm(tx, before.slice(0, 1))),
      { code: 'lock-error' },
    );
    await heir.close();
    await dead.close();
  });

  it('nobody can claim a slot while a transaction under its fence is open', async () => {
    const holder = await open('w7', 60_000);
    const [lease] = holder.held();
    await world.database.inTransaction(async (tx) => {
      await holder.confirm(tx, [lease!]);
      await world.database.query(sql`update lane_worker set expires_at = now() - interval '1 s'`);
      const thief = await open('w8');
      await world.database.query(
        sql`update lane_slot set expires_at = now() - interval '1 s' where slot <> ${lease?.slot}`,
      );
      await until('it has the others', async () => thief.held().length > 0);
      assert.ok(!thief.held().some(({ slot }) => slot === lease?.slot));
      await thief.close();
    });
    await holder.close();
  });
});
