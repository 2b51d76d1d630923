/** @see https://hl7.org/fhir/R4/search.html#quantity and #number, #prefix */
import { given } from '../given.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { describeRefused, describeSearch, type Row } from './given-search.ts';

const ucum = 'http://unitsofmeasure.org';
const observation = (id: string, value: object): AnyResource => ({
  ...given.observation({ id, patient: 'p1' }),
  ...value,
});
const quantity = (value: number, code: string, more: object = {}) => ({
  valueQuantity: { value, system: ucum, code, ...more },
});
const risk = (id: string, probability: object): AnyResource => ({
  resourceType: 'RiskAssessment',
  id,
  status: 'final',
  subject: { reference: 'Patient/p1' },
  prediction: [probability],
});

const resources: AnyResource[] = [
  given.patient({ id: 'p1' }),
  observation('g', quantity(5.4, 'g', { unit: 'grams' })),
  observation('mg', quantity(5400, 'mg', { unit: 'milligrams' })),
  observation('g541', quantity(5.41, 'g')),
  observation('L', quantity(5.4, 'L')),
  observation('local', { valueQuantity: { value: 5.4, system: 'urn:local', code: 'g' } }),
  observation('bare', { valueQuantity: { value: 5.4 } }),
  observation('named', { valueQuantity: { value: 5.4, unit: 'spoons' } }),
  observation('below', quantity(60, 'mm[Hg]', { comparator: '<' })),
  observation('above', quantity(200, 'mm[Hg]', { comparator: '>' })),
  observation('sampled', {
    valueSampledData: { origin: { value: 10, system: ucum, code: 'mV' }, period: 1, dimensions: 1, data: '1 2 E 3' },
  }),
  observation('fever', quantity(39, 'Cel')),
  observation('pH', quantity(7.4, '[pH]')),
  risk('r10', { probabilityDecimal: 10 }),
  risk('r100', { probabilityDecimal: 100 }),
  risk('r99', { probabilityDecimal: 99.4 }),
  risk('r-5', { probabilityDecimal: -5 }),
];

const rows: Row[] = [
  // Units.
  ['UCUM canonical', 'Observation', `value-quantity=5.4|${ucum}|g`, ['g', 'mg', 'g541']],
  ['UCUM canonical', 'Observation', `value-quantity=5400|${ucum}|mg`, ['g', 'mg']],
  ['UCUM canonical', 'Observation', `value-quantity=0.0054|${ucum}|kg`, ['g', 'mg', 'g541']],
  ['precision of the searched value', 'Observation', `value-quantity=5.40|${ucum}|g`, ['g', 'mg']],
  ['precision of the searched value', 'Observation', `value-quantity=5|${ucum}|g`, ['g', 'g541', 'mg']],
  ['UCUM is case sensitive', 'Observation', `value-quantity=5400|${ucum}|Mg`, []],
  ['a scale with a zero', 'Observation', `value-quantity=gt100|${ucum}|[degF]`, ['fever']],
  ['a scale with a zero', 'Observation', `value-quantity=lt100|${ucum}|[degF]`, []],
  ['no canonical form', 'Observation', `value-quantity=7.4|${ucum}|[pH]`, ['pH']],
  ['another system', 'Observation', 'value-quantity=5.4|urn:local|g', ['local']],
  ['code alone', 'Observation', 'value-quantity=5.4||g', ['g', 'g541', 'local']],
  ['unit alone', 'Observation', 'value-quantity=5.4||grams', ['g']],
  ['unit alone', 'Observation', 'value-quantity=5.4||spoons', ['named']],
  ['number alone', 'Observation', 'value-quantity=5.40', ['L', 'bare', 'g', 'local', 'named']],
  ['dimension counts', 'Observation', `value-quantity=5.4|${ucum}|mL`, []],
  ['OR', 'Observation', `value-quantity=5.40|${ucum}|L,39|${ucum}|Cel`, ['L', 'fever']],
  // Prefixes.
  ['gt', 'Observation', `value-quantity=gt5.4|${ucum}|g`, ['g541']],
  ['ge', 'Observation', `value-quantity=ge5.4|${ucum}|g`, ['g', 'mg', 'g541']],
  ['lt', 'Observation', `value-quantity=lt5.41|${ucum}|g`, ['g', 'mg']],
  ['le', 'Observation', `value-quantity=le5400|${ucum}|mg`, ['g', 'mg']],
  ['ne', 'Observation', `value-quantity=ne5.40|${ucum}|g`, ['g541']],
  ['sa', 'Observation', `value-quantity=sa5.4|${ucum}|g`, ['g541']],
  ['eb', 'Observation', `value-quantity=eb5.41|${ucum}|g`, ['g', 'mg']],
  ['ap', 'Observation', `value-quantity=ap5|${ucum}|g`, ['g', 'mg', 'g541']],
  ['ap, negative', 'Observation', `value-quantity=ap4|${ucum}|g`, []],
  // FHIR R4 datatypes.html#Quantity: a comparator says where the value lies.
  ['stored <60', 'Observation', `value-quantity=lt50|${ucum}|mm[Hg]`, ['below']],
  ['stored <60', 'Observation', `value-quantity=gt60|${ucum}|mm[Hg]`, ['above']],
  ['stored <60 is not 60', 'Observation', `value-quantity=60|${ucum}|mm[Hg]`, []],
  ['stored >200', 'Observation', `value-quantity=gt1000|${ucum}|mm[Hg]`, ['above']],
  ['SampledData by its bounds', 'Observation', `value-quantity=gt12|${ucum}|mV`, ['sampled']],
  ['SampledData by its bounds', 'Observation', `value-quantity=gt13|${ucum}|mV`, []],
  [':missing', 'Observation', 'value-quantity:missing=true', []],
  // Numbers.
  ['#number 100 is [99.5, 100.5)', 'RiskAssessment', 'probability=100', ['r100']],
  ['#number 1e2 is [95, 105)', 'RiskAssessment', 'probability=1e2', ['r100', 'r99']],
  ['#number 99 is [98.5, 99.5)', 'RiskAssessment', 'probability=99', ['r99']],
  ['#number 99.0', 'RiskAssessment', 'probability=99.0', []],
  ['ne', 'RiskAssessment', 'probability=ne100', ['r-5', 'r10', 'r99']],
  ['gt', 'RiskAssessment', 'probability=gt99.4', ['r100']],
  ['ge', 'RiskAssessment', 'probability=ge99.4', ['r100', 'r99']],
  ['lt', 'RiskAssessment', 'probability=lt10', ['r-5']],
  ['le', 'RiskAssessment', 'probability=le10', ['r-5', 'r10']],
  ['sa', 'RiskAssessment', 'probability=sa10', ['r100', 'r99']],
  ['eb', 'RiskAssessment', 'probability=eb10', ['r-5']],
  ['ap is 10 %', 'RiskAssessment', 'probability=ap95', ['r100', 'r99']],
  ['negative', 'RiskAssessment', 'probability=-5', ['r-5']],
  ['negative, ap', 'RiskAssessment', 'probability=ap-5', ['r-5']],
];

describeSearch('quantity and number (R4 search.html#quantity)', resources, rows);

describeRefused('quantity and number: what cannot be read', [
  ['four parts', 'Observation', 'value-quantity=5|a|b|c', 'value'],
  ['no number', 'Observation', `value-quantity=|${ucum}|g`, 'value'],
  ['text', 'RiskAssessment', 'probability=likely', 'value'],
  ['a modifier', 'Observation', 'value-quantity:exact=5', 'not-supported'],
]);
