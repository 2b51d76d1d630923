/** Profiles: each feature by a profile that uses it. Slices are profile-slices.test.ts, published guides profile-guides.test.ts. */
import assert from 'node:assert/strict';
import { parseJson } from '../../src/fhir/json.ts';
import { openLibrary } from '../../src/fhir/profile/library.ts';
import { Problem } from '../../src/fhir/problem.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { examine } from '../../src/fhir/validate.ts';
import {
  component,
  errors,
  loinc,
  observation,
  own,
  profile,
  sliced,
  testFeatures,
  url,
  type Feature,
} from './given-profile.ts';

const features: Feature[] = [
  {
    what: 'cardinality: min, max, max 0',
    definitions: [
      profile('card', 'Observation', [
        { id: 'Observation.subject', min: 1 },
        { id: 'Observation.note', max: '1' },
        { id: 'Observation.method', max: '0' },
        { id: 'Observation.category', min: 2 },
        { id: 'Observation.referenceRange.low', min: 1 },
      ]),
    ],
    rows: [
      [observation({ subject: { reference: 'Patient/1' }, category: [{ text: 'a' }, { text: 'b' }] })],
      [observation({ category: [{ text: 'a' }] }), 'required Observation.subject', 'required Observation.category'],
      [
        observation({
          subject: { reference: 'Patient/1' },
          category: [{ text: 'a' }, { text: 'b' }],
          note: [{ text: 'a' }, { text: 'b' }],
          method: { text: 'm' },
          referenceRange: [{ low: { value: 1 } }, { text: 'x' }],
        }),
        'structure Observation.note',
        'structure Observation.method',
        'required Observation.referenceRange[1].low',
      ],
    ],
  },
  {
    what: 'a primitive that has an extension alone counts',
    definitions: [profile('extra', 'Observation', [{ id: 'Observation.issued', min: 1 }])],
    rows: [
      [observation({ _issued: { extension: [{ url: 'http://x.y', valueCode: 'unknown' }] } })],
      [observation(), 'required Observation.issued'],
    ],
  },
  {
    what: 'fixed[x]: exactly this',
    definitions: [
      profile('fixed', 'Observation', [
        { id: 'Observation.status', fixedCode: 'final' },
        { id: 'Observation.code', fixedCodeableConcept: { text: 'x' } },
      ]),
    ],
    rows: [
      [observation()],
      [observation({ status: 'amended' }), 'value Observation.status'],
      [observation({ code: { text: 'x', coding: [{ code: 'y' }] } }), 'value Observation.code'],
    ],
  },
  {
    what: 'pattern[x]: at least this; digits of a number do not count',
    definitions: [
      profile('pattern', 'Observation', [
        { id: 'Observation.code', patternCodeableConcept: loinc('1-8') },
        { id: 'Observation.value[x]', type: [{ code: 'Quantity' }], patternQuantity: { value: 1.5, code: 'mg' } },
      ]),
    ],
    rows: [
      [
        observation({
          code: { text: 'x', coding: [{ code: 'z' }, { system: 'http://loinc.org', code: '1-8', display: 'd' }] },
          ...(parseJson('{"valueQuantity":{"value":1.50,"system":"u","code":"mg"}}') as object),
        }),
      ],
      [observation({ code: { coding: [{ system: 'urn:x', code: '1-8' }] } }), 'value Observation.code'],
      [observation({ code: loinc('1-8'), valueQuantity: { value: 2 } }), 'value Observation.valueQuantity'],
    ],
  },
  {
    what: 'minValue[x], maxValue[x], maxLength',
    definitions: [
      profile('range', 'Observation', [
        { id: 'Observation.value[x]', type: [{ code: 'integer' }, { code: 'string' }] },
        { id: 'Observation.value[x]:valueInteger', minValueInteger: 1, maxValueInteger: 9 },
        { id: 'Observation.value[x]:valueString', maxLength: 3 },
        { id: 'Observation.issued', minValueInstant: '2000-01-01T00:00:00Z' },
      ]),
    ],
    rows: [
      [observation({ valueInteger: 9, issued: '2000-01-01T00:00:00Z' })],
      [observation({ valueInteger: 0 }), 'value Observation.valueInteger'],
      [observation({ valueInteger: 10 }), 'value Observation.valueInteger'],
      [observation({ valueString: 'long' }), 'value Observation.valueString'],
      [observation({ issued: '1999-12-31T23:59:59Z' }), 'value Observation.issued'],
    ],
  },
  {
    what: 'types of a choice',
    definitions: [
      profile('types', 'Observation', [
        { id: 'Observation.value[x]', type: [{ code: 'Quantity' }, { code: 'CodeableConcept' }] },
        { id: 'Observation.value[x]:valueQuantity.code', min: 1 },
      ]),
    ],
    rows: [
      [observation()],
      [observation({ valueCodeableConcept: { text: 'x' } })],
      [observation({ valueQuantity: { value: 1, system: 'u', code: 'mg' } })],
      [observation({ valueString: 'x' }), 'structure Observation.valueString'],
      [observation({ valueQuantity: { value: 1 } }), 'required Observation.valueQuantity.code'],
    ],
  },
  {
    what: 'one type of a choice, by its own name',
    definitions: [
      profile('short', 'Observation', [{ id: 'Observation.valueQuantity', path: 'Observation.valueQuantity', min: 1 }]),
    ],
    rows: [
      [observation({ valueQuantity: { value: 1 } })],
      [observation({ valueString: 'x' }), 'required Observation.valueQuantity'],
    ],
  },
  {
    what: 'targets of a reference, resolved where they are contained',
    definitions: [
      profile('named', 'Patient', [{ id: 'Patient.name', min: 1 }]),
      profile('target', 'Observation', [
        { id: 'Observation.subject', type: [{ code: 'Reference', targetProfile: [url('named')] }] },
      ]),
    ],
    rows: [
      [observation({ subject: { reference: 'Patient/1' } })],
      [observation({ subject: { display: 'somebody' } })],
      [observation({ subject: { reference: 'Device/1' } }), 'value Observation.subject.reference'],
      [
        observation({
          contained: [{ resourceType: 'Patient', id: 'p', name: [{ text: 'x' }] }],
          subject: { reference: '#p' },
        }),
      ],
      [
        observation({ contained: [{ resourceType: 'Patient', id: 'p' }], subject: { reference: '#p' } }),
        'structure Observation.subject.reference',
      ],
    ],
  },
  {
    what: 'the profile of a data type',
    definitions: [
      profile('unit', 'Quantity', [{ id: 'Quantity.unit', min: 1 }], { kind: 'complex-type' }),
      profile('typed', 'Observation', [
        { id: 'Observation.value[x]', type: [{ code: 'Quantity', profile: [url('unit')] }] },
      ]),
    ],
    rows: [
      [observation({ valueQuantity: { value: 1, unit: 'mg' } })],
      [observation({ valueQuantity: { value: 1 } }), 'required Observation.valueQuantity.unit'],
    ],
  },
  {
    what: 'invariants of the profile, and of an element of it',
    definitions: [
      profile('rules', 'Observation', [
        {
          id: 'Observation',
          constraint: [{ key: 'x-1', severity: 'error', human: 'h', expression: 'subject.exists() or focus.exists()' }],
        },
        {
          id: 'Observation.effective[x]',
          constraint: [
            { key: 'x-2', severity: 'error', human: 'h', expression: '($this as dateTime).toString().length() >= 10' },
            { key: 'x-3', severity: 'warning', human: 'h', expression: 'false' },
          ],
        },
      ]),
    ],
    rows: [
      [observation({ subject: { display: 'x' }, effectiveDateTime: '2024-01-01' })],
      [observation({ subject: { display: 'x' }, effectivePeriod: { start: '2024' } })],
      [observation({ effectiveDateTime: '2024' }), 'invariant Observation', 'invariant Observation.effectiveDateTime'],
    ],
  },
  {
    what: 'bindings: listed codes, a whole code system, a hierarchy, another value set, an exclusion',
    definitions: [
      {
        resourceType: 'CodeSystem',
        url: `${own}CodeSystem/colour`,
        content: 'complete',
        concept: [{ code: 'red', concept: [{ code: 'pink' }] }, { code: 'blue' }, { code: 'green' }],
      },
      {
        resourceType: 'ValueSet',
        url: `${own}ValueSet/reds`,
        compose: {
          include: [
            {
              system: `${own}CodeSystem/colour`,
              filter: [{ property: 'concept', op: 'is-a', value: 'red' }],
            },
          ],
        },
      },
      {
        resourceType: 'ValueSet',
        url: `${own}ValueSet/all`,
        compose: {
          include: [
            { valueSet: [`${own}ValueSet/reds`] },
            { system: `${own}CodeSystem/colour` },
            { system: 'urn:x', concept: [{ code: 'y' }] },
          ],
          exclude: [{ system: `${own}CodeSystem/colour`, concept: [{ code: 'green' }] }],
        },
      },
      profile('bound', 'Observation', [
        { id: 'Observation.method', binding: { strength: 'required', valueSet: `${own}ValueSet/reds` } },
        { id: 'Observation.bodySite', binding: { strength: 'required', valueSet: `${own}ValueSet/all|1` } },
        { id: 'Observation.code', binding: { strength: 'extensible', valueSet: `${own}ValueSet/reds` } },
      ]),
    ],
    rows: [
      ...['red', 'pink'].map(
        (code) => [observation({ method: { coding: [{ system: `${own}CodeSystem/colour`, code }] } })] as const,
      ),
      [
        observation({ method: { coding: [{ system: `${own}CodeSystem/colour`, code: 'blue' }] } }),
        'code-invalid Observation.method',
      ],
      [observation({ method: { text: 'red' } }), 'code-invalid Observation.method'],
      [observation({ bodySite: { coding: [{ system: `${own}CodeSystem/colour`, code: 'blue' }] } })],
      [observation({ bodySite: { coding: [{ system: 'urn:x', code: 'y' }] } })],
      [
        observation({ bodySite: { coding: [{ system: `${own}CodeSystem/colour`, code: 'green' }] } }),
        'code-invalid Observation.bodySite',
      ],
    ],
  },
  {
    what: 'a profile on a profile: both hold, and a slice is completed by the second',
    definitions: [
      profile('first', 'Observation', sliced('open')),
      profile('second', 'Observation', [{ id: 'Observation.component:systolic.interpretation', min: 1 }], {
        baseDefinition: url('first'),
      }),
    ],
    rows: [
      [observation({ component: [component('8480-6', { interpretation: [{ text: 'N' }] })] })],
      [observation({ component: [component('8480-6')] }), 'required Observation.component[0].interpretation'],
      [observation({ component: [component('8462-4')] }), 'required Observation.component'],
    ],
  },
];

