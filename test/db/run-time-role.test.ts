/** The role that a hub serves by owns nothing. Every test with a hub runs under it (test/given-hub.ts); here is what it may not. */
import assert from 'node:assert/strict';
import pg from 'pg';
import { openCluster } from '../../src/db/cluster.ts';
import { findBinaries, serverAccount } from '../../src/db/binaries.ts';
import { runTimeRole, startEmbedded } from '../../src/db/embedded.ts';
import { migrate, migrationNames } from '../../src/db/migrate.ts';
import { prepareDatabase } from '../../src/db/run-time-role.ts';
import { Problem } from '../../src/fhir/problem.ts';
import { givenDatabase, type GivenDatabase } from '../given.ts';
import { givenDataDir, givenHubProcess, runHub } from '../hub-process.ts';

const nowhere = 'postgres://nobody:nothing@127.0.0.1:1/nowhere';

async function rowsOf(url: string, statement: string): Promise<unknown[][]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<unknown[]>({ text: statement, rowMode: 'array' })).rows;
  } finally {
    await client.end();
  }
}

describe('the role that serves', function () {
  // Some start processes.
  this.timeout(300_000);
  let given: GivenDatabase;
  before(async () => {
    given = await givenDatabase();
  });
  after(() => given.close());

  describe('may neither change the schema, nor what is on record, nor its own rights', () => {
    for (const [statement, code] of [
      ['create table mine (id int)', '42501'],
      ['create function mine() returns int language sql as $$ select 1 $$', '42501'],
      ['create view mine as select 1', '42501'],
      ['create schema mine', '42501'],
      ['create extension dblink', '42501'],
      ['create role mine superuser', '42501'],
      ['create database mine', '42501'],
      [`alter role ${runTimeRole} superuser`, '42501'],
      ['set role hub', '42501'],
      ['set session authorization hub', '42501'],
      ['alter table resource add column mine int', '42501'],
      ['alter table resource enable row level security', '42501'],
      [
        'create trigger mine before insert on resource for each row execute function suppress_redundant_updates_trigger()',
        '42501',
      ],
      ['drop table resource', '42501'],
      ['truncate resource', '42501'],
      ['drop function grant_run_time', '42501'],
      [`select grant_run_time('${runTimeRole}')`, '42501'],
      [`update run_time_role set migrations = 0`, '42501'],
      [`insert into knex_migrations (name) values ('mine')`, '42501'],
      ['update audit_block set first = 0', '42501'],
      ['delete from audit_block', '42501'],
      ['truncate audit_block', '42501'],
      ['update audit_event set rows = 0', '42501'],
      ['delete from audit_event', '42501'],
      ['truncate audit_event', '42501'],
      ['update audit_head set number = 0', '42501'],
      ['delete from audit_head', '42501'],
      ['delete from audit_shard', '42501'],
      ["copy resource to program 'cat'", '42501'],
      ["select pg_read_file('PG_VERSION')", '42501'],
      ['select rolpassword from pg_authid', '42501'],
      ["alter system set log_statement = 'all'", '42501'],
    ] as const) {
      it(statement, () => assert.rejects(rowsOf(given.runTimeUrl, statement), { code }));
    }
  });

  it('is asked alone, when there is nothing to do for the owner', async () => {
    const prepared = await prepareDatabase({ url: given.runTimeUrl, ownerUrl: nowhere });
    assert.deepEqual(prepared, { migrated: [], isOwner: false });
  });

  it('gets its rights anew when there are more migrations than they are of, and keeps none that it should not have', async () => {
    await rowsOf(given.url, `grant update on audit_block to ${runTimeRole}`);
    for (const urls of [{ url: given.runTimeUrl, ownerUrl: given.url }, { url: given.url }]) {
      await rowsOf(given.url, 'update run_time_role set migrations = 1');
      await prepareDatabase(urls);
      const [may] = await rowsOf(
        given.url,
        `select has_table_privilege('${runTimeRole}', 'audit_block', 'update'), migrations from run_time_role`,
      );
      assert.deepEqual(may, [false, (await migrationNames()).length]);
    }
  });

  it('given the owner alone, a hub knows that it serves as the owner', async () => {
    assert.equal((await prepareDatabase({ url: given.url })).isOwner, true);
  });

  it('given a schema that is not up to date and no owner, says whom it takes', async () => {
    await rowsOf(given.url, 'create database behind');
    const behind = given.runTimeUrl.replace(/[^/]+$/, 'behind');
    try {
      await assert.rejects(
        prepareDatabase({ url: behind }),
        (error) =>
          error instanceof Problem && error.code === 'forbidden' && /HUB_DATABASE_OWNER_URL/.test(error.hint ?? ''),
      );
      const ownerUrl = given.url.replace(/[^/]+$/, 'behind');
      const { code, stdout, stderr } = await runHub(['migrate'], {
        env: { DATABASE_URL: behind, HUB_DATABASE_OWNER_URL: ownerUrl },
      });
      assert.equal(code, 0, stderr);
      assert.match(stdout, /0032_run_time_role\.sql/);
      assert.deepEqual(await prepareDatabase({ url: behind, ownerUrl: nowhere }), { migrated: [], isOwner: false });
    } finally {
      await rowsOf(given.url, 'drop database behind with (force)');
    }
  });
});

describe('the embedded PostgreSQL', function () {
  this.timeout(300_000);

  it('given a cluster of an earlier version, makes the role; no connection of the hub is the owner’s, and none comes in without a password', async () => {
    const dataDir = await givenDataDir();
    try {
      const before = await startEmbedded({ dataDir: dataDir.path, isDurable: false });
      await migrate(before.url);
      await before.stop();
      const owner = await startEmbedded({ dataDir: dataDir.path, isDurable: false });
      await rowsOf(owner.url, `alter role ${runTimeRole} rename to of_before`);
      const hub = await givenHubProcess({ env: { HUB_DATA_DIR: dataDir.path } });
      assert.equal((await fetch(`${hub.url}/readyz`)).status, 200);
      const users = await rowsOf(
        owner.url,
        `select distinct usename::text from pg_stat_activity
         where backend_type = 'client backend' and pid <> pg_backend_pid() and usename <> 'of_before'`,
      );
      assert.deepEqual(users, [[runTimeRole]]);
      assert.ok(!hub.log.some(({ event }) => /owner/.test(String(event))));
      const { directory } = await openCluster(
        dataDir.path,
        await findBinaries(await serverAccount()),
        await serverAccount(),
      );
      await assert.rejects(
        rowsOf(`postgres://hub@${encodeURIComponent(directory)}:5432/postgres`, 'select 1'),
        /password/,
      );
      hub.signal('SIGTERM');
      assert.equal(await hub.ended, 0);
      await owner.stop();
    } finally {
      await dataDir.close();
    }
  });
});
