import assert from 'node:assert/strict';
import { validateResource } from '@medplum/core';
import type { Resource } from '@medplum/fhirtypes';
import { knownInvalid } from '../../bench/corpus/fhir.ts';
import { typeDefinition, type Invariant } from '../../src/fhir/definitions.ts';
import { evaluate } from '../../src/fhir/fhirpath.ts';
import { evaluateInvariant, nativeInvariants } from '../../src/fhir/invariants.ts';
import { parseJson, plainNumbers } from '../../src/fhir/json.ts';
import { Problem } from '../../src/fhir/problem.ts';
import { resourceTypes, type AnyResource } from '../../src/fhir/types.ts';
import { assertValid, validate } from '../../src/fhir/validate.ts';
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

describe('invariants written as functions agree with their FHIRPath', () => {
  const all = new Map<string, { invariant: Invariant; type: string }>();
  for (const type of [
    ...resourceTypes,
    'Quantity',
    'Period',
    'Range',
    'Ratio',
    'Reference',
    'Extension',
    'ContactPoint',
    'Attachment',
    'Duration',
  ])
    collect(type);

  function collect(type: string): void {
    const definition = typeDefinition(type);
    for (const invariant of definition?.invariants ?? []) all.set(invariant.key, { invariant, type });
    for (const [name, element] of Object.entries(definition?.elements ?? {})) {
      for (const invariant of element.invariants ?? [])
        all.set(invariant.key, { invariant, type: element.types[0] as string });
      if (element.types[0] === `${type}.${name}`) collect(element.types[0]);
    }
  }

  const clinical = (code: string): object => ({
    coding: [{ system: 'http://terminology.hl7.org/CodeSystem/condition-clinical', code }],
  });
  const inError = (system: string): object => ({
    coding: [{ system: `http://terminology.hl7.org/CodeSystem/${system}`, code: 'entered-in-error' }],
  });
  const code = { coding: [{ system: 'urn:a', code: '1' }] };
  /** Values on both sides of each rule. */
  const samples: Record<string, object[]> = {
    'dom-2': [
      { contained: [{ resourceType: 'Patient' }] },
      { contained: [{ contained: [{ resourceType: 'Patient' }] }] },
    ],
    'dom-4': [
      { contained: [{ meta: { versionId: '1' } }] },
      { contained: [{ meta: { lastUpdated: '2024-01-01T00:00:00Z' } }] },
      { contained: [{}] },
    ],
    'dom-5': [{ contained: [{ meta: { security: [{ code: 'R' }] } }] }, { contained: [{}] }],
    'ext-1': [
      { url: 'x', valueString: 'a' },
      { url: 'x' },
      { url: 'x', extension: [{ url: 'y', valueCode: 'a' }] },
      { url: 'x', valueCode: 'a', extension: [{ url: 'y' }] },
    ],
    'qty-3': [{ code: 'mg' }, { code: 'mg', system: 'u' }, { value: 1 }],
    'per-1': [
      { start: '2024-01-01', end: '2024-01-02' },
      { start: '2024-02-01', end: '2024-01-01' },
      { start: '2024' },
      {},
    ],
    'rng-2': [
      { low: { value: 1 }, high: { value: 2 } },
      { low: { value: 3 }, high: { value: 2 } },
      { low: { value: 1 } },
    ],
    'rat-1': [
      { numerator: { value: 1 }, denominator: { value: 1 } },
      { numerator: { value: 1 } },
      { extension: [{ url: 'x' }] },
      {},
    ],
    'cpt-2': [{ value: '1' }, { value: '1', system: 'phone' }, {}],
    'att-1': [{ data: 'AAAA' }, { data: 'AAAA', contentType: 'a/b' }, {}],
    'drt-1': [{ code: 's' }, { code: 's', system: 'http://unitsofmeasure.org', value: 1 }, { value: 1 }],
    'pat-1': [{ name: { text: 'x' } }, { gender: 'male' }, { organization: { display: 'x' } }],
    'obs-3': [{ low: { value: 1 } }, { text: 'x' }, { appliesTo: [{ text: 'x' }] }],
    'obs-6': [
      { valueString: 'x', dataAbsentReason: { text: 'y' } },
      { valueString: 'x' },
      { dataAbsentReason: { text: 'y' } },
    ],
    'obs-7': [
      { code, valueString: 'x', component: [{ code }] },
      { code, component: [{ code }] },
      { code, valueString: 'x', component: [{ code: { text: 'y' } }] },
    ],
    'con-1': [{ summary: { text: 'x' } }, { type: { text: 'x' } }, { assessment: [{ display: 'x' }] }],
    'con-2': [{ code: [{ text: 'x' }] }, { detail: [{ display: 'x' }] }, {}],
    'con-4': [
      { abatementString: 'x', clinicalStatus: clinical('active') },
      { abatementString: 'x', clinicalStatus: clinical('resolved') },
      { clinicalStatus: clinical('active') },
    ],
    'con-5': [
      { verificationStatus: inError('condition-ver-status'), clinicalStatus: clinical('active') },
      { verificationStatus: inError('condition-ver-status') },
      {},
    ],
    'ait-1': [
      { verificationStatus: inError('allergyintolerance-verification') },
      { clinicalStatus: clinical('active') },
      {},
    ],
    'ait-2': [
      { verificationStatus: inError('allergyintolerance-verification'), clinicalStatus: clinical('active') },
      { clinicalStatus: clinical('active') },
    ],
    'prr-1': [{ orderDetail: [{ text: 'x' }] }, { orderDetail: [{ text: 'x' }], code }, {}],
    'org-1': [{ name: 'x' }, { identifier: [{ value: '1' }] }, { active: true }],
    'org-2': [{ use: 'home' }, { use: 'work' }, {}],
    'org-3': [{ use: 'home' }, { use: 'work' }, {}],
    'bdl-5': [{ resource: { resourceType: 'Patient' } }, { fullUrl: 'x' }, { request: { method: 'GET' } }],
    'bdl-8': [{ fullUrl: 'http://x/Patient/1/_history/2' }, { fullUrl: 'http://x/Patient/1' }, {}],
  };
  // ref-1 and dom-3 look into a resource around the value: rows of their own above.
  const elsewhere = new Set(['ref-1', 'dom-3']);
  for (const [key, native] of Object.entries(nativeInvariants)) {
    if (elsewhere.has(key)) continue;
    it(key, () => {
      const { invariant, type } = all.get(key) ?? assert.fail(`R4 has no invariant ${key}`);
      const outcomes = (samples[key] ?? assert.fail('no samples')).map((sample) => {
        const resource = { resourceType: type.split('.')[0], ...sample } as AnyResource;
        const isTrue = native(sample as Record<string, unknown>, resource);
        assert.equal(isTrue, evaluateInvariant(invariant, type)(sample, resource), JSON.stringify(sample));
        return isTrue;
      });
      assert.ok(outcomes.includes(true), 'a sample that holds');
      assert.ok(outcomes.includes(false), 'a sample that breaks it');
    });
  }
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
