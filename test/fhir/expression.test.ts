/** FHIRPath compiled to closures, against the engine of @medplum/core on the same values, and rule by rule. */
import assert from 'node:assert/strict';
import { propertiesOf, typeDefinition, type Invariant } from '../../src/fhir/definitions.ts';
import { compileExpression } from '../../src/fhir/expression/compile.ts';
import { evaluate } from '../../src/fhir/fhirpath.ts';
import { invariantCheck, nativeInvariants, notEvaluated } from '../../src/fhir/invariants.ts';
import { parseJson } from '../../src/fhir/json.ts';
import { Problem } from '../../src/fhir/problem.ts';
import { resourceTypes, type AnyResource } from '../../src/fhir/types.ts';
import { corpusExamples, examples } from './examples.ts';

type Json = Record<string, unknown>;

interface Rule {
  readonly invariant: Invariant;
  readonly type: string;
}

/** Every rule of R4 with each type it is evaluated on. */
function* rulesOf(type: string, seen = new Set<string>()): Generator<Rule> {
  if (seen.has(type)) return;
  seen.add(type);
  const definition = typeDefinition(type);
  for (const invariant of definition?.invariants ?? []) yield { invariant, type };
  for (const property of propertiesOf(type)?.values() ?? []) {
    for (const invariant of property.element.invariants ?? []) yield { invariant, type: property.type };
    yield* rulesOf(property.type, seen);
  }
}

const seen = new Set<string>();
const rules = resourceTypes.flatMap((type) => [...rulesOf(type, seen)]);

describe('R4 invariants (conformance-rules.html#constraints)', () => {
  it('every one is compiled for every type it stands on; the others are listed with the reason', () => {
    assert.ok(new Set(rules.map(({ invariant }) => invariant.key)).size > 230);
    for (const { invariant, type } of rules) {
      assert.ok(invariantCheck(invariant, type) !== undefined, `${invariant.key} on ${type}`);
      assert.equal(notEvaluated[invariant.key], undefined, invariant.key);
    }
    assert.deepEqual(Object.keys(notEvaluated), ['ele-1', 'txt-1', 'txt-2']);
  });

  it('best practice is a warning: dom-6 and the names of definitions', () => {
    const warnings = new Set(
      rules.filter(({ invariant }) => invariant.isWarning).map(({ invariant }) => invariant.key),
    );
    assert.ok(warnings.has('dom-6') && warnings.has('vsd-0') && !warnings.has('dom-3'));
  });
});

describe('rules hold and break as their text says', () => {
  const find = (key: string): Rule =>
    rules.find(({ invariant }) => invariant.key === key) ?? assert.fail(`R4 has no ${key}`);

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
  for (const [key, values] of Object.entries(samples)) {
    it(key, () => {
      const { invariant, type } = find(key);
      const check = invariantCheck(invariant, type) ?? assert.fail('not compiled');
      const outcomes = values.map((value) => {
        const resource = { resourceType: type.split('.')[0], ...value } as AnyResource;
        const isHeld = check(value, { resource, root: resource });
        assert.equal(isHeld, byEngine(invariant, type, value, resource), JSON.stringify(value));
        return isHeld;
      });
      assert.ok(outcomes.includes(true), 'a sample that holds');
      assert.ok(outcomes.includes(false), 'a sample that breaks it');
    });
  }

  it('dom-3: contained resources are referred to from outside, from each other, or refer to the container', () => {
    const { invariant } = find('dom-3');
    const isHeld = (more: object): boolean => {
      const root = { resourceType: 'Observation', ...more } as AnyResource;
      return invariantCheck(invariant, 'Observation')?.(root, { resource: root, root }) ?? assert.fail();
    };
    const patient = { resourceType: 'Patient', id: 'p' };
    assert.equal(isHeld({ contained: [patient] }), false);
    assert.equal(isHeld({ contained: [patient], subject: { reference: '#p' } }), true);
    assert.equal(isHeld({ contained: [patient], subject: { reference: '#q' } }), false);
    assert.equal(isHeld({ contained: [{ ...patient, link: [{ other: { reference: '#' } }] }] }), true);
    assert.equal(
      isHeld({ contained: [{ ...patient, link: [{ other: { reference: '#p' } }] }] }),
      false,
      'itself alone',
    );
    const group = { resourceType: 'Group', id: 'g', member: [{ entity: { reference: '#p' } }] };
    assert.equal(isHeld({ contained: [patient, group], subject: { reference: '#g' } }), true);
    assert.equal(isHeld({ contained: [patient, group] }), false);
  });

  it('ref-1: a fragment names what is contained', () => {
    const { invariant } = find('ref-1');
    const root = { resourceType: 'Observation', contained: [{ resourceType: 'Patient', id: 'p' }] } as AnyResource;
    for (const [reference, expected] of [
      ['#p', true],
      ['#', true],
      ['Patient/p', true],
      ['#q', false],
    ] as const) {
      assert.equal(
        invariantCheck(invariant, 'Reference')?.({ reference }, { resource: root, root }),
        expected,
        reference,
      );
    }
  });
});

