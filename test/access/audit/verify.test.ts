/**
 * Whoever may write to the tables is found out by the chain; whoever writes a whole chain anew, so that it holds, by what was signed.
 */
import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { appendToFile, signHeads } from '../../../src/access/audit/heads.ts';
import { chainHash, genesis, rowText, storedColumns, type StoredRow } from '../../../src/access/audit/chain.ts';
import { verifyAudit, type AuditReport, type VerifyOptions } from '../../../src/access/audit/verify.ts';
import { openAudit, type Audit, type AuditEntry } from '../../../src/access/audit/audit.ts';
import { loadAuditKeys, type SigningKeys } from '../../../src/access/token/keys.ts';
import type { Database } from '../../../src/db.ts';
import { raw, sql } from '../../../src/db/sql.ts';
import { givenDatabase } from '../../given.ts';
import { givenDataDir } from '../../hub-process.ts';
import { asOfBefore } from './given-trail.ts';
import { givenPrincipal } from '../world.ts';

describe('hub audit verify', () => {
  let given: Awaited<ReturnType<typeof givenDatabase>>;
  let dataDir: Awaited<ReturnType<typeof givenDataDir>>;
  let database: Database;
  let audit: Audit;
  let keys: SigningKeys;
  let file: string;

  beforeEach(async () => {
    [given, dataDir] = await Promise.all([givenDatabase(), givenDataDir()]);
    database = given.database;
    audit = openAudit(database);
    keys = await loadAuditKeys(dataDir.path);
    file = join(dataDir.path, 'statements.ndjson');
  });
  afterEach(async () => {
    await audit.close();
    await Promise.all([given.close(), dataDir.close()]);
  });

  const at = Date.parse('2026-01-02T03:04:05.678Z');
  const entryOf = (n: number): AuditEntry => ({
    context: {
      principal: givenPrincipal(),
      interaction: 'read',
      at: at + n,
      ...(n % 2 === 0 ? { address: '127.0.0.1' } : {}),
    },
    patient: `p${n}`,
    rows: 1,
    decidedBy: 'source',
    outcome: 'success',
  });
  /** In a commit each. */
  const write = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n++) await audit.record([entryOf(n)]);
  };
  /** In one commit. */
  const writeTogether = (count: number): Promise<void> =>
    audit.record(Array.from({ length: count }, (_, n) => entryOf(n)));
  const sign = async (at: string): Promise<void> => {
    const signed = await signHeads(database, keys, new Date(at));
    assert.ok(signed !== undefined);
    await appendToFile(file, signed);
  };
  const verify = (options: Partial<VerifyOptions> = {}): Promise<AuditReport> =>
    verifyAudit(database, { keys: keys.jwks.keys, file, ...options });
  const found = ({ shards }: AuditReport): unknown[] =>
    shards.flatMap(({ findings }) => findings.map(({ kind, seq }) => [kind, seq]));

  const copied = `insert into audit_event select shard, 3, at, client, subject, organization, purposes, interaction, type, resource_id,
    'nobody', rows, decided_by, outcome, query, jti, correlation_id, hash from audit_event where seq = 2`;
  const tampers: readonly [string, readonly string[], readonly (readonly [string, number])[]][] = [
    ['an edited row', [`update audit_event set patient = 'nobody' where seq = 3`], [['edited', 3]]],
    [
      'an edited column of later trails',
      [`update audit_event set address = '10.0.0.1' where seq = 3`],
      [['edited', 3]],
    ],
    ['the last row edited', [`update audit_event set rows = 0 where seq = 6`], [['edited', 6]]],
    ['a deleted row', ['delete from audit_event where seq = 3'], [['deleted', 3]]],
    [
      'an edited row behind a deleted one',
      ['delete from audit_event where seq = 2', 'update audit_event set rows = 7 where seq = 5'],
      [
        ['deleted', 2],
        ['edited', 5],
      ],
    ],
    [
      'a deleted row, the others numbered anew',
      [
        'delete from audit_event where seq = 3',
        'update audit_event set seq = -seq where seq > 3',
        'update audit_event set seq = -seq - 1 where seq < 0',
      ],
      [['deleted', 3]],
    ],
    [
      'an inserted row, the others numbered anew',
      ['update audit_event set seq = -seq where seq > 2', 'update audit_event set seq = 1 - seq where seq < 0', copied],
      [
        ['inserted', 3],
        ['inserted', 7],
      ],
    ],
    ['a row put behind the end', [copied.replace(' 3,', ' 7,')], [['inserted', 7]]],
    ['a row put before the beginning', [copied.replace(' 3,', ' 0,')], [['inserted', 0]]],
    ['rows deleted from the end', ['delete from audit_event where seq > 3'], [['cut short', 4]]],
    ['all rows deleted', ['delete from audit_event'], [['cut short', 1]]],
    ['the end of the chain deleted', ['delete from audit_shard'], [['cut short', 1]]],
    ['another end', [`update audit_shard set last_hash = '\\x00'`], [['edited', 6]]],
    [
      'two rows exchanged',
      [
        'update audit_event set seq = case seq when 2 then 30 when 3 then 2 else seq end',
        'update audit_event set seq = 3 where seq = 30',
      ],
      [['inserted', 2]],
    ],
  ];
  for (const [title, statements, expected] of tampers) {
    it(`of before there were blocks, finds ${title}`, async () => {
      await write(6);
      await asOfBefore(database);
      assert.equal((await verify()).isIntact, true);
      for (const statement of statements) await database.query(raw(statement));
      const report = await verify();
      assert.equal(report.isIntact, false);
      assert.deepEqual(found(report), expected, JSON.stringify(report, undefined, 1));
    });
  }

  /** Of the block that begins with row 1: lines and what stands beside them, without the third, or with the second once more behind it. */
  const without = `update audit_block set patients = patients[1:2] || patients[4:],
    hashes = substring(hashes for 64) || substring(hashes from 97),
    entries = array_to_string((string_to_array(entries, E'\n'))[1:2] || (string_to_array(entries, E'\n'))[4:], E'\n')`;
  const twice = `update audit_block set patients = patients[1:2] || patients[2:],
    hashes = substring(hashes for 64) || substring(hashes from 33),
    entries = array_to_string((string_to_array(entries, E'\n'))[1:2] || (string_to_array(entries, E'\n'))[2:], E'\n')`;
  const inBlocks: typeof tampers = [
    ['an edited line', [`update audit_block set entries = replace(entries, '"p2"', '"nobody"')`], [['edited', 3]]],
    [
      'a line that says the same in another way',
      [`update audit_block set entries = replace(entries, ',"p2"', ', "p2"')`],
      [['edited', 3]],
    ],
    [
      'a line that is none any more',
      [`update audit_block set entries = replace(entries, '"p2"', '"p2')`],
      [['edited', 3]],
    ],
    ['an edited patient beside a line', [`update audit_block set patients[3] = 'nobody'`], [['edited', 3]]],
    [
      'a line and the patient beside it edited',
      [`update audit_block set patients[3] = 'p9', entries = replace(entries, '"p2"', '"p9"')`],
      [['edited', 3]],
    ],
    [
      'an edited hash',
      [`update audit_block set hashes = set_byte(hashes, 70, 255 - get_byte(hashes, 70))`],
      [['rewritten', 3]],
    ],
    [
      'another time of the block, by which a log would miss its last rows',
      [`update audit_block set at_to = at_to - interval '2 milliseconds'`],
      [
        ['edited', 5],
        ['edited', 6],
      ],
    ],
    ['patients removed from the end', ['update audit_block set patients = patients[1:5]'], [['edited', 6]]],
    ['a deleted line', [without], [['deleted', 3]]],
    [
      'an inserted line',
      [twice],
      [
        ['inserted', 3],
        ['inserted', 7],
      ],
    ],
    [
      'a block at the place of a row of another',
      [`insert into audit_block select shard, 4, at_from, at_to, patients, entries, hashes from audit_block`],
      [
        ['inserted', 4],
        ['inserted', 5],
        ['inserted', 6],
        ['inserted', 7],
      ],
    ],
    [
      'a row of before put into a block',
      [
        `insert into audit_event (shard, seq, at, purposes, interaction, rows, outcome, hash) values (0, 4, now(), 1, 'read', 1, 0, '')`,
      ],
      [['inserted', 4]],
    ],
    [
      'a block at another place',
      ['update audit_block set first = 3'],
      [
        ['deleted', 1],
        ['rewritten', 4],
        ['inserted', 7],
      ],
    ],
    [
      'a block once more at the place of the last row',
      [
        `insert into audit_block select shard, 6, at_from, at_to, patients[1:1], split_part(entries, E'\\n', 1), substring(hashes for 32) from audit_block`,
      ],
      [['inserted', 6]],
    ],
    ['a deleted block', ['delete from audit_block'], [['cut short', 1]]],
    ['another end of the chain', [`update audit_shard set last_hash = '\\x00'`], [['edited', 6]]],
  ];
  for (const [title, statements, expected] of inBlocks) {
    it(`finds ${title}`, async () => {
      await writeTogether(6);
      for (const statement of statements) await database.query(raw(statement));
      const report = await verify();
      assert.equal(report.isIntact, false);
      assert.deepEqual(found(report), expected, JSON.stringify(report, undefined, 1));
    });
  }

  it('finds a block deleted between others', async () => {
    for (let n = 0; n < 3; n++) await writeTogether(2);
    await database.query(raw('delete from audit_block where first = 3'));
    assert.deepEqual(found(await verify()), [['deleted', 3]]);
  });

  /** What an owner of the database can do: any row changed, and everything after it made to hold. */
  const writeAnew = async (change: (row: StoredRow) => StoredRow): Promise<void> => {
    await asOfBefore(database);
    const rows = await database.query<StoredRow>(sql`select ${storedColumns} from audit_event order by seq`);
    let before = genesis;
    for (const row of rows.map(change)) {
      before = chainHash(before, rowText(row));
      await database.query(sql`
        update audit_event set patient = ${row.patient}, hash = decode(${before}, 'hex') where seq = ${row.seq}`);
    }
    await database.query(sql`update audit_shard set last_hash = decode(${before}, 'hex')`);
  };

  it('given a chain that was written anew, it holds by itself; what was signed finds it', async () => {
    await write(3);
    await sign('2026-02-01T00:00:00Z');
    await write(3);
    await sign('2026-03-01T00:00:00Z');
    assert.deepEqual(await verify().then(({ isIntact, statements }) => [isIntact, statements.count]), [true, 2]);
    await writeAnew((row) => (row.seq === 5 ? { ...row, patient: 'nobody' } : row));
    const report = await verify();
    assert.deepEqual(found(report), [['replaced', 6]]);
    assert.match(report.shards[0]?.findings[0]?.text ?? '', /those after statement 1.* statement 2 of 2026-03-01/);
  });

  it('given a chain and its end cut short together, what was signed finds it', async () => {
    await write(3);
    await sign('2026-02-01T00:00:00Z');
    await asOfBefore(database);
    await database.query(raw('delete from audit_event where seq = 3'));
    await database.query(
      raw('update audit_shard set last_seq = 2, last_hash = (select hash from audit_event where seq = 2)'),
    );
    assert.deepEqual(found(await verify()), [['cut short', 3]]);
    await database.query(raw('truncate audit_event, audit_shard'));
    assert.deepEqual(found(await verify()), [['cut short', 1]]);
  });

  it('given statements removed from the table, or replaced there, the file beside it says so', async () => {
    await write(1);
    await sign('2026-02-01T00:00:00Z');
    await write(1);
    await sign('2026-03-01T00:00:00Z');
    await database.query(raw('delete from audit_head where number = 2'));
    assert.deepEqual((await verify()).statements.findings, [
      { number: 2, text: 'is in the file and not in the table' },
    ]);
    const strange = await givenDataDir();
    await signHeads(database, await loadAuditKeys(strange.path), new Date());
    await strange.close();
    assert.deepEqual((await verify()).statements.findings, [
      { number: 2, text: 'is another one in the file than in the table' },
    ]);
    const withoutFile = await verify({ file: join(dataDir.path, 'none') });
    assert.deepEqual(withoutFile.statements.findings, [
      { number: 2, text: 'cannot be believed: no key that is known here signed it' },
    ]);
    await database.query(raw('delete from audit_head where number = 1'));
    assert.match(JSON.stringify((await verify({ file: join(dataDir.path, 'none') })).statements.findings), /missing/);
  });

  it('given a file that is gone, the table does not vouch for itself', async () => {
    await write(1);
    await sign('2026-02-01T00:00:00Z');
    const { isIntact, statements } = await verify();
    assert.deepEqual([isIntact, statements.count, statements.filed], [true, 1, 1]);
    await rm(file);
    const gone = await verify();
    assert.deepEqual([gone.isIntact, gone.statements.count, gone.statements.filed], [false, 1, 0]);
    assert.match(gone.statements.findings[0]?.text ?? '', /in the table and not in the file/);
    await writeFile(file, '');
    assert.equal((await verify()).isIntact, false, 'nor with one that was emptied');
  });

  for (const [form, before] of [
    ['blocks', async () => {}],
    ['rows', () => asOfBefore(database)],
  ] as const) {
    it(`given ${form} and no statement at all, a trail that was to be signed is not proven; one that was not yet is`, async () => {
      assert.equal((await verify({ dueBefore: new Date(at + 1) })).isIntact, true, 'there is nothing to sign');
      await write(2);
      await before();
      assert.equal((await verify({ dueBefore: new Date(at) })).isIntact, true);
      const { isIntact, statements } = await verify({ dueBefore: new Date(at + 1) });
      assert.equal(isIntact, false);
      assert.match(statements.findings[0]?.text ?? '', /^is missing: the trail begins at 2026-01-02T03:04:05\.678Z/);
      await sign('2026-02-01T00:00:00Z');
      assert.equal((await verify({ dueBefore: new Date(at + 1) })).isIntact, true);
    });
  }

  it('given a file that was edited, its lines are not believed', async () => {
    await write(1);
    await sign('2026-02-01T00:00:00Z');
    const text = await readFile(file, 'utf8');
    await writeFile(
      file,
      text.replace(/\.([\w-]{10})/, (_all, start: string) => `.${Buffer.from(start).toReversed().toString()}`),
    );
    assert.equal((await verify()).isIntact, false);
    await writeFile(file, `${text}{"number":`);
    assert.equal((await verify()).statements.findings.length, 1);
  });

  it('nothing is signed twice, and two processes that sign at once make one statement', async () => {
    await write(2);
    const both = await Promise.all([1, 2].map(() => signHeads(database, keys, new Date())));
    assert.equal(both.filter((one) => one !== undefined).length, 1);
    assert.equal(await signHeads(database, keys, new Date()), undefined);
  });

  it('--since takes what a statement covers as checked, and finds what is gone with it', async () => {
    await write(3);
    await sign('2026-02-01T00:00:00Z');
    await write(2);
    const since = new Date('2026-02-02T00:00:00Z');
    await asOfBefore(database);
    await database.query(raw('update audit_event set rows = 9 where seq = 1'));
    const report = await verify({ since });
    assert.deepEqual([report.isIntact, report.since?.number, report.shards[0]?.rows], [true, 1, 2]);
    assert.deepEqual(found(await verify()), [['edited', 1]]);
    await database.query(raw('update audit_event set rows = 9 where seq = 5'));
    assert.deepEqual(found(await verify({ since })), [['edited', 5]]);
    await database.query(raw('delete from audit_event where seq >= 3'));
    assert.deepEqual(found(await verify({ since })), [['cut short', 3]]);
  });

  it('rows of trails before there were addresses keep the text they were hashed with', () => {
    const row = {
      shard: 0,
      seq: 1,
      at: 0,
      client: null,
      subject: null,
      organization: null,
      purposes: 0,
      interaction: 'read',
      type: 1,
      resourceId: null,
      patient: null,
      rows: 1,
      decidedBy: null,
      outcome: 0,
      query: null,
      jti: null,
      correlationId: null,
      address: null,
      version: null,
      reason: null,
    };
    assert.equal(rowText(row), '[0,1,0,null,null,null,0,"read",1,null,null,1,null,0,null,null,null');
    assert.match(rowText({ ...row, version: 2 }), /null,\{"version":2\}$/);
  });
});
