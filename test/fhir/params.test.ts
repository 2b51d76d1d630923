import assert from 'node:assert/strict';
import { compareIndex } from '../../bench/corpus/fhir.ts';
import type { IndexEntry } from '../../src/fhir/index/entry.ts';
import { decimal } from '../../src/fhir/json.ts';
import { indexEntries, limitedTo, searchParam, searchParams } from '../../src/fhir/params.ts';
import { Problem } from '../../src/fhir/problem.ts';
import { compilePath } from '../../src/fhir/index/path.ts';
import { resourceTypes, type AnyResource } from '../../src/fhir/types.ts';
import { corpusExamples, examples, observation, others, patient } from './examples.ts';

const entriesOf = (resource: AnyResource, param: string): IndexEntry[] =>
  indexEntries(resource).filter((entry) => entry.param === param);
const other = (id: string): AnyResource => others.find((resource) => resource.id === id)!;

describe('search parameters of every R4 type', () => {
  it('all expressions compile but that of Patient.deceased', () => {
    const rest: string[] = [];
    for (const type of resourceTypes) {
      for (const { code, expression } of searchParams(type).values()) {
        const isCompiled =
          expression === undefined || compilePath(expression, type, type, () => () => undefined) !== undefined;
        if (!isCompiled) rest.push(`${type}.${code}`);
      }
    }
    assert.deepEqual(rest, ['Patient.deceased']);
  });
  it('a type has those of every resource too', () => {
    for (const code of ['_id', '_lastUpdated', '_tag', '_profile', '_security', '_source'])
      assert.ok(searchParam('Basic', code), code);
    assert.equal(searchParam('Observation', 'birthdate'), undefined);
    assert.equal(searchParams('Nonsense').size, 0);
  });
  it('where(resolve() is Patient) leaves one target', () =>
    assert.deepEqual(searchParam('Observation', 'patient')?.target, ['Patient']));
});

describe('closures find what FHIRPath finds', () => {
  for (const [name, resources] of [
    ['our examples', examples],
    ['the R4 examples of the corpus', corpusExamples()],
  ] as const) {
    it(`in ${name} (${resources.length})`, function () {
      if (resources.length === 0) {
        console.log('      skipped: no shared corpus here (CORPUS_DIR)');
        this.skip();
      }
      const outcomes = resources.map(compareIndex);
      assert.deepEqual(
        outcomes.flatMap(({ differences }) => differences),
        [],
      );
      assert.ok(
        outcomes.reduce((sum, { compared }) => sum + compared, 0) > resources.length,
        'the oracle found values',
      );
    });
  }
});

