/** mappings/sensitivity as files: read with every error by file and line, an operator's folder beside, and their schema. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { labelCodings } from '../../src/fhir/labels.ts';
import { Problem } from '../../src/fhir/problem.ts';
import { compileSets } from '../../src/fhir/sensitivity/sets.ts';
import { readSensitivity } from '../../src/mapping/sensitivity/read.ts';

const mappings = join(import.meta.dirname, '..', '..', 'mappings');
const shipped = join(mappings, 'sensitivity');

describe('mappings/sensitivity as files', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sensitivity-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);
  const bitsOf = (system: string, code: string): string[] =>
    labelCodings(compileSets(readSensitivity([shipped, folder])).bitsOf(system, code)).map((coding) => coding.code);

  const wrong: readonly (readonly [string, string, RegExp])[] = [
    ['a category that rows cannot carry', 'category: NONSENSE\ncodes: []\n', /x\.yaml:1: NONSENSE/],
    [
      'a system that is not there',
      'category: HIV\ncodes:\n  - system: none\n    list: [a]\n    why: x\n',
      /x\.yaml:3: none/,
    ],
    ['no reason', 'category: HIV\ncodes:\n  - system: icd-10\n    list: [a]\n', /x\.yaml:3: why is missing/],
    ['no codes', 'category: HIV\ncodes:\n  - system: icd-10\n    why: x\n', /x\.yaml:3: no codes/],
    [
      'a range that is none',
      'category: HIV\ncodes:\n  - system: icd-10\n    why: x\n    ranges: [B24-B20]\n',
      /x\.yaml:5: B24-B20/,
    ],
    [
      'an empty beginning',
      "category: HIV\ncodes:\n  - system: icd-10\n    why: x\n    prefixes: ['']\n",
      /x\.yaml:5: an empty/,
    ],
    [
      'a code read as a number',
      'category: HIV\ncodes:\n  - system: icd-9\n    why: x\n    prefixes: [042]\n',
      /x\.yaml:5: prefixes/,
    ],
    [
      'a misspelt word',
      'category: HIV\ncodes:\n  - system: icd-10\n    why: x\n    prefix: [B20]\n',
      /x\.yaml:3: prefix is not a word/,
    ],
    ['no YAML', 'category: [\n', /x\.yaml:2/],
  ];
  for (const [title, text, message] of wrong) {
    it(`${title} -> refused with file and line`, () => {
      write('x.yaml', text);
      assert.throws(
        () => readSensitivity([shipped, folder]),
        (error) => error instanceof Problem && message.test(error.message),
      );
    });
  }

  it('an operator adds codes, names of a system, and takes codes out', () => {
    write(
      'ours.yaml',
      `systems:
  - id: loinc
    uris: [urn:our-laboratory]
category: HIV
codes:
  - { system: loinc, list: [OUR-1], why: our test }
`,
    );
    write(
      'less.yaml',
      'category: PSY\ncodes:\n  - { system: icd-10, prefixes: [F51.0], except: [F51], why: insomnia }\n',
    );
    assert.deepEqual(bitsOf('urn:our-laboratory', 'OUR-1'), ['HIV']);
    assert.deepEqual(bitsOf('urn:our-laboratory', '56888-1'), ['HIV']);
    assert.deepEqual(bitsOf('http://hl7.org/fhir/sid/icd-10', 'F20'), ['PSY']);
    assert.deepEqual(
      [bitsOf('http://hl7.org/fhir/sid/icd-10', 'F51.1'), bitsOf('http://hl7.org/fhir/sid/icd-10', 'F51.0')],
      [[], ['PSY']],
    );
  });

  it('a folder that is not there is refused', () => {
    assert.throws(() => readSensitivity([shipped, join(folder, 'none')]), Problem);
  });

  it('the schema for editors takes every shipped file, and refuses a misspelt word', () => {
    const text = readFileSync(join(mappings, 'schema', 'sensitivity.schema.json'), 'utf8');
    const schema = z.fromJSONSchema(JSON.parse(text) as z.core.JSONSchema.BaseSchema);
    const names = readdirSync(shipped);
    for (const name of names) {
      const { success, error } = schema.safeParse(parse(readFileSync(join(shipped, name), 'utf8')));
      assert.ok(success, `${name}: ${error?.message}`);
    }
    assert.ok(names.length > 8);
    assert.ok(!schema.safeParse({ category: 'HIV', codes: [{ system: 'loinc', why: 'x', lists: ['a'] }] }).success);
    assert.ok(!schema.safeParse({ category: 'HIV', codes: [{ system: 'loinc', list: ['a'] }] }).success);
  });
});
