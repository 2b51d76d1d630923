import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { watchFolders, type FolderOptions, type FolderWatcher } from '../../../adapters/hl7v2/folder.ts';
import { sql } from '../../../src/db/sql.ts';
import { Problem } from '../../../src/fhir/problem.ts';
import { givenIngest, givenMessage, type IngestWorld } from '../../given-ingest.ts';

describe('a watched directory', () => {
  let world: IngestWorld;
  let folder = '';
  const watchers: FolderWatcher[] = [];
  const events: string[] = [];
  before(async () => {
    world = await givenIngest();
    folder = mkdtempSync(join(tmpdir(), 'folder-'));
    await world.endpoint({ name: 'files', kind: 'hl7v2-folder', folder, facilities: ['HOSPA'] });
  });
  after(async () => {
    await Promise.all(watchers.map((watcher) => watcher.close()));
    await world.close();
    rmSync(folder, { recursive: true, force: true });
  });

  let acks = 0;
  function watch(hub: string, options: Partial<FolderOptions> = {}): FolderWatcher {
    const watcher = watchFolders({
      door: world.door,
      hub,
      now: () => new Date(),
      nextControlId: () => `ACK${++acks}`,
      onEvent: (event) => events.push(event),
      // Only when a test looks.
      checkMs: 1_000_000,
      settleMs: 0,
      ...options,
    });
    watchers.push(watcher);
    return watcher;
  }
  const put = (name: string, text: string): void => writeFileSync(join(folder, name), text);
  const names = (part: string): string[] => readdirSync(join(folder, part)).sort();
  const text = (path: string): string => readFileSync(join(folder, path), 'latin1');
  const count = async (like: string): Promise<number> => {
    const [row] = await world.database.query<{ count: number }>(
      sql`select count(*) from message where control_id like ${like}`,
    );
    return row?.count ?? 0;
  };
  /** Twice: a file must be as long as it was at the look before. */
  const look = async (watcher: FolderWatcher): Promise<void> => {
    await watcher.check();
    await watcher.check();
  };

  it('a file of one message ends in archive, its acknowledgment beside it', async () => {
    put('a.hl7', givenMessage({ id: 'F1' }));
    await look(watch('one'));
    assert.deepEqual(names('archive'), ['a.hl7', 'a.hl7.ack']);
    assert.match(text('archive/a.hl7.ack'), /\rMSA\|AA\|F1\r/);
    assert.equal(await count('F1'), 1);
  });

  it('a file of many messages, and the order of files is that of their names', async () => {
    put('b2.hl7', givenMessage({ id: 'O3' }));
    put('b1.hl7', `BHS|^~\\&\r${givenMessage({ id: 'O1' })}${givenMessage({ id: 'O2' })}BTS|2\r`);
    await look(watch('one'));
    const rows = await world.database.query<{ controlId: string }>(
      sql`select control_id as "controlId" from message where control_id like 'O_' order by id`,
    );
    assert.deepEqual(
      rows.map(({ controlId }) => controlId),
      ['O1', 'O2', 'O3'],
    );
  });

  it('a second file of the same name keeps the first', async () => {
    put('a.hl7', givenMessage({ id: 'F2' }));
    await look(watch('one'));
    assert.ok(names('archive').includes('a.2.hl7'), names('archive').join());
  });

  it('a name as long as a file system takes is cut, each another way, and holds up no file after it', async () => {
    const [one, two] = [`${'名'.repeat(80)}1.hl7`, `${'名'.repeat(80)}2.hl7`];
    put(one, givenMessage({ id: 'L1' }));
    put(two, givenMessage({ id: 'L2' }));
    put(`名${'x'.repeat(252)}`, givenMessage({ id: 'L3' }));
    put('后.hl7', givenMessage({ id: 'L4' }));
    await look(watch('a-hub-with-a-name-of-its-own-0123456789'));
    const left = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
    assert.deepEqual(left, []);
    assert.equal(await count('L_'), 4);
    const kept = names('archive').filter((name) => name.startsWith('名') && name.endsWith('.hl7'));
    assert.equal(kept.length, 2, kept.join());
    for (const name of kept) assert.match(text(`archive/${name}.ack`), /\rMSA\|AA\|L[12]\r/);
  });

  it('what is refused ends in error, and the acknowledgment says why', async () => {
    put('c.hl7', givenMessage({ id: 'E1', facility: 'HOSPX' }));
    put('d.hl7', `FHS|^~\\&\rBHS|^~\\&\r${givenMessage({ id: 'E2' })}BTS|3\rFTS|1\r`);
    put('e.hl7', 'no message at all');
    await look(watch('one'));
    assert.match(text('error/c.hl7.ack'), /\rMSA\|AR\|E1\rERR\|\|MSH\^1\^4/);
    assert.match(text('error/d.hl7.ack'), /\rMSA\|AE\|\rERR\|\|BTS\^1\^1/);
    assert.match(text('error/e.hl7.ack'), /\rMSA\|AE\|\rERR\|/);
    assert.equal(await count('E_'), 0);
  });

  it('a file that is being written, or is named as such, is left alone', async () => {
    const watcher = watch('one', { settleMs: 60_000 });
    put('growing.hl7', givenMessage({ id: 'G1' }));
    put('other.hl7.tmp', givenMessage({ id: 'G2' }));
    put('.hidden.hl7', givenMessage({ id: 'G3' }));
    await look(watcher);
    assert.equal(await count('G_'), 0);
    const old = new Date(Date.now() - 120_000);
    utimesSync(join(folder, 'growing.hl7'), old, old);
    await look(watcher);
    assert.equal(await count('G_'), 1);
    rmSync(join(folder, 'other.hl7.tmp'));
    rmSync(join(folder, '.hidden.hl7'));
  });

  it('two hubs never take the same file', async () => {
    for (let index = 0; index < 40; index++)
      put(`t${String(index).padStart(2, '0')}.hl7`, givenMessage({ id: `T${index}` }));
    const [one, two] = [watch('one'), watch('two')];
    await Promise.all([one.check(), two.check()]);
    const before = events.length;
    await Promise.all([one.check(), two.check()]);
    assert.equal(events.slice(before).filter((event) => event === 'archived').length, 40);
    assert.equal(names('archive').filter((name) => /^t\d\d\.hl7$/.test(name)).length, 40);
    assert.equal(await count('T%'), 40);
  });

  it('what a hub that is gone had claimed is taken over, and stored once', async () => {
    writeFileSync(join(folder, 'claimed', 'gone--x.hl7'), givenMessage({ id: 'X1' }));
    const watcher = watch('three');
    await watcher.check();
    assert.ok(existsSync(join(folder, 'claimed', 'gone--x.hl7')), 'a fresh claim is not touched');
    const old = new Date(Date.now() - 11 * 60_000);
    utimesSync(join(folder, 'claimed', 'gone--x.hl7'), old, old);
    await watcher.check();
    assert.ok(names('archive').includes('x.hl7'));
    assert.equal(await count('X1'), 1);
  });

  it('what the hub cannot store stays claimed, and is tried again', async () => {
    let isAway = true;
    const door: FolderOptions['door'] = {
      ...world.door,
      folders: () => world.door.folders(),
      receive: (inbound) =>
        isAway ? Promise.reject(new Problem('transient', 'the database is away')) : world.door.receive(inbound),
    };
    put('y.hl7', givenMessage({ id: 'Y1' }));
    const watcher = watch('four', { door });
    await look(watcher);
    assert.deepEqual(names('claimed'), ['four--y.hl7']);
    // Another of the same name, and one after it: neither replaces nor overtakes what waits.
    put('y.hl7', givenMessage({ id: 'Y2' }));
    put('z.hl7', givenMessage({ id: 'Y3' }));
    await look(watcher);
    assert.deepEqual(names('claimed'), ['four--y.hl7']);
    isAway = false;
    await watcher.check();
    assert.equal(await count('Y_'), 1);
    await look(watcher);
    assert.deepEqual(names('claimed'), []);
    assert.equal(await count('Y_'), 3);
  });
});
