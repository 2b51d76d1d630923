import assert from 'node:assert/strict';
import { drafts, json, map, resource } from './given.ts';

describe('Encounter.status by event (HL7 v2-to-FHIR, Event[EncounterStatus])', () => {
  const visit = 'PV1|1|I|||||||||||||||||V1^^^HOSPA^VN';
  const cases: [type: string, segment: string, status: string, isFallback: boolean][] = [
    ['ADT^A01', visit, 'in-progress', false],
    ['ADT^A03', visit, 'finished', false],
    ['ADT^A04', visit, 'in-progress', false],
    ['ADT^A05', visit, 'planned', false],
    ['ADT^A11', visit, 'cancelled', false],
    ['ADT^A13', visit, 'in-progress', false],
    ['ADT^A38', visit, 'cancelled', false],
    // What does not move the visit yields to what is stored.
    ['ADT^A08', visit, 'in-progress', true],
    ['ADT^A08', 'PV1|1|P', 'planned', true],
    ['ADT^A08', 'PV1|1', 'unknown', true],
    ['ADT^A08', `${visit}|||||||||||||||||||||||||20240501|20240506`, 'finished', false],
    ['ORU^R01', visit, 'in-progress', true],
    // The event's word stands before a date: an expected discharge does not end an admission.
    ['ADT^A01', `${visit}|||||||||||||||||||||||||20240501|20240506`, 'in-progress', false],
  ];
  for (const [type, segment, status, isFallback] of cases) {
    it(`given ${type} and ${segment.slice(0, 12)}, then ${status}${isFallback ? ', unless one is stored' : ''}`, () => {
      const [draft] = drafts(map([segment], { type }), 'Encounter');
      assert.equal(draft?.resource['status'], status);
      assert.equal(draft?.fallback.includes('status'), isFallback);
    });
  }
});

describe('PV1 -> Encounter (HL7 v2-to-FHIR, PV1[Encounter])', () => {
  const encounter = (segment: string): string => json(resource(map([segment]), 'Encounter'));

  it('PV1-2 is the class; without it the class is said to be unknown, and yields', () => {
    assert.ok(
      encounter('PV1|1|E').includes(
        '"class":{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"EMER"',
      ),
    );
    const [draft] = drafts(map(['PV1|1'], { type: 'ADT^A08' }), 'Encounter');
    assert.ok(json(draft?.resource['class']).includes('data-absent-reason'));
    assert.deepEqual(draft?.fallback, ['status', 'class']);
  });

  it('PV1-3 is a chain of locations, the narrowest in the visit', () => {
    const mapped = map(['PV1|1|I|W3^R12^B2^HOSPA']);
    const locations = drafts(mapped, 'Location').map(({ resource: item }) => item);
    assert.deepEqual(
      locations.map((item) => item['name']),
      ['HOSPA', 'W3', 'R12', 'B2'],
    );
    assert.deepEqual(locations[3]?.['partOf'], { reference: `Location/${locations[2]?.id}` });
    const [place] = resource(mapped, 'Encounter')['location'] as { location: { reference: string }; status: string }[];
    assert.equal(place?.location.reference, `Location/${locations[3]?.id}`);
    assert.equal(place?.status, 'active');
  });

  it('PV1-7 and PV1-17 of one doctor are one Practitioner in two roles', () => {
    const mapped = map(['PV1|1|I|||||12^Chen^Hao||||||||||12^Chen^Hao']);
    assert.equal(drafts(mapped, 'Practitioner').length, 1);
    const text = json(resource(mapped, 'Encounter')['participant']);
    assert.ok(text.includes('"ATND"') && text.includes('"ADM"'), text);
  });

  it('a discharge before the admission is no period, and is kept', () => {
    const text = encounter('PV1|1|I||||||||||||||||||||||||||||||||||||||||||20240506|20240501');
    assert.ok(text.includes('"period":{"start":"2024-05-06"}'), text);
    assert.ok(text.includes('{"url":"PV1-45","valueString":"20240501"}'), text);
  });

  it('DG1 is a Condition and a diagnosis of the visit', () => {
    const mapped = map(['PV1|1|I', 'DG1|1||I20.0^Unstable angina^I10|||A']);
    const condition = resource(mapped, 'Condition');
    const text = json(resource(mapped, 'Encounter')['diagnosis']);
    assert.ok(text.includes(`Condition/${condition.id}`) && text.includes('"AD"'), text);
    assert.ok(json(condition['code']).includes('http://hl7.org/fhir/sid/icd-10'));
  });

  for (const [name, display] of [
    ['D1^郁^砚舟', '郁砚舟'],
    ['D1^Weber^Anna', 'Anna Weber'],
    ['D1^Weber', 'Weber'],
  ] as const) {
    it(`given the doctor ${name}, then the reference reads ${display}`, () => {
      assert.ok(encounter(`PV1|1|I|||||${name}`).includes(`"display":"${display}"`));
    });
  }
});
