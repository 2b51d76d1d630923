/** FHIRPath Patch. @see https://hl7.org/fhir/R4/fhirpatch.html */
import assert from 'node:assert/strict';
import { applyFhirPathPatch, readFhirPathPatch } from '../../src/fhir/patch/fhirpath-patch.ts';
import { parseJson } from '../../src/fhir/json.ts';
import { Problem, type ProblemCode } from '../../src/fhir/problem.ts';
import type { AnyResource } from '../../src/fhir/types.ts';

type Parts = Record<string, unknown>;

/** An operation of named parts: `{ type: 'add', path: 'Patient', name: 'birthDate', value: { valueDate: '1930-01-01' } }`. */
const operation = ({ type, path, name, value, index, source, destination }: Parts): object => {
  const part = (key: string, held: object | undefined): object[] =>
    held === undefined ? [] : [{ name: key, ...held }];
  const integer = (held: unknown): object | undefined => (held === undefined ? undefined : { valueInteger: held });
  return {
    name: 'operation',
    part: [
      { name: 'type', valueCode: type },
      ...part('path', path === undefined ? undefined : { valueString: path }),
      ...part('name', name === undefined ? undefined : { valueString: name }),
      ...part('value', value as object | undefined),
      ...part('index', integer(index)),
      ...part('source', integer(source)),
      ...part('destination', integer(destination)),
    ],
  };
};
const patchOf = (...operations: Parts[]): object => ({
  resourceType: 'Parameters',
  parameter: operations.map(operation),
});
const patched = (resource: object, ...operations: Parts[]): object =>
  applyFhirPathPatch(structuredClone(resource) as AnyResource, readFhirPathPatch(patchOf(...operations)));
const refuses = (code: ProblemCode, work: () => unknown): void =>
  assert.throws(work, (error) => error instanceof Problem && error.code === code, code);

const patient = { resourceType: 'Patient', id: 'p' };
const identifiers = (...values: string[]): object => ({
  ...patient,
  identifier: values.map((value) => ({ system: 'http://example.org', value })),
});
const contact = (parts: object[]): Parts => ({ type: 'add', path: 'Patient', name: 'contact', value: { part: parts } });

