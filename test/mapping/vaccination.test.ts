import assert from 'node:assert/strict';
import { validate } from '../../src/fhir/validate.ts';
import type { MappedMessage } from '../../src/mapping/message/draft.ts';
import { drafts, map, resource, segment, toBundle } from './given.ts';

const order = 'ORC|RE||I1^IIS|||||||||1001^Chen^Hao';
const vaccine = (fields: Record<number, string> = {}): string =>
  segment('RXA', { 1: '0', 2: '1', 3: '20240506', 5: '141^Influenza^CVX', 6: '0.5', 7: 'mL', 20: 'CP', ...fields });
let setId = 0;
const about = (type: string, code: string, subId: string, value: string): string =>
  `OBX|${++setId}|${type}|${code}^x^LN|${subId}|${value}||||||F`;

function vaccinated(segments: readonly string[], type = 'VXU^V04'): MappedMessage {
  const mapped = map(segments, { type });
  assert.deepEqual(
    validate(toBundle(mapped)).map(({ message, expression }) => `${message} at ${expression.join()}`),
    [],
  );
  return mapped;
}

describe('RXA -> Immunization (HL7 v2-to-FHIR, RXA[Immunization])', () => {
  const statuses: [sent: Record<number, string>, status: string][] = [
    [{ 20: 'CP' }, 'completed'],
    [{ 20: 'PA' }, 'completed'],
    [{ 20: 'RE', 18: '00^Parental decision^NIP002' }, 'not-done'],
    [{ 20: 'NA' }, 'not-done'],
    [{ 20: '' }, 'completed'],
  ];
  for (const [sent, status] of statuses) {
    it(`RXA-20 ${sent[20] || 'not sent'} -> ${status}`, () => {
      const immunization = resource(vaccinated([order, vaccine(sent)]), 'Immunization');
      assert.equal(immunization['status'], status);
      assert.equal(immunization['statusReason'] !== undefined, sent[18] !== undefined);
    });
  }

  it('RXA-10 administers (AP), ORC-12 orders (OP)', () => {
    const immunization = resource(vaccinated([order, vaccine({ 10: '1002^Wu^Lan' })]), 'Immunization');
    const performers = immunization['performer'] as {
      function: { coding: { code: string }[] };
      actor: { display: string };
    }[];
    assert.deepEqual(
      performers.map((performer) => [performer.function.coding[0]?.code, performer.actor.display]),
      [
        ['AP', 'Lan Wu'],
        ['OP', 'Hao Chen'],
      ],
    );
  });

  it('RXA-6 999 is an amount that nobody knows, so no dose', () => {
    assert.equal(resource(vaccinated([order, vaccine({ 6: '999' })]), 'Immunization')['doseQuantity'], undefined);
  });

  it('RXA-21 D deletes it', () => {
    assert.equal(drafts(map([order, vaccine({ 21: 'D' })], { type: 'VXU^V04' }), 'Immunization')[0]?.mode, 'delete');
  });
});

describe('OBX after RXA, by OBX-4', () => {
  const segments = [
    order,
    vaccine(),
    about('CE', '64994-7', '1', 'V02^Medicaid^HL70064'),
    about('CE', '30963-3', '2', 'PHC70^Private^CDCPHINVS'),
    about('CE', '69764-9', '3', '2530^Influenza statement^cdcgs1vis'),
    about('DT', '29769-7', '3', '20240506'),
    about('CE', '30956-7', '4', '88^Influenza, unspecified^CVX'),
    about('DT', '29768-9', '4', '20230801'),
    about('DT', '29769-7', '5', '20240507'),
    about('NM', '30973-2', '6', '2'),
    about('CE', '59779-9', '6', 'VXC16^ACIP^CDCPHINVS'),
    about('NM', '59782-3', '6', 'three'),
  ];

  it('eligibility, funding, statements handed out, dose of a series', () => {
    const immunization = resource(vaccinated(segments), 'Immunization');
    assert.equal((immunization['programEligibility'] as unknown[]).length, 1);
    assert.ok(immunization['fundingSource']);
    assert.deepEqual(immunization['education'], [
      { documentType: 'Influenza statement', presentationDate: '2024-05-06' },
      { documentType: 'Influenza, unspecified', publicationDate: '2023-08-01' },
    ]);
    assert.deepEqual(immunization['protocolApplied'], [
      { authority: { display: 'ACIP' }, doseNumberPositiveInt: 2, seriesDosesString: 'three' },
    ]);
  });

  it('each stays an Observation as well, part of the immunisation', () => {
    const mapped = vaccinated(segments);
    const reference = `Immunization/${resource(mapped, 'Immunization').id}`;
    const observations = drafts(mapped, 'Observation').map((draft) => draft.resource);
    assert.equal(observations.length, segments.length - 2);
    for (const observation of observations) assert.deepEqual(observation['partOf'], [{ reference }]);
  });
});

const loinc = (code: string, display: string): unknown => ({ coding: [{ system: 'http://loinc.org', code, display }] });

describe('RXA-5 998 with a forecast -> ImmunizationRecommendation', () => {
  const none = vaccine({ 5: '998^No vaccine administered^CVX', 20: 'NA', 6: '999' });
  const forecast = [
    about('CE', '30979-9', '1', '20^DTaP^CVX'),
    about('DT', '30980-7', '1', '20240601'),
    about('DT', '30981-5', '1', '20240515'),
    about('CE', '59783-1', '1', 'LA13423-1^Overdue^LN'),
    about('NM', '30973-2', '1', '4'),
    about('CE', '30979-9', '2', '03^MMR^CVX'),
  ];

  it('one recommendation for each OBX-4, and no Immunization', () => {
    const mapped = vaccinated(['MSA|AA|Q1', order, none, ...forecast], 'RSP^K11');
    assert.equal(drafts(mapped, 'Immunization').length, 0);
    const made = resource(mapped, 'ImmunizationRecommendation');
    assert.equal(made['date'], '2024-05-06');
    assert.deepEqual(made['recommendation'], [
      {
        vaccineCode: [{ coding: [{ system: 'http://hl7.org/fhir/sid/cvx', code: '20', display: 'DTaP' }] }],
        forecastStatus: {
          coding: [
            { system: 'http://terminology.hl7.org/CodeSystem/immunization-recommendation-status', code: 'overdue' },
            { system: 'http://loinc.org', code: 'LA13423-1', display: 'Overdue' },
          ],
        },
        dateCriterion: [
          { code: loinc('30981-5', 'Earliest date to give'), value: '2024-05-15' },
          { code: loinc('30980-7', 'Date vaccine due'), value: '2024-06-01' },
        ],
        doseNumberPositiveInt: 4,
      },
      {
        vaccineCode: [{ coding: [{ system: 'http://hl7.org/fhir/sid/cvx', code: '03', display: 'MMR' }] }],
        forecastStatus: {
          extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/data-absent-reason', valueCode: 'unknown' }],
        },
      },
    ]);
  });

  it('998 without a forecast stays an Immunization that was not done', () => {
    const mapped = vaccinated([order, none, about('CE', '59784-9', '1', '38907003^Varicella^SCT')]);
    assert.equal(drafts(mapped, 'ImmunizationRecommendation').length, 0);
    assert.equal(resource(mapped, 'Immunization')['status'], 'not-done');
  });
});
