import assert from 'node:assert/strict';
import { validate } from '../../src/fhir/validate.ts';
import type { MappedMessage } from '../../src/mapping/message/draft.ts';
import { drafts, json, map, resource, segment, toBundle } from './given.ts';

function master(segments: readonly string[], type = 'MFN^M02'): MappedMessage {
  const mapped = map(segments, { type, hasPatient: false });
  assert.deepEqual(validate(JSON.parse(JSON.stringify(toBundle(mapped)))), []);
  return mapped;
}

const staff = segment('STF', {
  1: 'D7^Sa',
  2: '4711^^^REG^MD',
  3: 'Sa^Rui',
  4: 'P^Physician^HL70182',
  5: 'M',
  6: '19700102',
  7: 'A',
  8: 'CARD^Cardiology',
  10: '+351 2^WPN^PH',
  12: '20200101',
});

describe('MFN^M02 and PMU: STF, PRA, ORG, EDU, CER, LAN -> Practitioner, PractitionerRole', () => {
  it('STF is the person, and what the person does where', () => {
    const mapped = master(['MFI|STF||UPD|||AL', 'MFE|MAD|1|20260101|D7', staff]);
    const person = resource(mapped, 'Practitioner');
    assert.equal(person['gender'], 'male');
    assert.equal(person['birthDate'], '1970-01-02');
    assert.equal(person['active'], true);
    assert.ok(json(person['identifier']).includes('"4711"') && json(person['name']).includes('"Sa"'));
    const role = resource(mapped, 'PractitionerRole');
    assert.deepEqual(role['practitioner'], { reference: `Practitioner/${person.id}` });
    assert.equal((role['organization'] as { display: string }).display, 'Cardiology');
    assert.deepEqual(role['period'], { start: '2020-01-01' });
    assert.ok(json(role['code']).includes('v2-0182'));
  });

  it('is the same person as the one a visit names by that number', () => {
    const named = map(['PV1|1|I|||||D7^Sa^Rui'], { type: 'ADT^A01' });
    const [doctor] = drafts(named, 'Practitioner');
    assert.equal(resource(master(['MFE|MUP|1||D7', staff]), 'Practitioner').id, doctor?.resource.id);
  });

  it('PRA and its companions are numbers, specialties, degrees, certificates, languages and units', () => {
    const mapped = master([
      'MFE|MAD|1||D7',
      staff,
      'PRA|D7||SP^Specialist|||88001^SL^CA^20300101|||||',
      'PRA|D7||||Cardiology^Board of Medicine^CERTIFIED^20100501',
      'ORG|1|ICU^Intensive care||Y|||||20210101^20251231',
      'EDU|1|MD^Doctor of Medicine|||19950630|Faculty of Medicine',
      segment('CER', { 1: '1', 2: 'C55', 4: 'Medical Council', 10: 'LIC^Licence', 23: '20000101', 27: '20301231' }),
      'LAN|1|pt^Portuguese|1^Read|4^Excellent',
    ]);
    const person = resource(mapped, 'Practitioner');
    const identifiers = json(person['identifier']);
    assert.ok(identifiers.includes('"code":"SL"') && identifiers.includes('"end":"2030-01-01"'), identifiers);
    const qualifications = json(person['qualification']);
    for (const part of [
      '"text":"Cardiology"',
      'Board of Medicine',
      'Faculty of Medicine',
      '"value":"C55"',
      'Medical Council',
    ])
      assert.ok(qualifications.includes(part), `${part} in ${qualifications}`);
    assert.ok(qualifications.includes('"period":{"start":"2000-01-01","end":"2030-12-31"}'), qualifications);
    assert.ok(json(person['communication']).includes('"pt"'));
    const unit = drafts(mapped, 'PractitionerRole').find(({ resource: role }) => json(role['period']).includes('2025'));
    assert.ok(json(unit?.resource['organization']).includes('Intensive care'));
  });

  it('MDC deactivates, with the record or without it', () => {
    assert.equal(resource(master(['MFE|MDC|1||D7', staff]), 'Practitioner')['active'], false);
    assert.equal(resource(master(['MFE|MDC|1||D7']), 'Practitioner')['active'], false);
    assert.equal(resource(master(['MFE|MAC|1||D7']), 'Practitioner')['active'], true);
  });

  it('MDL deletes the person and the role that the record had, by its key alone for the person', () => {
    const added = resource(master(['MFE|MAD|1||D7', staff]), 'Practitioner');
    const [gone] = drafts(map(['MFE|MDL|1||D7'], { type: 'MFN^M02', hasPatient: false }), 'Practitioner');
    assert.equal(gone?.mode, 'delete');
    assert.equal(gone?.resource.id, added.id);
    const whole = map(['MFE|MDL|1||D7', staff], { type: 'MFN^M02', hasPatient: false });
    assert.deepEqual(
      [...drafts(whole, 'Practitioner'), ...drafts(whole, 'PractitionerRole')].map(({ mode }) => mode),
      ['delete', 'delete'],
    );
  });

  it('each record of a file is its own: one is added, the next deleted', () => {
    const mapped = map(['MFI|STF||UPD', 'MFE|MAD|1||D7', staff, 'MFE|MDL|2||D8'], {
      type: 'MFN^M02',
      hasPatient: false,
    });
    assert.deepEqual(
      drafts(mapped, 'Practitioner').map(({ mode }) => mode),
      ['merge', 'delete'],
    );
  });

  it('what was done stands in the Provenance', () => {
    const provenance = json(resource(master(['MFI|STF||UPD|||AL', 'MFE|MAD|77|20260101|D7', staff]), 'Provenance'));
    for (const part of ['"MAD"', '"UPD"', '"value":"77"', '"occurredDateTime":"2026-01-01"'])
      assert.ok(provenance.includes(part), `${part} in ${provenance}`);
  });

  for (const [event, active] of [
    ['B01', undefined],
    ['B04', true],
    ['B05', false],
    ['B06', false],
  ] as const) {
    it(`PMU^${event}: active is ${active}`, () => {
      const mapped = master([segment('STF', { 1: 'D7', 3: 'Sa^Rui' })], `PMU^${event}`);
      assert.equal(resource(mapped, 'Practitioner')['active'], active);
    });
  }

  it('PMU^B03 deletes', () => {
    const [gone] = drafts(map([staff], { type: 'PMU^B03', hasPatient: false }), 'Practitioner');
    assert.equal(gone?.mode, 'delete');
  });
});

