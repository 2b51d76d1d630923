/** @see https://hl7.org/fhir/R4/search.html#string */
import { given } from '../given.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { describeRefused, describeSearch, type Row } from './given-search.ts';

const patient = (id: string, name: object, more: object = {}): AnyResource => ({
  ...given.patient({ id }),
  name: [name],
  ...more,
});

const resources: AnyResource[] = [
  patient('eve', { given: ['Eve'], family: 'Müller' }),
  patient('evelyn', { given: ['Evelyn', 'Ann'], family: 'mull' }),
  patient('severine', { given: ['Séverine'], family: "O'Brien, Jr." }),
  patient('wide', { text: 'Ｊｏｓｅ   Smith', prefix: ['Dr.'] }),
  patient('long', { family: 'Wolfeschlegelsteinhausenbergerdorff' }),
  patient(
    'nobody',
    { use: 'official' },
    {
      address: [
        { text: '1 Main St, Springfield', line: ['1 Main St', 'Flat 2'], city: 'Springfield', postalCode: '01101' },
      ],
    },
  ),
  patient('percent', { family: '100%_x' }),
];

const rows: Row[] = [
  ['#string starts with', 'Patient', 'given=eve', ['eve', 'evelyn']],
  ['#string not in the middle', 'Patient', 'given=ve', []],
  ['#string case is ignored', 'Patient', 'given=EVE', ['eve', 'evelyn']],
  ['#string accents are ignored', 'Patient', 'family=muller', ['eve']],
  ['#string accents are ignored, the other way', 'Patient', 'family=Mül', ['eve', 'evelyn']],
  ['#string width and white space', 'Patient', 'name=jose smith', ['wide']],
  ['#string any repetition', 'Patient', 'given=ann', ['evelyn']],
  ['#string any part of a HumanName', 'Patient', 'name=dr', ['wide']],
  ['#string any part of a HumanName', 'Patient', 'name=mull', ['eve', 'evelyn']],
  ['#string any part of an Address', 'Patient', 'address=flat', ['nobody']],
  ['#string any part of an Address', 'Patient', 'address=0110', ['nobody']],
  ['#string one part', 'Patient', 'address-city=spring', ['nobody']],
  ['#string :contains', 'Patient', 'given:contains=eve', ['eve', 'evelyn', 'severine']],
  ['#string :contains at the end', 'Patient', 'family:contains=lsteinhausenbergerdorff', ['long']],
  ['#string :exact', 'Patient', 'given:exact=Eve', ['eve']],
  ['#string :exact, case counts', 'Patient', 'given:exact=eve', []],
  ['#string :exact, accents count', 'Patient', 'family:exact=Muller', []],
  ['#string :missing', 'Patient', 'name:missing=true', ['nobody']],
  ['#string OR', 'Patient', 'given=eve,ann', ['eve', 'evelyn']],
  ['#string AND', 'Patient', 'given=eve&given=ann', ['evelyn']],
  ['#string longer than any prefix of the index', 'Patient', 'family=wolfeschlegelstein', ['long']],
  ['#string longer, another end', 'Patient', 'family=wolfeschlegelstern', []],
  ['#escaping a comma', 'Patient', "family=o'brien\\, j", ['severine']],
  ['#escaping, a comma is OR', 'Patient', "family=o'brien, j,mull", ['eve', 'evelyn', 'severine']],
  ['characters of LIKE are letters', 'Patient', 'family=100%25_', ['percent']],
  ['characters of LIKE are letters', 'Patient', 'family:contains=%25y', []],
  ['characters of LIKE are letters', 'Patient', 'family:contains=m%25l', []],
];

describeSearch('string (R4 search.html#string)', resources, rows);

describeRefused('string: what is refused', [
  ['#modifiers :not', 'Patient', 'family:not=x', 'not-supported'],
  ['#modifiers :above', 'Patient', 'family:above=x', 'not-supported'],
  ['#modifiers two', 'Patient', 'family:exact:contains=x', 'invalid'],
]);
