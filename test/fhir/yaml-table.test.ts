/** Files of rules: what they may hold, how large they may be, and that a fault names its line. */
import assert from 'node:assert/strict';
import { Problem } from '../../src/fhir/problem.ts';
import { ruleFileMax, yamlDepthMax, yamlRepeatedMax } from '../../src/fhir/yaml-document.ts';
import { Table } from '../../src/fhir/yaml-table.ts';

function refusal(text: string): string {
  try {
    return `it was read: ${JSON.stringify(new Table(text, 'x.yaml').get([]))}`;
  } catch (error) {
    assert.ok(error instanceof Problem, String(error));
    assert.ok(error.code === 'invalid' || error.code === 'too-long', error.code);
    return error.message;
  }
}

const nested = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`;

describe('a file of rules', () => {
  const tooDeep = `Nested more than ${yamlDepthMax} levels deep`;
  const tooMuch = `More than ${ruleFileMax.tokens} words and signs`;
  const rows: [what: string, text: string, refusal: string][] = [
    ['brackets beyond the bound', `a: 1\nb: ${nested(yamlDepthMax)}`, `x.yaml:2: ${tooDeep}`],
    ['brackets without an end', `a: 1\nb: ${'['.repeat(15_000)}`, `x.yaml:2: ${tooDeep}`],
    ['JSON', `{"a":\n${'{"a":'.repeat(15_000)}1${'}'.repeat(15_001)}`, `x.yaml:2: ${tooDeep}`],
    ['dashes', `- ${'- '.repeat(15_000)}`, `x.yaml:1: ${tooDeep}`],
    ['marks of keys', '? '.repeat(15_000), `x.yaml:1: ${tooDeep}`],
    ['lines, each further in', Array.from({ length: 200 }, (_, at) => `${' '.repeat(at)}a:\n`).join(''), tooDeep],
    ['aliases of deep values', deepByAliases(), `x.yaml:3: ${tooDeep}`],
    ['aliases of aliases', bomb(12), `x.yaml:4: Aliases repeat more than ${yamlRepeatedMax} values`],
    ['an alias of itself', 'a: &a\n  b: *a', 'x.yaml:2: An alias of no anchor before it'],
    ['an alias of nothing', 'a: 1\nb: *a', 'x.yaml:2: An alias of no anchor before it'],
    ['the same key twice', 'a:\n  b: 1\n  b: 2', 'x.yaml:3: Map keys must be unique'],
    ['one key as number and as text', "1: a\n'1': b", 'x.yaml:2: Map keys must be unique'],
    ['a table as key', 'a: 1\n{ b: 1 }: 2', 'x.yaml:2: A key is a text, not a table or a list'],
    ['an alias as key', 'a: &a b\n*a : 2', 'x.yaml:2: A key is a text, not a table or a list'],
    ['a list of pairs', '%YAML 1.1\n---\na: !!pairs [b: 1]', 'x.yaml:3: A list has values, not pairs'],
    ['two documents', 'a: 1\n---\nb: 1', 'x.yaml:2: A second document begins; a file has one'],
    ['an error', 'a: 1\nb: "c', 'x.yaml:2: Missing closing "quote'],
    ['thousands of errors', `a: [${','.repeat(90_000)}]`, 'x.yaml:1: Unexpected , in flow sequence'],
    ['thousands of brackets that close nothing', ']'.repeat(90_000), 'x.yaml:1: Unexpected flow-seq-end token'],
    ['more words than a file of rules has', 'a:\n'.repeat(ruleFileMax.tokens), tooMuch],
    ['more characters', ' '.repeat(ruleFileMax.chars + 1), `such a file has at most ${ruleFileMax.chars} characters`],
  ];
  for (const [what, text, expected] of rows) {
    it(`given ${what}, it is refused: ${expected}`, () => {
      assert.ok(refusal(text).includes(expected), refusal(text));
    });
  }

  it('is read to the deepest level there may be', () => {
    assert.deepEqual(new Table(nested(yamlDepthMax), 'x.yaml').get([0]), JSON.parse(nested(yamlDepthMax - 1)));
  });

  it('may be larger where its reader says so', () => {
    const text = 'a: 1\n'.padEnd(ruleFileMax.chars + 10, '#');
    const size = { ...ruleFileMax, chars: text.length };
    assert.equal(new Table(text, 'x.yaml', { size }).get(['a']), 1);
  });

  it('has as many codes as a national list', () => {
    const codes = Array.from({ length: 20_000 }, (_, at) => `  C${at}: male\n`);
    const table = new Table(`codes:\n${codes.join('')}`, 'x.yaml');
    assert.equal(Object.keys(table.record(['codes'])).length, codes.length);
    assert.equal(table.at(['codes', 'C19999']), 'x.yaml:20001');
  });

  it('repeats a value by an alias, which is read as if it were written there', () => {
    const table = new Table('a: &one\n  b: [1, &two x]\nc: *one\nd: { e: *two }', 'x.yaml');
    assert.deepEqual(table.get([]), { a: { b: [1, 'x'] }, c: { b: [1, 'x'] }, d: { e: 'x' } });
    assert.equal(table.get(['c', 'b', 1]), 'x');
    assert.equal(table.at(['c', 'b']), 'x.yaml:2');
  });

  it('has keys that are numbers, found by their text; a value that is nothing is not there', () => {
    const table = new Table('1: { code: a }\n2:\n', 'x.yaml');
    assert.equal(table.string(['1', 'code']), 'a');
    assert.equal(table.get(['2']), undefined);
    assert.equal(table.optional(['2']), undefined);
    assert.equal(table.get(['1', 'code', 'deeper']), undefined);
  });
});

/** Each level ten times the one before. */
function bomb(levels: number): string {
  const lines = Array.from({ length: levels }, (_, at) => {
    const items = Array.from({ length: 10 }, () => (at === 0 ? 'x' : `*a${at - 1}`));
    return `a${at}: &a${at} [${items.join(',')}]`;
  });
  return lines.join('\n');
}

function deepByAliases(): string {
  const half = Math.ceil(yamlDepthMax / 2);
  const around = (inner: string): string => `${'['.repeat(half)}${inner}${']'.repeat(half)}`;
  return `a: &a ${around('1')}\nb:\n- ${around('*a')}`;
}
