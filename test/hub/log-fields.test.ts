/** LEAKS 49: what is logged is an event and fields of this list. A field is added here by whoever has looked at what it can hold. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const src = join(import.meta.dirname, '..', '..', 'src');

/** Numbers, names of ours, codes, hashes; of an error what src/hub/log.ts keeps of it. */
const fields = new Set([
  'code',
  'clientId',
  'correlationId',
  'destination',
  'detail',
  'diagnostics',
  'endpoint',
  'digest',
  'error',
  'messageId',
  'mllpPort',
  'name',
  'number',
  'port',
  'publicUrl',
  'reason',
  'revision',
  'roles',
  'rowsRead',
  'signal',
  'stack',
]);

interface Call {
  readonly file: string;
  readonly first: string;
}

function callsOfLog(): Call[] {
  return readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) => {
      const text = readFileSync(join(src, file), 'utf8');
      return [...text.matchAll(/\blog(?:ger)?(?:\.(?:trace|debug|info|warn|error|fatal)|\[[^\]]+\])\(\s*/g)].map(
        ({ index, 0: { length } }) => ({ file, first: firstArgument(text.slice(index + length)) }),
      );
    });
}

/** Up to the comma or bracket that ends it. */
function firstArgument(text: string): string {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    if ('{(['.includes(character)) depth++;
    if ((character === ',' || character === ')') && depth === 0) return text.slice(0, at);
    if ('})]'.includes(character)) depth--;
  }
  return text;
}

/** @returns what is not on the list */
function strangersIn(first: string): string[] {
  if (/^['"`]/.test(first)) return [];
  if (!first.startsWith('{')) return [first];
  // Values may hold commas of their own.
  const flat = first.slice(1, -1).replaceAll(/\([^()]*\)|\[[^[\]]*\]/g, '');
  return flat
    .split(',')
    .map((part) => part.split(':', 1)[0]?.trim() ?? '')
    .filter((name) => name !== '' && !fields.has(name));
}

describe('the log', () => {
  const calls = callsOfLog();
  it('is written in many places', () => assert.ok(calls.length >= 25, `${calls.length}`));
  it('holds fields of the list, and no object as it is', () => {
    const wrong = calls.flatMap(({ file, first }) => strangersIn(first).map((name) => `${file}: ${name}`));
    assert.deepEqual(wrong, []);
  });
  for (const [first, stranger] of [
    ['{ error, body }', 'body'],
    ['{ ...request }', '...request'],
    ['request', 'request'],
    ['{ name: patient.name, given: f(a, b) }', 'given'],
  ] as const) {
    it(`would notice ${first}`, () => assert.deepEqual(strangersIn(first), [stranger]));
  }
});
