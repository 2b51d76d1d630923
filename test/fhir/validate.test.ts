import assert from 'node:assert/strict';
import { validateResource } from '@medplum/core';
import type { Resource } from '@medplum/fhirtypes';
import { knownInvalid } from '../../bench/corpus/fhir.ts';
import { evaluate } from '../../src/fhir/fhirpath.ts';
import { parseJson, plainNumbers } from '../../src/fhir/json.ts';
import { Problem } from '../../src/fhir/problem.ts';
import { resourceTypes, type AnyResource } from '../../src/fhir/types.ts';
import { assertValid, examine, validate } from '../../src/fhir/validate.ts';
import { corpusExamples, examples, observation } from './examples.ts';

const base = { resourceType: 'Observation', status: 'final', code: { text: 'x' } };
const found = (resource: unknown): string[] =>
  validate(resource).map(({ code, expression }) => `${code} ${expression.join()}`);

describe('a valid resource has no issues', () => {
  for (const example of examples)
    it(`${example.resourceType}/${example.id}`, () => assert.deepEqual(found(example), []));
  const rows: [string, object][] = [
    ['a decimal with its digits', parseJson('{"valueQuantity":{"value":1.50}}') as object],
    [
      'a primitive with an extension and no value',
      { status: undefined, _status: { extension: [{ url: 'http://x', valueCode: 'unknown' }] } },
    ],
    [
      'null where the other list has the value',
      { valueString: 'x', note: [{ text: 'n' }], identifier: [{ value: '1' }], component: [{ code: { text: 'c' } }] },
    ],
    [
      'lists of primitives with extensions',
      {
        instantiatesCanonical: undefined,
        meta: { profile: ['http://a', null], _profile: [null, { extension: [{ url: 'http://x', valueString: 'y' }] }] },
      },
    ],
    [
      'a contained resource that is referred to',
      { contained: [{ resourceType: 'Patient', id: 'p' }], subject: { reference: '#p' } },
    ],
    ['a value and its extension are one value of a choice', { valueString: 'x', _valueString: { id: 'a' } }],
    [
      'a shorter list of extensions: what is not there is null',
      { meta: { profile: ['http://a', 'http://b'], _profile: [{ id: 'x' }] } },
    ],
    [
      'a modifier extension on a backbone element',
      { component: [{ code: { text: 'c' }, modifierExtension: [{ url: 'http://x', valueString: 'y' }] }] },
    ],
    ['an instant with a leap second', { issued: '2016-12-31T23:59:60Z' }],
    ['a URN reference', { subject: { reference: 'urn:uuid:91824e53-f7bc-f812-8880-cd40f8ec7602' } }],
  ];
  for (const [what, elements] of rows) {
    it(what, () => assert.deepEqual(found(JSON.parse(JSON.stringify({ ...base, ...elements })) as object), []));
  }
});

