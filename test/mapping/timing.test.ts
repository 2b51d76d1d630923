import assert from 'node:assert/strict';
import { validate } from '../../src/fhir/validate.ts';
import { map, resource, segment, toBundle } from './given.ts';

const order = 'ORC|NW|P1^HIS';
const obr = 'OBR|1|P1^HIS||24323-8^Metabolic panel^LN';

/** The timing of an order of these segments, which is valid. */
function timingOf(segments: readonly string[], type: string, name: string): unknown {
  const mapped = map(segments, { type });
  assert.deepEqual(validate(toBundle(mapped)), []);
  const draft = resource(mapped, name) as Record<string, unknown>;
  const [dosage] = (draft['dosageInstruction'] ?? []) as { timing?: unknown }[];
  return dosage === undefined ? draft['occurrenceTiming'] : dosage.timing;
}

/** As JSON says it: numbers keep their digits. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value)) as unknown;

const ucum = 'http://unitsofmeasure.org';

describe('TQ1 -> Timing (HL7 v2-to-FHIR, TQ1[ServiceRequest], RPT[Timing])', () => {
  const repeats: [what: string, fields: Record<number, string>, repeat: Record<string, unknown>][] = [
    ['TQ1-7, TQ1-8', { 7: '20240506', 8: '20240508' }, { boundsPeriod: { start: '2024-05-06', end: '2024-05-08' } }],
    ['an end before its start is no end', { 7: '20240506', 8: '20240501' }, { boundsPeriod: { start: '2024-05-06' } }],
    ['TQ1-6', { 6: '3^d' }, { boundsDuration: { value: 3, code: 'd', unit: 'd', system: ucum } }],
    ['TQ1-13', { 13: '30^min' }, { duration: 30, durationUnit: 'min' }],
    ['TQ1-14', { 14: '5' }, { count: 5 }],
    ['TQ1-4', { 4: '0800~2000' }, { timeOfDay: ['08:00:00', '20:00:00'] }],
    ['RPT.1 Q6H', { 3: 'Q6H' }, { frequency: 1, period: 6, periodUnit: 'h' }],
    ['RPT.1 BID', { 3: 'BID' }, { frequency: 2, period: 1, periodUnit: 'd' }],
    ['RPT.1 5ID', { 3: '5ID' }, { frequency: 5, period: 1, periodUnit: 'd' }],
    ['RPT.1 QHS', { 3: 'QHS' }, { frequency: 1, period: 1, periodUnit: 'd', when: ['HS'] }],
    ['RPT.1 Once', { 3: 'Once' }, { count: 1 }],
    ['RPT.5, RPT.6', { 3: 'X^^^^12^h' }, { frequency: 1, period: 12, periodUnit: 'h' }],
    ['RPT.8 to RPT.10', { 3: 'X^^^^^^^PC^2^h' }, { when: ['PC'], offset: 120 }],
    ['RPT.2 to RPT.4', { 3: 'X^DW^6^1' }, { dayOfWeek: ['sat', 'sun', 'mon'] }],
  ];
  for (const [what, fields, repeat] of repeats) {
    it(what, () => {
      const timing = timingOf([order, segment('TQ1', { 1: '1', ...fields }), obr], 'OML^O21', 'ServiceRequest');
      assert.deepEqual(plain((timing as { repeat: unknown }).repeat), repeat);
    });
  }

  it('a pattern that is not known stays a code', () => {
    const timing = timingOf([order, 'TQ1|1||WHENEVER', obr], 'OML^O21', 'ServiceRequest');
    assert.deepEqual(timing, { code: { coding: [{ code: 'WHENEVER' }] } });
  });

  it('the time that OBR-6 asks for is an event of the timing; without one it is the occurrence', () => {
    const asked = 'OBR|1|P1^HIS||1^Panel^L||20240506';
    const timing = timingOf([order, 'TQ1|1||||||20240501', asked], 'OML^O21', 'ServiceRequest');
    assert.deepEqual(timing, { repeat: { boundsPeriod: { start: '2024-05-01' } }, event: ['2024-05-06'] });
    const mapped = resource(map([order, asked], { type: 'OML^O21' }), 'ServiceRequest');
    assert.equal(mapped['occurrenceDateTime'], '2024-05-06');
  });

  for (const segments of [
    [order, 'RXO|1^Amoxicillin^L', 'TQ1|1||BID'],
    [order, 'TQ1|1||BID', 'RXO|1^Amoxicillin^L'],
  ]) {
    it(`${segments.map((text) => text.slice(0, 3)).join()}: the same dosage`, () => {
      const timing = timingOf(segments, 'OMP^O09', 'MedicationRequest') as { repeat: unknown };
      assert.deepEqual(timing.repeat, { frequency: 2, period: 1, periodUnit: 'd' });
    });
  }
});

describe('TQ (ORC-7, OBR-27, RXE-1 before v2.5) -> Timing', () => {
  const cases: [quantity: string, timing: unknown][] = [
    ['^Q8H', { repeat: { frequency: 1, period: 8, periodUnit: 'h' }, code: { text: 'Q8H' } }],
    ['^^D4', { repeat: { boundsDuration: { value: 4, unit: 'd', code: 'd', system: ucum } } }],
    ['^^X3', { repeat: { count: 3 } }],
    ['^^^20240506^20240507', { repeat: { boundsPeriod: { start: '2024-05-06', end: '2024-05-07' } } }],
    ['^^^^^R', undefined],
  ];
  for (const [quantity, expected] of cases) {
    it(`${quantity} in ORC-7, OBR-27 and RXE-1`, () => {
      const places: [segments: string[], type: string, name: string][] = [
        [[segment('ORC', { 1: 'NW', 2: 'P1', 7: quantity }), obr], 'ORM^O01', 'ServiceRequest'],
        [[order, segment('OBR', { 2: 'P1', 4: '1^Panel^L', 27: quantity })], 'ORM^O01', 'ServiceRequest'],
        [[order, `RXE|${quantity}|1^Amoxicillin^L`], 'RDE^O11', 'MedicationRequest'],
      ];
      for (const [segments, type, name] of places)
        assert.deepEqual(plain(timingOf(segments, type, name) ?? null), expected ?? null);
    });
  }
});
