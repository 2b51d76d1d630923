/** @see https://hl7.org/fhir/R4/search.html#composite */
import { given } from '../given.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { describeRefused, describeSearch, type Row } from './given-search.ts';

const loinc = 'http://loinc.org';
const ucum = 'http://unitsofmeasure.org';
const code = (value: string, system = loinc) => ({ coding: [{ system, code: value }] });
const quantity = (value: number, unit: string) => ({ valueQuantity: { value, unit, system: ucum, code: unit } });
const observation = (id: string, more: object): AnyResource => ({
  ...given.observation({ id, patient: 'p1' }),
  ...more,
});
const pressure = (id: string, systolic: number, diastolic: number): AnyResource =>
  observation(id, {
    code: code('85354-9'),
    component: [
      { code: code('8480-6'), ...quantity(systolic, 'mm[Hg]') },
      { code: code('8462-4'), ...quantity(diastolic, 'mm[Hg]') },
    ],
  });

const resources: AnyResource[] = [
  given.patient({ id: 'p1' }),
  observation('glucose5', { code: code('2339-0'), ...quantity(5.4, 'mmol/L') }),
  observation('glucose9', {
    code: { coding: [{ code: 'GLU' }, { system: loinc, code: '2339-0' }] },
    ...quantity(9, 'mmol/L'),
  }),
  observation('sodium', { code: code('2951-2'), ...quantity(140, 'mmol/L') }),
  observation('colour', { code: code('5778-6'), valueCodeableConcept: code('yellow', 'urn:colours') }),
  observation('note', { code: code('48767-8'), valueString: 'Sample, hemolysed' }),
  observation('when', { code: code('11368-8'), valueDateTime: '2026-02-01' }),
  observation('during', { code: code('11368-8'), valuePeriod: { start: '2026-01-01', end: '2026-01-31' } }),
  observation('dollar', { code: code('a$b', 'urn:odd'), ...quantity(1, 'g') }),
  pressure('high', 150, 80),
  pressure('wide', 120, 150),
  observation('panel', {
    code: code('24323-8'),
    component: [
      { code: code('2339-0'), ...quantity(2, 'mmol/L') },
      { code: code('5778-6'), valueCodeableConcept: code('red', 'urn:colours') },
      { code: code('5767-9'), valueCodeableConcept: code('yellow', 'urn:colours') },
      { code: code('2951-2') },
    ],
  }),
  {
    resourceType: 'Group',
    id: 'women-smokers',
    type: 'person',
    actual: false,
    characteristic: [
      { code: code('gender', 'urn:c'), valueCodeableConcept: code('female', 'urn:g'), exclude: false },
      { code: code('smoker', 'urn:c'), valueBoolean: true, exclude: false },
    ],
  },
  {
    resourceType: 'DocumentReference',
    id: 'second',
    status: 'current',
    content: [{ attachment: { url: 'http://x/1' } }],
    relatesTo: [
      { code: 'replaces', target: { reference: 'DocumentReference/first' } },
      { code: 'signs', target: { reference: 'DocumentReference/third' } },
    ],
  },
  {
    resourceType: 'ValueSet',
    id: 'vs',
    status: 'active',
    useContext: [
      { code: { system: 'urn:u', code: 'age' }, valueRange: { low: { value: 18, unit: 'a' } } },
      { code: { system: 'urn:u', code: 'focus' }, valueCodeableConcept: code('heart', 'urn:f') },
    ],
  },
  {
    resourceType: 'MolecularSequence',
    id: 'seq',
    coordinateSystem: 0,
    referenceSeq: { chromosome: { coding: [{ code: '22' }] }, windowStart: 100, windowEnd: 200 },
    variant: [
      { start: 110, end: 112 },
      { start: 150, end: 190 },
    ],
  },
];

