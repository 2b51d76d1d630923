import assert from 'node:assert/strict';
import { createServer, type AddressInfo } from 'node:net';
import { connectMllp } from '../../../adapters/hl7v2/client.ts';
import { sql } from '../../../src/db/sql.ts';
import { Problem } from '../../../src/fhir/problem.ts';
import { sendSimulation } from '../../../src/cli/simulate/send.ts';
import { simulate, simulatedHospitals } from '../../../src/cli/simulate/stream.ts';
import { givenIngest, type IngestWorld } from '../../given-ingest.ts';

describe('hub simulate: sending over MLLP', () => {
  let world: IngestWorld;
  let port: number;
  const simulation = simulate({ seed: 3, hospitals: simulatedHospitals(3) });
  const connect = () => connectMllp({ host: '127.0.0.1', port, attemptsMax: 2, backoffMs: 10 });

  before(async () => {
    world = await givenIngest();
    await world.endpoint({ name: 'others', facilities: ['SIM0001', 'SIM0002', 'SIM0003'] });
    ({ port } = await world.listen());
  });
  after(() => world.close());

  it('given registered hospitals, then every message is stored once, in the order of its hospital', async () => {
    const summary = await sendSimulation({ simulation, count: 200, rate: 0, connect });
    assert.equal(summary.sent, 200);
    // Original mode answers AA, enhanced mode CA; the three hospitals use both.
    assert.deepEqual([...summary.answers.keys()].sort(), ['AA', 'CA']);
    assert.equal(
      [...summary.answers.values()].reduce((a, b) => a + b),
      200,
    );
    const rows = await world.database.query<{ controlId: string; facility: string }>(
      sql`select control_id as "controlId", facility from message order by id`,
    );
    assert.equal(rows.length, 200);
    for (const [facility, stored] of Map.groupBy(rows, (row) => row.facility)) {
      const numbers = stored.map(({ controlId }) => Number(controlId.replace('S3N', '')));
      assert.deepEqual(
        numbers,
        numbers.toSorted((a, b) => a - b),
        facility,
      );
    }
  });

  it('given the same seed again, then it is accepted as a re-send and stored once', async () => {
    const summary = await sendSimulation({ simulation, count: 200, rate: 0, connect });
    assert.equal(summary.firstRefusal, undefined);
    const [row] = await world.database.query<{ count: number }>(sql`select count(*) from message`);
    assert.equal(row?.count, 200);
  });

  it('given a rate, then it takes its time', async () => {
    const summary = await sendSimulation({ simulation, count: 20, rate: 100, connect });
    assert.ok(summary.seconds >= 0.19, String(summary.seconds));
  });

  it('given a hospital that is not registered, then the refusal is counted and shown', async () => {
    const strange = simulate({ seed: 3, hospitals: simulatedHospitals(6).slice(3) });
    const summary = await sendSimulation({ simulation: strange, count: 4, rate: 0, connect });
    assert.equal(
      [...summary.answers.keys()].some((code) => code === 'AA' || code === 'CA'),
      false,
    );
    assert.match(summary.firstRefusal ?? '', /^MSH[\s\S]*\nMSA\|/);
  });

  it('given nobody who answers, then it gives up with a Problem instead of sending on', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => closed.once('listening', resolve));
    const nobody = (closed.address() as AddressInfo).port;
    await new Promise((resolve) => closed.close(resolve));
    const sending = sendSimulation({
      simulation,
      count: 1000,
      rate: 0,
      connect: () => connectMllp({ host: '127.0.0.1', port: nobody, attemptsMax: 2, backoffMs: 10 }),
    });
    await assert.rejects(sending, (error) => error instanceof Problem && error.code === 'transient');
  });
});
