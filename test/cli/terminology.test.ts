/** `hub terminology`: what an operator loads, and what clients then get. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import iconv from 'iconv-lite';
import { runTerminologyLoad, type LoadOptions } from '../../src/cli/terminology.ts';
import { codesIn } from '../../src/store/terminology/compose.ts';
import { codesBelow, findConcept } from '../../src/store/terminology/hierarchy.ts';
import { find, openLibrary, type Library } from '../../src/store/terminology/library.ts';
import { listLoaded } from '../../src/store/terminology/load.ts';
import { givenDatabase } from '../given.ts';
import { runHub } from '../hub-process.ts';
import { animalMap, animals, animalSystem, letterSystem, valueSet } from '../store/terminology/given.ts';

describe('hub terminology load', function () {
  this.timeout(300_000);
  const system = 'http://example.org/icd';
  let database: Awaited<ReturnType<typeof givenDatabase>>;
  let folder: string;
  let library: Library;
  let printed: Record<string, unknown>[];
  before(async () => {
    database = await givenDatabase();
    folder = await mkdtemp(join(tmpdir(), 'terminology-'));
    library = await openLibrary(database.database, undefined);
  });
  after(async () => {
    await database.close();
    await rm(folder, { recursive: true });
  });

  const { log } = console;
  const load = async (name: string, text: string | Uint8Array, options: Partial<LoadOptions> = {}): Promise<void> => {
    const file = join(folder, name);
    await writeFile(file, text);
    printed = [];
    console.log = (line: string) => printed.push(JSON.parse(line) as Record<string, unknown>);
    const defaults = {
      charset: 'utf-8',
      code: 'code',
      display: 'display',
      parent: 'parent',
      property: [],
      designation: [],
    };
    try {
      await runTerminologyLoad([file], { ...defaults, ...options }, { DATABASE_URL: database.url });
    } finally {
      console.log = log;
    }
  };
  const outcomes = (): unknown[] => printed.map(({ outcome, concepts }) => [outcome, concepts]);
  const list =
    'code,display,parent\nE,"Endocrine, nutritional",\nE11,Type 2 diabetes,E\nE11.9,"Without ""complications""",E11\n';

  it('a code list: parents are a hierarchy, quotes and commas are text', async () => {
    await load('icd.csv', list, { system, version: '1' });
    assert.deepEqual(outcomes(), [['loaded', 3]]);
    const below = await codesBelow(library, { system, code: 'E' }, 10);
    assert.deepEqual(below.map(({ code }) => code).toSorted(), ['E', 'E11', 'E11.9']);
    const found = await find(library, 'CodeSystem', { url: system });
    assert.ok(found);
    assert.equal(found.header['content'], 'not-present');
    assert.equal((await findConcept(library, found, 'e11.9'))?.display, 'Without "complications"');
  });

  it('the same again is nothing to do; another list of the version replaces it; another version stands beside it', async () => {
    await load('icd.csv', list, { system, version: '1' });
    assert.deepEqual(outcomes(), [['unchanged', 3]]);
    await load('icd.csv', `${list}E12,Other,E\n`, { system, version: '1' });
    assert.deepEqual(outcomes(), [['loaded', 4]]);
    await load('icd.csv', 'code,display\nX,Only\n', { system, version: '2' });
    assert.equal((await find(library, 'CodeSystem', { url: system, version: '1' }))?.concepts, 4);
    assert.equal((await find(library, 'CodeSystem', { url: system }))?.version, '2');
  });

  it('tabs, GB 18030, other columns, properties and names in other languages', async () => {
    const text = 'ID\tNAME\tSCALE\tEN\nA1\t糖尿病\tQn\tDiabetes\n';
    const options = { code: 'ID', display: 'NAME', property: ['SCALE'], designation: ['en=EN'], charset: 'gb18030' };
    await load('list.tsv', iconv.encode(text, 'gb18030'), { system: 'http://example.org/cn', ...options });
    const found = await find(library, 'CodeSystem', { url: 'http://example.org/cn' });
    assert.ok(found);
    const concept = await findConcept(library, found, 'A1');
    assert.deepEqual(
      [concept?.display, concept?.properties, concept?.designations],
      ['糖尿病', [{ code: 'SCALE', valueString: 'Qn' }], [{ language: 'en', value: 'Diabetes' }]],
    );
  });

  it('resources: one, a Bundle, one a line', async () => {
    await load('one.json', JSON.stringify(animalSystem));
    const entry = [letterSystem, animalMap].map((resource) => ({ resource }));
    await load('bundle.json', JSON.stringify({ resourceType: 'Bundle', type: 'collection', entry }));
    const compose = { include: [{ system: animals, concept: [{ code: 'cat' }] }] };
    await load(
      'sets.ndjson',
      ['a', 'b'].map((id) => JSON.stringify(valueSet(compose, { url: `http://example.org/vs/${id}` }))).join('\n'),
    );
    assert.deepEqual(await codesIn(library, { url: 'http://example.org/vs/b' }, 10), [
      { system: animals, code: 'cat' },
    ]);
    const urls = (await listLoaded(database.database)).map(({ url }) => url);
    for (const url of [animals, 'http://example.org/map', 'http://example.org/vs/a'])
      assert.ok(urls.includes(url), url);
  });

  it('a code system that is too long for a resource: its codes are in the tables, the resource says so', async () => {
    const concept = Array.from({ length: 60_000 }, (_, index) => ({ code: `c${index}`, display: 'd'.repeat(60) }));
    await load('long.json', JSON.stringify({ ...letterSystem, id: 'long', url: 'http://example.org/long', concept }));
    assert.deepEqual(outcomes(), [['loaded', 60_000]]);
    const found = await find(library, 'CodeSystem', { url: 'http://example.org/long' });
    assert.equal(found?.header['content'], 'not-present');
  });

  const refused: [string, string, string, Partial<LoadOptions>, string][] = [
    ['a list without its system', 'x.csv', list, {}, 'required'],
    ['a list without codes', 'x.csv', 'code,display\n', { system: 'http://x' }, 'required'],
    ['a list without the column', 'x.csv', 'a,b\n1,2\n', { system: 'http://x' }, 'required'],
    ['a row without a code', 'x.csv', 'code,display\n,x\n', { system: 'http://x' }, 'required'],
    ['a circle of parents', 'x.csv', 'code,parent\na,b\nb,a\n', { system: 'http://x' }, 'invariant'],
    ['another resource', 'x.json', '{"resourceType":"Patient"}', {}, 'not-supported'],
    ['no url', 'x.json', '{"resourceType":"ValueSet","status":"active"}', {}, 'required'],
    [
      'what is not valid R4',
      'x.json',
      '{"resourceType":"ValueSet","url":"http://x","status":"nice"}',
      {},
      'code-invalid',
    ],
  ];
  for (const [title, name, text, options, code] of refused) {
    it(`refuses ${title}, and nothing of the file is loaded`, async () => {
      await assert.rejects(load(name, text, options), { code });
      assert.equal(await find(library, 'CodeSystem', { url: 'http://x' }), undefined);
    });
  }

  it('list and remove, as commands', async () => {
    const env = { DATABASE_URL: database.url };
    const listed = await runHub(['terminology', 'list'], { env });
    assert.ok(listed.stdout.includes(`"url":"${system}","version":"2"`), listed.stdout);
    const removed = await runHub(['terminology', 'remove', `${system}|2`], { env });
    assert.deepEqual([removed.code, removed.stdout.trim().split('\n').length], [0, 1], removed.stderr);
    assert.equal((await find(library, 'CodeSystem', { url: system }))?.version, '1');
    const again = await runHub(['terminology', 'remove', `${system}|2`], { env });
    assert.equal(again.code, 1);
    assert.match(again.stderr, /hub terminology list/);
  });
});
