/** The queue and its sender, on a real database and against a real socket. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeMessage } from '../../adapters/hl7v2/encode.ts';
import { openAudit } from '../../src/access/audit/audit.ts';
import type { Database } from '../../src/db.ts';
import { sql } from '../../src/db/sql.ts';
import { openTransport } from '../../src/hub/outbound.ts';
import { addDestination, type Destination, type NewDestination } from '../../src/outbound/destination.ts';
import { decideRefused, listOutbound, queueMessage, type OutboundLine } from '../../src/outbound/queue.ts';
import { sendMessage } from '../../src/outbound/send.ts';
import { startSending, type Sending, type SendingLimits } from '../../src/outbound/sender.ts';
import { judge, type Answer } from '../../src/outbound/verdict.ts';
import { givenDatabase } from '../given.ts';
import { until as waitUntil } from '../until.ts';
import { appointmentBundle } from './given.ts';
import { ack, givenSink, type Sink } from './sink.ts';

/** Who holds a destination keeps it, however long it stands still. */
const limits: Partial<SendingLimits> = { pollMs: 20, retryMinMs: 20, retryMaxMs: 100, leaseMs: 60_000, closeMs: 500 };
/** No answer, where there is to be none. */
const silenceMs = 150;
/** Longer than any sink takes that answers. */
const patienceMs = 60_000;

