import assert from 'node:assert/strict';
import { connect, createServer, type Server } from 'node:net';
import { sql } from '../../src/db/sql.ts';
import { listMessages } from '../../src/ingest/status.ts';
import { appliedValues, givenIngest, givenMessage, type IngestWorld } from '../given-ingest.ts';
import { until } from '../until.ts';

/** The larger share, with processes that are killed, is `node test/faults/kill.ts`. */
describe('faults: connections that break at any moment', () => {
  let world: IngestWorld;
  let network: { server: Server; port: number; breaks: number };
  before(async () => {
    world = await givenIngest();
    await world.endpoint();
    network = await brokenNetwork((await world.listen()).port);
  });
  after(async () => {
    network.server.close();
    await world.close();
  });

  it('every message that was answered AA is stored once and processed, in the order of its patient', async () => {
    const workers = [await world.process({ batchMax: 7 }), await world.process({ batchMax: 7 })];
    const patients = Array.from({ length: 8 }, (_, index) => `P${index}`);
    const values = Array.from({ length: 50 }, (_, index) => String(index));
    await Promise.all(
      patients.map(async (patient) => {
        const client = world.client(network.port, { depth: 4 });
        const acks = await Promise.all(
          values.map((value) => client.send(Buffer.from(givenMessage({ id: `${patient}-${value}`, patient, value })))),
        );
        assert.ok(acks.every(({ code }) => code === 'AA'));
      }),
    );
    assert.ok(network.breaks > 10, `only ${network.breaks} connections broke`);
    await until('all is processed', async () => {
      const [row] = await world.database.query<{ open: number }>(
        sql`select count(*) as open from message where status <> 1`,
      );
      return row?.open === 0;
    });
    assert.equal((await listMessages(world.database, {})).length, patients.length * values.length);
    for (const patient of patients) assert.deepEqual(await appliedValues(world.database, patient), values);
    for (const worker of workers) await worker.close();
  });
});

/** A proxy that cuts each connection after some bytes, in either direction and in the middle of frames. */
async function brokenNetwork(target: number) {
  let seed = 7;
  const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
  const network = { server: createServer(), port: 0, breaks: 0 };
  network.server.on('connection', (client) => {
    const hub = connect(target, '127.0.0.1');
    let left = 500 + random() * 6_000;
    const pass = (to: typeof hub) => (chunk: Buffer) => {
      const part = chunk.subarray(0, Math.max(0, Math.floor(left)));
      left -= chunk.length;
      to.write(part);
      if (left > 0) return;
      network.breaks++;
      client.destroy();
      hub.destroy();
    };
    client.on('data', pass(hub));
    hub.on('data', pass(client));
    for (const [one, other] of [
      [client, hub],
      [hub, client],
    ] as const) {
      one.on('error', () => undefined);
      one.on('close', () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => network.server.listen(0, '127.0.0.1', resolve));
  const address = network.server.address();
  network.port = typeof address === 'object' && address !== null ? address.port : 0;
  return network;
}
