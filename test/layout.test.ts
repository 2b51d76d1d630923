/** The import direction of the house: a file imports from its own room and from rooms to its left. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const order = [
  'fhir',
  'mapping',
  'db',
  'jobs',
  'store',
  'access',
  'identity',
  'feeds',
  'ingest',
  'outbound',
  'watch',
  'api',
  'hub',
  'main',
  'cli',
];

/** src/store/commit.ts -> store; src/db.ts and src/db/sql.ts -> db; src/config.ts -> config. */
function roomOf(path: string): string {
  const [top, next = ''] = path.split('/');
  return top === 'src' ? next.replace(/\.ts$/, '') : (top ?? '');
}

const builders = 'src/outbound/build/';

/** Why this import is against the direction; undefined when it is fine. */
export function violation(from: string, to: string): string | undefined {
  const [fromRoom, toRoom] = [roomOf(from), roomOf(to)];
  if (from.startsWith(builders) && !to.startsWith(builders)) {
    return toRoom === 'fhir' ? undefined : 'building a message is pure: it sees fhir/ only';
  }
  if (fromRoom === toRoom) return undefined;
  if (from.startsWith('adapters/')) {
    return toRoom === 'fhir' || to === 'src/ingest/contract.ts'
      ? undefined
      : 'adapters see fhir/ and ingest/contract.ts only';
  }
  if (to.startsWith('adapters/')) return fromRoom === 'hub' ? undefined : 'only hub.ts names adapters';
  if (toRoom === 'config')
    return ['hub', 'main', 'cli'].includes(fromRoom) ? undefined : 'config is handed down as values';
  if (fromRoom === 'config') return ['fhir'].includes(toRoom) ? undefined : 'config knows no room but fhir';
  const [fromIndex, toIndex] = [order.indexOf(fromRoom), order.indexOf(toRoom)];
  if (fromIndex < 0 || toIndex < 0) return 'a room that the house does not have';
  return toIndex < fromIndex ? undefined : `${toRoom} is to the right of ${fromRoom}`;
}

function* files(directory: string): Generator<string> {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* files(path);
    else if (entry.name.endsWith('.ts')) yield path;
  }
}

function importsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map((match) => match[1] as string);
}

describe('layout: imports go from right to left', () => {
  const allowed: [string, string][] = [
    ['src/store/commit.ts', 'src/fhir/types.ts'],
    ['src/api/routes.ts', 'src/access/token/token.ts'],
    ['src/hub.ts', 'adapters/hl7v2/mllp.ts'],
    ['adapters/hl7v2/mllp.ts', 'src/ingest/contract.ts'],
    ['src/outbound/build/patient.ts', 'src/fhir/json.ts'],
  ];
  const forbidden: [string, string][] = [
    ['src/fhir/types.ts', 'src/store/commit.ts'],
    ['src/store/commit.ts', 'src/api/routes.ts'],
    ['src/api/routes.ts', 'adapters/hl7v2/mllp.ts'],
    ['adapters/hl7v2/mllp.ts', 'src/store/commit.ts'],
    ['src/store/commit.ts', 'src/config.ts'],
    ['src/outbound/build/patient.ts', 'src/db/sql.ts'],
    ['src/outbound/build/patient.ts', 'src/outbound/queue.ts'],
  ];
  for (const [from, to] of allowed) {
    it(`${from} may import ${to}`, () => assert.equal(violation(from, to), undefined));
  }
  for (const [from, to] of forbidden) {
    it(`${from} may not import ${to}`, () => assert.notEqual(violation(from, to), undefined));
  }

  it('holds for every file of src and adapters', () => {
    const found: string[] = [];
    for (const folder of ['src', 'adapters']) {
      for (const file of files(join(root, folder))) {
        for (const specifier of importsOf(file)) {
          const [from, to] = [relative(root, file), relative(root, resolve(dirname(file), specifier))];
          const why = violation(from, to);
          if (why !== undefined) found.push(`${from} imports ${to}: ${why}`);
        }
      }
    }
    assert.deepEqual(found, []);
  });
});