describe('MFN^M05: LOC, LDP, LRL -> Location', () => {
  const bed = 'LOC|W3^12^2^HOSPA|By the window|N|Trust^^7|1 Hill^^Porto|+351 3^WPN^PH';

  it('is the place that a visit refers to, part of its room, ward and site', () => {
    const mapped = master(
      ['MFI|LOC||UPD', 'MFE|MAD|1||W3^12^2^HOSPA|PL', bed, 'LDP|W3^12^2|SURG^Surgery|CAR|||A'],
      'MFN^M05',
    );
    const visit = map(['PV1|1|I|W3^12^2^HOSPA'], { type: 'ADT^A01' });
    const [place] = resource(visit, 'Encounter')['location'] as { location: { reference: string } }[];
    const location = mapped.drafts.find(
      ({ resource: item }) => `Location/${item.id}` === place?.location.reference,
    )?.resource;
    assert.equal(location?.['description'], 'By the window');
    assert.equal(location?.['status'], 'active');
    assert.ok(json(location?.['partOf']).includes('Location/'));
    assert.ok(json(location?.['type']).includes('"CAR"') && json(location?.['address']).includes('1 Hill'));
  });

  for (const [action, expected] of [
    ['MDC', 'inactive'],
    ['MAC', 'active'],
  ] as const) {
    it(`${action} of a place by its key alone: ${expected}`, () => {
      const mapped = master([`MFE|${action}|1||W3^12^2^HOSPA|PL`], 'MFN^M05');
      assert.ok(drafts(mapped, 'Location').some(({ resource: item }) => item['status'] === expected));
    });
  }

  it('MDL deletes that place, and none of those around it', () => {
    const mapped = map(['MFE|MDL|1||W3^12^2^HOSPA|PL', bed], { type: 'MFN^M05', hasPatient: false });
    assert.deepEqual(
      drafts(mapped, 'Location').map(({ resource: item, mode }) => `${String(item['name'])} ${mode}`),
      ['HOSPA merge', 'W3 merge', '12 merge', '2 delete'],
    );
  });
});

