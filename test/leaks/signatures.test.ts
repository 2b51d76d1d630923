/**
 * The other half of the structural guard: no read of the store can be called without saying who may see. Each exported function
 * of src/store whose statement names `resource` takes a Visibility; a Visibility is made by its class alone (nominal), in
 * access/ for a principal, or as `everything` with a reason.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import type { Sql } from '../../src/db/sql.ts';
import { raw } from '../../src/db/sql.ts';
import { Visibility } from '../../src/store/visibility.ts';

const root = resolve(import.meta.dirname, '../..');

function* filesIn(directory: string): Generator<string> {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* filesIn(path);
    else if (entry.name.endsWith('.ts')) yield path;
  }
}

const readsRows = /\b(from|join|update|into) resource(_history)?\b/;

interface Declared {
  readonly file: string;
  readonly name: string;
  readonly isExported: boolean;
  readonly parameters: string;
  readonly body: string;
}

/** Functions as oxfmt lays them out: from their first line to the brace at its beginning. */
function functionsIn(path: string): Declared[] {
  const file = relative(root, path);
  const source = readFileSync(path, 'utf8');
  const pattern =
    /^(export )?(?:async )?function\*? (\w+)(?:<[^>]*>)?\(([\s\S]*?)\)(?:: [\s\S]*?)? \{\n([\s\S]*?)^\}/gm;
  return Array.from(source.matchAll(pattern), ([, exported, name = '', parameters = '', body = '']) => {
    return { file, name, isExported: exported !== undefined, parameters, body };
  });
}

/** Names that stand for one: each carries it, or says for each type. */
const carriesVisibility =
  /\b(Visibility|VisibilityOf|Subject|SelectOptions|GatherOptions|ExportQuery|ResolveOptions|LastOptions|Resolver)\b/;

/** Files whose functions keep the store, and answer nobody. */
const keepers: Readonly<Record<string, string>> = {
  'src/store/rows.ts': 'the rows of a commit, as they stand and as they will: the owner decides (version.ts)',
  'src/store/erase.ts': 'what is taken away, by an operator',
  'src/store/reindex.ts': 'index values made anew',
  'src/store/index-revision.ts': 'whether they have to be',
  'src/store/labels/carry.ts': 'labels of rows that refer to each other',
  'src/store/labels/evaluate.ts': 'labels made anew',
  'src/store/labels/relabel.ts': 'labels made anew',
  'src/store/labels/current.ts': 'whether they have to be',
  'src/store/identifier.ts': 'a condition over one alias, whose statement has a Visibility',
  'src/store/compartment.ts': 'a table of a statement that has one',
  'src/store/search/references.ts': 'where a row lives, and nothing of it',
};

/** Where a statement begins, whose conditions follow. */
const tables: ReadonlySet<string> = new Set(['rowsWithKey']);

const store = [...filesIn(join(root, 'src/store'))].flatMap(functionsIn);

/** Functions that read rows, by themselves or by one of their file that is not exported. */
const readers = store.filter(({ file, body }) => {
  const local = store.filter((one) => one.file === file && !one.isExported && readsRows.test(one.body));
  return readsRows.test(body) || local.some(({ name }) => new RegExp(`\\b${name}\\(`).test(body));
});

describe('no read of the store is called without a Visibility (issue: structural guard, types)', () => {
  it('exported functions that read rows take one', () => {
    const without = readers
      .filter(
        ({ file, name, isExported, parameters }) =>
          isExported && keepers[file] === undefined && !tables.has(name) && !carriesVisibility.test(parameters),
      )
      .map(({ file, name }) => `${file}: ${name}`);
    assert.deepEqual(without, []);
    assert.ok(readers.length > 30, `${readers.length}`);
  });

  it('the files that need none still read rows', () => {
    for (const file of Object.keys(keepers))
      assert.ok(
        readers.some((one) => one.file === file),
        file,
      );
  });

  it('an object of the same shape is none', () => {
    const nothing = (): Sql => raw('true');
    const alike = { where: nothing, decidedBy: nothing, past: nothing, decided: nothing };
    // @ts-expect-error: nominal, so this line is what `tsc` checks
    const visibility: Visibility = alike;
    assert.equal(Visibility.is(visibility), false);
  });

  it('outside of the store rows are named where access is decided, and by subscriptions under it', () => {
    const others = [...filesIn(join(root, 'src'))]
      .map((path) => relative(root, path))
      .filter((file) => !file.startsWith('src/store/') && readsRows.test(readFileSync(join(root, file), 'utf8')));
    assert.deepEqual(others.toSorted(), elsewhere);
  });
});

const elsewhere = [
  // `from resource` in a comment.
  'src/db/sql.ts',
  // Whose rights there are: birth dates, owners, whose record; and events, each under the visibility of their receiver.
  'src/access/consent/in-force.ts',
  'src/access/predicate/population.ts',
  'src/access/proxy/standing.ts',
  'src/feeds/subscription/evaluate.ts',
  // An operator's check of the hub against what simulated sources sent: it holds the database's password.
  'src/cli/simulate/check/rows.ts',
].toSorted();