describe('what a resource says to the index (R4 search.html#ptypes)', () => {
  const rows: [string, AnyResource, string, object[]][] = [
    [
      'token of a CodeableConcept',
      observation,
      'code',
      [{ kind: 'token', system: 'http://loinc.org', code: '85354-9' }],
    ],
    [
      'its texts, folded',
      observation,
      'code:text',
      [
        { kind: 'string', value: 'blood pressure', exact: 'Blood Préssure' },
        { kind: 'string', value: 'bp', exact: 'BP' },
      ],
    ],
    [
      'token of a code: the system is implicit',
      observation,
      'status',
      [{ kind: 'token', system: 'http://hl7.org/fhir/observation-status', code: 'final' }],
    ],
    ['token of an Identifier', observation, 'identifier', [{ kind: 'token', system: 'urn:lab', code: 'F-1' }]],
    [
      'identifier of type',
      observation,
      'identifier:of-type',
      [{ kind: 'token', system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: 'FILL|F-1' }],
    ],
    ['token of a boolean', patient, 'active', [{ kind: 'token', code: 'true' }]],
    ['token by where(system)', patient, 'email', [{ kind: 'token', system: 'email', code: 'a@example.org' }]],
    ['deceased by FHIRPath', patient, 'deceased', [{ kind: 'token', code: 'true' }]],
    ['reference', observation, 'subject', [{ kind: 'reference', type: 'Patient', id: 'p1' }]],
    ['reference that resolves to a type', observation, 'patient', [{ kind: 'reference', type: 'Patient', id: 'p1' }]],
    ['identifier of a reference', observation, 'subject:identifier', [{ kind: 'token', system: 'urn:mrn', code: '7' }]],
    [
      'absolute and versioned reference',
      observation,
      'performer',
      [
        { kind: 'reference', type: 'Practitioner', id: 'd1' },
        {
          kind: 'reference',
          type: 'Organization',
          id: 'o9',
          url: 'https://other.example/fhir/Organization/o9',
          version: '2',
        },
      ],
    ],
    ['a contained resource has no address', other('m1'), 'medication', [{ kind: 'reference' }]],
    [
      'canonical with version, by where(type)',
      other('pd'),
      'depends-on',
      [{ kind: 'reference', url: 'http://example.org/lib', version: '1.0' }],
    ],
    ['canonical by where(type), negative', other('pd'), 'predecessor', []],
    ['first entry of a document', other('b1'), 'composition', [{ kind: 'reference', type: 'Composition', id: 'k' }]],
    [
      'string of a HumanName',
      patient,
      'name',
      [
        { kind: 'string', value: 'muller', exact: 'Müller' },
        { kind: 'string', value: 'jose', exact: 'Ｊosé' },
        { kind: 'string', value: 'ana', exact: 'Ana' },
      ],
    ],
    ['string of one part', patient, 'family', [{ kind: 'string', value: 'muller', exact: 'Müller' }]],
    [
      'date by precision',
      patient,
      'birthdate',
      [{ kind: 'date', low: Date.parse('1980-02-01'), high: Date.parse('1980-03-01') }],
    ],
    [
      'date of a Period',
      observation,
      'date',
      [{ kind: 'date', low: Date.parse('2024-03-05'), high: Date.parse('2024-03-06T04:00:01Z') }],
    ],
    ['date of an open Period', other('e1'), 'date', [{ kind: 'date', low: Date.parse('2024-01-01'), high: Infinity }]],
    ['number', other('r1'), 'probability', [{ kind: 'number', low: 0.25, high: 0.25 }]],
    [
      'quantity, and one below a limit',
      observation,
      'component-value-quantity',
      [
        { kind: 'quantity', low: 107, high: 107, system: 'http://unitsofmeasure.org', code: 'mm[Hg]', unit: 'mmHg' },
        {
          kind: 'quantity',
          low: -Infinity,
          high: 60,
          system: 'http://unitsofmeasure.org',
          code: 'mm[Hg]',
          unit: 'mmHg',
        },
      ],
    ],
    [
      'quantity of an Age',
      other('c1'),
      'onset-age',
      [{ kind: 'quantity', low: 43, high: 43, system: 'http://unitsofmeasure.org', code: 'a' }],
    ],
    [
      'quantity of Money',
      other('i1'),
      'totalnet',
      [{ kind: 'quantity', low: 12.5, high: 12.5, system: 'urn:iso:std:iso:4217', code: 'EUR' }],
    ],
    [
      'quantity of a Range, open above',
      other('v1'),
      'context-quantity',
      [{ kind: 'quantity', low: 5, high: Infinity, unit: 'a' }],
    ],
    ['uri', other('v1'), 'url', [{ kind: 'uri', value: 'http://example.org/vs' }]],
    ['meta', observation, '_source', [{ kind: 'uri', value: 'urn:hub:a' }]],
    [
      '_lastUpdated',
      observation,
      '_lastUpdated',
      [{ kind: 'date', low: Date.parse('2024-03-05T10:00:00.123Z'), high: Date.parse('2024-03-05T10:00:00.124Z') }],
    ],
  ];
  for (const [what, resource, param, expected] of rows) {
    it(`${what}: ${resource.resourceType}.${param}`, () => {
      assert.deepEqual(
        entriesOf(resource, param),
        expected.map((entry) => ({ ...entry, param })),
      );
    });
  }

  it('composites keep the values of one element together (search.html#composite)', () => {
    const pairs = entriesOf(observation, 'Observation.component').map((entry) => {
      assert.equal(entry.kind, 'composite');
      return entry.kind === 'composite' && entry.entries.flatMap((part) => ('code' in part ? [part.code] : []));
    });
    assert.deepEqual(pairs, [
      ['8480-6', 'mm[Hg]'],
      ['8462-4', 'mm[Hg]'],
    ]);
  });
  it('a composite may read from the resource (%resource)', () => {
    const [entry] = entriesOf(other('ms'), 'MolecularSequence.variant');
    assert.ok(entry?.kind === 'composite');
    assert.deepEqual(
      entry.entries.map((part) => ('code' in part ? part.code : 'low' in part ? part.low : '')),
      ['22', 6, 7],
    );
  });
  it('a number that keeps its digits is a number', () => {
    const value = decimal('5.40');
    const entry = entriesOf({ resourceType: 'Observation', valueQuantity: { value } }, 'value-quantity')[0];
    assert.ok(entry?.kind === 'quantity' && entry.low === 5.4);
  });
  it('a malformed resource gives fewer entries, never an error', () => {
    for (const broken of [
      { subject: 'x' },
      { code: null },
      { code: [] },
      { effectivePeriod: 7 },
      { component: {} },
      { valueQuantity: { value: 'x' } },
      { identifier: [null, 3] },
    ]) {
      assert.ok(indexEntries({ resourceType: 'Observation', ...broken }));
    }
  });
});