/** As the engine says; an empty result lets the value pass. */
function byEngine({ expression }: Invariant, type: string, value: unknown, resource: AnyResource): boolean {
  const result = evaluate(expression, type, value, resource);
  return result.length === 0 || (result.length === 1 && result[0]?.value === true);
}

describe('compiled rules agree with the engine on the examples, whole and damaged', () => {
  /** A resource, and copies that each lack one element, or one element of the first of a list. */
  function* variantsOf(resource: AnyResource): Generator<AnyResource> {
    yield resource;
    for (const [name, value] of Object.entries(resource)) {
      if (name === 'resourceType' || name === 'contained') continue;
      const { [name]: _, ...without } = resource;
      yield without as AnyResource;
      const [first, ...others] = Array.isArray(value) ? (value as unknown[]) : [];
      if (typeof first !== 'object' || first === null) continue;
      for (const inner of Object.keys(first)) {
        const { [inner]: __, ...rest } = first as Json;
        yield { ...resource, [name]: [rest, ...others] };
      }
    }
  }

  function* valuesIn(value: Json, type: string): Generator<{ invariant: Invariant; type: string; value: unknown }> {
    for (const invariant of typeDefinition(type)?.invariants ?? []) yield { invariant, type, value };
    for (const property of propertiesOf(type)?.values() ?? []) {
      const held = value[property.name];
      for (const item of Array.isArray(held) ? held : [held]) {
        if (item === undefined || item === null) continue;
        for (const invariant of property.element.invariants ?? [])
          yield { invariant, type: property.type, value: item };
        if (propertiesOf(property.type) !== undefined) yield* valuesIn(item as Json, property.type);
      }
    }
  }

  const checks = new Map<string, ReturnType<typeof compileExpression>>();
  const compiled = ({ expression }: Invariant, type: string): ReturnType<typeof compileExpression> => {
    const key = `${type} ${expression}`;
    if (!checks.has(key)) checks.set(key, compileExpression(expression, type));
    return checks.get(key);
  };

  it('value by value', function () {
    this.timeout(300_000);
    let count = 0;
    for (const example of [...examples, ...corpusExamples()]) {
      for (const resource of variantsOf(example)) {
        for (const { invariant, type, value } of valuesIn(resource, resource.resourceType)) {
          // The engine walks a contained resource for each reference; rows above hold the two.
          if (nativeInvariants[invariant.key] !== undefined || invariant.key.startsWith('dom-')) continue;
          const ours = compiled(invariant, type)?.(value, resource, resource);
          const theirs = evaluate(invariant.expression, type, value, resource).map((item) => item.value as unknown);
          assert.deepEqual(ours, theirs, `${invariant.key} of ${resource.resourceType}/${resource.id}`);
          count++;
        }
      }
    }
    // Our own examples alone give more; the corpus, where it is present, some thousands.
    assert.ok(count > 300, String(count));
  });
});

