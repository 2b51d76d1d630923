/** What has served is deleted, and what has not is not: each sweep on a row of either kind (docs/retention.md). */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Database } from '../../src/db.ts';
import { raw, sql } from '../../src/db/sql.ts';
import { sweeps } from '../../src/hub/retention.ts';
import { givenDatabase } from '../given.ts';

const year = `interval '366 days'`;

/** Two rows of a table, the first of which has served, and the key by which they are told apart. */
const rows: readonly { sweep: string; table: string; key: string; old: string; kept: string }[] = [
  {
    sweep: 'assertions',
    table: 'client_assertion (issuer, client, jti, expires_at)',
    key: 'jti',
    old: `'i', 'c', 'old', now() - interval '1 day'`,
    kept: `'i', 'c', 'kept', now() + interval '1 minute'`,
  },
  {
    sweep: 'assertions',
    table: 'revoked_token (jti, issuer, expires_at)',
    key: 'jti',
    old: `'old', 'i', now() - interval '1 day'`,
    kept: `'kept', 'i', now() + interval '1 hour'`,
  },
  {
    sweep: 'apps',
    table: 'dpop_proof (jkt, jti, expires_at)',
    key: 'jti',
    old: `'k', 'old', now() - interval '1 minute'`,
    kept: `'k', 'kept', now() + interval '1 minute'`,
  },
  {
    sweep: 'attempts',
    table: 'login_attempt (key, failures, blocked_until, updated_at)',
    key: 'key',
    old: `'old', 1, now(), now() - interval '2 days'`,
    kept: `'kept', 1, now(), now()`,
  },
  {
    sweep: 'requests',
    table: 'consent_request (id, organization, client, target, body, state, created_at, expires_at, answered_at)',
    key: 'id',
    old: `'old', 'o', 'c', 't', '{}', 'declined', now() - ${year} * 2, now() - ${year}, now() - ${year}`,
    kept: `'kept', 'o', 'c', 't', '{}', 'declined', now() - ${year}, now() - ${year}, now()`,
  },
  {
    sweep: 'subscriptions',
    table: 'subscription_token (hash, creator, subscriptions, expires_at)',
    key: `convert_from(hash, 'UTF8')`,
    old: `'old', 'c', '{}', now() - interval '1 second'`,
    kept: `'kept', 'c', '{}', now() + interval '1 minute'`,
  },
  {
    sweep: 'outbox',
    table: 'outbox (transaction_id, committed_at, buckets, types, ids, versions)',
    key: 'ids[1]',
    old: `'5', now() - interval '8 days', '{1}', '{1}', '{old}', '{1}'`,
    kept: `'7', now() - interval '8 days', '{1}', '{1}', '{kept}', '{1}'`,
  },
  {
    sweep: 'erasures',
    table: 'erasure (id, patients, state, requested_by, requested_at, due_at)',
    key: 'state',
    old: `gen_random_uuid(), '{p}', 'asked', 'p', now() - interval '3 days', now() - interval '3 days'`,
    kept: `gen_random_uuid(), '{p}', 'done', 'p', now() - ${year}, now() - ${year}`,
  },
  {
    sweep: 'replays',
    table: 'replay (filter, rate, asked_by, asked_at, state, ended_at)',
    key: 'asked_by',
    old: `'{}', 1, 'old', now(), 'done', now() - ${year}`,
    kept: `'{}', 1, 'kept', now() - ${year}, 'done', now()`,
  },
  {
    sweep: 'alerts',
    table: 'alert (kind, subject, severity, summary, started_at, ended_at)',
    key: 'subject',
    old: `'silence', 'old', 'warning', 's', now() - ${year} * 2, now() - ${year}`,
    kept: `'silence', 'kept', 'warning', 's', now() - ${year} * 2, now()`,
  },
  {
    sweep: 'alerts',
    table: 'certificate (subject, ends_at, seen_at)',
    key: 'subject',
    old: `'old', now(), now() - ${year}`,
    kept: `'kept', now(), now()`,
  },
];

describe('retention', () => {
  let given: Awaited<ReturnType<typeof givenDatabase>>;
  let database: Database;
  before(async () => {
    given = await givenDatabase();
    ({ database } = given);
    await database.query(sql`update subscription_feed set transaction_id = '6'`);
  });
  after(() => given.close());

  for (const { sweep, table, key, old, kept } of rows) {
    const [name = ''] = table.split(' ');
    it(`${sweep}: of ${name} what has served goes, the rest stays`, async () => {
      await database.query(sql`insert into ${raw(table)} values (${raw(old)}), (${raw(kept)})`);
      await sweeps[sweep]?.(database);
      const left = await database.query<{ key: string }>(sql`select ${raw(key)} as key from ${raw(name)}`);
      assert.deepEqual(
        left.map((row) => row.key),
        [name === 'erasure' ? 'done' : 'kept'],
      );
      await sweeps[sweep]?.(database);
    });
  }

  it('docs/retention.md names each sweep, and each table that the schema has', async () => {
    const text = readFileSync(join(import.meta.dirname, '../../docs/retention.md'), 'utf8');
    for (const name of Object.keys(sweeps)) assert.ok(text.includes(`\`${name}\``), `sweep ${name}`);
    const tables = await database.query<{ name: string }>(sql`
      select tablename::text as name from pg_tables where schemaname = 'public' order by 1`);
    const missing = tables.map(({ name }) => name).filter((name) => !text.includes(`\`${name}\``));
    assert.deepEqual(missing, []);
  });
});