describe('the limit of values to be searched by', () => {
  const component = { code: { text: 'x' }, valueQuantity: { value: 1 } };
  const rows: [string, AnyResource, string][] = [
    [
      'values of one element',
      { resourceType: 'Patient', name: Array.from({ length: 50 }, () => ({ family: 'x' })) },
      'Patient.name.family',
    ],
    [
      'codings of one concept',
      { resourceType: 'Basic', code: { coding: Array.from({ length: 60 }, (_, at) => ({ code: `c${at}` })) } },
      'Basic.code',
    ],
    [
      'what composites hold together counts',
      {
        resourceType: 'Observation',
        category: Array.from({ length: 60 }, (_, at) => ({ text: `c${at}` })),
        component: Array.from({ length: 10 }, () => component),
      },
      'Observation.category',
    ],
  ];
  for (const [what, resource, expression] of rows) {
    it(`${what}: refused beyond it, with the parameter that has most`, () => {
      const { resourceType: type } = resource;
      const limit = limitedTo(Number.POSITIVE_INFINITY, type);
      indexEntries(resource, limit);
      assert.ok(indexEntries(resource, limitedTo(limit.used, type)).length > 50);
      assert.throws(
        () => indexEntries(resource, limitedTo(limit.used - 1, type)),
        (error) => error instanceof Problem && error.code === 'too-long' && error.expression[0] === expression,
      );
    });
  }

  it('nothing is collected beyond it', () => {
    let read = 0;
    const category = Array.from({ length: 1_000 }, () => ({
      get text() {
        read++;
        return 'x';
      },
    }));
    assert.throws(() => indexEntries({ resourceType: 'Observation', category }, limitedTo(10, 'Observation')), Problem);
    assert.ok(read < 50, String(read));
  });

  it('what a reference leads to inside is looked up once for all of them', () => {
    let read = 0;
    const contained = Array.from({ length: 200 }, (_, at) => ({
      resourceType: 'Practitioner',
      get id() {
        read++;
        return `p${at}`;
      },
    }));
    const participant = contained.map((_, at) => ({ actor: { reference: `#p${at}` } }));
    const entries = indexEntries({ resourceType: 'Appointment', contained, participant });
    assert.equal(entries.filter(({ param }) => param === 'practitioner').length, 200);
    assert.ok(read <= 400, String(read));
  });
});
