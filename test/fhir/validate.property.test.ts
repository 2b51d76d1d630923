/** Whatever is sent, validation answers: it finds fault or it does not, and never breaks. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { parseJson } from '../../src/fhir/json.ts';
import { openLibrary, type Definition } from '../../src/fhir/profile/library.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { examine } from '../../src/fhir/validate.ts';
import { examples } from './examples.ts';

const runs = Number(process.env['FUZZ_RUNS'] ?? 1_500);

const fixture = join(import.meta.dirname, '../fixtures/ips');
const read = (file: string): string => readFileSync(join(fixture, file), 'utf8');
const profiles = openLibrary(
  readdirSync(join(fixture, 'package'))
    .filter((file) => file !== 'package.json')
    .map((file) => parseJson(read(`package/${file}`)) as Definition),
);
const seeds: AnyResource[] = [
  ...examples,
  ...read('examples.ndjson')
    .trim()
    .split('\n')
    .map((line) => parseJson(line) as AnyResource),
  {
    resourceType: 'Observation',
    status: 'final',
    code: { text: 'x' },
    contained: [{ resourceType: 'Patient', id: 'p' }],
    subject: { reference: '#p' },
  },
];

/** What is put in the place of something: of every JSON type, and what looks right. */
const replacement = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    [],
    {},
    '',
    '#p',
    '#',
    'Patient/1',
    0,
    -1,
    true,
    [null],
    [[]],
    [{}],
    { reference: '#p' },
    { resourceType: 'Patient' },
    { extension: [null] },
    { url: 7 },
  ),
  fc.jsonValue({ maxDepth: 3 }),
);

/** A copy with one place, chosen by a number, changed. */
function changed(value: unknown, place: number, by: unknown): unknown {
  let at = place;
  const walk = (from: unknown): unknown => {
    if (at-- === 0) return by;
    if (Array.isArray(from)) return from.map(walk);
    if (typeof from !== 'object' || from === null) return from;
    return Object.fromEntries(Object.entries(from).map(([name, held]) => [name, walk(held)]));
  };
  return walk(value);
}

function sizeOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1;
  return Object.values(value).reduce((sum: number, held) => sum + sizeOf(held), 1);
}

describe('validation of anything', () => {
  const plain = seeds.map((seed) => JSON.parse(JSON.stringify(seed)) as unknown);
  const sizes = plain.map(sizeOf);
  const checked = (value: unknown): void => {
    for (const depth of ['errors', 'all'] as const) {
      for (const { path, message } of examine(value, { profiles, depth })) assert.ok(path !== '' && message !== '');
    }
  };

  it('resources with some places changed', function () {
    this.timeout(600_000);
    const place = fc.tuple(fc.nat(), replacement);
    fc.assert(
      fc.property(fc.nat(plain.length - 1), fc.array(place, { minLength: 1, maxLength: 3 }), (index, places) => {
        const damaged = places.reduce((value, [at, by]) => changed(value, at % (sizes[index] ?? 1), by), plain[index]);
        checked(damaged);
      }),
      { numRuns: runs },
    );
  });

  it('any JSON at all', () => {
    fc.assert(fc.property(fc.jsonValue(), checked), { numRuns: runs });
  });
});
