import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import iconv from 'iconv-lite';
import { frame, FrameReader } from '../../../adapters/hl7v2/frames.ts';
import type { MllpEvent } from '../../../adapters/hl7v2/mllp.ts';
import { sql } from '../../../src/db/sql.ts';
import { Problem } from '../../../src/fhir/problem.ts';
import { listMessages } from '../../../src/ingest/status.ts';
import { givenIngest, givenMessage, mapValue, type IngestWorld } from '../../given-ingest.ts';
import { until } from '../../until.ts';

describe('MLLP: a message in, an acknowledgment after the commit', () => {
  let world: IngestWorld;
  before(async () => {
    world = await givenIngest();
    await world.endpoint();
  });
  after(() => world.close());

  const stored = async (id: string) =>
    world.database.query<{ raw: Buffer; facility: string; type: string }>(
      sql`select raw, facility, type from message where control_id = ${id}`,
    );

  it('answers AA, MSA-2 = MSH-10, when the bytes are on disk as they came', async () => {
    const client = world.client((await world.listen()).port);
    const text = givenMessage({ id: 'A\\T\\1' });
    const ack = await client.send(Buffer.from(text));
    assert.deepEqual([ack.code, ack.controlId], ['AA', 'A\\T\\1']);
    const rows = await stored('A&1');
    assert.deepEqual(rows, [{ raw: Buffer.from(text), facility: 'HOSPA', type: 'ORU^R01' }]);
  });

  it('answers pipelined messages in their order, all of them, when each is stored', async () => {
    const { port } = await world.listen();
    const socket = await open(port);
    const ids = Array.from({ length: 200 }, (_, index) => `PIPE${index}`);
    socket.write(Buffer.concat(ids.map((id) => frame(Buffer.from(givenMessage({ id }))))));
    assert.deepEqual(
      await answers(socket, ids.length),
      ids.map((id) => `AA ${id}`),
    );
    socket.destroy();
  });

  it('a batch in a frame: an acknowledgment for each message, in their order', async () => {
    const socket = await open((await world.listen()).port);
    const batch = `BHS|^~\\&\r${givenMessage({ id: 'BA1' })}${givenMessage({ id: 'BA2', facility: 'HOSPX' })}BTS|2\r`;
    socket.write(frame(Buffer.from(batch)));
    assert.deepEqual(await answers(socket, 2), ['AA BA1', 'AR BA2']);
    socket.destroy();
  });

  it('a batch that counts more messages than it holds: nothing is taken, ERR says where', async () => {
    const socket = await open((await world.listen()).port);
    socket.write(frame(Buffer.from(`BHS|^~\\&\r${givenMessage({ id: 'BA3' })}BTS|2\r`)));
    const [ack = ''] = await rawAnswers(socket, 1);
    assert.match(ack, /\rMSA\|AE\|\rERR\|\|BTS\^1\^1/);
    assert.equal(await count(world, 'BA3'), 0);
    socket.destroy();
  });

  it('a batch whose end is missing: nothing is taken, ERR names it', async () => {
    const socket = await open((await world.listen()).port);
    socket.write(frame(Buffer.from(`BHS|^~\\&\r${givenMessage({ id: 'BA4' })}`)));
    const [ack = ''] = await rawAnswers(socket, 1);
    assert.match(ack, /\rMSA\|AE\|\rERR\|\|BTS/);
    assert.equal(await count(world, 'BA4'), 0);
    socket.destroy();
  });

  it('the answer to a batch names it by BHS-11; an empty one is accepted as such', async () => {
    const socket = await open((await world.listen()).port);
    const header = 'BHS|^~\\&|APP|HOSPA|HUB|HUB|2024||||B77';
    socket.write(frame(Buffer.from(`${header}\r${givenMessage({ id: 'BA5' })}BTS|2\r`)));
    socket.write(frame(Buffer.from(`${header}\rBTS|0\r`)));
    const [refused = '', empty = ''] = await rawAnswers(socket, 2);
    assert.match(refused, /^MSH\|\^~\\&\|HUB\|HUB\|APP\|HOSPA\|.*\rMSA\|AE\|B77\rERR\|\|BTS\^1\^1/);
    assert.match(empty, /\rMSA\|AA\|B77\r/);
    socket.destroy();
  });

  it('a batch is answered by a batch where the endpoint says so', async () => {
    await world.endpoint({ name: 'batches', facilities: ['HOSPB'], batchAck: 'batch' });
    const socket = await open((await world.listen()).port);
    const messages = ['BB1', 'BB2'].map((id) => givenMessage({ id, facility: 'HOSPB' }));
    socket.write(frame(Buffer.from(`BHS|^~\\&|APP|HOSPB|HUB|HUB|2024||||B78\r${messages.join('')}BTS|2\r`)));
    const [batch = ''] = await rawAnswers(socket, 1);
    assert.match(
      batch,
      /^BHS\|\^~\\&\|HUB\|HUB\|APP\|HOSPB\|\d+\+0000\|\|\|\|ACK\d+\|B78\rMSH\|.*\rMSA\|AA\|BB1\rMSH\|.*\rMSA\|AA\|BB2\rBTS\|2\r$/,
    );
    socket.destroy();
  });

  for (const type of ['QBP^Q22', 'QRY^A19', 'VXQ^V01'])
    it(`${type} is refused with a reason, and not stored`, async () => {
      const socket = await open((await world.listen()).port);
      socket.write(frame(Buffer.from(givenMessage({ id: `Q${type}`, type }))));
      const [ack = ''] = await rawAnswers(socket, 1);
      assert.match(ack, /\rMSA\|AR\|.*\rERR\|\|MSH\^1\^9\^1\^1\|200\^Unsupported message type\^HL70357\|E/);
      assert.equal(await count(world, `Q${type}`), 0);
      socket.destroy();
    });

  it('ACK and MCF are never acknowledged', async () => {
    const socket = await open((await world.listen()).port);
    for (const type of ['ACK^A01', 'MCF^Q02']) socket.write(frame(Buffer.from(givenMessage({ id: `A${type}`, type }))));
    socket.write(frame(Buffer.from(givenMessage({ id: 'AFTER' }))));
    assert.deepEqual(await answers(socket, 1), ['AA AFTER']);
    socket.destroy();
  });

  it('reads frames that arrive byte by byte', async () => {
    const socket = await open((await world.listen()).port);
    for (const byte of frame(Buffer.from(givenMessage({ id: 'SLOW' })))) socket.write(Buffer.from([byte]));
    assert.deepEqual(await answers(socket, 1), ['AA SLOW']);
    socket.destroy();
  });

  it('answers a frame without the CR after FS, after a moment', async () => {
    const socket = await open((await world.listen({ limits: { endingMs: 10 } })).port);
    socket.write(frame(Buffer.from(givenMessage({ id: 'NOCR' }))).subarray(0, -1));
    assert.deepEqual(await answers(socket, 1), ['AA NOCR']);
    socket.destroy();
  });

  it('answers a sender that has closed its side already', async () => {
    const socket = await open((await world.listen()).port);
    socket.end(frame(Buffer.from(givenMessage({ id: 'HALF' }))));
    assert.deepEqual(await answers(socket, 1), ['AA HALF']);
  });

  it('GB 18030 names whose second byte is | ^ ~ or \\ come through whole', async () => {
    const client = world.client((await world.listen()).port);
    for (const [index, trail] of ['|', '^', '~', '\\'].entries()) {
      const name = iconv.decode(Buffer.from([0xd0 + index, trail.charCodeAt(0)]), 'gb18030');
      const text = givenMessage({ id: `GB${index}`, charset: 'GB 18030-2000', patient: name });
      const ack = await client.send(iconv.encode(text, 'gb18030'));
      assert.deepEqual([ack.code, ack.controlId], ['AA', `GB${index}`]);
      const [row] = await stored(`GB${index}`);
      assert.equal(iconv.decode(row?.raw ?? Buffer.alloc(0), 'gb18030'), text);
    }
  });

  const refused: [string, string, string, string][] = [
    [
      'an unknown facility',
      givenMessage({ id: 'R1', facility: 'HOSPX' }),
      'AR',
      'ERR||MSH^1^4||E|||MSH-4 names no facility',
    ],
    ['no facility', givenMessage({ id: 'R2', facility: '' }), 'AR', 'ERR||MSH^1^4||E'],
    ['the facility *', givenMessage({ id: 'R3', facility: '*' }), 'AR', 'ERR||MSH^1^4||E'],
    ['no control id', givenMessage({ id: '' }), 'AE', 'ERR||MSH^1^10|101^Required field missing^HL70357|E'],
    [
      'no message type',
      givenMessage({ id: 'R5', type: '' }),
      'AE',
      'ERR||MSH^1^9|101^Required field missing^HL70357|E',
    ],
    ['bytes that are not HL7v2', 'hello', 'AE', 'ERR||MSH^1|100^Segment sequence error^HL70357|E'],
    ['an empty frame', '', 'AE', 'ERR||MSH^1|100^Segment sequence error^HL70357|E'],
    [
      'two messages in one frame',
      givenMessage({ id: 'R8' }) + givenMessage({ id: 'R9', patient: 'P2' }),
      'AE',
      'ERR||MSH^1|100^Segment sequence error^HL70357|E',
    ],
    [
      'bytes that MSH-18 does not have',
      givenMessage({ id: 'R10', charset: 'UNICODE UTF-8', patient: '\xfc' }),
      'AE',
      'ERR||MSH^1^18|100^Segment sequence error^HL70357|E',
    ],
  ];
  for (const [what, text, code, err] of refused) {
    it(`given ${what}, then ${code}, nothing is stored, and the connection goes on`, async () => {
      const before = await count(world);
      const socket = await open((await world.listen()).port);
      socket.write(frame(Buffer.from(text, 'latin1')));
      socket.write(frame(Buffer.from(givenMessage({ id: `after ${what}` }))));
      const [first = '', second = ''] = await rawAnswers(socket, 2);
      const id = text.split('|')[9] ?? '';
      assert.ok(first.split('\r')[1]?.startsWith(`MSA|${code}|${id}`), first);
      assert.ok(first.split('\r')[2]?.startsWith(err), first);
      assert.ok(second.includes(`MSA|AA|after ${what}`));
      assert.equal(await count(world), before + 1);
      socket.destroy();
    });
  }

  it('given a frame over the limit, then AE with its control id, and the connection goes on', async () => {
    const socket = await open((await world.listen({ limits: { frameBytesMax: 1_000 } })).port);
    socket.write(frame(Buffer.from(givenMessage({ id: 'BIG', value: 'x'.repeat(5_000) }))));
    socket.write(frame(Buffer.from(givenMessage({ id: 'SMALL' }))));
    assert.deepEqual(await answers(socket, 2), ['AE BIG', 'AA SMALL']);
    assert.equal((await stored('BIG')).length, 0);
    socket.destroy();
  });

  it('an acknowledgment is not acknowledged', async () => {
    const socket = await open((await world.listen()).port);
    socket.write(frame(Buffer.from('MSH|^~\\&|A|HOSPA|B|C|2024||ACK|X1|P|2.5.1\rMSA|AA|1\r')));
    socket.write(frame(Buffer.from(givenMessage({ id: 'NEXT' }))));
    assert.deepEqual(await answers(socket, 1), ['AA NEXT']);
    socket.destroy();
  });

  it('an endpoint added a moment ago is known', async () => {
    const { addEndpoint } = await import('../../../src/ingest/endpoint.ts');
    const client = world.client((await world.listen()).port);
    await new Promise((resolve) => setTimeout(resolve, 150));
    await addEndpoint(world.database, {
      name: 'new',
      kind: 'hl7v2-mllp',
      organization: 'Organization/n',
      facilities: ['NEWCOMER'],
    });
    assert.equal((await client.send(Buffer.from(givenMessage({ id: 'N1', facility: 'NEWCOMER' })))).code, 'AA');
  });

  describe('without MSH-18', () => {
    it('the charset of the endpoint decides, and is found although MSH-4 is written in it', async () => {
      await world.endpoint({ name: 'beijing', facilities: ['协和'], charset: 'GB 18030-2000' });
      const client = world.client((await world.listen()).port);
      const ack = await client.send(iconv.encode(givenMessage({ id: 'CN1', facility: '协和' }), 'gb18030'));
      assert.equal(ack.code, 'AA');
      assert.ok(iconv.decode(ack.bytes, 'gb18030').includes('协和'), 'the answer is in the charset of the sender');
    });
  });

  describe('enhanced mode (MSH-15, MSH-16)', () => {
    type Row = [acks: readonly [string, string], isProcessed: boolean, expected: string[]];
    const rows: Row[] = [
      [['AL', 'NE'], true, ['CA']],
      [['AL', ''], true, ['CA']],
      [['AL', 'AL'], true, ['CA', 'AA']],
      [['AL', 'AL'], false, ['CA', 'AE']],
      [['AL', 'ER'], true, ['CA']],
      [['AL', 'ER'], false, ['CA', 'AE']],
      [['AL', 'SU'], true, ['CA', 'AA']],
      [['AL', 'SU'], false, ['CA']],
      [['SU', 'NE'], true, ['CA']],
      [['ER', 'NE'], true, []],
      [['ER', 'AL'], true, ['AA']],
      [['NE', 'NE'], true, []],
      [['NE', 'ER'], true, []],
      [['NE', 'ER'], false, ['AE']],
      // By the standard the same as original mode: answered when it is stored.
      [['NE', 'AL'], false, ['AA']],
      [['', 'AL'], true, ['AA']],
    ];
    for (const [acks, isProcessed, expected] of rows) {
      const id = `${acks.join('-')}-${isProcessed}`;
      const fate = isProcessed ? 'processed' : 'quarantined';
      it(`${acks.join(', ')}, ${fate}: ${expected.join(' then ') || 'no answer'}`, async () => {
        const processing = await world.process({
          convert: (raw) => {
            if (!isProcessed) throw new Problem('code-invalid', 'unknown status', { expression: 'OBX-11' });
            return mapValue(raw);
          },
        });
        const socket = await open((await world.listen()).port);
        socket.write(frame(Buffer.from(givenMessage({ id, acks }))));
        assert.deepEqual(
          await answers(socket, expected.length),
          expected.map((code) => `${code} ${id}`),
        );
        await until('its fate is known', async () => {
          const [line] = await listMessages(world.database, { controlId: id });
          return line?.status === fate;
        });
        // Nothing more came: the answer to the next message is the next answer.
        await new Promise((resolve) => setTimeout(resolve, 120));
        socket.write(frame(Buffer.from(givenMessage({ id: `after ${id}` }))));
        assert.deepEqual(await answers(socket, 1), [`AA after ${id}`]);
        socket.destroy();
        await processing.close();
      });
    }

    it('an application acknowledgment that cannot be made is told to the operator, and the connection goes on', async () => {
      const events: MllpEvent[] = [];
      const away = { ...world.door, outcome: () => Promise.reject(new Problem('transient', 'the database is away')) };
      const socket = await open((await world.listen({ door: away, onEvent: (event) => events.push(event) })).port);
      socket.write(frame(Buffer.from(givenMessage({ id: 'UNFOLLOWED', acks: ['AL', 'AL'] }))));
      assert.deepEqual(await answers(socket, 1), ['CA UNFOLLOWED']);
      await until('it is told', async () => events.some(({ kind }) => kind === 'unfollowed'));
      assert.equal(events.find(({ kind }) => kind === 'unfollowed')?.reason, 'transient');
      socket.write(frame(Buffer.from(givenMessage({ id: 'AFTER-UNFOLLOWED' }))));
      assert.deepEqual(await answers(socket, 1), ['AA AFTER-UNFOLLOWED']);
      socket.destroy();
    });

    it('an application acknowledgment of a failure says why, and asks for no acknowledgment itself', async () => {
      const processing = await world.process({
        convert: () => {
          throw new Problem('code-invalid', 'unknown status', { expression: 'OBX-11' });
        },
      });
      const socket = await open((await world.listen()).port);
      socket.write(frame(Buffer.from(givenMessage({ id: 'WHY', acks: ['AL', 'AL'] }))));
      const [, later = ''] = await rawAnswers(socket, 2);
      const [msh = '', msa, err = ''] = later.split('\r');
      assert.deepEqual(msh.split('|').slice(14, 16), ['NE', 'NE']);
      assert.equal(msa, 'MSA|AE|WHY');
      assert.ok(err.startsWith('ERR||OBX^1^11|103^Table value not found^HL70357|E|||unknown status'), err);
      socket.destroy();
      await processing.close();
    });

    it('CR for an unknown facility', async () => {
      const socket = await open((await world.listen()).port);
      socket.write(frame(Buffer.from(givenMessage({ id: 'CR1', facility: 'HOSPX', acks: ['AL', 'NE'] }))));
      assert.deepEqual(await answers(socket, 1), ['CR CR1']);
      socket.destroy();
    });
  });

  describe('limits', () => {
    it('refuses connections of one address beyond its share', async () => {
      const { port } = await world.listen({ limits: { connectionsPerAddressMax: 2 } });
      const two = [await open(port), await open(port)];
      const third = await open(port);
      await new Promise((resolve) => third.once('close', resolve));
      two[0]?.write(frame(Buffer.from(givenMessage({ id: 'TWO' }))));
      assert.deepEqual(await answers(two[0] as Socket, 1), ['AA TWO']);
      for (const socket of two) socket.destroy();
    });

    it('closes a connection that is silent too long, and one that does not finish its frame', async () => {
      const idle = await open((await world.listen({ limits: { idleMs: 50 } })).port);
      await new Promise((resolve) => idle.once('close', resolve));
      const slow = await open((await world.listen({ limits: { frameMs: 50 } })).port);
      slow.write('\x0bMSH|');
      await new Promise((resolve) => slow.once('close', resolve));
    });

    it('does not read ahead of its answers without end, and answers everything in the end', async () => {
      const { port } = await world.listen({ limits: { unansweredMax: 4, pendingBytesMax: 2_000 } });
      const sockets = await Promise.all(Array.from({ length: 4 }, () => open(port)));
      await Promise.all(
        sockets.map(async (socket, at) => {
          const ids = Array.from({ length: 100 }, (_, index) => `B${at}-${index}`);
          for (const id of ids) socket.write(frame(Buffer.from(givenMessage({ id }))));
          assert.deepEqual(
            await answers(socket, ids.length),
            ids.map((id) => `AA ${id}`),
          );
          socket.destroy();
        }),
      );
    });
  });

  it('when it closes, it answers what it has and then ends the connection', async () => {
    const listener = await world.listen();
    const socket = await open(listener.port);
    socket.write(frame(Buffer.from(givenMessage({ id: 'LAST' }))));
    await until('the message is read', async () => (await count(world, 'LAST')) > 0);
    const closing = listener.close();
    assert.deepEqual(await answers(socket, 1), ['AA LAST']);
    await closing;
  });
});