describe('what is wrong is named, with its FHIRPath', () => {
  const rows: [string, object, string][] = [
    ['an unknown element (json.html)', { colour: 'red' }, 'structure Observation.colour'],
    [
      'an unknown element deep inside',
      { component: [{ code: { text: 'c', txt: 'd' } }] },
      'structure Observation.component[0].code.txt',
    ],
    ['a prototype key', JSON.parse('{"__proto__":{"a":1}}') as object, ''],
    ['a required element is missing', { status: undefined }, 'required Observation.status'],
    [
      'a required element of an inner type',
      { component: [{}, { code: { text: 'c' } }] },
      'structure Observation.component[0],required Observation.component[0].code',
    ],
    ['one value where a list is', { category: { text: 'x' } }, 'structure Observation.category'],
    ['a list where one value is', { code: [{ text: 'x' }] }, 'structure Observation.code'],
    ['an empty list', { category: [] }, 'structure Observation.category'],
    ['an empty object (ele-1)', { subject: {} }, 'structure Observation.subject'],
    ['null', { subject: null }, 'structure Observation.subject'],
    ['null in a list without a partner', { category: [null] }, 'structure Observation.category[0]'],
    [
      'null in both lists of a primitive (json.html#primitive)',
      { meta: { profile: ['http://a', null], _profile: [null, null] } },
      'structure Observation.meta.profile[1],structure Observation.meta._profile[1]',
    ],
    ['a sibling without id and extension', { _status: {} }, 'structure Observation._status'],
    [
      'a sibling that holds more than id and extension',
      { _status: { value: 'final' } },
      'structure Observation._status.value',
    ],
    ['a sibling of what is no primitive', { _subject: { id: 'a' } }, 'structure Observation._subject'],
    [
      'two types of a choice, one by its extension alone',
      { valueString: 'x', _valueInteger: { extension: [{ url: 'http://x', valueString: 'y' }] } },
      'structure Observation.value',
    ],
    ['an extension without url', { extension: [{ valueString: 'x' }] }, 'required Observation.extension[0].url'],
    [
      'a modifier extension where R4 has none',
      { subject: { reference: 'Patient/1', modifierExtension: [{ url: 'http://x', valueString: 'y' }] } },
      'structure Observation.subject.modifierExtension',
    ],
    [
      'a decimal of 101 characters',
      parseJson(`{"valueQuantity":{"value":0.${'1'.repeat(99)}}}`) as object,
      'value Observation.valueQuantity.value',
    ],
    ['half a surrogate pair', { valueString: 'a\ud800' }, 'value Observation.valueString'],
    ['a URI with a space', { identifier: [{ system: 'a b' }] }, 'value Observation.identifier[0].system'],
    [
      'a number for a string, deep inside',
      { note: [{ text: 'x', authorString: 7 }] },
      'value Observation.note[0].authorString',
    ],
    ['a string for an object', { subject: 'Patient/1' }, 'structure Observation.subject'],
    ['a number for a string', { valueString: 5 }, 'value Observation.valueString'],
    ['a string for a number', { valueQuantity: { value: '5' } }, 'value Observation.valueQuantity.value'],
    ['a string for a boolean', { valueBoolean: 'true' }, 'value Observation.valueBoolean'],
    ['two types of a choice', { valueString: 'x', valueInteger: 5 }, 'structure Observation.value'],
    ['an integer with a fraction', { valueInteger: 1.5 }, 'value Observation.valueInteger'],
    ['an integer beyond 32 bits', { valueInteger: 2147483648 }, 'value Observation.valueInteger'],
    ['an empty string', { valueString: '' }, 'value Observation.valueString'],
    ['white space alone', { valueString: ' \n' }, 'value Observation.valueString'],
    ['a control character', { valueString: 'a\u0000b' }, 'value Observation.valueString'],
    ['a day that does not exist', { effectiveDateTime: '2023-02-29' }, 'value Observation.effectiveDateTime'],
    [
      'a time without a zone (datatypes.html#dateTime)',
      { effectiveDateTime: '2023-02-28T10:00:00' },
      'value Observation.effectiveDateTime',
    ],
    ['a time without seconds', { effectiveDateTime: '2023-02-28T10:00Z' }, 'value Observation.effectiveDateTime'],
    ['an instant that is a day', { issued: '2023-02-28' }, 'value Observation.issued'],
    ['an id with a slash', { id: 'a/b' }, 'value Observation.id'],
    ['an id of 65 characters', { id: 'a'.repeat(65) }, 'value Observation.id'],
    ['a code with double spaces', { language: 'a  b' }, 'value Observation.language'],
    ['a required binding (terminologies.html#required)', { status: 'finished' }, 'code-invalid Observation.status'],
    [
      'a required binding of a data type',
      { identifier: [{ use: 'main', value: '1' }] },
      'code-invalid Observation.identifier[0].use',
    ],
    [
      'a reference that is none (references.html)',
      { subject: { reference: 'Patient' } },
      'value Observation.subject.reference',
    ],
    [
      'a conditional reference outside a transaction',
      { subject: { reference: 'Patient?identifier=1' } },
      'value Observation.subject.reference',
    ],
    [
      'a reference to a type that may not stand here',
      { subject: { reference: 'Medication/1' } },
      'value Observation.subject.reference',
    ],
    ['a fragment without its resource (ref-1)', { subject: { reference: '#p' } }, 'invariant Observation.subject'],
    [
      'a contained resource nobody refers to (dom-3)',
      { contained: [{ resourceType: 'Patient', id: 'p' }] },
      'invariant Observation',
    ],
    ['a contained resource of no type', { contained: [{ id: 'p' }] }, 'structure Observation.contained[0]'],
    [
      'an extension with value and extensions (ext-1)',
      { extension: [{ url: 'http://x', valueString: 'a', extension: [{ url: 'y', valueString: 'b' }] }] },
      'invariant Observation.extension[0]',
    ],
    ['an extension without either', { extension: [{ url: 'http://x' }] }, 'invariant Observation.extension[0]'],
    [
      'a period that ends before it starts (per-1)',
      { effectivePeriod: { start: '2024-02-01', end: '2024-01-01' } },
      'invariant Observation.effectivePeriod',
    ],
    [
      'a code without its system (qty-3)',
      { valueQuantity: { value: 1, code: 'mg' } },
      'invariant Observation.valueQuantity',
    ],
    [
      'a value beside its absence (obs-6)',
      { valueString: 'x', dataAbsentReason: { text: 'y' } },
      'invariant Observation',
    ],
    [
      'active markup (txt-1)',
      { text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml"><script>x</script></div>' } },
      'invariant Observation.text.div',
    ],
  ];
  for (const [what, elements, expected] of rows) {
    it(what, () => {
      const resource = Object.fromEntries(
        Object.entries({ ...base, ...elements }).filter(([, value]) => value !== undefined),
      );
      // A literal cannot carry the key, JSON can.
      const given: unknown =
        what === 'a prototype key'
          ? Object.defineProperty({ ...base }, '__proto__', { value: {}, enumerable: true })
          : resource;
      assert.equal(found(given).join(), expected === '' ? 'structure Observation.__proto__' : expected);
    });
  }
  for (const nothing of [undefined, null, 'x', 7, [], {}, { resourceType: 'Nonsense' }, { resourceType: 'toString' }]) {
    it(`no resource at all: ${JSON.stringify(nothing)}`, () =>
      assert.deepEqual(found(nothing), ['structure resourceType']));
  }
  it('a value never shows in a message', () => {
    const messages = validate({ ...base, status: 'SECRET', valueInteger: 'SECRET', 'SECRET NAME': 1 });
    assert.equal(messages.length, 3);
    assert.ok(messages.every((problem) => !/SECRET/.test(problem.message + problem.expression.join())));
  });
  const hints: [string, object, string | undefined][] = [
    ['the name that was meant', { statuss: 'final' }, 'Is status meant?'],
    ['two letters the wrong way round', { effectiveDateTmie: '2024' }, 'Is effectiveDateTime meant?'],
    ['nothing near', { colour: 'red' }, 'What R4 has no element for belongs into an extension.'],
    [
      'the codes of a short value set',
      { status: 'finished' },
      'http://hl7.org/fhir/ValueSet/observation-status: registered, preliminary, final, amended, corrected, cancelled, entered-in-error, unknown',
    ],
  ];
  for (const [what, elements, hint] of hints) {
    it(`the hint: ${what}`, () => assert.equal(validate({ ...base, ...elements })[0]?.hint, hint));
  }
  it('warnings and advice come beside errors, not instead of them, and never refuse', () => {
    const told = examine(
      { ...base, interpretation: [{ coding: [{ system: 'urn:x', code: 'y' }] }], language: 'tlh' },
      { depth: 'all' },
    );
    assert.deepEqual(
      told.map(({ severity, code, path }) => `${severity} ${code} ${path}`),
      [
        'warning code-invalid Observation.interpretation[0]',
        'information code-invalid Observation.language',
        'warning invariant Observation',
      ],
    );
    assert.deepEqual(validate({ ...base, interpretation: [{ coding: [{ system: 'urn:x', code: 'y' }] }] }), []);
  });
  it('assertValid throws the first and names the number of the others', () => {
    assert.throws(
      () => assertValid({ ...base, status: 'x', colour: 1 }),
      (error) => error instanceof Problem && /1 more/.test(error.message),
    );
    assertValid(observation);
  });
  it('issues are bounded', () => {
    assert.equal(validate({ ...base, category: Array.from({ length: 500 }, () => ({ bad: 1 })) }).length, 50);
  });
});

describe('validation against the R4 examples of the corpus', () => {
  const resources = corpusExamples();
  before(function () {
    if (resources.length > 0) return;
    console.log('      skipped: no shared corpus here (CORPUS_DIR)');
    this.skip();
  });
  it('each is valid, or breaks the rule that is listed', () => {
    for (const resource of resources) {
      const name = `${resource.resourceType}/${resource.id}`;
      assert.equal(found(resource)[0], knownInvalid[name], name);
    }
  });
  it('what the library finds wrong with a damaged example is found here too', () => {
    let compared = 0;
    // Evaluating anything on a type makes it known to the library.
    for (const type of resourceTypes) evaluate('id', type, {}, { resourceType: type });
    for (const resource of resources) {
      // The library refuses white space inside base64; R4's pattern allows it. It takes milliseconds for large ones.
      if (resource.resourceType === 'Media' || JSON.stringify(resource).length > 1500) continue;
      for (const damaged of damage(plainNumbers(resource) as AnyResource)) {
        if (!isRefused(damaged)) continue;
        compared++;
        assert.notDeepEqual(found(damaged), [], JSON.stringify(damaged).slice(0, 200));
      }
    }
    assert.ok(compared > 1000);
  });
});

/** An example with one element taken away, wrapped into a list, or misspelt. */
function* damage(resource: AnyResource): Generator<AnyResource> {
  for (const key of Object.keys(resource)) {
    if (key === 'resourceType' || key === 'text') continue;
    const { [key]: value, ...rest } = resource;
    yield rest as AnyResource;
    yield { ...resource, [key]: Array.isArray(value) ? value[0] : [value] };
    yield { ...rest, [`${key}x`]: value } as AnyResource;
  }
}

function isRefused(resource: AnyResource): boolean {
  try {
    validateResource(resource as Resource);
    return false;
  } catch {
    return true;
  }
}