describe('FHIRPath as compiled (hl7.org/fhirpath/N1)', () => {
  const resource = parseJson(
    JSON.stringify({
      resourceType: 'Observation',
      status: 'final',
      code: {
        coding: [
          { system: 'a', code: '1' },
          { system: 'b', code: '2' },
        ],
      },
      _issued: { extension: [{ url: 'http://x', valueCode: 'unknown' }] },
      effectiveDateTime: '2024-03',
      valueQuantity: { value: 'V', code: 'mg' },
      note: [{ text: 'x' }, { text: 'x' }],
      contained: [{ resourceType: 'Patient', id: 'p', gender: 'male' }],
      subject: { reference: '#p' },
      component: [{ code: { text: 'c' }, valueInteger: 5 }],
    }).replace('"V"', '1.50'),
  ) as AnyResource;
  const rows: [string, unknown[]][] = [
    // #boolean-logic, with an empty side
    ["status = 'final' and bodySite.text = 'x'", []],
    ["status = 'other' and bodySite.text = 'x'", [false]],
    ["status = 'final' or bodySite.text = 'x'", [true]],
    ["bodySite.text = 'x' implies status = 'final'", [true]],
    ["bodySite.text = 'x' xor status.exists()", []],
    // #equals, #comparison: digits do not count, precision does
    ['value.value = 1.5', [true]],
    ['value.value > 1', [true]],
    ['value.value.toString()', ['1.50']],
    ['effective <= @2024-02', [false]],
    ['effective <= @2024-03-15', []],
    ["status != 'x'", [true]],
    ["code.coding.code = '1'", [false]],
    // #existence
    ['issued.exists()', [true]],
    ['issued.hasValue()', [false]],
    ["code.coding.exists(system = 'b')", [true]],
    ['code.coding.all(code.exists())', [true]],
    ['note.text.isDistinct()', [false]],
    ['note.text.distinct().count()', [1]],
    // #filtering, #subsetting
    ["code.coding.where(system = 'b').code", ['2']],
    ['code.coding[1].code', ['2']],
    ['code.coding.first().code | code.coding.tail().code', ['1', '2']],
    ['code.coding.select(system & code)', ['a1', 'b2']],
    ["code.coding.code.intersect('2' | '3')", ['2']],
    // #types
    ['value is Quantity', [true]],
    ['value is string', [false]],
    ['value.ofType(Quantity).code', ['mg']],
    ['value.ofType(CodeableConcept)', []],
    ['(value as Quantity).code', ['mg']],
    ['component.value is integer', [true]],
    ['subject.resolve().is(Patient)', [true]],
    ['subject.resolve().gender', ['male']],
    ['Observation.status', ['final']],
    // #string
    ["status.startsWith('fi')", [true]],
    ['status.substring(1, 2)', ['in']],
    ["status.matches('^[a-z]+$')", [true]],
    ["'a' + 'b'", ['ab']],
    ["iif(status = 'final', 'y', 'n')", ['y']],
    ['%resource.status', ['final']],
    ['%ucum', ['http://unitsofmeasure.org']],
    ['descendants().reference', ['#p']],
    ["status in ('final' | 'amended')", [true]],
    ["('final' | 'amended') contains status", [true]],
    ['{}', []],
  ];
  for (const [expression, expected] of rows) {
    it(expression, () =>
      assert.deepEqual(compileExpression(expression, 'Observation')?.(resource, resource, resource), expected),
    );
  }
  for (const outside of ["code.memberOf('http://x')", 'subject.reference.nothing(', '%vs-name', 'now()', 'status.id']) {
    it(`outside the subset: ${outside}`, () => assert.equal(compileExpression(outside, 'Observation'), undefined));
  }
  it('so is one that only follows paths, for each of many', () => {
    const many = { ...resource, note: Array.from({ length: 20_000 }, (_, at) => ({ text: String(at) })) };
    const quadratic = compileExpression('note.all(%resource.note.first().text.exists())', 'Observation');
    assert.throws(
      () => quadratic?.(many, many, many),
      (error) => error instanceof Problem && error.code === 'too-costly',
    );
  });
  it('an expression that would look at too many values is refused', () => {
    const many = { ...resource, note: Array.from({ length: 3_000 }, (_, at) => ({ text: String(at) })) };
    const quadratic = compileExpression('note.all(%resource.descendants().exists())', 'Observation');
    assert.throws(
      () => quadratic?.(many, many, many),
      (error) => error instanceof Problem && error.code === 'too-costly',
    );
  });
});
