/** Commands in the documents are ones that there are, with options that they have: a reader can type what is written. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { buildProgram } from '../../src/cli.ts';

const root = join(import.meta.dirname, '../..');
const pages = [
  'README.md',
  'SECURITY.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];

/** What stands in code and begins with `hub`: a line of an example (continued ones joined), or words within a sentence. */
function commandsIn(text: string): string[] {
  const joined = text.replaceAll(/\\\n\s*/g, ' ');
  // What precedes `hub` in an example: variables, a substitution, a pipe.
  const lines = [...joined.matchAll(/^(?: {4}|```| *)[^\n`|]*?(?:\bnpx |^ +(?:\w+=\S+ )*)hub ([a-z][^\n]*)$/gm)];
  const inline = [...joined.matchAll(/`(?:\w+=\S+ )*(?:npx )?hub ([a-z][^`\n]*)`/g)];
  return [...lines, ...inline].map(([, words = '']) => words.replace(/\s#.*$/, '').replace(/ [<>|&] .*$/, ''));
}

/** @returns what of a command there is not; undefined when all of it is known */
function findUnknown(program: Command, written: string): string | undefined {
  const words = written
    .replaceAll(/'[^']*'|"[^"]*"/g, 'text')
    .replace(/\)["']?$/, '')
    .split(/[\s,]+/)
    .filter(Boolean);
  let command = program;
  while (words.length > 0) {
    const sub = command.commands.find((each) => each.name() === words[0]);
    if (sub === undefined) break;
    command = sub;
    words.shift();
  }
  if (command === program) return words[0] ?? '';
  if (command.commands.length > 0 && command.registeredArguments.length === 0 && /^[a-z]/.test(words[0] ?? '-'))
    return words[0];
  const known = new Set(['--help', '-h', ...command.options.map(({ long }) => long)]);
  return words
    .filter((word) => /^--[a-z]/.test(word))
    .map((word) => word.replace(/[=,.].*$/, ''))
    .find((option) => !known.has(option));
}

/** What a reader's shell has without the page: the environment, and the hub's settings in it. */
const isOfEnvironment = (name: string): boolean => ['EDITOR', 'DATABASE_URL'].includes(name) || name.startsWith('HUB_');

/** @returns variables that an example uses and nothing above it on the page sets */
function findUnset(text: string): string[] {
  const examples = text.matchAll(/^```sh\n[^]*?^```|^ {4}\S.*$/gm);
  return [...examples].flatMap(({ 0: example, index }) =>
    [...example.matchAll(/(?<!\\)\$\{?([A-Z][A-Z_]+)\b/g)]
      .filter((use) => !new RegExp(`\\b${use[1]}=`).test(text.slice(0, index + use.index)))
      .map(([, name = '']) => name)
      .filter((name) => !isOfEnvironment(name)),
  );
}

describe('commands in the documents', () => {
  const program = buildProgram('');

  for (const page of pages) {
    const commands = commandsIn(readFileSync(join(root, page), 'utf8'));
    if (commands.length > 0)
      it(`given ${page}, then each of its ${commands.length} commands and options is there`, () =>
        assert.deepEqual(
          commands.filter((written) => findUnknown(program, written) !== undefined),
          [],
        ));
  }

  for (const page of pages)
    it(`given ${page}, then what its examples use is set above on it`, () =>
      assert.deepEqual(findUnset(readFileSync(join(root, page), 'utf8')), []));

  it('given an example with a variable that is not set, or only below, then it is found', () => {
    const text =
      'As $THIS:\n\n    curl "$BASE/Patient/ID/\\$ERASE" -H "X: ${TOKEN}"\n\n```sh\nTOKEN=$(hub token)\nBASE=x\ncurl $BASE $TOKEN $HOME_OF\n```\n';
    assert.deepEqual(findUnset(text), ['BASE', 'TOKEN', 'HOME_OF']);
  });

  it('given a command or an option that is not there, then it is found', () => {
    const text =
      'So `hub endpont list` and\n\n```sh\nX=$(npx hub client add x --kind ai \\\n  --keys jwks.json)\nnpx hub endpoint lst\n```\n';
    const unknown = commandsIn(text).map((written) => findUnknown(program, written));
    assert.deepEqual(new Set(unknown), new Set(['--keys', 'endpont', 'lst']));
  });
});
