/**
 * Looking at stored rows again when the sets change: labels come and go with the sets, what a sender stated stays, no version is
 * made, and whoever is killed in the middle is followed by whoever goes on.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SensitivitySets } from '../../src/fhir/sensitivity/sets.ts';
import { sql } from '../../src/db/sql.ts';
import { tokenHash } from '../../src/fhir/hash.ts';
import { labelBit, labelBits, labelCodings } from '../../src/fhir/labels.ts';
import { parseJson } from '../../src/fhir/json.ts';
import { typeCode, type AnyResource } from '../../src/fhir/types.ts';
import { commit } from '../../src/store/commit.ts';
import { addLabelRevision, followLabels, registerSets, type LabelFollowing } from '../../src/store/labels/current.ts';
import { readLabelStatus, relabelBatch } from '../../src/store/labels/relabel.ts';
import type { Write } from '../../src/store/row.ts';
import { given, givenDatabase } from '../given.ts';

const act = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';
const owner = 'Organization/h';
const at = new Date('2026-03-01T08:00:00.000Z');
const loinc = (code: string): object => ({ coding: [{ system: 'http://loinc.org', code }] });
const ofP = { subject: { reference: 'Patient/p' } };
const observation = (id: string, code: string, more: object = {}): AnyResource => ({
  ...given.observation({ id, patient: 'p' }),
  code: loinc(code),
  ...more,
});
/** Sets under which these LOINC codes are HIV. */
const hiv = (...list: string[]): SensitivitySets => ({
  systems: [{ id: 'loinc', uris: ['http://loinc.org'], names: [], spelling: 'code', isUnnamed: false }],
  codes: [{ category: 'HIV', system: 'loinc', prefixes: [], list, except: [] }],
});

