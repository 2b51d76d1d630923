/** Slices of lists and choices: by which discriminator, how open, in which order. */
import { component, observation, own, profile, sliced, testFeatures, url, type Feature } from './given-profile.ts';

const features: Feature[] = [
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
];

describe('profiles: slicing (R4 profiling.html#slicing)', () => testFeatures(features));
