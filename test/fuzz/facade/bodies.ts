/**
 * Bodies: patches, Parameters and Bundles, sound or with anything anywhere; and bytes that are no JSON, or more of it than anybody
 * needs.
 */
import fc from 'fast-check';
import { oddTexts, oddValues } from './oddities.ts';
import { change, steps, template, type Json } from './resources.ts';

/** Of what the world's records have. */
const soundPatch: fc.Arbitrary<unknown> = fc.constantFrom(
  [{ op: 'add', path: '/extension', value: [{ url: 'urn:f', valueDecimal: 1.5 }] }],
  [
    { op: 'replace', path: '/active', value: true },
    { op: 'test', path: '/resourceType', value: 'Patient' },
  ],
  [
    { op: 'copy', from: '/name/0', path: '/name/-' },
    { op: 'remove', path: '/name/0' },
  ],
  [{ op: 'add', path: '/note', value: [{ text: 'x' }] }],
  [{ op: 'replace', path: '/subject/reference', value: 'Patient/hidden-1' }],
);
/** @see https://www.rfc-editor.org/rfc/rfc6902 */
export const jsonPatch: fc.Arbitrary<unknown> = fc
  .tuple(
    fc.oneof(
      soundPatch,
      fc.array(
        fc.record({
          op: fc.constantFrom('add', 'remove', 'replace', 'move', 'copy', 'test', 'spam'),
          path: fc.oneof(
            fc.constantFrom(
              '',
              '/',
              '/name/-',
              '/name/0/family',
              '/meta',
              '/id',
              '/__proto__/x',
              '/constructor',
              '/name/00',
              '/a~2',
              '/extension/-',
            ),
            oddTexts,
          ),
          from: fc.constantFrom('/name', '/name/0', '', '/telecom'),
          value: oddValues,
        }),
        { maxLength: 6 },
      ),
    ),
    fc.oneof(fc.constant([]), steps),
  )
  .map(([operations, changes]) => change(operations, changes));

const paths = fc.oneof(
  fc.constantFrom(
    'Patient',
    'Patient.name',
    'Patient.name[0].family',
    "Patient.name.where(use = 'official')",
    'Patient.name.first()',
    'name',
    '%resource',
    'Patient.extension',
    'Patient.repeat(name)',
    'Patient.name.given[99999999999]',
    'Patient.meta',
    '('.repeat(300),
  ),
  oddTexts,
);
/** @see https://hl7.org/fhir/R4/fhirpatch.html */
export const fhirPathPatch: fc.Arbitrary<unknown> = fc
  .tuple(
    fc.array(
      fc.record({
        type: fc.constantFrom('add', 'insert', 'delete', 'replace', 'move', 'spam'),
        path: paths,
        name: fc.oneof(fc.constantFrom('birthDate', 'name', 'contact', 'extension', '__proto__'), oddTexts),
        index: fc.constantFrom(0, 1, -1, 99_999_999),
        value: fc.constantFrom<Json>(
          { valueString: 'x' },
          { valueDate: '2026' },
          { valueHumanName: { family: 'x' } },
          { part: [] },
          {},
        ),
      }),
      { maxLength: 4 },
    ),
    steps,
  )
  .map(([operations, changes]) =>
    change(
      {
        resourceType: 'Parameters',
        parameter: operations.map(({ type, path, name, index, value }) => ({
          name: 'operation',
          part: [
            { name: 'type', valueCode: type },
            { name: 'path', valueString: path },
            { name: 'name', valueString: name },
            { name: 'value', ...value },
            ...['index', 'source', 'destination'].map((one) => ({ name: one, valueInteger: index })),
          ],
        })),
      },
      changes,
    ),
  );

const names = (
  'url code system coding codeableConcept valueSet filter offset count display codeA codeB codingA conceptMap source target reverse ' +
  'resource mode profile meta start end _since _type _count _cursor patient max type on-demand _outputFormat _elements _typeFilter ' +
  'property date context exclude-system targetsystem subject category'
).split(' ');
const inputNames = fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...names) }, { weight: 1, arbitrary: oddTexts });
const inputs = fc.array(
  fc.tuple(
    inputNames,
    fc.oneof(
      fc.constantFrom<Json>(
        { valueUri: 'http://hl7.org/fhir/ValueSet/observation-status' },
        { valueUri: 'http://hl7.org/fhir/observation-status' },
        { valueCode: 'final' },
        { valueCoding: { system: 'http://hl7.org/fhir/observation-status', code: 'final' } },
        { valueCodeableConcept: { coding: [{ system: 'http://loinc.org', code: '718-7' }, {}] } },
        { valueMeta: { tag: [{ system: 'urn:f', code: 'x' }], security: [{ code: 'R' }] } },
        { valueReference: { reference: 'Patient/p-1' } },
        { valueReference: { reference: 'Patient/hidden-1' } },
        { valueInteger: 1_000_000_000 },
        { valueBoolean: true },
        { valueDateTime: '2026-01-01' },
        { resource: template('ValueSet', 2) },
        { resource: template('Patient', 1) },
        { resource: template('ConceptMap', 2) },
        { part: [{ name: 'x', valueString: 'x' }] },
      ),
      oddValues.map((value) => ({ valueString: value })),
    ),
  ),
  { maxLength: 6 },
);
/** @see https://hl7.org/fhir/R4/operations.html#request */
export const parameters: fc.Arbitrary<unknown> = fc
  .tuple(inputs, fc.oneof(fc.constant([]), steps))
  .map(([all, changes]) =>
    change({ resourceType: 'Parameters', parameter: all.map(([name, value]) => ({ name, ...value })) }, changes),
  );