describe('FHIRPath Patch (R4 fhirpatch.html)', () => {
  const rows: [string, object, Parts, object][] = [
    [
      'add: a primitive',
      patient,
      { type: 'add', path: 'Patient', name: 'birthDate', value: { valueDate: '1930-01-01' } },
      { ...patient, birthDate: '1930-01-01' },
    ],
    [
      'add: into an element',
      { ...patient, maritalStatus: {} },
      { type: 'add', path: 'Patient.maritalStatus', name: 'text', value: { valueString: 'married' } },
      { ...patient, maritalStatus: { text: 'married' } },
    ],
    [
      'add: the first of a list',
      patient,
      { type: 'add', path: 'Patient', name: 'name', value: { valueHumanName: { family: 'Li' } } },
      { ...patient, name: [{ family: 'Li' }] },
    ],
    [
      'add: at the end of a list',
      identifiers('1'),
      { type: 'add', path: 'Patient', name: 'identifier', value: { valueIdentifier: { value: '2' } } },
      { ...patient, identifier: [{ system: 'http://example.org', value: '1' }, { value: '2' }] },
    ],
    [
      'add: a choice, named as the element',
      patient,
      { type: 'add', path: 'Patient', name: 'deceased', value: { valueBoolean: true } },
      { ...patient, deceasedBoolean: true },
    ],
    [
      'add: an anonymous type, by its parts',
      patient,
      contact([
        { name: 'name', valueHumanName: { text: 'a name' } },
        { name: 'gender', valueCode: 'female' },
      ]),
      { ...patient, contact: [{ name: { text: 'a name' }, gender: 'female' }] },
    ],
    [
      'add: parts that repeat are a list',
      patient,
      contact([
        { name: 'telecom', valueContactPoint: { value: '1' } },
        { name: 'telecom', valueContactPoint: { value: '2' } },
      ]),
      { ...patient, contact: [{ telecom: [{ value: '1' }, { value: '2' }] }] },
    ],
    [
      'add: a primitive with its extension',
      patient,
      { type: 'add', path: 'Patient', name: 'birthDate', value: { valueDate: '1930-01-01', _valueDate: { id: 'x' } } },
      { ...patient, birthDate: '1930-01-01', _birthDate: { id: 'x' } },
    ],
    [
      'add: to a list of primitives that has extensions',
      { ...patient, name: [{ given: ['A'], _given: [{ id: 'x' }] }] },
      { type: 'add', path: 'Patient.name[0]', name: 'given', value: { valueString: 'B' } },
      { ...patient, name: [{ given: ['A', 'B'], _given: [{ id: 'x' }, null] }] },
    ],
    [
      'insert: at a place',
      identifiers('1', '3'),
      {
        type: 'insert',
        path: 'Patient.identifier',
        index: 1,
        value: { valueIdentifier: { system: 'http://example.org', value: '2' } },
      },
      identifiers('1', '2', '3'),
    ],
    [
      'insert: at the end',
      identifiers('1'),
      {
        type: 'insert',
        path: 'Patient.identifier',
        index: 1,
        value: { valueIdentifier: { system: 'http://example.org', value: '2' } },
      },
      identifiers('1', '2'),
    ],
    [
      'delete: a primitive and its extension',
      { ...patient, birthDate: '1920-01-01', _birthDate: { id: 'x' } },
      { type: 'delete', path: 'Patient.birthDate' },
      patient,
    ],
    ['delete: what is not there is no error', patient, { type: 'delete', path: 'Patient.birthDate' }, patient],
    [
      'delete: one of a list',
      identifiers('1', '2'),
      { type: 'delete', path: 'Patient.identifier[0]' },
      identifiers('2'),
    ],
    [
      'delete: the last of a list takes the list along',
      identifiers('1'),
      { type: 'delete', path: 'Patient.identifier[0]' },
      patient,
    ],
    [
      'delete: by a condition',
      identifiers('1', '2'),
      { type: 'delete', path: "Patient.identifier.where(value = '2')" },
      identifiers('1'),
    ],
    [
      'delete: an extension by its URL',
      { ...patient, extension: [{ url: 'urn:a', valueString: 'x' }] },
      { type: 'delete', path: "Patient.extension('urn:a')" },
      patient,
    ],
    [
      'replace: a primitive',
      { ...patient, birthDate: '1920-01-01' },
      { type: 'replace', path: 'Patient.birthDate', value: { valueDate: '1930-01-01' } },
      { ...patient, birthDate: '1930-01-01' },
    ],
    [
      'replace: one of a list',
      identifiers('1', '2'),
      {
        type: 'replace',
        path: 'Patient.identifier[1]',
        value: { valueIdentifier: { system: 'http://example.org', value: '9' } },
      },
      identifiers('1', '9'),
    ],
    [
      'replace: inside of a list',
      identifiers('1'),
      { type: 'replace', path: 'Patient.identifier[0].value', value: { valueString: '9' } },
      identifiers('9'),
    ],
    [
      'replace: a choice by another type',
      { ...patient, deceasedBoolean: true },
      { type: 'replace', path: 'Patient.deceased', value: { valueDateTime: '2020' } },
      { ...patient, deceasedDateTime: '2020' },
    ],
    [
      'replace: a primitive of a list',
      { ...patient, name: [{ given: ['A', 'B'] }] },
      { type: 'replace', path: 'Patient.name[0].given[1]', value: { valueString: 'C' } },
      { ...patient, name: [{ given: ['A', 'C'] }] },
    ],
    [
      'move: down',
      identifiers('1', '2', '3', '4'),
      { type: 'move', path: 'Patient.identifier', source: 3, destination: 1 },
      identifiers('1', '4', '2', '3'),
    ],
    [
      'move: up',
      identifiers('1', '2', '3', '4'),
      { type: 'move', path: 'Patient.identifier', source: 0, destination: 3 },
      identifiers('2', '3', '4', '1'),
    ],
    [
      'a path without the root',
      { ...patient, active: true },
      { type: 'replace', path: 'active', value: { valueBoolean: false } },
      { ...patient, active: false },
    ],
    [
      'first() and last()',
      identifiers('1', '2', '3'),
      { type: 'delete', path: 'Patient.identifier.last()' },
      identifiers('1', '2'),
    ],
    [
      'ofType(...)',
      { resourceType: 'Observation', valueQuantity: { value: 1 } },
      { type: 'delete', path: 'Observation.value.ofType(Quantity)' },
      { resourceType: 'Observation' },
    ],
    [
      'a parenthesis in quoted text',
      { ...patient, name: [{ text: 'a (b)' }, { text: 'c' }] },
      { type: 'delete', path: "Patient.name.where(text = 'a (b)')" },
      { ...patient, name: [{ text: 'c' }] },
    ],
  ];
  for (const [title, before, one, after] of rows) it(title, () => assert.deepEqual(patched(before, one), after));

  const refused: [string, ProblemCode, object, Parts][] = [
    [
      'add: what is there and does not repeat',
      'value',
      { ...patient, active: true },
      { type: 'add', path: 'Patient', name: 'active', value: { valueBoolean: false } },
    ],
    [
      'add: an element that R4 does not have',
      'value',
      patient,
      { type: 'add', path: 'Patient', name: 'colour', value: { valueString: 'red' } },
    ],
    [
      'add: a type the choice does not take',
      'value',
      patient,
      { type: 'add', path: 'Patient', name: 'deceased', value: { valueString: 'yes' } },
    ],
    [
      'add: to several elements',
      'multiple-matches',
      identifiers('1', '2'),
      { type: 'add', path: 'Patient.identifier', name: 'value', value: { valueString: '3' } },
    ],
    ['add: without a value', 'required', patient, { type: 'add', path: 'Patient', name: 'active' }],
    [
      'insert: beyond the end',
      'value',
      identifiers('1'),
      { type: 'insert', path: 'Patient.identifier', index: 2, value: { valueIdentifier: { value: '2' } } },
    ],
    [
      'insert: into what is no list',
      'value',
      patient,
      { type: 'insert', path: 'Patient.active', index: 0, value: { valueBoolean: true } },
    ],
    [
      'delete: several elements',
      'multiple-matches',
      identifiers('1', '2'),
      { type: 'delete', path: 'Patient.identifier' },
    ],
    [
      'replace: what is not there',
      'value',
      patient,
      { type: 'replace', path: 'Patient.birthDate', value: { valueDate: '1930' } },
    ],
    [
      'move: beyond the end',
      'value',
      identifiers('1'),
      { type: 'move', path: 'Patient.identifier', source: 0, destination: 1 },
    ],
    ['a type that there is not', 'value', patient, { type: 'swap', path: 'Patient.active' }],
    ['no path', 'required', patient, { type: 'delete' }],
    [
      'a path that names no place',
      'not-supported',
      patient,
      { type: 'delete', path: 'Patient.name.given | Patient.name.family' },
    ],
    [
      'a path with a function that changes values',
      'not-supported',
      identifiers('1'),
      { type: 'delete', path: 'Patient.identifier.select(value)' },
    ],
    [
      'a condition that does not parse',
      'value',
      identifiers('1'),
      { type: 'delete', path: 'Patient.identifier.where(=)' },
    ],
    [
      'a parenthesis that is not closed',
      'not-supported',
      identifiers('1'),
      { type: 'delete', path: 'Patient.identifier.where(true' },
    ],
    [
      '__proto__ (LEAKS 44)',
      'value',
      patient,
      { type: 'add', path: 'Patient', name: '__proto__', value: { valueString: 'x' } },
    ],
    ['constructor in a path', 'value', patient, { type: 'delete', path: 'Patient.constructor.prototype' }],
  ];
  for (const [title, code, before, one] of refused) {
    it(`refuses ${title}: ${code}`, () => refuses(code, () => patched(before, one)));
  }

  for (const criteria of [
    '%resource.id.exists()',
    'descendants().exists()',
    'repeat(extension).exists()',
    "value.matches('(a+)+b')",
    'trace(value)',
  ]) {
    it(`a condition does not walk the resource or read expressions: where(${criteria}) (LEAKS 46)`, () => {
      const one = { type: 'delete', path: `Patient.identifier.where(${criteria})` };
      refuses('not-supported', () => patched(identifiers('1'), one));
    });
  }

  it('quoted text in a condition is no call', () => {
    const one = { type: 'delete', path: "Patient.identifier.where(value = 'repeat(%x)')" };
    assert.deepEqual(patched(identifiers('1', 'repeat(%x)'), one), identifiers('1'));
  });

  it('conditions of one patch are asked of a bounded number of elements', () => {
    const many = identifiers(...Array.from({ length: 6_000 }, (_, n) => String(n)));
    const one = { type: 'delete', path: "Patient.identifier.where(value = '1')" };
    refuses('too-costly', () => patched(many, one, one));
    const add = { type: 'add', path: 'Patient.identifier[0]', name: 'use', value: { valueCode: 'old' } };
    const replace = { type: 'replace', path: 'Patient.identifier[0].use', value: { valueCode: 'usual' } };
    refuses('too-costly', () => patched(many, add, ...Array.from({ length: 200 }, () => replace)));
  });

  it('operations are applied in order, and the one that fails is named', () => {
    const operations = [
      { type: 'add', path: 'Patient', name: 'name', value: { valueHumanName: { family: 'Li' } } },
      { type: 'add', path: 'Patient.name[0]', name: 'given', value: { valueString: 'Wei' } },
    ];
    assert.deepEqual(patched(patient, ...operations), { ...patient, name: [{ family: 'Li', given: ['Wei'] }] });
    assert.throws(() => patched(patient, ...operations, { type: 'delete', path: 'Patient.colour' }), {
      expression: ['Parameters.parameter[2]'],
    });
  });

  it('numbers keep their digits', () => {
    const parameters = JSON.stringify(
      patchOf({ type: 'add', path: 'Observation', name: 'value', value: { valueQuantity: { value: 0 } } }),
    ).replace('"value":0', '"value":1.50');
    const resource = { resourceType: 'Observation' } as AnyResource;
    const result = applyFhirPathPatch(resource, readFhirPathPatch(parseJson(parameters)));
    assert.equal(JSON.stringify(result), '{"resourceType":"Observation","valueQuantity":{"value":1.50}}');
  });
});
