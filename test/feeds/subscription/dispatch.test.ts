/** Several processes that tell the same subscriptions, come, go and are killed. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createSecretKey, randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openAudit } from '../../../src/access/audit/audit.ts';
import { creatorOf } from '../../../src/access/predicate/creator.ts';
import { openSealer } from '../../../src/access/secrets/seal.ts';
import type { Principal } from '../../../src/access/principal/principal.ts';
import { openDatabase, type Database } from '../../../src/db.ts';
import { raw, sql } from '../../../src/db/sql.ts';
import { readAllowList } from '../../../src/feeds/subscription/allow.ts';
import { startDispatching, type Dispatching } from '../../../src/feeds/subscription/dispatch.ts';
import { matchOutbox } from '../../../src/feeds/subscription/match.ts';
import { openRestHook } from '../../../src/feeds/subscription/rest-hook.ts';
import { saveSubscription } from '../../../src/feeds/subscription/subscription.ts';
import { readSubscription } from '../../../src/fhir/subscription/request.ts';
import type { AnyResource } from '../../../src/fhir/types.ts';
import { connect } from '../../../src/identity/member.ts';
import { commit } from '../../../src/store/commit.ts';
import { givenPrincipal } from '../../access/world.ts';
import { givenSubscription, statusOf, type GivenSubscription } from '../../api/subscription/given.ts';
import { given, givenDatabase } from '../../given.ts';
import { until } from '../../until.ts';
import { givenSink, type Sink } from './sink.ts';
import { keyringOf } from '../../access/secrets/given-keys.ts';

const base = 'http://hub.test/fhir/R4';
const keyBytes = randomBytes(32);
const sealer = openSealer(keyringOf(createSecretKey(keyBytes)));
/** Whose token outlives these tests on the slowest machine. */
const hospital = givenPrincipal({
  organization: 'Organization/hospital',
  clientId: 'hospital',
  expiresAt: Date.now() + 3_600_000,
});

