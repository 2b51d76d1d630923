/** The shipped tables are read once, and again whenever anything about them is different. */
import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readLibrary } from '../../src/hub/map-cache.ts';
import { Problem } from '../../src/fhir/problem.ts';
import { loadMaps } from '../../src/mapping/table.ts';

describe('the tables as they were read the last time', function () {
  this.timeout(300_000);
  let home: string;
  let mappings: string;
  let cache: string;
  before(async () => {
    home = await mkdtemp(join(tmpdir(), 'hub-maps-'));
    [mappings, cache] = [join(home, 'mappings'), join(home, 'cache', 'maps')];
    await cp(join(import.meta.dirname, '..', '..', 'mappings'), mappings, { recursive: true });
  });
  after(() => rm(home, { recursive: true, force: true }));

  it('are what reading them gives, the first time and from what was kept', async () => {
    const read = loadMaps(mappings);
    assert.deepEqual(readLibrary(mappings, cache), read);
    const kept = await stat(cache);
    assert.deepEqual(readLibrary(mappings, cache), read);
    assert.equal((await stat(cache)).ino, kept.ino);
  });

  it('given another table, are read again; given a bad one, the Problem names it each time', async () => {
    const file = join(mappings, 'hl7v2', 'structural.yaml');
    const good = await readFile(file, 'utf8');
    const kept = await stat(cache);
    await writeFile(file, `${good}\n# another line\n`);
    readLibrary(mappings, cache);
    assert.notEqual((await stat(cache)).ino, kept.ino);
    await writeFile(file, `${good}\nnot: [a, table`);
    for (let time = 0; time < 2; time++) {
      assert.throws(
        () => readLibrary(mappings, cache),
        (error) => error instanceof Problem && /structural/.test(error.message),
      );
    }
    await writeFile(file, good);
  });

  it('given what was kept is damaged, or cannot be kept, are read all the same', async () => {
    const read = readLibrary(mappings, cache);
    const bytes = await readFile(cache);
    await writeFile(cache, bytes.subarray(0, bytes.length / 2));
    assert.deepEqual(readLibrary(mappings, cache), read);
    assert.deepEqual(readLibrary(mappings, join(mappings, 'hl7v2', 'keys.yaml', 'maps')), read);
  });
});