describe('profiles (R4 profiling.html)', () => {
  testFeatures(features);

  it('a profile on another type is a mistake of who names it', () => {
    assert.deepEqual(errors({ resourceType: 'Patient' }, profile('other', 'Observation', [])), ['structure Patient']);
  });

  it('meta.profile is looked at in every resource: contained, entries, parameters', () => {
    const definition = profile('named', 'Patient', [{ id: 'Patient.name', min: 1 }]);
    const library = openLibrary([definition]);
    const patient = { resourceType: 'Patient', id: 'p', meta: { profile: [definition.url] } };
    const found = (resource: AnyResource): string[] =>
      examine(resource, { profiles: library, depth: 'errors' }).map(({ code, path }) => `${code} ${path}`);
    assert.deepEqual(found(patient), ['required Patient.name']);
    assert.deepEqual(found(observation({ contained: [patient], subject: { reference: '#p' } })), [
      'required Observation.contained[0].name',
    ]);
    assert.deepEqual(found({ resourceType: 'Bundle', type: 'collection', entry: [{ resource: patient }] }), [
      'required Bundle.entry[0].resource.name',
    ]);
  });

  it('an unknown profile or extension is worth a note and no more', () => {
    const resource = observation({
      meta: { profile: ['http://example.org/unknown'] },
      extension: [{ url: 'http://example.org/unknown', valueString: 'x' }],
    });
    assert.deepEqual(examine(resource, { depth: 'errors' }), []);
    const notes = examine(resource, { depth: 'all' }).filter(({ severity }) => severity === 'information');
    assert.deepEqual(
      notes.map(({ path }) => path),
      ['Observation.extension[0]', 'Observation.meta.profile[0]'],
    );
  });

  it('an extension that is loaded holds wherever it stands, nested ones included', () => {
    const definition = profile(
      'colour',
      'Extension',
      [
        { id: 'Extension.extension', slicing: { discriminator: [{ type: 'value', path: 'url' }], rules: 'closed' } },
        { id: 'Extension.extension:code', min: 1, max: '1' },
        { id: 'Extension.extension:code.url', fixedUri: 'code' },
        { id: 'Extension.extension:code.value[x]', min: 1, type: [{ code: 'code' }] },
        { id: 'Extension.url', fixedUri: url('colour') },
        { id: 'Extension.value[x]', max: '0' },
      ],
      { kind: 'complex-type' },
    );
    const found = (extension: object): string[] =>
      examine(observation({ code: { text: 'x', extension: [{ url: url('colour'), ...extension }] } }), {
        profiles: openLibrary([definition]),
        depth: 'errors',
      }).map(({ code, path }) => `${code} ${path.slice('Observation.code.extension[0]'.length)}`);
    assert.deepEqual(found({ extension: [{ url: 'code', valueCode: 'x' }] }), []);
    assert.deepEqual(found({ valueString: 'x' }), ['required .extension', 'structure .value']);
    assert.deepEqual(found({ extension: [{ url: 'code', valueString: 'x' }] }), [
      'structure .extension[0].valueString',
    ]);
    assert.deepEqual(
      found({
        extension: [
          { url: 'code', valueCode: 'x' },
          { url: 'y', valueCode: 'x' },
        ],
      }),
      ['structure .extension[1]'],
    );
  });

  it('of two versions the later counts; a version may be named', () => {
    const older = profile('v', 'Patient', [{ id: 'Patient.name', min: 1 }], { version: '1' });
    const newer = profile('v', 'Patient', [{ id: 'Patient.gender', min: 1 }], { version: '2' });
    const found = (canonical: string): string[] =>
      examine(
        { resourceType: 'Patient', meta: { profile: [canonical] } },
        {
          profiles: openLibrary([older, newer]),
          depth: 'errors',
        },
      ).map(({ path }) => path);
    assert.deepEqual(found(url('v')), ['Patient.gender']);
    assert.deepEqual(found(`${url('v')}|1`), ['Patient.name']);
    assert.deepEqual(found(`${url('v')}|3`), []);
  });

  it('without its base a profile needs a snapshot; a circle of bases is refused', () => {
    const orphan = profile('orphan', 'Patient', [], { baseDefinition: url('nowhere') });
    const circle = profile('circle', 'Patient', [], { baseDefinition: url('circle') });
    for (const definition of [orphan, circle]) {
      assert.throws(() => openLibrary([definition]).tree(definition.url), Problem);
    }
    const whole = profile('whole', 'Patient', [], {
      baseDefinition: url('nowhere'),
      snapshot: { element: [{ id: 'Patient' }, { id: 'Patient.name', min: 1 }] },
    });
    assert.deepEqual(errors({ resourceType: 'Patient' }, whole), ['required Patient.name']);
  });

  it('what cannot be evaluated or listed is told by $validate, and refuses nothing', () => {
    const definition = profile('far', 'Observation', [
      {
        id: 'Observation.code',
        constraint: [{ key: 'far-1', severity: 'error', human: 'h', expression: "memberOf('http://x')" }],
        binding: { strength: 'required', valueSet: 'http://snomed.info/sct?fhir_vs' },
      },
    ]);
    assert.deepEqual(errors(observation(), definition), []);
    const told = examine(observation(), {
      profiles: openLibrary([definition]),
      depth: 'all',
      against: [definition.url],
    });
    assert.deepEqual(
      told.filter(({ severity }) => severity === 'information').map(({ path }) => path),
      ['Observation.code', 'Observation.code'],
    );
  });

  it('two resources that refer to each other and follow profiles come to an end', () => {
    const mutual = profile('mutual', 'Observation', [
      { id: 'Observation.hasMember', min: 1, type: [{ code: 'Reference', targetProfile: [url('mutual')] }] },
    ]);
    const member = (to: string): AnyResource =>
      observation({ hasMember: [{ reference: to }], meta: { profile: [url('mutual')] } });
    const bundle = {
      resourceType: 'Bundle',
      type: 'collection',
      entry: [
        { fullUrl: 'urn:uuid:1', resource: member('urn:uuid:2') },
        { fullUrl: 'urn:uuid:2', resource: member('urn:uuid:1') },
      ],
    };
    assert.deepEqual(examine(bundle, { profiles: openLibrary([mutual]), depth: 'errors' }), []);
  });
});