describe('MFN^M08 to M12: OM1 to OM7 -> ObservationDefinition, SpecimenDefinition', () => {
  const potassium = [
    'MFE|MAD|1||K^Potassium^LN',
    'OM1|1|K^Potassium^LN|NM|Y|LAB^Laboratory^L',
    'OM2|1|mmol/L^^UCUM|1|mmol/L^^UCUM',
    segment('OM4', { 1: '1', 2: 'N', 3: 'Green cap', 4: '5', 5: 'mL^^UCUM', 6: 'BLD^Blood^HL70487', 7: 'HEPL' }),
  ];

  it('is a service with its unit, and the specimen it needs', () => {
    const mapped = master(potassium, 'MFN^M08');
    const service = resource(mapped, 'ObservationDefinition');
    assert.ok(json(service['quantitativeDetails']).includes('"decimalPrecision":1'));
    assert.ok(json(service['quantitativeDetails']).includes('"customaryUnit":{"coding":[{'));
    const specimen = resource(mapped, 'SpecimenDefinition');
    assert.ok(json(specimen['typeCollected']).includes('"code":"BLD"') || json(specimen).includes('Blood'));
    const [tested] = specimen['typeTested'] as Record<string, unknown>[];
    assert.equal(tested?.['isDerived'], false);
    assert.ok(json(tested?.['container']).includes('"capacity":{"value":5,"unit":"mL"}'));
  });

  it('MDL deletes both', () => {
    const gone = map(['MFE|MDL|1||K^Potassium^LN', ...potassium.slice(1)], { type: 'MFN^M08', hasPatient: false });
    assert.deepEqual(
      gone.drafts.filter(({ mode }) => mode === 'delete').map(({ resource: item }) => item.resourceType),
      ['ObservationDefinition', 'SpecimenDefinition'],
    );
  });
});

describe('MFN^M04: CDM, PRC -> ChargeItemDefinition', () => {
  const price = [
    'MFE|MAD|1||C100^^L',
    'CDM|C100^^L|A9^^X|Dressing|Dressing, change of|||97597^Debridement^C4|A',
    segment('PRC', { 1: 'C100^^L', 5: '15.25&EUR', 9: '10&EUR', 11: '20260101', 12: '20261231' }),
  ];

  it('has the codes of a charge, what they mean, and what it costs when', () => {
    const definition = resource(master(price, 'MFN^M04'), 'ChargeItemDefinition');
    const { coding } = definition['code'] as { coding: { code: string }[] };
    assert.deepEqual(
      coding.map(({ code }) => code),
      ['C100', 'A9', '97597'],
    );
    assert.deepEqual([definition['status'], definition['title']], ['active', 'Dressing']);
    assert.ok(json(definition['propertyGroup']).includes('"type":"base","amount":{"value":15.25,"currency":"EUR"}'));
    assert.deepEqual(definition['effectivePeriod'], { start: '2026-01-01', end: '2026-12-31' });
  });

  it('MDC retires it, MDL deletes it', () => {
    const [, ...rest] = price;
    const retired = resource(master(['MFE|MDC|1||C100^^L', ...rest], 'MFN^M04'), 'ChargeItemDefinition');
    assert.equal(retired['status'], 'retired');
    const gone = map(['MFE|MDL|1||C100^^L', ...rest], { type: 'MFN^M04', hasPatient: false });
    const [draft] = drafts(gone, 'ChargeItemDefinition');
    assert.deepEqual([draft?.mode, draft?.resource.id], ['delete', retired.id]);
  });
});
