/** The outbox, looked through by several at a time, while others commit: each change once, and none is missed. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { creatorOf } from '../../../src/access/predicate/creator.ts';
import { openSealer } from '../../../src/access/secrets/seal.ts';
import { openDatabase, type Database, type Tx } from '../../../src/db.ts';
import { sql } from '../../../src/db/sql.ts';
import { claimDue, type Claimed } from '../../../src/feeds/subscription/claim.ts';
import { matchOutbox, type Matched } from '../../../src/feeds/subscription/match.ts';
import * as progress from '../../../src/feeds/subscription/progress.ts';
import { saveSubscription } from '../../../src/feeds/subscription/subscription.ts';
import { readSubscription } from '../../../src/fhir/subscription/request.ts';
import type { AnyResource } from '../../../src/fhir/types.ts';
import { connect } from '../../../src/identity/member.ts';
import { commit } from '../../../src/store/commit.ts';
import { keyringOf } from '../../access/secrets/given-keys.ts';
import { givenPrincipal } from '../../access/world.ts';
import { givenSubscription } from '../../api/subscription/given.ts';
import { given, givenDatabase } from '../../given.ts';

const base = 'http://hub.test/fhir/R4';
const owner = 'Organization/hospital';
const sealer = openSealer(keyringOf());

describe('what of the outbox waits for a subscription', () => {
  let world: Awaited<ReturnType<typeof givenDatabase>>;
  let database: Database;
  const others: Database[] = [];
  before(async () => {
    world = await givenDatabase();
    ({ database } = world);
    await write([given.patient({ id: 'p' })]);
  });
  afterEach(async () => {
    await database.query(sql`delete from subscription`);
  });
  after(async () => {
    await Promise.all(others.map((one) => one.close()));
    await world.close();
  });

  const writeIn = async (tx: Tx, resources: readonly AnyResource[]): Promise<void> => {
    const writes = resources.map((resource) => ({ kind: 'update' as const, resource, owner }));
    await commit(tx, writes, { at: new Date() });
  };
  const write = (resources: readonly AnyResource[]): Promise<void> =>
    database.inTransaction((tx) => writeIn(tx, resources));
  let observations = 0;
  const observe = async (patient = 'p'): Promise<string> => {
    const id = `o-${++observations}`;
    await write([given.observation({ id, patient })]);
    return id;
  };
  /** @returns its id */
  async function subscribed(filter: string): Promise<string> {
    const principal = givenPrincipal({ organization: owner, clientId: 'hospital' });
    const resource = { ...givenSubscription({ filters: [filter] }), id: randomUUID() };
    await database.inTransaction(async (tx) => {
      const creator = creatorOf(principal);
      await commit(tx, [{ kind: 'update', resource, owner: creator }], { at: new Date() });
      const read = readSubscription(resource, { base, now: Date.now() });
      await saveSubscription(tx, { ...read, id: resource.id, creator, principal }, { base, now: Date.now(), sealer });
    });
    return resource.id;
  }
  const look = (db: Database = database): Promise<Matched> =>
    db.inTransaction((tx) => matchOutbox(tx, { base, now: Date.now() }));
  const lookAll = async (): Promise<void> => {
    while ((await look()).entries > 0);
  };
  const waitingFor = async (subscription: string): Promise<string[]> => {
    const rows = await database.query<{ id: string }>(
      sql`select id from subscription_event where subscription = ${subscription} order by place`,
    );
    return rows.map(({ id }) => id);
  };

  const waitsForLock = async (): Promise<void> => {
    const statement = sql`
      select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock') as is_so`;
    for (;;) {
      const [row] = await database.query<{ is_so: boolean }>(statement);
      if (row?.is_so === true) return;
    }
  };

  it('without a subscription nothing is read, and the next one begins where it is', async () => {
    await observe();
    assert.deepEqual(await look(), { entries: 0, changes: 0 });
    const id = await subscribed('Observation?');
    const next = await observe();
    await lookAll();
    assert.deepEqual(await waitingFor(id), [next]);
  });

  it('one at a time looks: the other finds nothing to do', async () => {
    await subscribed('Observation?');
    for (let n = 0; n < 5; n++) await observe();
    await database.inTransaction(async (one) => {
      const first = await matchOutbox(one, { base, now: Date.now() });
      assert.ok(first.changes >= 5);
      assert.deepEqual(await look(), { entries: 0, changes: 0 });
    });
  });

  it('several that look again and again find each change once, in the order of commits', async () => {
    const id = await subscribed('Observation?');
    const over = new AbortController();
    const looking = Array.from({ length: 6 }, async () => {
      const own = openDatabase({ url: world.url, poolMax: 1 });
      others.push(own);
      while (!over.signal.aborted) await look(own);
    });
    const written = [];
    for (let n = 0; n < 150; n++) written.push(await observe());
    over.abort();
    await Promise.all(looking);
    await lookAll();
    assert.deepEqual(await waitingFor(id), written);
  });

  it('what is committed between the statements of a look waits for the next, with the records that it links on', async () => {
    const id = await subscribed('Observation?patient=p');
    const expected: string[] = [];
    /** A patient, linked to p, and what is known of them. */
    const link = async (patient: string): Promise<void> => {
      await database.inTransaction(async (tx) => {
        await writeIn(tx, [given.patient({ id: patient })]);
        await connect(tx, ['p', patient], randomUUID(), {}, new Date());
      });
      expected.push(await observe(patient));
    };
    await link('linked');
    const statements = await database.inTransaction(async (tx) => {
      let asked = 0;
      const query: Tx['query'] = async (statement) => {
        await link(`linked-${asked++}`);
        return tx.query(statement);
      };
      await matchOutbox({ query }, { base, now: Date.now() });
      return asked;
    });
    assert.ok(statements > 3, 'else nothing came between');
    await lookAll();
    assert.deepEqual(await waitingFor(id), expected);
  });

  for (const [what, note] of [
    ['there was nothing to tell', progress.noteNothing],
    ['the receiver has it', (tx: Tx, one: Claimed) => progress.noteSuccess(tx, one, { told: [] })],
  ] as const)
    it(`what is found while it is noted that ${what} is told at once`, async () => {
      const id = await subscribed('Observation?');
      await database.query(sql`update subscription set status = 'active', is_greeted = true`);
      const claim = { limit: 1, isRestHook: true, bindings: [], leaseMs: 60_000 };
      const [claimed] = await database.inTransaction((tx) => claimDue(tx, claim));
      const next = await observe();
      let noted: Promise<void> | undefined;
      await database.inTransaction(async (tx) => {
        while ((await matchOutbox(tx, { base, now: Date.now() })).changes === 0);
        noted = database.inTransaction((other) => note(other, claimed as Claimed));
        await waitsForLock();
      });
      await noted;
      assert.deepEqual(await waitingFor(id), [next]);
      assert.deepEqual(
        (await database.inTransaction((tx) => claimDue(tx, claim))).map((one) => one.id),
        [id],
      );
    });

  it('of one for which too much waits nothing more is kept', async () => {
    const id = await subscribed('Observation?');
    for (let n = 0; n < 4; n++) {
      await observe();
      await database.inTransaction((tx) => matchOutbox(tx, { base, now: Date.now(), pendingMax: 2 }));
    }
    assert.equal((await waitingFor(id)).length, 3);
  });
});
