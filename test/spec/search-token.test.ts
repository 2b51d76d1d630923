/** @see https://hl7.org/fhir/R4/search.html#token and #modifiers */
import { given } from '../given.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { describeRefused, describeSearch, type Row } from './given-search.ts';

const loinc = 'http://loinc.org';
const animals = 'http://example.org/animals';
const observation = (id: string, coding: object[], more: object = {}): AnyResource => ({
  ...given.observation({ id, patient: 'p1' }),
  code: { coding },
  ...more,
});

const resources: AnyResource[] = [
  {
    ...given.patient({ id: 'p1' }),
    active: true,
    gender: 'female',
    identifier: [
      {
        system: 'urn:mrn',
        value: '4711',
        type: { coding: [{ system: 'http://v2-0203', code: 'MR' }], text: 'Record number' },
      },
      { system: 'urn:odd', value: 'a|b,c\\d$e' },
    ],
    telecom: [
      { system: 'phone', value: '555' },
      { system: 'email', value: 'a@example.org' },
    ],
    communication: [{ language: { coding: [{ system: 'urn:ietf:bcp:47', code: 'zh' }] } }],
  },
  {
    ...given.patient({ id: 'p2' }),
    active: false,
    gender: 'male',
    identifier: [{ system: 'urn:other', value: '4711', type: { coding: [{ system: 'http://v2-0203', code: 'SS' }] } }],
    telecom: [{ system: 'phone', value: 'a@example.org' }],
  },
  { ...given.patient({ id: 'p3' }), identifier: [{ value: '4711' }], deceasedDateTime: '2020-01-01' },
  observation('loinc', [{ system: loinc, code: '718-7', display: 'Hemoglobin [Mass/volume] in Blood' }]),
  observation('none', [{ code: '718-7' }]),
  observation('both', [
    { system: loinc, code: '718-7' },
    { system: 'urn:local', code: 'HGB' },
  ]),
  observation('local', [{ system: 'urn:local', code: 'hgb' }], { status: 'amended' }),
  observation('text', [], { code: { text: 'Haemoglobin, Blüt' } }),
  observation('cat', [{ system: animals, code: 'cat' }]),
  observation('tiger', [{ system: animals, code: 'tiger' }]),
  observation('dog', [{ system: animals, code: 'dog' }]),
  observation('animal', [{ system: animals, code: 'animal' }]),
  observation('dog-elsewhere', [{ system: 'urn:local', code: 'dog' }]),
  observation('mg', [{ system: 'http://unitsofmeasure.org', code: 'mg' }]),
  {
    resourceType: 'CodeSystem',
    id: 'animals',
    url: animals,
    status: 'active',
    content: 'complete',
    caseSensitive: true,
    concept: [
      { code: 'animal', concept: [{ code: 'cat', concept: [{ code: 'tiger' }] }, { code: 'dog' }] },
      { code: 'plant' },
    ],
  },
  {
    resourceType: 'ValueSet',
    id: 'cats',
    url: 'http://example.org/cats',
    status: 'active',
    compose: { include: [{ system: animals, filter: [{ property: 'concept', op: 'is-a', value: 'cat' }] }] },
  },
  {
    resourceType: 'ValueSet',
    id: 'pets',
    url: 'http://example.org/pets',
    version: '1',
    status: 'active',
    compose: { include: [{ system: animals, concept: [{ code: 'dog' }] }] },
  },
];
const all = ['animal', 'both', 'cat', 'dog', 'dog-elsewhere', 'local', 'loinc', 'mg', 'none', 'text', 'tiger'];
const without = (...ids: string[]): string[] => all.filter((id) => !ids.includes(id));

