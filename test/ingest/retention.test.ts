/** The content of old messages goes; what nobody has processed does not, and what became of a message stays. */
import assert from 'node:assert/strict';
import type { Database } from '../../src/db.ts';
import { sql } from '../../src/db/sql.ts';
import type { Endpoint } from '../../src/ingest/contract.ts';
import { emptyMessagesBatch } from '../../src/ingest/retention.ts';
import { givenInbound, givenIngest, givenMessage, type IngestWorld } from '../given-ingest.ts';

describe('retention of messages', () => {
  let world: IngestWorld;
  let endpoint: Endpoint;
  beforeEach(async () => {
    world = await givenIngest();
    endpoint = await world.endpoint();
  });
  afterEach(() => world.close());

  const limit = new Date('2026-03-01T00:00:00Z');
  /** A message of this fate, of before or after the limit. */
  const given = async (id: string, status: number, isOld: boolean): Promise<void> => {
    await world.door.receive(givenInbound(endpoint, givenMessage({ id })));
    await world.database.query(sql`
      update message set status = ${status}, marks = '{1}', received_at = ${limit}::timestamptz + make_interval(days => ${isOld ? -1 : 1})
      where control_id = ${id}`);
  };
  /** As often as there is something to do. */
  const empty = async (): Promise<number> => {
    let batches = 0;
    while (typeof (await emptyMessagesBatch(world.database, limit)) === 'object') batches++;
    return batches;
  };
  const kept = async (): Promise<string[]> =>
    (
      await world.database.query<{ id: string }>(
        sql`select control_id as id from message where octet_length(raw) > 0 order by message.id`,
      )
    ).map(({ id }) => id);

  it('of what was processed and is old the content goes, with its marks; the rest of it stays', async () => {
    await given('OLD', 1, true);
    await given('YOUNG', 1, false);
    assert.equal(await empty(), 1);
    assert.deepEqual(await kept(), ['YOUNG']);
    const [row] = await world.database.query<Record<string, unknown>>(sql`
      select control_id, status, marks, octet_length(digest) as digest from message where control_id = 'OLD'`);
    assert.deepEqual(row, { control_id: 'OLD', status: 1, marks: null, digest: 32 });
    assert.equal(await empty(), 0, 'and nothing is done twice');
  });

  it('what waits for a person is not thrown away; once it has been processed it goes', async () => {
    for (const [id, status] of [
      ['WAITS', 0],
      ['QUARANTINED', 2],
      ['HELD', 3],
    ] as const)
      await given(id, status, true);
    await given('OLD', 1, true);
    await empty();
    assert.deepEqual(await kept(), ['WAITS', 'QUARANTINED', 'HELD']);
    await world.database.query(sql`update message set status = 1 where control_id = 'QUARANTINED'`);
    await empty();
    assert.deepEqual(await kept(), ['WAITS', 'HELD']);
  });

  it('what is sent again after its content has gone is known, and not stored anew', async () => {
    await given('OLD', 1, true);
    await empty();
    const receipt = await world.door.receive(givenInbound(endpoint, givenMessage({ id: 'OLD' })));
    assert.equal(receipt.isDuplicate, true);
    assert.deepEqual(await kept(), []);
  });

  it('more than fits in one batch is emptied in several, each of which is whole', async () => {
    await given('OLD', 1, true);
    await world.database.query(sql`
      insert into message (lane_key, endpoint_id, slot, status, received_at, control_id, type, facility, digest, raw)
      select lane_key, endpoint_id, slot, status, received_at, 'copy-' || n, type, facility, sha256(n::text::bytea), raw
      from message, generate_series(1, 4500) n`);
    assert.equal(await empty(), 3);
    assert.deepEqual(await kept(), []);
  });

  it('what is being put back into the queue at that moment keeps its content', async () => {
    await given('AGAIN', 2, true);
    await empty();
    await world.database.query(sql`update message set status = 1 where control_id = 'AGAIN'`);
    await world.database.inTransaction(async (tx) => {
      await tx.query(sql`update message set status = 0 where control_id = 'AGAIN'`);
      // Waits for nobody.
      await empty();
    });
    await empty();
    assert.deepEqual(await kept(), ['AGAIN']);
    await world.database.query(sql`update message set status = 1 where control_id = 'AGAIN'`);
    await empty();
    assert.deepEqual(await kept(), []);
  });

  it('what is processed between the statements of a batch goes as well, by the next', async () => {
    await given('LATE', 0, true);
    const process = sql`update message set status = 1 where control_id = 'LATE'`;
    const between: Database = {
      ...world.database,
      inTransaction: (work) =>
        world.database.inTransaction((tx) =>
          work({
            query: async (statement) => {
              const rows = await tx.query(statement);
              if (statement.strings.join('').includes('update message set raw')) await world.database.query(process);
              return rows as never;
            },
          }),
        ),
    };
    await emptyMessagesBatch(between, limit);
    assert.deepEqual(await kept(), ['LATE']);
    await empty();
    assert.deepEqual(await kept(), []);
  });

  it('another process that does it at the moment is left to it', async () => {
    await given('OLD', 1, true);
    await world.database.inTransaction(async (tx) => {
      await tx.query(sql`select from message_retention for update`);
      assert.equal(await emptyMessagesBatch(world.database, limit), 'busy');
    });
    assert.equal(await empty(), 1);
  });
});
