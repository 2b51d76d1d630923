/** Replays in the background: in source order, lane by lane, at a rate, by one process at a time, nothing twice. Each step is made by hand. */
import assert from 'node:assert/strict';
import { sql } from '../../src/db/sql.ts';
import { Problem } from '../../src/fhir/problem.ts';
import type { Endpoint } from '../../src/ingest/contract.ts';
import { describeMessage } from '../../src/ingest/message.ts';
import { askReplay, findReplay, listReplays, stopReplay, type Replay } from '../../src/ingest/replay/job.ts';
import { previewReplay } from '../../src/ingest/replay/preview.ts';
import { tickReplay, type Ticked } from '../../src/ingest/replay/run.ts';
import type { MessageFilter } from '../../src/ingest/status.ts';
import { appliedValues, givenInbound, givenIngest, givenMessage, mapValue, type IngestWorld } from '../given-ingest.ts';
import { until } from '../until.ts';

describe('replay in the background', () => {
  let world: IngestWorld;
  let isMended = false;
  beforeEach(async () => {
    world = await givenIngest();
    isMended = false;
  });
  afterEach(() => world.close());

  /** The map refuses values that begin with `bad`, until it is mended. */
  const convert = (raw: Buffer) => {
    const mapped = mapValue(raw);
    const isBad = String(mapped.drafts[0]?.resource['value']).startsWith('bad');
    if (isBad && !isMended) throw new Problem('code-invalid', 'an unknown code', { expression: 'OBX-5' });
    return mapped;
  };
  const send = async (endpoint: Endpoint, patient: string, values: readonly string[]): Promise<void> => {
    for (const value of values) {
      const text = givenMessage({ id: `${patient}-${value}`, patient, value });
      await world.door.receive(givenInbound(endpoint, text));
    }
  };
  const count = async (status: number): Promise<number> => {
    const [row] = await world.database.query<{ n: number }>(
      sql`select count(*) as n from message where status = ${status}`,
    );
    return row?.n ?? 0;
  };
  const settled = () => until('nothing waits', async () => (await count(0)) === 0);
  const ask = (filter: MessageFilter, rate = 100): Promise<Replay> =>
    askReplay(world.database, { filter, rate, by: 'tester', at: new Date() });
  const tick = (allowance = 100, worker = 'one'): Promise<Ticked> =>
    tickReplay({ database: world.database, worker, now: new Date(), allowance });
  const setFate = (controlId: string, status: number, processedAt: string) =>
    world.database.query(sql`
      update message set status = ${status}, processed_at = ${processedAt}::timestamptz where control_id = ${controlId}`);
  const waitingIds = async (): Promise<string[]> =>
    (
      await world.database.query<{ id: string }>(
        sql`select control_id as id from message where status = 0 order by message.id`,
      )
    ).map(({ id }) => id);

  it('a repaired map: what was quarantined runs once, in source order, while new messages of the same patients keep coming', async () => {
    const endpoint = await world.endpoint();
    const patients = Array.from({ length: 20 }, (_, index) => `P${index}`);
    const processing = await world.process({ convert });
    for (const patient of patients) await send(endpoint, patient, ['0', 'bad1', 'bad2', '3']);
    await settled();
    assert.equal(await count(2), 40);
    isMended = true;
    const { id } = await ask({ source: 'hospa', status: 'quarantined' }, 15);
    let most = 0;
    let live = 3;
    await until('it is done', async () => {
      await tick(15);
      most = Math.max(most, await count(0));
      live++;
      await send(endpoint, `P${live % 20}`, [`live${live}`]);
      return (await findReplay(world.database, id)).state === 'done';
    });
    await settled();
    await processing.close();
    const replay = await findReplay(world.database, id);
    assert.equal(replay.matched, 40);
    assert.equal(replay.lanes, 20);
    assert.ok(most <= 15 + 2, `no more than a second's worth waits at a time, not ${most}`);
    for (const patient of patients) {
      const values = await appliedValues(world.database, patient);
      const order = await world.database.query<{ value: string }>(sql`
        select split_part(control_id, '-', 2) as value from message
        where control_id like ${`${patient}-%`} order by message.id`);
      // Whatever ran twice ran again in its place: the last run of each, in order, is the order in which they came.
      const last = values.filter((value, index) => values.lastIndexOf(value) === index);
      assert.deepEqual(
        last,
        order.map(({ value }) => value),
      );
      for (const bad of ['bad1', 'bad2']) assert.equal(values.filter((value) => value === bad).length, 1, 'none twice');
    }
  });

  it('a lane goes back whole, with what came after; the next one when there is room', async () => {
    const endpoint = await world.endpoint();
    for (const patient of ['A', 'B']) await send(endpoint, patient, ['1', '2', '3']);
    await world.database.query(sql`update message set status = 1, processed_at = now()`);
    await world.database.query(sql`update message set status = 2 where control_id in ('A-2', 'B-1')`);
    const { id } = await ask({ status: 'quarantined' }, 3);
    assert.equal((await tick(3)).queued, 2);
    assert.deepEqual(await waitingIds(), ['A-2', 'A-3']);
    // B has three, and only one fits beside the two.
    assert.equal((await tick(3)).queued, 0);
    await setFate('A-2', 1, '2026-03-01T00:00:00Z');
    await setFate('A-3', 1, '2026-03-01T00:00:01Z');
    assert.equal((await tick(3)).queued, 3);
    assert.deepEqual(await waitingIds(), ['B-1', 'B-2', 'B-3']);
    for (const one of ['B-1', 'B-2', 'B-3']) await setFate(one, 1, '2026-03-01T00:00:02Z');
    await tick(3);
    const { state, matched, planned, queued, endedAt } = await findReplay(world.database, id);
    assert.deepEqual([state, matched, planned, queued], ['done', 2, 5, 5]);
    assert.notEqual(endedAt, undefined);
  });

  it('without an allowance nothing goes back', async () => {
    const endpoint = await world.endpoint();
    await send(endpoint, 'A', ['1']);
    await setFate('A-1', 2, '2026-03-01T00:00:00Z');
    await ask({ status: 'quarantined' });
    for (let n = 0; n < 3; n++) assert.equal((await tick(0)).queued, 0);
    assert.equal(await count(2), 1);
  });

  it('a live message that a worker had in its hands, and so ran before an earlier one, runs once more after it', async () => {
    const endpoint = await world.endpoint();
    await send(endpoint, 'A', ['1', '2']);
    await setFate('A-1', 2, '2026-03-01T00:00:00Z');
    const { id } = await ask({ status: 'quarantined' });
    assert.equal((await tick()).queued, 2);
    await setFate('A-2', 1, '2026-03-01T00:00:01Z');
    await setFate('A-1', 1, '2026-03-01T00:00:02Z');
    await tick();
    assert.deepEqual(await waitingIds(), ['A-2']);
    // Once is enough: clocks of machines differ.
    await setFate('A-2', 1, '2026-03-01T00:00:01Z');
    await tick();
    assert.equal((await findReplay(world.database, id)).state, 'done');
  });

  it('a message that arrives in a lane while it is planned goes back with it', async () => {
    const endpoint = await world.endpoint();
    await send(endpoint, 'A', ['1']);
    await setFate('A-1', 2, '2026-03-01T00:00:00Z');
    await ask({ status: 'quarantined' });
    await tick(0);
    await send(endpoint, 'A', ['2']);
    await setFate('A-2', 1, '2026-03-01T00:00:01Z');
    await tick();
    assert.deepEqual(await waitingIds(), ['A-1', 'A-2']);
  });

  it('one process does it; when it is gone another goes on where it was', async () => {
    const endpoint = await world.endpoint();
    await send(endpoint, 'A', ['1']);
    await send(endpoint, 'B', ['1']);
    await world.database.query(sql`update message set status = 2, processed_at = now()`);
    const { id } = await ask({ status: 'quarantined' }, 1);
    assert.equal((await tick(1, 'one')).queued, 1);
    assert.equal((await tick(1, 'two')).phase, 'none');
    await setFate('A-1', 1, '2026-03-01T00:00:00Z');
    await world.database.query(sql`update replay set expires_at = now() - interval '1 second'`);
    assert.equal((await tick(1, 'two')).queued, 1);
    assert.equal((await tick(1, 'one')).phase, 'none');
    assert.deepEqual(await waitingIds(), ['B-1']);
    assert.equal((await findReplay(world.database, id)).planned, 2);
  });

  it('two at once take turns: the second begins when the first has ended', async () => {
    const endpoint = await world.endpoint();
    await send(endpoint, 'A', ['1']);
    await setFate('A-1', 2, '2026-03-01T00:00:00Z');
    const [first, second] = [await ask({ status: 'quarantined' }), await ask({ source: 'hospa' })];
    await tick();
    assert.equal((await findReplay(world.database, second.id)).lanes, 0);
    await setFate('A-1', 1, '2026-03-01T00:00:01Z');
    await tick();
    assert.equal((await findReplay(world.database, first.id)).state, 'done');
    assert.equal((await tick()).queued, 1);
    assert.deepEqual(
      (await listReplays(world.database)).map(({ id }) => id),
      [second.id, first.id],
    );
  });

  it('stopped: what is back in the queue is processed, the rest is not touched', async () => {
    const endpoint = await world.endpoint();
    for (const patient of ['A', 'B']) await send(endpoint, patient, ['1']);
    await world.database.query(sql`update message set status = 2, processed_at = now()`);
    const { id } = await ask({ status: 'quarantined' }, 1);
    await tick(1);
    assert.equal((await stopReplay(world.database, id, new Date())).state, 'stopped');
    assert.equal((await tick(1)).phase, 'none');
    assert.deepEqual([await count(0), await count(2)], [1, 1]);
    await assert.rejects(stopReplay(world.database, id, new Date()), { code: 'conflict' });
    await assert.rejects(stopReplay(world.database, 999, new Date()), { code: 'not-found' });
  });

  it('a replay of nothing is done at once; a rate that is none is refused', async () => {
    const { id } = await ask({ source: 'nobody' });
    await tick();
    assert.equal((await findReplay(world.database, id)).state, 'done');
    for (const rate of [0, -1, 1.5, 5_001]) await assert.rejects(ask({}, rate), { code: 'value' });
  });

  it('what is no longer kept is not replayed', async () => {
    const endpoint = await world.endpoint();
    await send(endpoint, 'A', ['1', '2']);
    await world.database.query(sql`update message set status = 2, processed_at = now()`);
    await world.database.query(sql`update message set raw = '' where control_id = 'A-1'`);
    const { emptied, matched, queued } = await previewReplay(world.database, { status: 'quarantined' });
    assert.deepEqual({ emptied, matched, queued }, { emptied: 1, matched: 1, queued: 1 });
    await ask({ status: 'quarantined' });
    await tick();
    assert.deepEqual(await waitingIds(), ['A-2']);
  });

  it('the preview counts by endpoint and lane, and touches nothing', async () => {
    const [one, two] = [await world.endpoint(), await world.endpoint({ name: 'hospb', facilities: ['HOSPB'] })];
    await send(one, 'A', ['1', '2', '3']);
    await send(one, 'B', ['1']);
    await send(two, 'C', ['1', '2']);
    await world.database.query(sql`update message set status = 1, processed_at = now()`);
    await world.database.query(sql`update message set status = 2 where control_id in ('A-2', 'C-1')`);
    const preview = await previewReplay(world.database, { status: 'quarantined' });
    assert.deepEqual(preview.endpoints, [
      { source: 'hospa', matched: 1, queued: 2, lanes: 1 },
      { source: 'hospb', matched: 1, queued: 2, lanes: 1 },
    ]);
    assert.deepEqual([preview.matched, preview.queued, preview.lanes, preview.isPartial], [2, 4, 2, false]);
    assert.deepEqual(
      preview.largest.map(({ source, queued }) => [source, queued]),
      [
        ['hospa', 2],
        ['hospb', 2],
      ],
    );
    assert.deepEqual([await count(0), await count(2)], [0, 2]);
    const none = await previewReplay(world.database, { source: 'nobody' });
    assert.deepEqual([none.matched, none.endpoints], [0, []]);
  });

  it('the timeline of a message names the replay', async () => {
    const endpoint = await world.endpoint();
    await send(endpoint, 'A', ['1']);
    await setFate('A-1', 2, new Date().toISOString());
    const { id } = await ask({ status: 'quarantined' });
    await tick();
    const [row] = await world.database.query<{ id: number }>(sql`select id from message`);
    const { timeline } = await describeMessage(world.database, row?.id ?? 0);
    assert.deepEqual(
      timeline.map(({ event, replay }) => [event, replay]),
      [
        ['received', undefined],
        ['replayed', id],
      ],
    );
  });
});