const rows: Row[] = [
  ['#token code: any system', 'Observation', 'code=718-7', ['loinc', 'none', 'both']],
  ['#token system|code', 'Observation', `code=${loinc}|718-7`, ['loinc', 'both']],
  ['#token |code: no system', 'Observation', 'code=|718-7', ['none']],
  ['#token system|: any code', 'Observation', 'code=urn:local|', ['both', 'dog-elsewhere', 'local']],
  ['#token system of another coding', 'Observation', `code=${loinc}|HGB`, []],
  ['#token case is ignored when in doubt', 'Observation', 'code=urn:local|HGB', ['both', 'local']],
  ['#token UCUM is not in doubt', 'Observation', 'code=http://unitsofmeasure.org|MG', []],
  ['#token UCUM', 'Observation', 'code=http://unitsofmeasure.org|mg', ['mg']],
  ['#token OR', 'Observation', 'code=cat,dog', ['cat', 'dog', 'dog-elsewhere']],
  ['#token AND', 'Observation', 'code=718-7&code=HGB', ['both']],
  ['#token code element: implicit system', 'Patient', 'gender=http://hl7.org/fhir/administrative-gender|male', ['p2']],
  ['#token code element', 'Patient', 'gender=male', ['p2']],
  ['#token boolean', 'Patient', 'active=true', ['p1']],
  ['#token boolean', 'Patient', 'active=false', ['p2']],
  ['#token boolean or dateTime', 'Patient', 'deceased=true', ['p3']],
  ['#token Identifier', 'Patient', 'identifier=4711', ['p1', 'p2', 'p3']],
  ['#token Identifier', 'Patient', 'identifier=urn:mrn|4711', ['p1']],
  ['#token Identifier', 'Patient', 'identifier=|4711', ['p3']],
  ['#token Identifier', 'Patient', 'identifier=urn:mrn|', ['p1']],
  ['#token ContactPoint', 'Patient', 'telecom=phone|555', ['p1']],
  ['#token ContactPoint, by system', 'Patient', 'email=a@example.org', ['p1']],
  ['#token Coding of a CodeableConcept', 'Patient', 'language=zh', ['p1']],
  ['#escaping', 'Patient', 'identifier=urn:odd|a\\|b\\,c\\\\d\\$e', ['p1']],
  ['#escaping, negative', 'Patient', 'identifier=urn:odd|a\\|b', []],
  ['#modifiers :not', 'Patient', 'gender:not=male', ['p1', 'p3']],
  ['#modifiers :not, several values', 'Patient', 'gender:not=male,female', ['p3']],
  ['#modifiers :not, several codings', 'Observation', 'code:not=HGB', without('both', 'local')],
  ['#modifiers :not and', 'Patient', 'gender:not=male&gender:missing=false', ['p1']],
  ['#modifiers :missing', 'Patient', 'gender:missing=true', ['p3']],
  ['#modifiers :missing, a text is a value', 'Observation', 'code:missing=true', []],
  ['#modifiers :text of a display', 'Observation', 'code:text=hemoglobin', ['loinc']],
  ['#modifiers :text of a text, folded, anywhere', 'Observation', 'code:text=BLUT', ['text']],
  ['#modifiers :text of an identifier type', 'Patient', 'identifier:text=record', ['p1']],
  ['#modifiers :text is no code', 'Observation', 'code:text=718-7', []],
  ['#modifiers :of-type', 'Patient', 'identifier:of-type=http://v2-0203|MR|4711', ['p1']],
  ['#modifiers :of-type, another type', 'Patient', 'identifier:of-type=http://v2-0203|MR|4712', []],
  ['#modifiers :in', 'Observation', 'code:in=http://example.org/cats', ['cat', 'tiger']],
  ['#modifiers :in, by version', 'Observation', 'code:in=http://example.org/pets|1', ['dog']],
  ['#modifiers :in, relative', 'Observation', 'code:in=ValueSet/pets', ['dog']],
  ['#modifiers :in, absolute', 'Observation', 'code:in=http://hub.example/fhir/R4/ValueSet/pets', ['dog']],
  ['#modifiers :in, several', 'Observation', 'code:in=http://example.org/pets,ValueSet/cats', ['cat', 'dog', 'tiger']],
  [
    '#modifiers :in, of R4 itself',
    'Patient',
    'gender:in=http://hl7.org/fhir/ValueSet/administrative-gender',
    ['p1', 'p2'],
  ],
  ['#modifiers :in, in a compartment', 'Observation', 'patient=p1&code:in=ValueSet/cats', ['cat', 'tiger']],
  ['#modifiers :not-in', 'Observation', 'code:not-in=ValueSet/cats', without('cat', 'tiger')],
  ['#modifiers :not-in, without a value', 'Patient', 'gender:not-in=ValueSet/cats', ['p1', 'p2', 'p3']],
  ['#modifiers :below', 'Observation', `code:below=${animals}|cat`, ['cat', 'tiger']],
  ['#modifiers :below the root', 'Observation', `code:below=${animals}|animal`, ['animal', 'cat', 'dog', 'tiger']],
  ['#modifiers :above', 'Observation', `code:above=${animals}|tiger`, ['animal', 'cat', 'tiger']],
  [
    '#modifiers :above and below',
    'Observation',
    `code:below=${animals}|animal&code:above=${animals}|cat`,
    ['animal', 'cat'],
  ],
  ['_tag of no row', 'Patient', '_tag=x', []],
];

describeSearch('token (R4 search.html#token)', resources, rows);

describe('token: what the terminology does not know', () => {
  describeRefused('in the query', [
    ['nothing', 'Observation', 'code=|', 'value'],
    ['three parts', 'Observation', 'code=a|b|c', 'value'],
    [':of-type without a value', 'Patient', 'identifier:of-type=http://v2-0203|MR', 'value'],
    [':below without a system', 'Observation', 'code:below=cat', 'value'],
    [':exact', 'Observation', 'code:exact=cat', 'not-supported'],
  ]);
});