/** The same in a URL. */
export const inputPairs: fc.Arbitrary<readonly (readonly [string, string])[]> = inputs.map((all) =>
  all.map(([name, element]) => {
    const [value] = Object.values(element);
    return [name, typeof value === 'string' ? value : (JSON.stringify(value) ?? '')] as const;
  }),
);

interface Entry {
  readonly method: string;
  readonly url: string;
  readonly resource: unknown;
}
export function bundle(entry: fc.Arbitrary<Entry>): fc.Arbitrary<unknown> {
  const one = fc
    .tuple(
      entry,
      fc.constantFrom<Json>({}, { ifNoneExist: 'identifier=urn:f|1' }, { ifMatch: 'W/"1"' }, { ifNoneMatch: '*' }),
      fc.nat({ max: 3 }),
    )
    .map(([{ method, url, resource: held }, more, nth]) => ({
      ...(nth === 0 ? {} : { fullUrl: `urn:uuid:61ebe359-bfdc-4613-8bf2-c5e30094000${nth}` }),
      ...(held === undefined ? {} : { resource: held }),
      request: { method, url, ...more },
    }));
  return fc
    .tuple(
      fc.constantFrom('transaction', 'batch', 'batch', 'collection'),
      fc.array(one, { maxLength: 5 }),
      fc.oneof(fc.constant([]), steps),
    )
    .map(([type, entries, changes]) => change({ resourceType: 'Bundle', type, entry: entries }, changes));
}

const noText = [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0]].map((bytes) => Uint8Array.from(bytes));
const noJson = [
  ...String.raw`" { } [ , : - \ud800 \u0000 1e999 "resourceType":"Patient", "a":1,"a":2, "__proto__":{},`.split(' '),
  '1'.repeat(400),
  '0.'.padEnd(5_000, '0'),
  '['.repeat(3_000),
  '{"a":'.repeat(3_000),
];

/** More than the hub reads of a body: what is longer is refused by its length alone. */
const charsMax = 8_000_000;

/** Many of many large values may be longer than a text can be; cut, they are as much too long. */
function textOf(value: unknown): string {
  try {
    return (JSON.stringify(value) ?? '').slice(0, charsMax);
  } catch (error) {
    if (error instanceof RangeError) return '['.repeat(charsMax);
    throw error;
  }
}

/** Bytes of a body: what was meant, mostly; else cut, doubled, not UTF-8, a name twice, numbers without end, deep, or long. */
export function bytes(content: fc.Arbitrary<unknown>): fc.Arbitrary<Buffer> {
  const text = content.map(textOf);
  const at = fc.double({ min: 0, max: 1, noNaN: true });
  const damaged = fc
    .tuple(text, at, fc.constantFrom<string | Uint8Array>(...noText, ...noJson), fc.boolean())
    .map(([whole, where, piece, isCut]) => {
      const split = Math.floor(where * whole.length);
      const rest = isCut ? '' : whole.slice(split);
      return Buffer.concat([Buffer.from(whole.slice(0, split)), Buffer.from(piece as Uint8Array), Buffer.from(rest)]);
    });
  const filled = fc
    .tuple(fc.constantFrom('[]', '{}', '1,', '"x",', ' ', '{"url":"x"},'), fc.constantFrom(10, 20_000))
    .map(([piece, times]) => Buffer.from(`{"resourceType":"Patient","extension":[${piece.repeat(times)}]}`));
  return fc.oneof(
    { weight: 40, arbitrary: text.map((one) => Buffer.from(one)) },
    { weight: 8, arbitrary: damaged },
    { weight: 1, arbitrary: filled },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }).map((some) => Buffer.from(some)) },
    {
      weight: 1,
      arbitrary: fc.constantFrom('', ' ', 'null', '[]', '1', '"x"', '\ufeff{}').map((some) => Buffer.from(some)),
    },
  );
}
