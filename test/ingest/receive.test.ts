import assert from 'node:assert/strict';
import { openDatabase } from '../../src/db.ts';
import { sql } from '../../src/db/sql.ts';
import { Problem } from '../../src/fhir/problem.ts';
import type { Door, Endpoint } from '../../src/ingest/contract.ts';
import { openReceiver } from '../../src/ingest/receive.ts';
import { listMessages } from '../../src/ingest/status.ts';
import { givenInbound, givenIngest, givenMessage, type IngestWorld } from '../given-ingest.ts';

describe('receive: a receipt means that the message is on disk, once', () => {
  let world: IngestWorld;
  let endpoint: Endpoint;
  let other: Endpoint;
  before(async () => {
    world = await givenIngest();
    endpoint = await world.endpoint();
    other = await world.endpoint({ name: 'hospb', facilities: ['HOSPB'] });
  });
  after(() => world.close());

  const receive = (text: string, from = endpoint) => world.door.receive(givenInbound(from, text));
  const rows = (id: string) => listMessages(world.database, { controlId: id });

  it('given the same bytes again, then the same receipt and one row', async () => {
    const text = givenMessage({ id: 'D1' });
    const first = await receive(text);
    const again = await receive(text);
    assert.deepEqual([first.isDuplicate, again.isDuplicate], [false, true]);
    assert.equal(again.messageId, first.messageId);
    assert.equal((await rows('D1')).length, 1);
  });

  it('given the same bytes twice in one batch, then one row and both have its receipt', async () => {
    const text = givenMessage({ id: 'D2' });
    const receipts = await Promise.all([receive(text), receive(text), receive(text)]);
    assert.deepEqual(
      receipts.map(({ isDuplicate }) => isDuplicate),
      [false, true, true],
    );
    assert.equal(new Set(receipts.map(({ messageId }) => messageId)).size, 1);
    assert.equal((await rows('D2')).length, 1);
  });

  it('given the same bytes by several processes at once, then one row', async () => {
    const databases = Array.from({ length: 4 }, () => openDatabase({ url: world.url, pipelines: 1 }));
    const receivers = databases.map((database) => openReceiver({ database }));
    const texts = Array.from({ length: 50 }, (_, index) => givenMessage({ id: `D3-${index}` }));
    const receipts = await Promise.all(
      receivers.flatMap((receiver) => texts.map((text) => receiver.receive(givenInbound(endpoint, text)))),
    );
    assert.equal(new Set(receipts.map(({ messageId }) => messageId)).size, 50);
    assert.equal(receipts.filter(({ isDuplicate }) => !isDuplicate).length, 50);
    for (const receiver of receivers) await receiver.close();
    for (const database of databases) await database.close();
  });

  it('given one control id with other bytes, then both are kept and flagged', async () => {
    const first = await receive(givenMessage({ id: 'C1', value: '1' }));
    const second = await receive(givenMessage({ id: 'C1', value: '2' }));
    assert.deepEqual([first.isConflict, second.isConflict], [false, true]);
    assert.deepEqual(
      (await rows('C1')).map(({ isConflict }) => isConflict),
      [true, true],
    );
  });

  it('given one control id with other bytes in one batch, then both are kept and flagged', async () => {
    const receipts = await Promise.all(['1', '2'].map((value) => receive(givenMessage({ id: 'C2', value }))));
    assert.deepEqual(
      receipts.map(({ isConflict }) => isConflict),
      [false, true],
    );
    assert.equal((await rows('C2')).length, 2);
  });

  it('given one control id and the same bytes from two sources, then each has its own, and no conflict', async () => {
    const text = givenMessage({ id: 'S1' });
    const receipts = await Promise.all([receive(text), receive(text, other)]);
    assert.notEqual(receipts[0]?.messageId, receipts[1]?.messageId);
    assert.deepEqual(
      (await rows('S1')).map(({ source, isConflict }) => [source, isConflict]),
      [
        ['hospa', false],
        ['hospb', false],
      ],
    );
  });

  it('numbers messages in the order in which they came', async () => {
    const receipts = await Promise.all(
      Array.from({ length: 500 }, (_, index) => receive(givenMessage({ id: `O${index}` }))),
    );
    const ids = receipts.map(({ messageId }) => messageId);
    assert.deepEqual(
      ids,
      ids.toSorted((a, b) => a - b),
    );
  });

  it('given a message that PostgreSQL cannot take, then only that one fails', async () => {
    const good = givenInbound(endpoint, givenMessage({ id: 'G1' }));
    const bad = { ...good, envelope: { ...good.envelope, type: 'ORU\0' } };
    const [first, second] = await Promise.allSettled([world.door.receive(bad), world.door.receive(good)]);
    assert.deepEqual([first.status, second.status], ['rejected', 'fulfilled']);
  });

  it('without the database, then transient, and never a receipt', async () => {
    const database = openDatabase({ url: 'postgres://hub@127.0.0.1:1/nowhere' });
    const receiver = openReceiver({ database });
    await assert.rejects(
      receiver.receive(givenInbound(endpoint, givenMessage())),
      (error) => error instanceof Problem && error.code === 'transient',
    );
    await receiver.close();
    await database.close();
  });

  it('without the database, the sender hears nothing, and its message is stored when it sends again', async () => {
    // A door whose database comes back later, as after a restart of PostgreSQL.
    const away = openDatabase({ url: 'postgres://hub@127.0.0.1:1/nowhere' });
    let isAway = true;
    const receiver = openReceiver({
      database: { query: (statement) => (isAway ? away : world.database).query(statement) },
    });
    const door: Door = { ...world.door, receive: (inbound) => receiver.receive(inbound) };
    const client = world.client((await world.listen({ door })).port);
    const answer = client.send(Buffer.from(givenMessage({ id: 'AWAY' })));
    const early = await Promise.race([answer, new Promise((resolve) => setTimeout(() => resolve('nothing'), 150))]);
    assert.equal(early, 'nothing');
    assert.equal((await rows('AWAY')).length, 0);
    isAway = false;
    assert.equal((await answer).code, 'AA');
    assert.equal((await rows('AWAY')).length, 1);
    await away.close();
  });

  it('given a batch that is lost, then what waits behind it is lost too, so that order is kept when it comes again', async () => {
    const away = openDatabase({ url: 'postgres://hub@127.0.0.1:1/nowhere' });
    let second: Promise<unknown> | undefined;
    const receiver = openReceiver({
      database: {
        query: (statement) => {
          if (second !== undefined) return world.database.query(statement);
          // While the first is being written, the second comes in.
          second = receiver.receive(givenInbound(endpoint, givenMessage({ id: 'L2' })));
          return away.query(statement);
        },
      },
    });
    const first = receiver.receive(givenInbound(endpoint, givenMessage({ id: 'L1' })));
    await assert.rejects(first);
    const results = await Promise.allSettled([first, second]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    assert.equal((await rows('L2')).length, 0);
    await receiver.close();
    await away.close();
  });

  it('keeps the bytes and their SHA-256', async () => {
    const text = givenMessage({ id: 'RAW', value: 'é'.repeat(3_000) });
    await receive(text);
    const [row] = await world.database.query<{ raw: Buffer; isRight: boolean }>(
      sql`select raw, sha256(raw) = digest as "isRight" from message where control_id = 'RAW'`,
    );
    assert.deepEqual([row?.raw.toString(), row?.isRight], [text, true]);
  });
});
