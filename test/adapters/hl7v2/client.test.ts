import assert from 'node:assert/strict';
import { createServer, type Server, type Socket } from 'node:net';
import { connectMllp } from '../../../adapters/hl7v2/client.ts';
import { frame, FrameReader } from '../../../adapters/hl7v2/frames.ts';
import { givenMessage } from '../../given-ingest.ts';

describe('the MLLP client', () => {
  const servers: Server[] = [];
  after(() => {
    for (const server of servers) server.close();
  });

  /** A receiver of a test's making; `answer` gets each message's control id and a way to reply. */
  async function receiver(answer: (id: string, reply: (code: string, id?: string) => void, socket: Socket) => void) {
    const seen: string[] = [];
    const server = createServer((socket) => {
      const reader = new FrameReader(100_000);
      socket.on('error', () => undefined);
      socket.on('data', (chunk: Buffer) => {
        for (const { bytes } of reader.push(chunk)) {
          const id = bytes.toString('latin1').split('|')[9] ?? '';
          seen.push(id);
          const reply = (code: string, of = id) =>
            socket.write(frame(Buffer.from(`MSH|^~\\&|A|B|C|D|2024||ACK|1|P|2.5.1\rMSA|${code}|${of}\r`)));
          answer(id, reply, socket);
        }
      });
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    return { seen, port: typeof address === 'object' && address !== null ? address.port : 0 };
  }

  const message = (id: string) => Buffer.from(givenMessage({ id }));
  /** With the patience for any answer that comes. */
  const options = (port: number) => ({ host: '127.0.0.1', port, backoffMs: 5, ackTimeoutMs: 100_000 });

  it('has as many messages unanswered as its depth, and no more', async () => {
    const replies: (() => void)[] = [];
    const { port, seen } = await receiver((_id, reply) => replies.push(() => reply('AA')));
    const client = connectMllp({ ...options(port), depth: 3 });
    const all = ['1', '2', '3', '4', '5'].map((id) => client.send(message(id)));
    while (replies.length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.deepEqual(seen, ['1', '2', '3']);
    while (replies.length > 0) {
      replies.shift()?.();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assert.deepEqual(
      (await Promise.all(all)).map(({ controlId }) => controlId),
      ['1', '2', '3', '4', '5'],
    );
    await client.close();
  });

  it('matches answers by MSA-2, in whatever order they come', async () => {
    const replies: (() => void)[] = [];
    const { port } = await receiver((id, reply) => {
      replies.unshift(() => reply(id === '1' ? 'AE' : 'AA'));
      if (replies.length === 2) for (const one of replies) one();
    });
    const client = connectMllp({ ...options(port), depth: 2 });
    const acks = await Promise.all([client.send(message('1')), client.send(message('2'))]);
    assert.deepEqual(
      acks.map(({ code }) => code),
      ['AE', 'AA'],
    );
    await client.close();
  });

  it('sends again, in order, what was not answered when the connection broke', async () => {
    let connections = 0;
    const { port, seen } = await receiver((id, reply, socket) => {
      if (id === '2' && ++connections === 1) socket.destroy();
      else reply('AA');
    });
    const client = connectMllp({ ...options(port), depth: 4 });
    await Promise.all(['1', '2', '3'].map((id) => client.send(message(id))));
    assert.deepEqual(seen.slice(-2), ['2', '3']);
    await client.close();
  });

  it('sends again after silence, and is not misled by an answer to something else', async () => {
    let count = 0;
    const { port, seen } = await receiver((_id, reply) => reply('AA', ++count === 1 ? 'another' : undefined));
    const client = connectMllp({ ...options(port), ackTimeoutMs: 100 });
    assert.equal((await client.send(message('1'))).code, 'AA');
    assert.ok(seen.length >= 2, `${seen.length}`);
    await client.close();
  });

  it('gives up after its attempts, as transient', async () => {
    const { port, seen } = await receiver((_id, _reply, socket) => socket.destroy());
    const client = connectMllp({ ...options(port), attemptsMax: 3 });
    await assert.rejects(client.send(message('1')), { code: 'transient' });
    assert.equal(seen.length, 3);
    await client.close();
  });

  it('hands on application acknowledgments that follow an accept acknowledgment', async () => {
    const { port } = await receiver((_id, reply) => {
      reply('CA');
      reply('AA');
    });
    const later: string[] = [];
    const client = connectMllp({ ...options(port), onApplicationAck: (ack) => later.push(ack.code) });
    assert.equal((await client.send(message('1'))).code, 'CA');
    while (later.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.deepEqual(later, ['AA']);
    await client.close();
  });
});
