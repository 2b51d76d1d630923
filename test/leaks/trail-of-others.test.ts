/** Who is on record beside readers and writers of the record: operators at the console, and those whom nobody knows. */
import assert from 'node:assert/strict';
import { registerClient } from '../../src/access/client/client.ts';
import { purposeBit } from '../../src/access/principal/purpose.ts';
import { openAudit, type AuditEntry, type Audit } from '../../src/access/audit/audit.ts';
import { openStrangers } from '../../src/access/audit/strangers.ts';
import { sql } from '../../src/db/sql.ts';
import { givenDatabase } from '../given.ts';
import { givenHub, type GivenHub } from '../given-hub.ts';
import { until } from '../until.ts';

interface Row {
  interaction: string;
  client: string | null;
  query: string | null;
  outcome: number;
  address: string | null;
}

describe('the trail of the console and of strangers', () => {
  let hub: GivenHub;
  before(async () => {
    hub = await givenHub();
  });
  after(() => hub.close());
  const rows = (): Promise<Row[]> =>
    hub.database.query(sql`
      select interaction, client, query, outcome, address from audit_entry
      where interaction like 'ops-%' or interaction = 'unauthenticated' order by at desc, shard, seq desc`);
  const newest = async (): Promise<Row | undefined> => (await rows())[0];

  it('what an operator looked at is on record, by route and names of parameters', async () => {
    const operator = await hub.token('operator', { client_id: 'console' });
    assert.equal((await hub.send('GET', '/ops/messages?control-id=secret-word&status=waiting', operator)).status, 200);
    assert.deepEqual(await newest(), {
      interaction: 'ops-view',
      client: 'console',
      query: 'GET /ops/messages?control-id&status',
      outcome: 0,
      address: '127.0.0.1',
    });
    const lines = await hub.send('GET', '/ops/messages', operator, { headers: { accept: 'application/x-ndjson' } });
    assert.equal(lines.status, 200);
    assert.equal((await newest())?.query, 'GET /ops/messages');
  });

  it('what an operator changes is on record, without the ids it names', async () => {
    const operator = await hub.token('operator', { client_id: 'console' });
    await hub.send('POST', '/ops/outbound/123456/retry', operator);
    assert.equal((await newest())?.query, 'POST /ops/outbound/:id/retry');
    assert.equal((await newest())?.interaction, 'ops-change');
  });

  it('who is no operator is refused, and on record as such', async () => {
    assert.equal((await hub.send('GET', '/ops/messages', await hub.token('ai', { client_id: 'curious' }))).status, 403);
    const row = await newest();
    assert.deepEqual([row?.interaction, row?.client, row?.outcome], ['ops-view', 'curious', 4]);
  });

  it('a request without a token that holds is on record with where it came from, and nothing of the token', async () => {
    const known = (await rows()).length;
    for (const token of [undefined, 'not.a.token']) {
      assert.equal((await hub.send('GET', 'Patient/p?secret-word=1', token)).status, 401);
      assert.equal((await hub.send('GET', '/ops/messages', token)).status, 401);
    }
    await until('four are on record', async () => (await rows()).length === known + 4);
    const found = (await rows()).slice(0, 4);
    assert.deepEqual(
      new Set(found.map(({ interaction, outcome, address }) => `${interaction} ${outcome} ${address}`)),
      new Set(['unauthenticated 4 127.0.0.1']),
    );
    assert.deepEqual(new Set(found.map(({ query }) => query)), new Set(['read', 'GET /ops/messages']));
  });

  it('a client that asks from another network than its own is on record too', async () => {
    const client = { issuer: hub.url, id: 'elsewhere', kind: 'ai', networks: ['10.0.0.0/8'] } as const;
    await registerClient(hub.database, {
      ...client,
      organization: 'Organization/ai',
      purposes: purposeBit('TREAT') ?? 0,
    });
    const token = await hub.token('ai', { client_id: 'elsewhere', organization: 'Organization/ai' });
    const known = (await rows()).length;
    await until('the client is known', async () => (await hub.send('GET', 'Patient/p', token)).status === 403);
    assert.equal((await hub.send('GET', '/ops/messages', token)).status, 403);
    await until('both are on record', async () => (await rows()).length >= known + 2);
    const asked = new Set((await rows()).slice(0, 2).map(({ query }) => query));
    assert.deepEqual(asked, new Set(['GET /ops/messages', 'read']));
  });

  it('a trail that cannot be written closes the console too', async () => {
    const operator = await hub.token('operator');
    await hub.database.query(sql`alter table audit_block rename to away`);
    assert.equal((await hub.send('GET', '/ops/messages', operator)).status, 503);
    await hub.database.query(sql`alter table away rename to audit_block`);
    assert.equal((await hub.send('GET', '/ops/messages', operator)).status, 200);
  });

  it('strangers cannot fill the trail: of many in a minute some are kept, and how many more there were', async () => {
    const given = await givenDatabase();
    const audit = openAudit(given.database);
    const kept: AuditEntry[] = [];
    const counting: Audit = { ...audit, record: async (entries) => void kept.push(...entries) };
    let now = 0;
    const strangers = openStrangers({ audit: counting, now: () => now, failed: assert.ifError, perMinuteMax: 3 });
    for (let n = 0; n < 1_000; n++) strangers.refused({ query: 'read' });
    assert.equal(kept.length, 3);
    now += 60_000;
    strangers.refused({ query: 'read' });
    assert.deepEqual(
      kept.slice(3).map(({ context }) => context.query),
      ['and 997 more in one minute', 'read'],
    );
    await audit.close();
    await given.close();
  });
});
