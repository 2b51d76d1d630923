/** @see https://hl7.org/fhir/R4/search_filter.html */
import { given } from '../given.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { describeRefused, describeSearch, type Row } from './given-search.ts';

const animals = 'http://example.org/animals';
const observation = (id: string, code: string, more: object = {}): AnyResource => ({
  ...given.observation({ id, patient: 'p1', code }),
  ...more,
});

const resources: AnyResource[] = [
  {
    ...given.patient({ id: 'p1' }),
    name: [{ family: 'Peters', given: ['Ann'] }],
    birthDate: '1980-01-01',
    gender: 'female',
  },
  {
    ...given.patient({ id: 'p2' }),
    name: [{ family: 'Schmidt', given: ['Peter', 'Jo (Joe)'] }],
    birthDate: '2015-05-05',
  },
  {
    ...given.patient({ id: 'p3' }),
    name: [{ family: 'Müller', given: ['Peter'] }],
    gender: 'male',
    generalPractitioner: [{ reference: 'Organization/o1' }],
  },
  given.organization({ id: 'o1', name: 'Hospital' }),
  observation('glucose', '2339-0', { valueQuantity: { value: 7, unit: 'mmol/L' } }),
  observation('sodium', '2951-2', { valueQuantity: { value: 140, unit: 'mmol/L' }, status: 'amended' }),
  { ...observation('of-p3', '2339-0'), subject: { reference: 'Patient/p3' } },
  observation('tiger', 'tiger', { code: { coding: [{ system: animals, code: 'tiger' }] } }),
  given.encounter({ id: 'e1', patient: 'p1', start: '2026-01-01', end: '2026-01-05' }),
  given.encounter({ id: 'e2', patient: 'p1', start: '2026-01-05', end: '2026-01-09' }),
  {
    resourceType: 'CodeSystem',
    id: 'animals',
    url: animals,
    status: 'active',
    content: 'complete',
    concept: [{ code: 'animal', concept: [{ code: 'cat', concept: [{ code: 'tiger' }] }] }],
  },
  {
    resourceType: 'ValueSet',
    id: 'cats',
    url: 'http://example.org/cats',
    status: 'active',
    compose: { include: [{ system: animals, filter: [{ property: 'concept', op: 'is-a', value: 'cat' }] }] },
  },
];

const filter = (type: string, expression: string, ids: string[]): Row => [
  '_filter',
  type,
  `_filter=${encodeURIComponent(expression)}`,
  ids,
];
const rows: Row[] = [
  // The specification's own examples.
  filter('Patient', 'name co "pet"', ['p1', 'p2', 'p3']),
  filter('Patient', 'given eq "peter" and birthdate ge 2014-10-10', ['p2']),
  filter('Observation', 'code eq http://loinc.org|2339-0', ['glucose', 'of-p3']),
  filter('Observation', 'subject:Patient.name co "pete"', ['glucose', 'sodium', 'tiger', 'of-p3']),
  // Operators.
  filter('Patient', 'family eq "muller"', ['p3']),
  filter('Patient', 'family eq "mull"', []),
  filter('Patient', 'family ne "peters"', ['p2', 'p3']),
  filter('Patient', 'gender ne male', ['p1']),
  filter('Patient', 'family sw "pet"', ['p1']),
  filter('Patient', 'family ew "ers"', ['p1']),
  filter('Patient', 'family ew "pet"', []),
  filter('Patient', 'given co "o (j"', ['p2']),
  filter('Patient', 'gender pr true', ['p1', 'p3']),
  filter('Patient', 'gender pr false', ['p2']),
  filter('Patient', 'birthdate lt 2000', ['p1']),
  filter('Patient', 'birthdate le 1980-01-01', ['p1']),
  filter('Patient', 'birthdate gt 2000', ['p2']),
  filter('Patient', 'birthdate sa 1980-01-01', ['p2']),
  filter('Patient', 'birthdate eb 2015', ['p1']),
  filter('Patient', 'birthdate ne 1980', ['p2']),
  filter('Observation', 'value-quantity gt 100', ['sodium']),
  filter('Observation', 'value-quantity ap 7.1', ['glucose']),
  filter('Encounter', 'date po 2026-01-05', ['e1', 'e2']),
  filter('Encounter', 'date po 2026-01-02', ['e1']),
  filter('Patient', 'general-practitioner re Organization/o1', ['p3']),
  filter('Patient', 'general-practitioner re Organization/o2', []),
  filter('Observation', `code ss ${animals}|cat`, ['tiger']),
  filter('Observation', `code sb ${animals}|tiger`, ['tiger']),
  filter('Observation', 'code in http://example.org/cats', ['tiger']),
  filter('Observation', 'code ni http://example.org/cats', ['glucose', 'of-p3', 'sodium']),
  filter('Observation', 'code-value-quantity eq 2339-0$7', ['glucose']),
  filter('Patient', '_id eq p1', ['p1']),
  // Logic.
  filter('Patient', 'gender eq male or gender eq female', ['p1', 'p3']),
  filter('Patient', 'not (gender eq male)', ['p1', 'p2']),
  filter('Patient', 'not (gender eq male or family eq peters)', ['p2']),
  filter('Patient', 'family eq peters or family eq muller and gender eq male', ['p3']),
  filter('Patient', 'family eq peters or (family eq muller and gender eq male)', ['p1', 'p3']),
  filter('Patient', '((_id eq p1))', ['p1']),
  ['_filter beside a parameter', 'Patient', 'gender=male&_filter=given%20eq%20peter', ['p3']],
  ['_filter twice is and', 'Patient', '_filter=given%20eq%20peter&_filter=gender%20eq%20male', ['p3']],
  [
    '_filter within a compartment',
    'Observation',
    '_filter=patient%20re%20Patient/p3%20and%20code%20eq%202339-0',
    ['of-p3'],
  ],
  ['values are no patterns', 'Patient', '_filter=family%20co%20%22%25%22', []],
];

describeSearch('_filter (R4 search_filter.html)', resources, rows);

const refused = (what: string, expression: string, code: string) =>
  [what, 'Patient', `_filter=${encodeURIComponent(expression)}`, code] as const;
describeRefused('_filter: what is refused', [
  refused('nothing', ' ', 'value'),
  refused('no operator', 'family', 'value'),
  refused('no value', 'family eq', 'value'),
  refused('an operator that is none', 'family is x', 'value'),
  refused('an open bracket', '(family eq x', 'value'),
  refused('a closed one', 'family eq x)', 'value'),
  refused('not without brackets', 'not family eq x', 'value'),
  refused('an open string', 'family eq "x', 'value'),
  refused('a parameter R4 does not have', 'foo eq x', 'not-supported'),
  refused('a filter inside a path', 'link[type eq refer].other pr true', 'not-supported'),
  refused('an operator of another type', 'family gt x', 'not-supported'),
  refused('an operator of another type', 'birthdate co 2', 'not-supported'),
  refused('a value of another type', 'birthdate ge soon', 'value'),
  refused('deeper than anyone writes', `${'('.repeat(20)}family eq x${')'.repeat(20)}`, 'too-costly'),
  refused('more tests than anyone writes', Array.from({ length: 65 }, () => '_id eq x').join(' or '), 'too-costly'),
]);
