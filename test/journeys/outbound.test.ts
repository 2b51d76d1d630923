/** Journey: an operator sends an appointment; the hospital gets it from the running hub, and the patient sees that it did. */
import assert from 'node:assert/strict';
import { addDestination } from '../../src/outbound/destination.ts';
import { givenHub, type GivenHub } from '../given-hub.ts';
import { until } from '../until.ts';
import { appointmentBundle } from '../outbound/given.ts';
import { ack, givenSink, type Sink } from '../outbound/sink.ts';

describe('journey: from an Appointment to a hospital', () => {
  let hub: GivenHub;
  let sink: Sink;
  const operator = (): Promise<string> => hub.token('operator');
  const path = '/ops/outbound?destination=renji&message=SIU_S12';

  before(async () => {
    [hub, sink] = await Promise.all([givenHub(), givenSink()]);
    await addDestination(hub.database, {
      name: 'renji',
      organization: 'Organization/renji',
      host: '127.0.0.1',
      port: sink.port,
      receiver: { application: 'HIS', facility: 'RENJI' },
    });
  });
  after(async () => {
    await hub.close();
    await sink.close();
  });

  async function statusOf(id: number): Promise<string> {
    const { json } = await hub.send('GET', '/ops/outbound?destination=renji', await operator());
    return (json['messages'] as { id: number; status: string }[]).find((line) => line.id === id)?.status ?? '';
  }

  const untilIs = (id: number, status: string): Promise<void> =>
    until(`it is ${status}`, async () => (await statusOf(id)) === status);

  it('only an operator sends', async () => {
    for (const token of [await hub.token('hospital'), await hub.token('ai'), undefined]) {
      const { status } = await hub.send('POST', path, token, { body: appointmentBundle });
      assert.equal(status, token === undefined ? 401 : 403);
    }
    assert.equal(sink.received.length, 0);
  });

  it('what is queued arrives, and its answer is seen', async () => {
    const queued = await hub.send('POST', path, await operator(), { body: appointmentBundle });
    assert.equal(queued.status, 202, queued.text);
    await untilIs(queued.json['id'] as number, 'accepted');
    assert.equal(sink.received[0]?.controlId, queued.json['controlId']);
    assert.match(sink.received[0]?.bytes.toString() ?? '', /\|RENJI\|.*SIU\^S12\^SIU_S12/);
    const { text } = await hub.send('GET', '/metrics', undefined);
    assert.match(text, /hub_outbound_total\{destination="renji",outcome="accepted"\} 1/);
  });

  it('a refused one waits until the operator drops it', async () => {
    sink.reply = ({ controlId }) => ack(controlId, 'AE');
    const refused = await hub.send('POST', path, await operator(), { body: appointmentBundle });
    await untilIs(refused.json['id'] as number, 'refused');
    sink.reply = ({ controlId }) => ack(controlId);
    const next = await hub.send('POST', path, await operator(), { body: appointmentBundle });
    const drop = `/ops/outbound/${String(refused.json['id'])}/drop`;
    assert.equal((await hub.send('POST', drop, await hub.token('hospital'))).status, 403);
    assert.equal((await hub.send('POST', drop, await operator())).status, 204);
    await untilIs(next.json['id'] as number, 'accepted');
    assert.equal((await hub.send('POST', drop, await operator())).status, 404);
  });

  it('says what is wrong with a request', async () => {
    const token = await operator();
    const statuses = await Promise.all(
      [
        '/ops/outbound?destination=nobody&message=SIU_S12',
        '/ops/outbound?destination=renji&message=ADT_A01',
        '/ops/outbound?destination=renji',
        `${path}&resource=Appointment/unknown`,
        `${path}&patient=x`,
      ].map(async (wrong) => (await hub.send('POST', wrong, token, { body: appointmentBundle })).status),
    );
    assert.deepEqual(statuses, [404, 400, 422, 404, 400]);
    assert.equal((await hub.send('GET', '/ops/outbound?status=lost', token)).status, 400);
  });

  it("the patient's log names the hospital that was sent it", async () => {
    const self = await hub.token('patient', { fhirUser: 'Patient/zhang', patient: 'zhang' });
    const { text } = await hub.send('GET', 'AuditEvent?patient=Patient/zhang', self);
    assert.match(text, /Organization\/renji/);
    assert.match(text, /operator:/);
  });
});
