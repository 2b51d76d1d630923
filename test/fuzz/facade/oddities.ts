/** Texts and values that have broken parsers before: for queries, headers, elements and parameters alike. */
import fc from 'fast-check';

/**
 * Records of the world (world.ts), by type. What is `hidden-` nobody here may see; it holds the canary, which stands nowhere here.
 * Nothing is ever called `nobody-`.
 */
export const idsByType: Readonly<Record<string, readonly string[]>> = {
  Patient: ['p-1', 'p-1', 'p-2', 'hidden-1'],
  Observation: ['o-1', 'o-2', 'o-3', 'o-4', 'hidden-o'],
  Encounter: ['e-1', 'hidden-e'],
  Condition: ['hidden-c'],
  DocumentReference: ['d-1'],
  Group: ['g-1'],
  List: ['l-1', 'hidden-l'],
  Practitioner: ['hidden-d'],
  Consent: ['consent-1'],
};
const known = [...new Set(Object.values(idsByType).flat()), 'example', 'f-1'];
/** What a record may be called: of what is hidden only where it is, or it would be the caller's own and tell nothing. */
export const namesOf = once((type: string): readonly string[] => [
  ...known.filter((id) => !id.startsWith('hidden-')),
  ...(Object.hasOwn(idsByType, type) ? (idsByType[type] ?? []) : []),
]);

const signs = [
  '',
  ' ',
  ...String.raw`* , ,, | || ||| $ $$ : :: . .. / // ? & = % %% %_ - -- _ ' " \ \\ \, \| \$`.split(' '),
];
const code = ["'; drop table resource; --", '${x}', '{{x}}', '<script>'];
const letters = [
  '\u0000',
  'a\u0000b',
  '\ud800',
  '\udfff\ud800',
  '\u202e',
  '\ufeff',
  'İ',
  'ß',
  'ﬃ',
  'A\u030a',
  '王小明',
  '\u{1f9ec}',
];
const names = '__proto__ constructor prototype toString hasOwnProperty null undefined NaN true false'.split(' ');
const numbers = (
  '0 -0 -1 1e400 -1e400 1e-400 0x10 Infinity 1_000 2147483648 9007199254740993 9223372036854775808 -9223372036854775809 ' +
  `1.7976931348623159e308 ${'9'.repeat(40)} ${'0.'.padEnd(60, '1')}`
).split(' ');
const dates = (
  '0000 0000-01-01 9999 9999-12-31T23:59:60Z 10000-01-01 2024-02-30 2024-13 2024-01-01T24:00:00Z 2024-01-01T10:00:00+14:00 ' +
  '2024-01-01T10:00:00+99:99 2024-01-01T10 -2024 1582-10-10 2024-W01'
).split(' ');
const long = fc
  .tuple(
    fc.constantFrom('a', '(', '\\', ',', '%', '王', '$', '|', '.', '[', '"', ' and '),
    fc.constantFrom(50, 300, 2_000),
  )
  .map(([piece, times]) => piece.repeat(times));

/** Any code points, lone surrogates too. (`unit: 'binary'` makes a table of all of them first: 3 s.) */
const anything = fc
  .array(fc.integer({ min: 0, max: 0x10_ff_ff }), { maxLength: 8 })
  .map((points) => String.fromCodePoint(...points));

export const oddTexts: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(...signs, ...code, ...letters, ...names, ...numbers, ...dates),
  fc.string({ maxLength: 12 }),
  anything,
  long,
);

const uuids = fc.uuid();

export const ids: fc.Arbitrary<string> = fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...known) }, uuids, oddTexts);

/** In paths. */
export const idsOf = once((type: string) =>
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.constantFrom(...(Object.hasOwn(idsByType, type) ? (idsByType[type] ?? []) : ['example', 'f-1'])),
    },
    { weight: 3, arbitrary: fc.constantFrom(...namesOf(type)) },
    { weight: 1, arbitrary: uuids },
    { weight: 2, arbitrary: oddTexts },
  ),
);

/** What may stand in the place of any JSON value. */
export const oddValues: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    0,
    -1,
    1.5,
    1e21,
    [],
    {},
    [null],
    [[]],
    [{}],
    { resourceType: 'Patient' },
    { extension: [] },
  ),
  fc.constantFrom<unknown>(
    { reference: 'Patient/hidden-1' },
    { reference: '#x' },
    { value: 'x' },
    { id: 1 },
    { coding: {} },
  ),
  oddTexts,
  fc.jsonValue({ maxDepth: 2 }),
);

/** For a query or a path: as `encodeURIComponent`, but never throwing: a lone surrogate becomes the bytes that CESU-8 gives it. */
export function escapeText(text: string): string {
  return Array.from(text, (character) => {
    const point = character.codePointAt(0) as number;
    if (point < 0xd800 || point > 0xdfff) return encodeURIComponent(character);
    return [0xe0 | (point >> 12), 0x80 | ((point >> 6) & 0x3f), 0x80 | (point & 0x3f)]
      .map((byte) => `%${byte.toString(16)}`)
      .join('');
  }).join('');
}

/** Arbitraries are costly to make and cheap to draw from: made once for each key. */
export function once<K extends readonly (string | number)[], T>(make: (...key: K) => T): (...key: K) => T {
  const made = new Map<string, T>();
  return (...key) => {
    const name = key.join(' ');
    let found = made.get(name);
    if (found === undefined) made.set(name, (found = make(...key)));
    return found;
  };
}

/** One request in so many has it. */
export function seldom<T>(oneIn: number, arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: oneIn - 1, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
}