const rows: Row[] = [
  // Of the whole resource.
  ['code and value', 'Observation', `code-value-quantity=${loinc}|2339-0$gt6`, ['glucose9']],
  ['any coding of the code', 'Observation', 'code-value-quantity=GLU$gt6', ['glucose9']],
  ['precision inside', 'Observation', `code-value-quantity=2339-0$5.4|${ucum}|mmol/L`, ['glucose5']],
  ['another unit', 'Observation', `code-value-quantity=2339-0$5.4|${ucum}|g`, []],
  ['another code has the value', 'Observation', 'code-value-quantity=2339-0$140', []],
  ['OR', 'Observation', 'code-value-quantity=2339-0$lt6,2951-2$gt100', ['glucose5', 'sodium']],
  ['AND', 'Observation', 'code-value-quantity=2339-0$gt5&code-value-quantity=2339-0$lt6', ['glucose5']],
  ['inside a compartment', 'Observation', 'patient=p1&code-value-quantity=2339-0$gt6', ['glucose9']],
  ['system alone', 'Observation', `code-value-quantity=${loinc}|$gt100`, ['sodium']],
  ['token and token', 'Observation', 'code-value-concept=5778-6$yellow', ['colour']],
  ['token and token, negative', 'Observation', 'code-value-concept=5778-6$red', []],
  ['token and string', 'Observation', 'code-value-string=48767-8$sample\\, hem', ['note']],
  ['token and date', 'Observation', 'code-value-date=11368-8$2026-01', ['during']],
  ['token and date', 'Observation', 'code-value-date=11368-8$ge2026-01-15', ['during', 'when']],
  ['escaped $', 'Observation', 'code-value-quantity=a\\$b$1', ['dollar']],
  // Of a repeating element: both values in one component.
  ['one component', 'Observation', 'component-code-value-quantity=8480-6$gt140', ['high']],
  ['the value of another component', 'Observation', 'component-code-value-quantity=8462-4$gt140', ['wide']],
  ['code with system', 'Observation', `component-code-value-quantity=${loinc}|8480-6$lt130`, ['wide']],
  ['code without system, negative', 'Observation', 'component-code-value-quantity=|8480-6$lt130', []],
  ['system alone', 'Observation', `component-code-value-quantity=${loinc}|$gt140`, ['high', 'wide']],
  ['unit', 'Observation', 'component-code-value-quantity=8480-6$150||mm[Hg]', ['high']],
  ['another unit', 'Observation', 'component-code-value-quantity=8480-6$150||kPa', []],
  ['the whole resource has no component', 'Observation', 'component-code-value-quantity=2339-0$gt3', []],
  ['token and token', 'Observation', 'component-code-value-concept=5778-6$red', ['panel']],
  ['token and token of another component', 'Observation', 'component-code-value-concept=5778-6$yellow', []],
  ['combo reads from both', 'Observation', 'combo-code-value-quantity=2339-0$lt6', ['glucose5', 'panel']],
  ['combo', 'Observation', 'combo-code-value-concept=5778-6$yellow,5778-6$red', ['colour', 'panel']],
  ['combo, code here and value there', 'Observation', 'combo-code-value-quantity=24323-8$2', []],
  ['Group', 'Group', 'characteristic-value=gender$female', ['women-smokers']],
  ['Group, boolean', 'Group', 'characteristic-value=smoker$true', ['women-smokers']],
  ['Group, value of another', 'Group', 'characteristic-value=smoker$female', []],
  ['reference and token', 'DocumentReference', 'relationship=DocumentReference/first$replaces', ['second']],
  ['reference and token of another', 'DocumentReference', 'relationship=DocumentReference/first$signs', []],
  ['token and range', 'ValueSet', 'context-type-quantity=age$gt20', ['vs']],
  ['token and range, negative', 'ValueSet', 'context-type-quantity=age$lt18', []],
  ['token and token', 'ValueSet', 'context-type-value=urn:u|focus$heart', ['vs']],
  ['three components', 'MolecularSequence', 'chromosome-variant-coordinate=22$lt120$gt111', ['seq']],
  ['three components of two variants', 'MolecularSequence', 'chromosome-variant-coordinate=22$gt140$lt120', []],
  ['window', 'MolecularSequence', 'chromosome-window-coordinate=22$100$200', ['seq']],
  // FHIR R4 search.html#missing
  [':missing', 'Observation', 'code-value-concept:missing=false', ['colour']],
  [':missing', 'Observation', 'component-code-value-quantity:missing=false', ['high', 'panel', 'wide']],
  [':missing', 'Observation', 'component-code-value-concept:missing=false', ['panel']],
  [':missing', 'Observation', 'combo-code-value-quantity:missing=true', ['colour', 'during', 'note', 'when']],
  [':missing', 'Group', 'characteristic-value:missing=true', []],
];

describeSearch('composite (R4 search.html#composite)', resources, rows);

describeRefused('composite: what cannot be read', [
  ['too few parts', 'Observation', 'code-value-quantity=2339-0', 'value'],
  ['too many parts', 'Observation', 'code-value-quantity=2339-0$5$6', 'value'],
  ['an empty part', 'Observation', 'code-value-quantity=2339-0$', 'value'],
  ['a part that is none of its type', 'Observation', 'code-value-quantity=2339-0$high', 'value'],
  ['a modifier', 'Observation', 'code-value-quantity:exact=2339-0$5', 'not-supported'],
]);
