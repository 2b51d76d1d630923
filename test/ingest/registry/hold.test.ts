/** What an endpoint sends that is being tried: on disk, held, and processed in order when it is live. */
import assert from 'node:assert/strict';
import { sql } from '../../../src/db/sql.ts';
import { changeEndpoint } from '../../../src/ingest/registry/change.ts';
import { replayMessages } from '../../../src/ingest/replay.ts';
import { listMessages } from '../../../src/ingest/status.ts';
import { appliedValues, givenInbound, givenIngest, givenMessage, type IngestWorld } from '../../given-ingest.ts';
import { until } from '../../until.ts';

const signed = { by: 'test', at: new Date() };

describe('messages of an endpoint that is being tried', () => {
  let world: IngestWorld;
  before(async () => {
    world = await givenIngest();
    await world.process();
  });
  after(() => world.close());

  it('are accepted and held; live, they are processed in the order in which they came, before what comes then', async () => {
    const endpoint = await world.endpoint({ name: 'tried', facilities: ['TRIED'], state: 'testing' });
    const send = (value: number, source = endpoint) =>
      world.door.receive(
        givenInbound(source, givenMessage({ id: `T${value}`, facility: 'TRIED', value: String(value) })),
      );
    for (let value = 1; value <= 5; value++) await send(value);
    assert.deepEqual(new Set((await listMessages(world.database, {})).map(({ status }) => status)), new Set(['held']));
    await changeEndpoint(world.database, 'tried', { state: 'live' }, signed);
    // A process that has not heard of it yet still takes it for one that is tried.
    await send(6);
    await send(7, { ...endpoint, state: 'live' });
    await until('all are processed', async () => (await appliedValues(world.database, 'P1')).length === 7);
    assert.deepEqual(await appliedValues(world.database, 'P1'), ['1', '2', '3', '4', '5', '6', '7']);
  });

  it('none stays behind when they come while it becomes live, and none overtakes', async () => {
    const endpoint = await world.endpoint({ name: 'busy', facilities: ['BUSY'], state: 'testing' });
    const count = 400;
    const sent: Promise<unknown>[] = [];
    let change: Promise<unknown> | undefined;
    for (let value = 0; value < count; value++) {
      if (value === count / 2) {
        change = changeEndpoint(world.database, 'busy', { state: 'live' }, signed);
      }
      sent.push(
        world.door.receive(
          givenInbound(
            endpoint,
            givenMessage({ id: `B${value}`, facility: 'BUSY', patient: 'PB', value: String(value) }),
          ),
        ),
      );
      if (value % 20 === 0) await Promise.all(sent);
    }
    await Promise.all([...sent, change]);
    await until('all are processed', async () => (await appliedValues(world.database, 'PB')).length === count);
    assert.deepEqual(
      await appliedValues(world.database, 'PB'),
      Array.from({ length: count }, (_, value) => String(value)),
    );
  });

  it('a replay does not process them either, until the endpoint is live', async () => {
    const endpoint = await world.endpoint({ name: 'again', facilities: ['AGAIN'], state: 'testing' });
    await world.door.receive(givenInbound(endpoint, givenMessage({ id: 'G1', facility: 'AGAIN', patient: 'PG' })));
    const filter = { source: 'again' };
    assert.equal((await replayMessages(world.database, filter)).queued, 0);
    await changeEndpoint(world.database, 'again', { state: 'paused' }, signed);
    assert.equal((await replayMessages(world.database, filter)).queued, 0);
    await changeEndpoint(world.database, 'again', { state: 'live' }, signed);
    await until('it is processed', async () => (await appliedValues(world.database, 'PG')).length > 0);
  });

  it('a pause of what was live releases nothing that waits for a person', async () => {
    const endpoint = await world.endpoint({ name: 'poisoned', facilities: ['POISONED'] });
    const { messageId } = await world.door.receive(
      givenInbound(endpoint, givenMessage({ id: 'H1', facility: 'POISONED', patient: 'PH' })),
    );
    await until('it is processed', async () => (await appliedValues(world.database, 'PH')).length === 1);
    await world.database.query(sql`update message set status = 3 where id = ${messageId}`);
    for (const state of ['paused', 'live']) await changeEndpoint(world.database, 'poisoned', { state }, signed);
    assert.equal((await listMessages(world.database, { source: 'poisoned', status: 'held' })).length, 1);
  });

  it('stay held when it is paused', async () => {
    const endpoint = await world.endpoint({ name: 'stopped', facilities: ['STOPPED'], state: 'testing' });
    await world.door.receive(givenInbound(endpoint, givenMessage({ id: 'S1', facility: 'STOPPED' })));
    await changeEndpoint(world.database, 'stopped', { state: 'paused' }, signed);
    const [row] = await world.database.query<{ status: number }>(
      sql`select status from message where endpoint_id = ${endpoint.id}`,
    );
    assert.equal(row?.status, 3);
    // What a process stores that has not heard of the pause is held too.
    await world.door.receive(givenInbound(endpoint, givenMessage({ id: 'S2', facility: 'STOPPED', patient: 'PS' })));
    assert.equal((await listMessages(world.database, { source: 'stopped', status: 'held' })).length, 2);
    await changeEndpoint(world.database, 'stopped', { state: 'live' }, signed);
    await until('both are processed', async () => (await appliedValues(world.database, 'PS')).length === 1);
    assert.equal((await listMessages(world.database, { source: 'stopped', status: 'held' })).length, 0);
  });
});
