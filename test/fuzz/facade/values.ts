/** Types, and what a parameter of each search type may be asked for: modifiers, prefixes, values of its own kind and of others. */
import fc from 'fast-check';
import type { SearchParamType } from '../../../src/fhir/search.ts';
import { resourceTypes } from '../../../src/fhir/types.ts';
import { ids, oddTexts, once } from './oddities.ts';

export const peopled = [
  'Patient',
  'Observation',
  'Encounter',
  'Condition',
  'DocumentReference',
  'Group',
  'Consent',
  'AuditEvent',
  'Binary',
];
export const types: fc.Arbitrary<string> = fc.oneof(
  { weight: 25, arbitrary: fc.constantFrom(...peopled) },
  { weight: 20, arbitrary: fc.constantFrom(...resourceTypes) },
  { weight: 1, arbitrary: fc.constantFrom('Nonsense', 'patient', 'DomainResource', '__proto__') },
);

/** @see https://hl7.org/fhir/R4/search.html#modifiers */
const modifiersOf: Readonly<Record<SearchParamType, readonly string[]>> = {
  number: ['missing'],
  date: ['missing'],
  string: ['missing', 'exact', 'contains'],
  token: ['missing', 'not', 'text', 'in', 'not-in', 'above', 'below', 'of-type'],
  reference: ['missing', 'identifier', 'above', 'below', 'Patient', 'Location', 'Practitioner'],
  composite: ['missing'],
  quantity: ['missing'],
  uri: ['missing', 'above', 'below'],
  special: [],
};
const oddModifiers = ['iterate', 'ofType', 'type', 'recurse', 'Missing', '', 'a b', '__proto__', 'Nonsense'];
export const modifiers = once((type: SearchParamType) =>
  fc.oneof(
    { weight: 12, arbitrary: fc.constant('') },
    { weight: 6, arbitrary: fc.constantFrom('', ...modifiersOf[type].map((one) => `:${one}`)) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(...Object.values(modifiersOf).flat(), ...oddModifiers).map((one) => `:${one}`),
    },
  ),
);

export const prefixes = fc.oneof(
  { weight: 2, arbitrary: fc.constant('') },
  fc.constantFrom('eq', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb', 'ap', 'xx', 'GE'),
);
const numbers = fc.oneof(
  fc.constantFrom('5', '5.40', '0', '-3', '1e3', '100', '0.000000001'),
  fc.double({ noDefaultInfinity: true, noNaN: true }).map(String),
);
export const dates = fc.oneof(
  fc.constantFrom(
    '2026',
    '2026-01',
    '2026-01-01',
    '2026-01-01T10:00',
    '2026-01-01T10:00:00.123Z',
    '2026-01-01T10:00:00+08:00',
  ),
  fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
);
const systems = fc.constantFrom(
  '',
  'http://loinc.org',
  'http://snomed.info/sct',
  'urn:f',
  'http://unitsofmeasure.org',
  'x y',
);
const codes = fc.constantFrom('', '718-7', 'final', 'female', 'true', 'IMP', '1', 'cana', 'a\\,b');
const references = fc.oneof(
  fc.tuple(types, ids).map(([type, id]) => `${type}/${id}`),
  ids,
  fc.constantFrom(
    'http://example.org/fhir/Patient/1',
    'urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a',
    'Patient/p-1/_history/1',
    'http://x|1',
  ),
);
export const join = (parts: readonly fc.Arbitrary<string>[], sign = ''): fc.Arbitrary<string> =>
  fc.tuple(...parts).map((texts) => texts.join(sign));

const valuesOf: Readonly<Record<SearchParamType, fc.Arbitrary<string>>> = {
  number: join([prefixes, numbers]),
  date: join([prefixes, dates]),
  string: fc.oneof(fc.constantFrom('zhang', 'cana', 'Ca', '王', 'wang xiao', 'z'), oddTexts),
  token: fc.oneof(
    codes,
    join([systems, codes], '|'),
    join([systems, codes, codes], '|'),
    fc.constantFrom('http://hl7.org/fhir/ValueSet/observation-status'),
  ),
  reference: references,
  composite: fc
    .array(fc.oneof(join([systems, codes], '|'), join([prefixes, numbers]), join([prefixes, dates]), references), {
      maxLength: 3,
    })
    .map((parts) => parts.join('$')),
  quantity: join(
    [join([prefixes, numbers]), systems, fc.constantFrom('mg', 'g', 'g/dL', '[lb_av]', '10*3/uL', 'm'.repeat(200), '')],
    '|',
  ),
  uri: fc.oneof(fc.constantFrom('http://example.org/a', 'urn:oid:1.2', 'http://example.org/a/b|2'), references),
  special: fc.oneof(
    join([numbers, numbers, numbers, fc.constantFrom('km', 'm', '')], '|'),
    fc.constantFrom('zhang and not wei', '"zhang wei"', 'or or', '(('),
  ),
};
export const values = once((type: SearchParamType) =>
  fc.oneof(
    { weight: 24, arbitrary: valuesOf[type] },
    { weight: 1, arbitrary: fc.array(valuesOf[type], { maxLength: 40 }).map((all) => all.join(',')) },
    { weight: 1, arbitrary: fc.constantFrom(...Object.values(valuesOf)).chain((other) => other) },
    { weight: 2, arbitrary: oddTexts },
  ),
);