describe('telling subscriptions, by several processes', () => {
  let world: Awaited<ReturnType<typeof givenDatabase>>;
  let database: Database;
  let sink: Sink;
  const running: Dispatching[] = [];
  const databases: Database[] = [];
  let paths = 0;
  let observations = 0;
  before(async () => {
    world = await givenDatabase();
    ({ database } = world);
    sink = await givenSink();
    await write([given.patient({ id: 'p' })]);
  });
  afterEach(async () => {
    await Promise.all(running.splice(0).map((one) => one.close()));
    await database.query(sql`delete from subscription`);
  });
  after(async () => {
    await Promise.all(databases.map((one) => one.close()));
    await sink.close();
    await world.close();
  });

  async function write(resources: readonly AnyResource[]): Promise<void> {
    const writes = resources.map((resource) => ({ kind: 'update' as const, resource, owner: 'Organization/hospital' }));
    await database.inTransaction((tx) => commit(tx, writes, { at: new Date() }));
  }
  async function observe(): Promise<string> {
    const id = `o-${++observations}`;
    await write([given.observation({ id, patient: 'p' })]);
    return id;
  }
  function start(options: Partial<Parameters<typeof startDispatching>[0]> = {}): Dispatching {
    const [own, trail] = [openDatabase({ url: world.url }), openDatabase({ url: world.url, poolMax: 1, pipelines: 1 })];
    databases.push(own, trail);
    const dispatching = startDispatching({
      database: own,
      audit: openAudit(trail),
      base,
      channels: { 'rest-hook': openRestHook({ allow: readAllowList([sink.url]), sealer }) },
      isWorker: true,
      limits: { retryMs: 20 },
      ...options,
    });
    running.push(dispatching);
    return dispatching;
  }
  async function subscribed(
    more: GivenSubscription = {},
    principal: Principal = hospital,
  ): Promise<{ id: string; path: string; numbers: () => number[]; names: () => string[] }> {
    const path = `/${++paths}`;
    const resource = { ...givenSubscription({ endpoint: `${sink.url}${path}`, ...more }), id: `s-${paths}` };
    await database.inTransaction(async (tx) => {
      const creator = creatorOf(principal);
      await commit(tx, [{ kind: 'update', resource, owner: creator }], { at: new Date() });
      const read = readSubscription(resource, { base, now: Date.now() });
      await saveSubscription(tx, { ...read, id: resource.id, creator, principal }, { base, now: Date.now(), sealer });
    });
    const events = (): ReturnType<typeof statusOf>['events'] =>
      sink.received.filter((one) => one.path === path).flatMap(({ json }) => statusOf(json).events);
    return {
      id: resource.id,
      path,
      numbers: () => events().map((event) => Number(event['event-number'])),
      names: () => events().map((event) => String(event['focus']?.reference).split('/').at(-1) as string),
    };
  }
  async function column(id: string, name: string): Promise<unknown> {
    const [row] = await database.query<{ value: unknown }>(
      sql`select ${raw(name)} as value from subscription where id = ${id}`,
    );
    return row?.value;
  }
  const greeted = async (id: string): Promise<void> =>
    until('it is greeted', async () => (await column(id, 'is_greeted')) === true);

  it('three share the work: every event once, each subscription with numbers of its own without gaps', async () => {
    for (let n = 0; n < 3; n++) start();
    const all: Awaited<ReturnType<typeof subscribed>>[] = [];
    for (let n = 0; n < 6; n++) all.push(await subscribed({ maxCount: 4 }));
    await Promise.all(all.map(({ id }) => greeted(id)));
    const written = [];
    for (let n = 0; n < 30; n++) written.push(await observe());
    await until('it is told', () => all.every(({ numbers }) => numbers().length >= 30));
    for (const one of all) {
      assert.deepEqual(
        one.numbers(),
        Array.from({ length: 30 }, (_, index) => index + 1),
      );
      assert.deepEqual(one.names(), written);
    }
  });

  it('kill -9 between the sending and its note: the next sends it again under the same number, once, and goes on', async () => {
    const script = join(import.meta.dirname, 'dispatcher-process.ts');
    const child = spawn(process.execPath, [script, world.url, sink.url, keyBytes.toString('base64'), '300'], {
      stdio: 'inherit',
    });
    const { id, path, numbers, names } = await subscribed({ timeout: 2 });
    await greeted(id);
    // It has the event and gets no answer, and ends before it takes that for one.
    const ended = once(child, 'exit');
    sink.answers.set(path, () => child.kill('SIGKILL'));
    const first = await observe();
    await ended;
    sink.answers.delete(path);
    const second = await observe();
    start();
    await until('it is told', () => numbers().includes(2));
    assert.deepEqual(numbers(), [1, 1, 2]);
    assert.deepEqual(names(), [first, first, second]);
  });

  it('one that was slow changes nothing after its successor', async () => {
    const { id, path, numbers, names } = await subscribed({ timeout: 20 });
    const slow = start({ leaseMs: 5_000 });
    await greeted(id);
    // The first is answered when another has told it again.
    let answerFirst: (() => void) | undefined;
    sink.answers.set(path, (_request, response) => {
      answerFirst = () => response.writeHead(200).end();
    });
    const first = await observe();
    await until('it is told', () => numbers().length === 1);
    sink.answers.delete(path);
    await database.query(sql`update subscription set lease_until = now() where id = ${id}`);
    start();
    const second = await observe();
    const isDone = async (): Promise<boolean> =>
      numbers().includes(2) && (await column(id, 'lease_until is null and pending = 0')) === true;
    await until('another has told both', isDone);
    const state = async (): Promise<unknown[]> =>
      Promise.all(['fence', 'events', 'status', 'sent_at'].map((name) => column(id, name)));
    const before = await state();
    answerFirst?.();
    await slow.close();
    assert.deepEqual(await state(), before);
    assert.deepEqual(before.slice(1, 3), [2, 'active']);
    // At least once, and never under another number.
    assert.deepEqual(
      [...new Set(numbers().map((number, at) => `${number} ${names()[at]}`))],
      [`1 ${first}`, `2 ${second}`],
    );
  });

  it('no audit, no send: what cannot be recorded leaves later, under the number it would have had', async () => {
    const errors: unknown[] = [];
    start({ onError: (error) => errors.push(error) });
    const { id, numbers } = await subscribed();
    await greeted(id);
    await database.query(sql`alter table audit_block rename to audit_block_away`);
    await observe();
    await until('it was tried, and is tried again', () => errors.length > 1);
    assert.deepEqual(numbers(), []);
    await until('it has no number', async () => (await column(id, 'events')) === 0);
    await database.query(sql`alter table audit_block_away rename to audit_block`);
    await until('it is told', () => numbers().length === 1);
    assert.deepEqual(numbers(), [1]);
  });

  it('a receiver that stays away is asked less and less often, and given up', async () => {
    start({ limits: { retryMs: 10, retryMsMax: 40, attemptsMax: 5 } });
    const { id, path } = await subscribed();
    await greeted(id);
    sink.answers.set(path, 500);
    await observe();
    await until('it is off', async () => (await column(id, 'status')) === 'off');
    const [row] = await database.query<{ body: string }>(sql`select body from resource where id = ${id}`);
    const { status, error } = JSON.parse(row?.body ?? '') as Record<string, unknown>;
    assert.deepEqual([status, error], ['off', 'the receiver answered 500']);
    assert.equal(sink.received.filter((one) => one.path === path).length, 1 + 5);
  });

  it('one that is too far behind is ended, and nothing more is kept for it', async () => {
    start({ limits: { pendingMax: 3, retryMs: 20, retryMsMax: 50, attemptsMax: 10_000 } });
    const { id, path, numbers } = await subscribed();
    await greeted(id);
    sink.answers.set(path, 500);
    // What is told already waits for nobody: the first is, whatever comes together after it.
    await observe();
    await until('it is told', () => numbers().length > 0);
    for (let n = 0; n < 6; n++) await observe();
    await until('it is off', async () => (await column(id, 'status')) === 'off');
    assert.equal(await column(id, 'error'), 'more events were waiting than are kept');
    const rows = await database.query(
      sql`select from subscription_event where subscription = ${id} and number is null`,
    );
    assert.equal(rows.length, 0);
  });

  it('ends at its end, and with the token of a client that is not registered', async () => {
    start();
    // Written down before that: an end that is over is refused.
    const soonMs = 3_000;
    const [one, two] = [
      await subscribed({ end: new Date(Date.now() + soonMs).toISOString() }),
      await subscribed({}, { ...hospital, expiresAt: Date.now() + soonMs }),
    ];
    await until(
      'it is off',
      async () => (await column(one.id, 'status')) === 'off' && (await column(two.id, 'status')) === 'off',
    );
    await observe();
    await sleep(200);
    assert.deepEqual([one.numbers(), two.numbers()], [[], []]);
  });

  it('ends when the token that made it is revoked', async () => {
    start();
    const principal = { ...hospital, jti: 'revoked-soon' };
    const { id, numbers } = await subscribed({}, principal);
    await greeted(id);
    await database.query(sql`
      insert into revoked_token (jti, issuer, expires_at) values ('revoked-soon', ${principal.issuer}, now() + interval '1 hour')`);
    await observe();
    await until('it is off', async () => (await column(id, 'status')) === 'off');
    assert.deepEqual(numbers(), []);
  });

  it('a registration that grants less from now on narrows it', async () => {
    start();
    const principal = givenPrincipal({
      organization: 'Organization/hospital',
      clientId: 'narrowed',
      purpose: ['TREAT'],
    });
    await database.query(sql`
      insert into client (issuer, id, kind, organization, purposes, scopes)
      values (${principal.issuer}, 'narrowed', 'hospital', 'Organization/hospital', ${principal.purposes}, array['system/*.cruds'])`);
    const { id, names } = await subscribed({ topic: 'record-changed', filters: [] }, principal);
    await greeted(id);
    const first = await observe();
    await until('it is told', () => names().length === 1);
    await database.query(sql`update client set scopes = array['system/Condition.rs'] where id = 'narrowed'`);
    await observe();
    await sleep(300);
    assert.deepEqual(names(), [first]);
  });

  it('one that has nothing to tell is left alone for as long as nothing happens', async () => {
    start();
    const [quiet, beating] = [await subscribed(), await subscribed({ heartbeat: 60 })];
    await Promise.all([greeted(quiet.id), greeted(beating.id)]);
    await observe();
    await until('it is told', () => quiet.numbers().length === 1 && beating.numbers().length === 1);
    await until('nobody holds it', async () => (await column(quiet.id, 'lease_until is null')) === true);
    const fence = await column(quiet.id, 'fence');
    await sleep(300);
    assert.equal(await column(quiet.id, 'fence'), fence);
    // As long as the token holds, at most an hour; and until the next heartbeat.
    assert.equal(await column(quiet.id, `due_at > now() + interval '30 minutes'`), true);
    assert.equal(await column(beating.id, `due_at between now() + interval '30 s' and now() + interval '61 s'`), true);
  });

  it('a record that the person gets later is told too, from the commit that links it on', async () => {
    start();
    const { id, names } = await subscribed({ filters: ['Observation?patient=p'] });
    await greeted(id);
    await database.inTransaction(async (tx) => {
      const writes = [
        { kind: 'update' as const, resource: given.patient({ id: 'p-linked' }), owner: 'Organization/hospital' },
      ];
      await commit(tx, writes, { at: new Date() });
      await connect(tx, ['p', 'p-linked'], randomUUID(), {}, new Date());
    });
    await write([given.observation({ id: 'of-linked', patient: 'p-linked' })]);
    await until('it is told', () => names().length === 1);
    assert.deepEqual(names(), ['of-linked']);
  });

  it('without a subscription nothing of the outbox is read, and the next one begins where it is', async () => {
    await observe();
    const looked = await database.inTransaction((tx) => matchOutbox(tx, { base, now: Date.now() }));
    assert.deepEqual(looked, { entries: 0, changes: 0 });
    start();
    const { id, names } = await subscribed();
    await greeted(id);
    const next = await observe();
    await until('it is told', () => names().length === 1);
    assert.deepEqual(names(), [next]);
  });
});
