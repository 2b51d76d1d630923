/**
 * Bodies: a resource of any R4 type, made from the definitions the hub itself validates by, sound or with anything anywhere;
 * patches, Parameters and Bundles likewise; and bytes that are no JSON, or more of it than anybody needs.
 */
import fc from 'fast-check';
import { jsonNames, typeDefinition, valueSet, type ElementDefinition } from '../../../src/fhir/definitions.ts';
import { resourceTypes } from '../../../src/fhir/types.ts';
import { knownIds, oddTexts, oddValues, once } from './oddities.ts';

type Json = Record<string, unknown>;

/** FHIR R4 json.html: no object is empty, so data types without required elements have one here. */
const plain: Readonly<Record<string, unknown>> = {
  boolean: true,
  integer: 1,
  positiveInt: 1,
  unsignedInt: 0,
  decimal: 1.5,
  date: '2026-01-01',
  dateTime: '2026-01-01T10:00:00Z',
  instant: '2026-01-01T10:00:00.000Z',
  time: '10:00:00',
  base64Binary: 'eA==',
  uri: 'urn:f',
  url: 'http://example.org/f',
  canonical: 'http://example.org/f|1',
  oid: 'urn:oid:1.2.3',
  uuid: 'urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a',
  id: 'f',
  xhtml: '<div xmlns="http://www.w3.org/1999/xhtml">x</div>',
  Attachment: { contentType: 'text/plain', data: 'eA==' },
  Coding: { system: 'http://loinc.org', code: '718-7' },
  Extension: { url: 'http://example.org/extension', valueString: 'x' },
  Identifier: { system: 'urn:f', value: '1' },
  Money: { value: 1.5, currency: 'CNY' },
  Period: { start: '2026-01-01' },
  Quantity: { value: 5.4, unit: 'mg', system: 'http://unitsofmeasure.org', code: 'mg' },
  Resource: { resourceType: 'Patient', id: 'c' },
};

/** One value of a type: its required elements, and the optional ones as well down to `depth`. */
function valueOf(type: string, element: ElementDefinition, depth: number): unknown {
  const systems = element.valueSet === undefined ? undefined : valueSet(element.valueSet);
  const [system, [code = 'x'] = []] = Object.entries(systems ?? {})[0] ?? [];
  if (type === 'code') return code;
  if (type === 'Coding' && system !== undefined) return { system, code };
  if (type === 'CodeableConcept')
    return { coding: [{ system: system ?? 'http://loinc.org', code: system === undefined ? '718-7' : code }] };
  if (type === 'Reference')
    return {
      reference: element.targets?.includes('Patient') ? 'Patient/p-1' : `${element.targets?.[0] ?? 'Patient'}/example`,
    };
  return plain[type] ?? (typeDefinition(type) === undefined ? 'x' : elementsOf(type, depth));
}

function elementsOf(type: string, depth: number): Json {
  const all: Json = {};
  for (const [name, element] of Object.entries(typeDefinition(type)?.elements ?? {})) {
    if (
      (element.min ?? 0) === 0 &&
      (depth <= 0 || ['id', 'meta', 'implicitRules', 'contained', 'modifierExtension'].includes(name))
    )
      continue;
    const [property] = jsonNames(name, element);
    if (property === undefined) continue;
    const value = valueOf(property.type, element, depth - 1);
    if (typeof value === 'object' && Object.keys(value as object).length === 0) continue;
    all[property.name] = element.max === undefined || element.max === 1 ? value : [value];
  }
  return all;
}

/** The arbitraries copy it before they change it. */
const template = once((type: string, depth: number): Json => ({ resourceType: type, ...elementsOf(type, depth) }));

type Place = readonly string[];
const placesMax = 2_000;
function places(held: unknown, path: Place = []): Place[] {
  if (typeof held !== 'object' || held === null) return [];
  return Object.entries(held)
    .flatMap(([key, child]) => {
      const at = [...path, key];
      return [at, ...places(child, at)];
    })
    .slice(0, placesMax);
}

interface Step {
  readonly at: number;
  readonly kind: 'put' | 'drop' | 'add' | 'underscore' | 'nest' | 'many';
  readonly value: unknown;
  readonly name: string;
}
const steps = fc.array(
  fc.record({
    at: fc.nat(),
    kind: fc.constantFrom<Step['kind']>('put', 'put', 'drop', 'add', 'underscore', 'nest', 'many'),
    value: oddValues,
    name: fc.oneof(
      fc.constantFrom(
        'extension',
        'id',
        'resourceType',
        '__proto__',
        'constructor',
        'meta',
        'contained',
        'fhir_comments',
        'x',
      ),
      oddTexts,
    ),
  }),
  { maxLength: 4 },
);

/** Four times over, of the longest template, this is a body that the hub still reads. */
const manyMax = 8;

/** @returns a changed copy */
function change(original: unknown, all: readonly Step[]): unknown {
  const copy: unknown = structuredClone(original);
  for (const { at, kind, value: drawn, name } of all) {
    const value: unknown = structuredClone(drawn);
    const found = places(copy);
    const path = found[at % Math.max(1, found.length)];
    if (path === undefined) continue;
    const holder = path.slice(0, -1).reduce<any>((held, key) => held[key], copy); // eslint-disable-line typescript/no-explicit-any
    const last = path.at(-1) as string;
    if (kind === 'drop') delete holder[last];
    else if (kind === 'put') holder[last] = value;
    else if (kind === 'underscore') holder[`_${last}`] = value;
    else if (kind === 'nest') holder[last] = nested(holder[last], at % 120);
    else if (kind === 'many') holder[last] = Array.from({ length: 1 + (at % manyMax) }, () => holder[last]);
    // As JSON.parse would: `__proto__` is a name like any other.
    else Object.defineProperty(holder, name, { value, enumerable: true, configurable: true, writable: true });
  }
  return copy;
}

function nested(value: unknown, depth: number): unknown {
  let held = value;
  for (let level = 0; level < depth; level++) held = level % 2 === 0 ? { extension: held } : [held];
  return held;
}

/** A resource as an object: sound as often as not. */
export const resource = once((type: string): fc.Arbitrary<unknown> => {
  const known = resourceTypes.includes(type) ? type : 'Patient';
  return fc
    .record({
      depth: fc.constantFrom(0, 0, 1, 2),
      steps: fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, { weight: 3, arbitrary: steps }),
      id: fc.oneof(fc.constant(undefined), fc.constantFrom<string>(...knownIds)),
      patient: fc.constantFrom('p-1', 'p-2', 'hidden-1', 'absent-1'),
    })
    .map(({ depth, steps: changes, id, patient }) => {
      const text = JSON.stringify(template(known, depth)).replaceAll('Patient/p-1', `Patient/${patient}`);
      return change({ ...(JSON.parse(text) as Json), ...(id === undefined ? {} : { id }) }, changes);
    });
});

/** @see https://www.rfc-editor.org/rfc/rfc6902 */
export const jsonPatch: fc.Arbitrary<unknown> = fc
  .tuple(
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
    steps,
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

/** Bytes of a body: what was meant, mostly; else cut, doubled, not UTF-8, a name twice, numbers without end, deep, or long. */
export function bytes(content: fc.Arbitrary<unknown>): fc.Arbitrary<Buffer> {
  const text = content.map((value) => JSON.stringify(value) ?? '');
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