async function count(world: IngestWorld, id?: string): Promise<number> {
  const [row] = await world.database.query<{ count: number }>(
    sql`select count(*) from message where ${id ?? null}::text is null or control_id = ${id ?? null}`,
  );
  return row?.count ?? 0;
}

async function open(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  return socket;
}

const readers = new WeakMap<Socket, { reader: FrameReader; frames: string[] }>();

/** The next `expected` answers of this socket, as sent. */
async function rawAnswers(socket: Socket, expected: number): Promise<string[]> {
  let state = readers.get(socket);
  if (state === undefined) {
    const fresh = { reader: new FrameReader(1_000_000), frames: [] as string[] };
    socket.on('data', (chunk: Buffer) => {
      fresh.frames.push(...fresh.reader.push(chunk).map(({ bytes }) => bytes.toString('latin1')));
      socket.emit('answers');
    });
    readers.set(socket, (state = fresh));
  }
  while (state.frames.length < expected) {
    await new Promise<void>((resolve, reject) => {
      socket.once('answers', resolve);
      socket.once('close', () => reject(new Error('closed')));
    });
  }
  return state.frames.splice(0, expected);
}

/** `AA M1`: MSA-1 and MSA-2 of the next answers. */
async function answers(socket: Socket, expected: number): Promise<string[]> {
  return (await rawAnswers(socket, expected)).map((text) => {
    const [, code = '', id = ''] = text.split('\r')[1]?.split('|') ?? [];
    return `${code} ${id}`;
  });
}