describe('sending', () => {
  let world: Awaited<ReturnType<typeof givenDatabase>>;
  let database: Database;
  const closing: (() => Promise<void>)[] = [];
  let names = 0;

  before(async () => {
    world = await givenDatabase();
    ({ database } = world);
  });
  afterEach(async () => {
    for (const close of closing.splice(0).toReversed()) await close();
  });
  after(() => world.close());

  async function givenHospital(
    reply?: Sink['reply'],
    more: Partial<NewDestination> = {},
  ): Promise<{ sink: Sink; destination: Destination }> {
    const sink = await givenSink(reply);
    closing.push(() => sink.close());
    const destination = await addDestination(database, {
      name: `hospital-${++names}`,
      organization: 'Organization/hospital',
      host: '127.0.0.1',
      port: sink.port,
      receiver: { application: 'HIS', facility: 'H' },
      ...more,
    });
    return { sink, destination };
  }

  async function start(
    worker = 'sender',
    { ackTimeoutMs = patienceMs, ...more }: Partial<SendingLimits> & { ackTimeoutMs?: number } = {},
  ): Promise<Sending> {
    const sending = await startSending({
      database,
      worker,
      open: (destination) => openTransport(destination, ackTimeoutMs),
      limits: { ...limits, ...more },
    });
    closing.push(() => sending.close());
    return sending;
  }

  async function queue(destination: Destination, ...controlIds: string[]): Promise<void> {
    for (const controlId of controlIds) {
      const text = `MSH|^~\\&|HUB|HUB|HIS|H|20260301||SIU^S12|${controlId}|P|2.5.1\rSCH|1\r`;
      await queueMessage(
        database,
        { destination, type: 'SIU^S12', controlId, bytes: Buffer.from(text), patients: [] },
        new Date(),
      );
    }
  }

  const linesOf = ({ name }: Destination): Promise<OutboundLine[]> => listOutbound(database, { destination: name });

  /** Until all lines of the destination are as wanted. */
  async function until(destination: Destination, isDone: (lines: OutboundLine[]) => boolean): Promise<OutboundLine[]> {
    let lines: OutboundLine[] = [];
    await waitUntil(
      'all lines are as wanted',
      async () => isDone((lines = await linesOf(destination))),
      () => lines.map(({ controlId, status, reason }) => `${controlId} ${status} ${reason}`).join('; '),
    );
    return lines;
  }

  const all =
    (status: string) =>
    (lines: OutboundLine[]): boolean =>
      lines.every((line) => line.status === status);

  /** Each message's first arrival, in order. */
  const firsts = (sink: Sink): string[] => [...new Set(sink.received.map(({ controlId }) => controlId))];

  it('given a sink that drops every fifth ACK, then each message arrives at least once, in order, as the same bytes', async () => {
    const { sink, destination } = await givenHospital(({ count, controlId }) =>
      count % 5 === 0 ? undefined : ack(controlId),
    );
    const ids = Array.from({ length: 40 }, (_, index) => `m${index}`);
    await queue(destination, ...ids);
    await start('sender', { ackTimeoutMs: silenceMs });
    await until(destination, all('accepted'));
    assert.deepEqual(firsts(sink), ids);
    assert.ok(sink.received.length > ids.length, 'some were sent again');
    // In order, with repetitions: a message is never sent before the one before it was answered.
    const order = sink.received.map(({ controlId }) => ids.indexOf(controlId));
    assert.deepEqual(
      order,
      order.toSorted((a, b) => a - b),
    );
    for (const { controlId, bytes } of sink.received) {
      const first = sink.received.find((one) => one.controlId === controlId);
      assert.ok(first?.bytes.equals(bytes), controlId);
    }
  });

  it('keeps what was sent and the answer to it', async () => {
    const { destination } = await givenHospital();
    await queue(destination, 'kept');
    await start();
    await until(destination, all('accepted'));
    const [row] = await database.query<{ ack: Buffer; ack_code: string; raw: Buffer; answered_at: Date }>(
      sql`select ack, ack_code, raw, answered_at from outbound_message where control_id = 'kept'`,
    );
    assert.equal(row?.ack.toString(), ack('kept'));
    assert.equal(row?.ack_code, 'AA');
    assert.match(row?.raw.toString() ?? '', /\|kept\|/);
    assert.ok(row?.answered_at instanceof Date);
  });

  it('takes no answer to another message for its own', async () => {
    const { sink, destination } = await givenHospital(({ count, controlId }) => ack(count === 1 ? 'other' : controlId));
    await queue(destination, 'mine');
    await start('sender', { ackTimeoutMs: silenceMs });
    const [line] = await until(destination, all('accepted'));
    assert.ok(sink.received.length >= 2, 'sent again');
    assert.ok((line?.attempts ?? 0) >= 2);
  });

  it('given AE and the policy stop, then nothing passes until a person decides', async () => {
    const refusal = 'ERR||PID^1^3|101^Required field missing^HL70357|E';
    const { sink, destination } = await givenHospital(({ controlId }) =>
      controlId === 'bad' ? ack('bad', 'AE', refusal) : ack(controlId),
    );
    await queue(destination, 'good', 'bad', 'next');
    await start();
    const lines = await until(destination, (all) => all.some(({ status }) => status === 'refused'));
    await sleep(200);
    assert.deepEqual(
      lines.map(({ status }) => status),
      ['accepted', 'refused', 'waiting'],
    );
    assert.equal(lines[1]?.reason, 'refused with AE, ERR-3 101');
    assert.deepEqual(firsts(sink), ['good', 'bad']);

    sink.reply = ({ controlId }) => ack(controlId);
    await decideRefused(database, lines[1]?.id ?? 0, 'waiting');
    await until(destination, all('accepted'));
    assert.deepEqual(
      sink.received.map(({ controlId }) => controlId),
      ['good', 'bad', 'bad', 'next'],
    );
    await assert.rejects(decideRefused(database, lines[1]?.id ?? 0, 'dropped'), { code: 'not-found' });
  });

  it('given AE and the policy park, then the next ones pass and the refused one waits aside', async () => {
    const { sink, destination } = await givenHospital(
      ({ controlId }) => ack(controlId, controlId === 'bad' ? 'AE' : 'AA'),
      { refusalPolicy: 'park' },
    );
    await queue(destination, 'bad', 'next');
    await start();
    const lines = await until(destination, (all) => all[1]?.status === 'accepted');
    assert.deepEqual(
      lines.map(({ status }) => status),
      ['parked', 'accepted'],
    );
    assert.deepEqual(firsts(sink), ['bad', 'next']);
  });

  it("given AR for the receiver's own trouble, then the same message is sent again before the next", async () => {
    const { sink, destination } = await givenHospital(({ count, controlId }) =>
      count <= 2 ? ack(controlId, 'AR', 'ERR|||207|E') : ack(controlId),
    );
    await queue(destination, 'first', 'second');
    await start();
    await until(destination, all('accepted'));
    assert.deepEqual(
      sink.received.map(({ controlId }) => controlId),
      ['first', 'first', 'first', 'second'],
    );
  });

  it('given a receiver that says "not now" for ever, then the message counts as refused in the end', async () => {
    const { destination } = await givenHospital(({ controlId }) => ack(controlId, 'AR'));
    await queue(destination, 'never');
    await start('sender', { rejectionsMax: 3 });
    const [line] = await until(destination, all('refused'));
    assert.equal(line?.attempts, 4);
  });

  it('given a receiver that is away, then others are served meanwhile, and it gets its own when it is back', async () => {
    const { sink: dead, destination: away } = await givenHospital();
    await dead.close();
    const { destination: here } = await givenHospital();
    await queue(away, 'a1', 'a2');
    await queue(here, 'h1', 'h2');
    await start('sender', { ackTimeoutMs: silenceMs });
    await until(here, all('accepted'));
    const [line] = await until(away, ([first]) => (first?.attempts ?? 0) > 1);
    assert.deepEqual([line?.status, line?.reason], ['waiting', 'no answer from the receiver']);
    const back = await givenSink(undefined, dead.port);
    closing.push(() => back.close());
    await until(away, all('accepted'));
    assert.deepEqual(firsts(back), ['a1', 'a2']);
  });

  it('given two senders, then each destination has one of them, and the other goes on when it stops', async () => {
    const { sink, destination } = await givenHospital();
    const one = await start('one');
    // Looks for what is free every second.
    await start('two', { leaseMs: 3_000 });
    await queue(destination, 'm1', 'm2', 'm3');
    await until(destination, all('accepted'));
    assert.equal(sink.connections(), 1);
    await one.close();
    await queue(destination, 'm4');
    await until(destination, all('accepted'));
    assert.deepEqual(
      sink.received.map(({ controlId }) => controlId),
      ['m1', 'm2', 'm3', 'm4'],
    );
  });

  it('given a process that ended after sending and before the answer, then the next one sends the message again', async () => {
    const { sink, destination } = await givenHospital(() => undefined);
    await queue(destination, 'once');
    const first = await start('first', { closeMs: 10 });
    while (sink.received.length === 0) await sleep(5);
    await first.close();
    sink.reply = ({ controlId }) => ack(controlId);
    await start('second');
    await until(destination, all('accepted'));
    assert.ok(sink.received.length >= 2);
    assert.deepEqual(firsts(sink), ['once']);
  });

  it('given a Bundle, then what the hospital gets is the message, and the trail says of whom', async () => {
    const { sink, destination } = await givenHospital(undefined, { charset: 'GB 18030-2000' });
    const audit = openAudit(database);
    const options = { database, audit, encode: encodeMessage, now: () => new Date(), newControlId: () => 'built' };
    const content = { bundle: JSON.stringify(appointmentBundle) };
    await sendMessage(options, { destination, type: 'SIU_S12', content, operator: 'tester' });
    await audit.close();
    await start();
    await until(destination, all('accepted'));
    const text = new TextDecoder('gb18030').decode(sink.received[0]?.bytes);
    assert.match(text, /\|SIU\^S12\^SIU_S12\|built\|P\|2\.5\.1\|.*\|GB 18030-2000\r/);
    assert.match(text, /张伟/);
    const [row] = await database.query<Record<string, unknown>>(sql`
      select client, organization, interaction, patient, decided_by, outcome from audit_entry order by at desc limit 1`);
    assert.deepEqual(row, {
      client: 'tester',
      organization: 'Organization/hospital',
      interaction: 'operation',
      patient: 'zhang',
      decided_by: 'operator:tester',
      outcome: 0,
    });
  });

  it('queues nothing when the Bundle is not valid, or the message cannot be said in the charset', async () => {
    const { destination } = await givenHospital(undefined, { charset: '8859/1' });
    const audit = openAudit(database);
    const options = { database, audit, encode: encodeMessage, now: () => new Date(), newControlId: () => 'none' };
    const send = (bundle: object) =>
      sendMessage(options, {
        destination,
        type: 'SIU^S12',
        content: { bundle: JSON.stringify(bundle) },
        operator: 'tester',
      });
    await assert.rejects(send(appointmentBundle), { code: 'value', expression: ['MSH-18'] });
    await assert.rejects(send({ resourceType: 'Appointment', id: 'x' }), { code: 'required' });
    await audit.close();
    assert.deepEqual(await linesOf(destination), []);
  });
});

describe('judge: what an answer means', () => {
  const rows: [code: string, errors: string[], verdict: string][] = [
    ['AA', [], 'accepted'],
    ['CA', [], 'accepted'],
    ['AE', [], 'refused'],
    ['AE', ['101'], 'refused'],
    ['AE', ['207'], 'again'],
    ['CE', ['102'], 'refused'],
    ['AR', ['200'], 'refused'],
    ['AR', ['203'], 'refused'],
    ['AR', ['206'], 'again'],
    ['AR', [], 'again'],
    ['CR', [], 'again'],
    ['', [], 'refused'],
    ['OK', ['0'], 'refused'],
  ];
  for (const [code, errorCodes, verdict] of rows) {
    it(`${code || 'nothing'} ${errorCodes.join()}: ${verdict}`, () => {
      const answer: Answer = { code, errorCodes, bytes: Buffer.alloc(0) };
      assert.equal(judge(answer), verdict);
    });
  }
});
