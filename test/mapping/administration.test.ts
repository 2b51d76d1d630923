import assert from 'node:assert/strict';
import { validate } from '../../src/fhir/validate.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import type { MappedMessage } from '../../src/mapping/message/draft.ts';
import { drafts, json, map, resource, toBundle } from './given.ts';

const visit = 'PV1|1|I|W1^R1^B1||||||||||||||||V1^^^HOSPA^VN';
const hub = 'https://health-record-hub.example/fhir/StructureDefinition';

function valid(mapped: MappedMessage): MappedMessage {
  const { entry } = toBundle(mapped) as unknown as { entry: { resource?: AnyResource }[] };
  assert.deepEqual(
    entry.flatMap(({ resource: item }) => (item === undefined ? [] : validate(item))),
    [],
  );
  return mapped;
}

describe('PID-5 -> Patient.name (XPN)', () => {
  const names = (field: string): Record<string, unknown>[] =>
    resource(valid(map([`PID|1||P1||${field}`])), 'Patient')['name'] as Record<string, unknown>[];
  const representation = (code: string) => ({
    url: 'http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation',
    valueCode: code,
  });

  it('XPN.8: one name in characters, in letters and by its sound is three names, each marked (HL70465)', () => {
    const [ideographic, alphabetic, phonetic] = names('林^梅^^^^^L^I~Lin^Mei^^^^^L^A~りん^めい^^^^^L^P');
    assert.deepEqual(ideographic, {
      use: 'official',
      family: '林',
      given: ['梅'],
      extension: [representation('IDE')],
    });
    assert.equal(alphabetic?.['family'], 'Lin');
    assert.deepEqual(alphabetic?.['extension'], [representation('ABC')]);
    assert.equal(phonetic?.['family'], 'りん');
    assert.deepEqual(phonetic?.['extension'], [representation('SYL')]);
  });

  it('names without a code are told apart by nothing: none is guessed', () => {
    assert.deepEqual(names('林^梅~Lin^Mei'), [
      { family: '林', given: ['梅'] },
      { family: 'Lin', given: ['Mei'] },
    ]);
  });

  for (const [code, use] of [
    ['L', 'official'],
    ['D', 'usual'],
    ['M', 'maiden'],
    ['N', 'nickname'],
    ['NOUSE', 'old'],
    ['S', 'anonymous'],
  ]) {
    it(`XPN.7 ${code} is the use ${use}`, () => {
      assert.equal(names(`Lin^Mei^^^^^${code}`)[0]?.['use'], use);
    });
  }

  it('XPN.7 B, which has no use, stands beside as what it is', () => {
    assert.match(json(names('Lin^Mei^^^^^B')), /alternate-codes.*v2-0200","code":"B","display":"Birth name"/);
  });
});

describe('ROL -> PractitionerRole, and the part in what it follows', () => {
  const rol = (role: string, action = 'AD', doctor = '12^Chen^Hao'): string =>
    `ROL|R1|${action}|${role}^^HL70443|${doctor}|20260101|20260201|||207R^Internal^L|||^WPN^PH^^^571^5550100|W1^R1|North Clinic^L`;
  const role = (mapped: MappedMessage): string => `PractitionerRole/${resource(mapped, 'PractitionerRole').id}`;

  it('after PV1: a participant of the visit, with type and time', () => {
    const mapped = valid(map([visit, rol('AT')]));
    const participant = resource(mapped, 'Encounter')['participant'] as Record<string, unknown>[];
    assert.equal(participant.length, 1);
    assert.deepEqual(participant[0]?.['individual'], { reference: role(mapped) });
    assert.deepEqual(participant[0]?.['period'], { start: '2026-01-01', end: '2026-02-01' });
    assert.match(json(participant[0]?.['type']), /"code":"ATND"/);
    const who = resource(mapped, 'PractitionerRole');
    assert.match(json(who['practitioner']), /Hao Chen/);
    assert.match(json(who['organization']), /North Clinic/);
    assert.match(json(who['telecom']), /571 5550100/);
    assert.equal(json(who['location']).includes('Location/'), true);
  });

  it('after PID, PP: the primary care provider; before the visit it is not the visit’s', () => {
    const mapped = valid(map(['PID|1||P1^^^HOSPA^MR||Lin^Mei', rol('PP'), visit]));
    assert.deepEqual(resource(mapped, 'Patient')['generalPractitioner'], [{ reference: role(mapped) }]);
    assert.equal(resource(mapped, 'Encounter')['participant'], undefined);
    assert.deepEqual(drafts(mapped, 'CareTeam'), []);
  });

  it('after PID, another role: a team of the patient', () => {
    const mapped = valid(map(['PID|1||P1^^^HOSPA^MR||Lin^Mei', rol('CP'), visit]));
    const [participant] = resource(mapped, 'CareTeam')['participant'] as Record<string, unknown>[];
    assert.deepEqual(participant?.['member'], { reference: role(mapped) });
    assert.match(json(participant?.['role']), /"code":"CON"/);
  });

  it('after PR1: a performer of the procedure', () => {
    const mapped = valid(map([visit, 'PR1|1||X1^Scan^L', rol('AT')]));
    const [performer] = resource(mapped, 'Procedure')['performer'] as Record<string, unknown>[];
    assert.deepEqual(performer?.['actor'], { reference: role(mapped) });
    assert.equal(resource(mapped, 'Encounter')['participant'], undefined);
  });

  it('ROL-2 DE: no participant any more; of a team a deletion', () => {
    assert.equal(resource(map([visit, rol('AT', 'DE')]), 'Encounter')['participant'], undefined);
    const [team] = drafts(map(['PID|1||P1||Lin^Mei', rol('CP', 'DE')]), 'CareTeam');
    assert.equal(team?.mode, 'delete');
  });

  it('the same role stated twice is one role, said once', () => {
    const mapped = valid(map(['PID|1||P1^^^HOSPA^MR||Lin^Mei', rol('PP'), visit, rol('PP')]));
    assert.equal(drafts(mapped, 'PractitionerRole').length, 1);
    assert.equal((resource(mapped, 'PractitionerRole')['code'] as unknown[]).length, 1);
  });
});

describe('segments without a resource of their own', () => {
  it('DB1: each disability one extension, its parts together', () => {
    const mapped = valid(map(['DB1|1|PT|D7^^^HOSPA|Y|20260101|20260201', 'DB1|2|PT|D8^^^HOSPA|N']));
    const extension = (
      resource(mapped, 'Patient')['extension'] as { url: string; extension: { url: string }[] }[]
    ).filter(({ url }) => url === `${hub}/disability`);
    assert.equal(extension.length, 2);
    assert.deepEqual(
      extension[0]?.extension.map(({ url }) => url),
      ['person', 'identifier', 'indicator', 'start', 'end'],
    );
    assert.match(json(extension[1]), /"valueBoolean":false/);
  });

  it('PDA: cause, place and who certified', () => {
    const text = json(resource(valid(map(['PDA|I46^Cardiac arrest^I10|W1|Y|20260105|12^Chen^Hao|N'])), 'Patient'));
    assert.ok(text.includes(`"url":"${hub}/death-and-autopsy"`), text);
    assert.match(text, /"url":"cause","valueCodeableConcept".*I46/);
    assert.match(text, /"url":"certified-by","valueReference":\{"reference":"Practitioner\//);
    assert.match(text, /"url":"autopsy","valueBoolean":false/);
  });

  it('ACC: the accident is the visit’s', () => {
    const text = json(resource(valid(map([visit, 'ACC|20260101|A^Car^L|Lake Road||Y|N'])), 'Encounter'));
    assert.match(text, /accident-date","valueDateTime":"2026-01-01"/);
    assert.match(text, /accident-job-related","valueBoolean":true/);
  });

  it('a field that its kind cannot hold stays as it was sent', () => {
    assert.match(json(resource(map(['DB1|1|PT||maybe']), 'Patient')), /\{"url":"DB1-4","valueString":"maybe"\}/);
  });
});

describe('IAM -> AllergyIntolerance (HL7 v2-to-FHIR, IAM[AllergyIntolerance])', () => {
  const iam = (fields: string): MappedMessage => map([`IAM|1|${fields}`], { type: 'ADT^A60' });

  it('type, category, substance, severity, reaction and criticality', () => {
    const text = json(resource(valid(iam('FA|1^Peanuts^L|SV|Hives|A')), 'AllergyIntolerance'));
    for (const part of [
      '"type":"allergy"',
      '"category":["food"]',
      '"severity":"severe"',
      '"manifestation":[{"text":"Hives"}]',
      '"criticality":"high"',
      '"code":"active"',
    ]) {
      assert.ok(text.includes(part), `${part} in ${text}`);
    }
  });

  it('IAM-6 D deletes the same allergy that AL1 or IAM said; X says nothing', () => {
    const said = resource(iam('FA|1^Peanuts^L|SV|Hives|A'), 'AllergyIntolerance').id;
    const [deleted] = drafts(iam('FA|1^Peanuts^L|||D'), 'AllergyIntolerance');
    assert.deepEqual([deleted?.mode, deleted?.resource.id], ['delete', said]);
    assert.equal(resource(map(['AL1|1|FA|1^Peanuts^L']), 'AllergyIntolerance').id, said);
    assert.deepEqual(drafts(iam('FA|1^Peanuts^L|||X'), 'AllergyIntolerance'), []);
  });

  it('IAM-17 E: an error has no clinical status (ait-2)', () => {
    const allergy = resource(valid(iam(`FA|1^Peanuts^L|||A${'|'.repeat(11)}E`)), 'AllergyIntolerance');
    assert.equal(allergy['clinicalStatus'], undefined);
    assert.match(json(allergy['verificationStatus']), /entered-in-error/);
  });
});

describe('MSH and EVN -> Provenance', () => {
  const provenance = (evn: string): string => json(resource(valid(map([evn, 'PID|1||P1||Lin^Mei'])), 'Provenance'));

  it('EVN-2, EVN-4 to EVN-7: recorded, why, who, when it happened, where', () => {
    const text = provenance('EVN|A01|20260301080000||01|12^Chen^Hao|20260301075500|North^1.2.3.4^ISO');
    assert.match(text, /event-recorded","valueDateTime":"2026-03-01T08:00:00\+08:00"/);
    assert.match(text, /"occurredDateTime":"2026-03-01T07:55:00\+08:00"/);
    assert.match(text, /"code":"enterer".*Hao Chen/);
    assert.match(text, /"location":\{"reference":"Location\/[^"]+","display":"North"\}/);
  });

  it('EVN-7: the universal id is the facility’s identifier', () => {
    const mapped = map(['EVN|A01|20260301|||||North^1.2.3.4^ISO', 'PID|1||P1||Lin^Mei']);
    assert.match(json(resource(mapped, 'Location')['identifier']), /"urn:ietf:rfc:3986","value":"urn:oid:1.2.3.4"/);
  });

  it('MSH-3: the application is a source of the message', () => {
    assert.match(provenance('EVN|A01|20260301'), /"role":"source","what":\{"identifier":\{[^}]*"value":"APP"\}\}/);
  });
});

describe('PL -> Location', () => {
  it('PL.10 and PL.11: the place has a number of its own', () => {
    const mapped = valid(map(['PV1|1|I|W1^R1^B1^^^^^^^BED-7^HOSPA&1.2.3&ISO']));
    const bed = drafts(mapped, 'Location').find(({ resource: item }) => item['name'] === 'B1');
    assert.match(json(bed?.resource['identifier']), /"system":"urn:oid:1.2.3","value":"BED-7"/);
  });
});