describe('relabelling', () => {
  let world: Awaited<ReturnType<typeof givenDatabase>>;
  let labels: LabelFollowing;
  beforeEach(async () => {
    world = await givenDatabase();
    labels = await followLabels(world.database);
    await write(given.patient({ id: 'p' }));
  });
  afterEach(async () => {
    labels.close();
    await world.close();
  });

  const writes = (...all: Write[]): Promise<unknown> => world.database.inTransaction((tx) => commit(tx, all, { at }));
  const write = (...all: AnyResource[]): Promise<unknown> =>
    writes(...all.map((resource): Write => ({ kind: 'update', resource, owner })));
  const useSets = async (sets: SensitivitySets): Promise<void> => {
    await registerSets(world.database, sets);
    await labels.refresh();
  };
  const relabel = async (): Promise<void> => {
    for (let batches = 0; ; batches++) {
      const outcome = await relabelBatch(world.database, { graceMs: 0 });
      if (outcome === 'done') return;
      assert.ok(batches < 1_000, 'comes to an end');
      if (outcome === 'busy') await sleep(5);
    }
  };
  interface Row {
    readonly labels: number;
    readonly version: number;
    readonly last_updated: Date;
    readonly body: string;
    readonly tokens: string[];
  }
  const rowOf = async (address: string): Promise<Row> => {
    const [type = '', id] = address.split('/');
    const [row] = await world.database.query<Row>(sql`
      select labels, version, last_updated, body, tokens::text[] as tokens from resource
      where type = ${typeCode(type)} and id = ${id}`);
    return row ?? assert.fail(`${address} is not stored`);
  };
  /** What guards it and what it shows. */
  const labelsOf = async (address: string): Promise<[guards: string, shows: string]> => {
    const row = await rowOf(address);
    const names = (bits: number): string =>
      labelCodings(bits)
        .map(({ code }) => code)
        .join(' ');
    return [names(row.labels), names(labelBits(parseJson(row.body) as AnyResource))];
  };
  const none = ['', ''];
  const both = ['HIV', 'HIV'];

  it('rows written before there were sets are labelled once, in place: version and time stay, the index knows', async () => {
    await write(observation('old', '1-1'), observation('plain', '2-2'));
    const before = await rowOf('Observation/old');
    await useSets(hiv('1-1'));
    await relabel();
    const after = await rowOf('Observation/old');
    assert.deepEqual([await labelsOf('Observation/old'), await labelsOf('Observation/plain')], [both, none]);
    assert.deepEqual([after.version, after.last_updated], [before.version, before.last_updated]);
    assert.ok(after.tokens.includes(String(tokenHash('_security', act, 'HIV'))));
    const [status] = await readLabelStatus(world.database);
    assert.deepEqual([status?.rowsRead, status?.rowsChanged], [3, 1]);
    assert.ok(status?.completedAt);
  });

  it('a past version counts, and shows the label too (LEAKS 8)', async () => {
    await write(observation('was', '1-1'));
    await write(observation('was', '2-2'));
    await useSets(hiv('1-1'));
    await relabel();
    assert.deepEqual(await labelsOf('Observation/was'), both);
    const [past] = await world.database.query<{ body: string }>(
      sql`select body from resource_history where id = 'was'`,
    );
    assert.equal(labelBits(parseJson(past?.body ?? '') as AnyResource), labelBit({ system: act, code: 'HIV' }));
  });

  it('a row with many versions: each counts', async () => {
    await write(observation('many', '1-1'));
    for (let version = 0; version < 130; version++) await write(observation('many', '2-2', { valueInteger: version }));
    await useSets(hiv('1-1'));
    await relabel();
    assert.deepEqual(await labelsOf('Observation/many'), both);
  });

  it('what was deleted is guarded when it comes back', async () => {
    await write(observation('gone', '1-1'));
    await writes({ kind: 'delete', resource: { resourceType: 'Observation', id: 'gone' }, owner });
    await useSets(hiv('1-1'));
    await relabel();
    await write(observation('gone', '2-2'));
    assert.equal((await labelsOf('Observation/gone'))[0], 'HIV');
  });

  it('what is written meets the new sets at once, before the old rows are looked at', async () => {
    await write(observation('old', '1-1'));
    await useSets(hiv('1-1'));
    await write(observation('new', '1-1'));
    assert.deepEqual([await labelsOf('Observation/old'), await labelsOf('Observation/new')], [none, both]);
  });

  it('documents follow their sources, wherever in the order they are', async () => {
    const report = (id: string, of: string): AnyResource => ({
      resourceType: 'DiagnosticReport',
      id,
      ...ofP,
      result: [{ reference: `Observation/${of}` }],
    });
    const chained: AnyResource = {
      resourceType: 'Composition',
      id: 'a',
      ...ofP,
      section: [{ entry: [{ reference: 'DiagnosticReport/z' }] }],
    };
    await write(observation('o', '1-1'), report('z', 'o'), chained);
    await useSets(hiv('1-1'));
    await relabel();
    for (const row of ['Observation/o', 'DiagnosticReport/z', 'Composition/a'])
      assert.deepEqual(await labelsOf(row), both, row);
    await useSets(hiv('3-3'));
    await relabel();
    for (const row of ['Observation/o', 'DiagnosticReport/z', 'Composition/a'])
      assert.deepEqual(await labelsOf(row), none, row);
  });

  it('a code that is sensitive no more: the service takes its own label back, and nobody else’s', async () => {
    const stated = { meta: { security: [{ system: act, code: 'HIV', display: 'theirs' }] } };
    await useSets(hiv('1-1'));
    await write(observation('ours', '1-1'), observation('theirs', '1-1', stated));
    await useSets(hiv('3-3'));
    await relabel();
    assert.deepEqual([await labelsOf('Observation/ours'), await labelsOf('Observation/theirs')], [none, both]);
    const ours = parseJson((await rowOf('Observation/ours')).body) as AnyResource;
    assert.equal(ours.meta?.security, undefined);
  });

  it('a message that says the same again after it makes no version', async () => {
    await write(observation('again', '1-1'));
    await useSets(hiv('1-1'));
    await relabel();
    await write(observation('again', '1-1'));
    assert.equal((await rowOf('Observation/again')).version, 1);
  });

  describe('sets in force', () => {
    it('known sets make no revision; older ones are not put in force by a start, and are by hub relabel', async () => {
      assert.equal(await registerSets(world.database, hiv('1-1')), 'new');
      assert.equal(await registerSets(world.database, hiv('1-1')), 'known');
      assert.equal(await registerSets(world.database, hiv('2-2')), 'new');
      assert.equal(await registerSets(world.database, hiv('1-1')), 'older');
      await labels.refresh();
      await write(observation('by-the-newer', '2-2'));
      assert.deepEqual(await labelsOf('Observation/by-the-newer'), both);
      await addLabelRevision(world.database, hiv('1-1'));
      await labels.refresh();
      await relabel();
      assert.deepEqual(await labelsOf('Observation/by-the-newer'), none);
    });

    it('in an empty database there is nothing to look at', async () => {
      const empty = await givenDatabase();
      await registerSets(empty.database, hiv('1-1'));
      assert.equal(await relabelBatch(empty.database, { graceMs: 0 }), 'done');
      await empty.close();
    });

    it('nothing is done before every process has had the time to follow', async () => {
      await useSets(hiv('1-1'));
      assert.equal(await relabelBatch(world.database), 'busy');
    });
  });

  it('several processes share: every row is read once', async () => {
    await write(...Array.from({ length: 450 }, (_, n) => observation(`s${n}`, n % 10 === 0 ? '1-1' : '2-2')));
    await useSets(hiv('1-1'));
    await Promise.all([relabel(), relabel(), relabel()]);
    const [status] = await readLabelStatus(world.database);
    assert.deepEqual([status?.rowsRead, status?.rowsChanged], [451, 45]);
  });

  it('killed in the middle, and again: who goes on finishes, and nothing is left out', async function () {
    this.timeout(300_000);
    const sets = hiv('1-1');
    for (let part = 0; part < 3; part++) {
      const ids = Array.from({ length: 1_000 }, (_, n) => `k${part}-${n}`);
      await write(...ids.map((id) => observation(id, '1-1')));
    }
    await addLabelRevision(world.database, sets);
    await world.database.query(sql`update label_revision set created_at = now() - interval '1 hour'`);
    const file = new URL('../relabel-process.ts', import.meta.url).pathname;
    const marks: number[] = [];
    await world.database.inTransaction(async (tx) => {
      // Of the last batch: nobody is through before it is killed.
      await tx.query(sql`select from resource where id = 'k2-999' for update`);
      for (let kill = 0; kill < 2; kill++) {
        const child = spawn(process.execPath, [file], { env: { ...process.env, DATABASE_URL: world.url } });
        const ended = new Promise((resolve) => child.once('exit', resolve));
        await new Promise((resolve) => child.stdout.once('data', resolve));
        await sleep(40 + 60 * kill);
        child.kill('SIGKILL');
        await ended;
        const [status] = await readLabelStatus(world.database);
        marks.push(status?.rowsRead ?? 0);
      }
    });
    assert.ok((marks.at(-1) as number) > 0 && (marks[0] as number) < 3_001, `killed in the middle: ${marks.join(' ')}`);
    await labels.refresh();
    await relabel();
    const [left] = await world.database.query<{ left: number; read: number }>(sql`
      select (select count(*)::int from resource where type = ${typeCode('Observation')} and labels = 0) as left,
        (select rows_read::int from label_revision order by revision desc limit 1) as read`);
    assert.deepEqual(left, { left: 0, read: 3_001 });
  });
});
