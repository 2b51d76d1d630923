import assert from 'node:assert/strict';
import { validate } from '../../src/fhir/validate.ts';
import { map, resource, toBundle } from './given.ts';

const order = 'ORC|NW|P1^HIS|F1^PHARM';
const base = 'RXC|B|D5W^Dextrose 5 %^L|1000|mL';
const additive = 'RXC|A|KCL^Potassium chloride^L|20|mmol|2|mmol||1|mL';

describe('RXC -> ingredients of a contained Medication', () => {
  const prescriptions: [type: string, segments: string[]][] = [
    ['RDE^O11', [order, 'RXE||IV1^Infusion^L|1||L|SOL^Solution^L', base, additive]],
    ['OMP^O09', [order, 'RXO|IV1^Infusion^L|1||L|SOL^Solution^L', base, additive]],
  ];
  for (const [type, segments] of prescriptions) {
    it(`${type}: each with its own amount and strength`, () => {
      const mapped = map(segments, { type });
      assert.deepEqual(validate(toBundle(mapped)), []);
      const request = resource(mapped, 'MedicationRequest');
      assert.equal(request['medicationCodeableConcept'], undefined);
      assert.deepEqual(request['medicationReference'], { reference: '#compound' });
      const [medication] = request['contained'] as { code: { coding: { code: string }[] }; ingredient: Ingredient[] }[];
      assert.equal(medication?.code.coding[0]?.code, 'IV1');
      assert.deepEqual(
        medication?.ingredient.map(({ itemCodeableConcept, isActive, strength }) => [
          itemCodeableConcept.coding[0]?.code,
          isActive,
          strength.numerator.value,
          strength.numerator.unit,
        ]),
        [
          ['D5W', false, 1000, 'mL'],
          ['KCL', true, 20, 'mmol'],
        ],
      );
    });
  }

  it('without RXC the code alone, by which prescriptions are searched', () => {
    const request = resource(map([order, 'RXE||A1^Amoxicillin^L|500||mg'], { type: 'RDE^O11' }), 'MedicationRequest');
    assert.equal(request['contained'], undefined);
    assert.ok(request['medicationCodeableConcept']);
  });
});

describe('dose (HL7 v2-to-FHIR, RXO-2 to RXO-4)', () => {
  const ml = { unit: 'mL', system: 'http://unitsofmeasure.org', code: 'mL' };
  const doses: [least: string, most: string, expected: unknown][] = [
    ['5', '10', { doseRange: { low: { value: 5, ...ml }, high: { value: 10, ...ml } } }],
    ['5', '', { doseQuantity: { value: 5, ...ml } }],
    ['', '10', { doseQuantity: { value: 10, ...ml } }],
    ['5', '5', { doseQuantity: { value: 5, ...ml } }],
    // rng-2: most below least is no range.
    ['10', '5', { doseQuantity: { value: 10, ...ml } }],
  ];
  for (const [least, most, expected] of doses) {
    it(`least ${least || 'not sent'}, most ${most || 'not sent'}, in RXO, RXE and RXG`, () => {
      const places: [type: string, segment: string][] = [
        ['OMP^O09', `RXO|1^Syrup^L|${least}|${most}|mL`],
        ['RDE^O11', `RXE||1^Syrup^L|${least}|${most}|mL`],
        ['RGV^O15', `RXG|1||^^^20240506|1^Syrup^L|${least}|${most}|mL`],
      ];
      for (const [type, segment] of places) {
        const mapped = map([order, segment], { type });
        assert.deepEqual(validate(toBundle(mapped)), []);
        const [dosage] = resource(mapped, 'MedicationRequest')['dosageInstruction'] as { doseAndRate: unknown[] }[];
        assert.deepEqual(JSON.parse(JSON.stringify(dosage?.doseAndRate[0])), expected, type);
      }
    });
  }
});

describe('RSP^K31, a dispense history', () => {
  it('is what was dispensed, for the prescriptions it answers', () => {
    const segments = [
      'MSA|AA|Q1',
      order,
      'RXO|A1^Amoxicillin^L|500||mg',
      'RXD|1|A1^Amoxicillin^L|20240506|30|CAP||RX7',
    ];
    const mapped = map(segments, { type: 'RSP^K31' });
    assert.deepEqual(validate(toBundle(mapped)), []);
    const { authorizingPrescription } = resource(mapped, 'MedicationDispense');
    const reference = `MedicationRequest/${resource(mapped, 'MedicationRequest').id}`;
    assert.deepEqual(authorizingPrescription, [{ reference }]);
  });
});

interface Ingredient {
  readonly itemCodeableConcept: { coding: { code: string }[] };
  readonly isActive: boolean;
  readonly strength: { numerator: { value: number; unit: string } };
}

describe('rest: true, the repetitions after the first', () => {
  it('OBR-16: the first requests, the others are named beside', () => {
    const mapped = map(['OBR|1||F1|1^Panel^L||||||||||||1001^Chen^Hao~1002^Wu^Lan'], { type: 'ORU^R01' });
    const request = resource(mapped, 'ServiceRequest');
    assert.equal((request['requester'] as { display: string }).display, 'Hao Chen');
    const names = (request['extension'] as { valueReference?: { display: string } }[]).map(
      ({ valueReference }) => valueReference?.display,
    );
    assert.deepEqual(names, ['Lan Wu']);
  });

  it('one repetition has no rest', () => {
    const mapped = map(['OBR|1||F1|1^Panel^L||||||||||||1001^Chen^Hao'], { type: 'ORU^R01' });
    assert.equal(resource(mapped, 'ServiceRequest')['extension'], undefined);
  });
});
