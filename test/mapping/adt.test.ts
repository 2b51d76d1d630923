import assert from 'node:assert/strict';
import { validate } from '../../src/fhir/validate.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import type { MappedMessage } from '../../src/mapping/message/draft.ts';
import { drafts, json, map, resource, toBundle } from './given.ts';

const pid = (number: string): string => `PID|1||${number}^^^HOSPA^MR||Lin^Mei`;
const visit = 'PV1|1|I|W1^R1^B1||||||||||||||||V1^^^HOSPA^VN';

/** R4 of every resource of the Bundle. */
function faults(mapped: MappedMessage): string[] {
  const { entry } = toBundle(mapped) as unknown as { entry: { resource?: AnyResource }[] };
  return entry.flatMap(({ resource: item }) => (item === undefined ? [] : validate(item))).map((issue) => json(issue));
}

describe('every ADT event (HL7 v2.5.1 section 3.3)', () => {
  const events: [status: string | undefined, events: string][] = [
    ['in-progress', 'A01 A02 A04 A06 A07 A09 A10 A12 A13 A15 A16 A17 A22 A25 A26 A32 A33 A52'],
    ['planned', 'A05 A14'],
    ['finished', 'A03'],
    ['onleave', 'A21 A53'],
    ['cancelled', 'A11 A27 A38'],
    // Said by the class alone, and yielding to what is stored.
    [undefined, 'A08 A28 A29 A31 A54 A55 A60 A61 A62'],
  ];
  for (const [status, list] of events) {
    for (const event of list.split(' ')) {
      it(`${event}: the visit is ${status ?? 'as it is stored'}`, () => {
        const mapped = map([pid('P1'), visit], { type: `ADT^${event}` });
        const [draft] = drafts(mapped, 'Encounter');
        assert.equal(draft?.fallback.includes('status'), status === undefined);
        if (status !== undefined) assert.equal(draft?.resource['status'], status);
        assert.deepEqual(faults(mapped), []);
      });
    }
  }

  for (const event of 'A18 A30 A34 A35 A36 A39 A40 A41 A42 A43 A44 A45 A46 A47 A48 A49 A50 A51'.split(' ')) {
    it(`${event} with MRG gives a valid Bundle`, () => {
      const mrg = 'MRG|P2^^^HOSPA^MR||ACC2^^^HOSPA^AN||V2^^^HOSPA^VN||Old^Name';
      const mapped = map([pid('P1'), mrg, visit], { type: `ADT^${event}` });
      assert.deepEqual(faults(mapped), []);
      assert.deepEqual(mapped.issues, []);
    });
  }

  it('A23 deletes the visit: a DELETE in the Bundle, and nothing refers to it', () => {
    const mapped = map([pid('P1'), visit, 'OBX|1|NM|8867-4^Pulse^LN||44'], { type: 'ADT^A23' });
    const encounter = drafts(mapped, 'Encounter')[0];
    assert.equal(encounter?.mode, 'delete');
    const text = json(toBundle(mapped));
    assert.ok(text.includes(`"request":{"method":"DELETE","url":"Encounter/${encounter?.resource.id}"}`), text);
    assert.equal(text.split(encounter?.resource.id ?? '').length - 1, 2, 'its fullUrl and its request');
  });

  it('A20: the bed of NPU is the Location that a visit refers to', () => {
    const bed = map(['NPU|W1^R1^B1|C'], { type: 'ADT^A20', hasPatient: false });
    const place = drafts(bed, 'Location').find(({ resource: item }) => item['operationalStatus'] !== undefined);
    assert.match(json(place?.resource['operationalStatus']), /v2-0116","code":"C"/);
    const [stay] = resource(map([pid('P1'), visit]), 'Encounter')['location'] as { location: { reference: string } }[];
    assert.equal(stay?.location.reference, `Location/${place?.resource.id}`);
    assert.deepEqual(faults(bed), []);
  });

  it('A17: two patients, each with a visit', () => {
    const other = visit.replace('V1^', 'V2^');
    const mapped = map([pid('P1'), visit, pid('P2'), other], { type: 'ADT^A17' });
    const subjects = drafts(mapped, 'Encounter').map(({ resource: item }) => json(item['subject']));
    const patients = drafts(mapped, 'Patient').map(({ resource: item }) => `{"reference":"Patient/${item.id}"}`);
    assert.deepEqual(subjects, patients);
  });

  it('A29 and A28: the record is out of use, and in use', () => {
    assert.equal(resource(map([pid('P1')], { type: 'ADT^A29' }), 'Patient')['active'], false);
    assert.equal(resource(map([pid('P1')], { type: 'ADT^A28' }), 'Patient')['active'], true);
    assert.equal(resource(map([pid('P1')], { type: 'ADT^A08' }), 'Patient')['active'], undefined);
  });
});

describe('MRG -> commands', () => {
  const commands = (segments: readonly string[], event: string) =>
    map(segments, { type: `ADT^${event}`, controlId: 'C9' }).commands;
  const id = (number: string): string => resource(map([pid(number)]), 'Patient').id;

  it('A40: the prior record and the one that stays, with event and control id', () => {
    assert.deepEqual(commands([pid('P1'), 'MRG|P2^^^HOSPA^MR'], 'A40'), [
      { kind: 'merge', patient: id('P2'), other: id('P1'), event: 'A40', controlId: 'C9' },
    ]);
  });

  it('A40 of several pairs: each with its own', () => {
    const pairs = [pid('P1'), 'MRG|P2^^^HOSPA^MR', pid('P3'), 'MRG|P4^^^HOSPA^MR'];
    assert.deepEqual(
      commands(pairs, 'A40').map((command) => command.kind !== 'renumber' && [command.patient, command.other]),
      [
        [id('P2'), id('P1')],
        [id('P4'), id('P3')],
      ],
    );
  });

  it('MRG-4 and MRG-2 stand in where MRG-1 is empty, as versions before 2.3.1 have it', () => {
    for (const mrg of ['MRG||||P2^^^HOSPA^MR', 'MRG||P2^^^HOSPA^MR']) {
      const [command] = commands([pid('P1'), mrg], 'A34');
      assert.equal(command?.kind !== 'renumber' && command?.patient, id('P2'));
    }
  });

  it('A24 without MRG: the second PID with the first', () => {
    const [command] = commands([pid('P1'), pid('P2')], 'A24');
    assert.deepEqual(command, { kind: 'link', patient: id('P2'), other: id('P1'), event: 'A24', controlId: 'C9' });
  });

  it('a merge that names no prior patient commands nothing, and says so', () => {
    const mapped = map([pid('P1'), 'MRG|||ACC2^^^HOSPA^AN'], { type: 'ADT^A40' });
    assert.deepEqual(mapped.commands, []);
    assert.deepEqual(
      mapped.issues.map(({ code, position }) => [code, position]),
      [['business-rule', 'MRG']],
    );
  });

  it('the preview shows what the store will: retired and replaced-by, replaces', () => {
    const { entry } = toBundle(map([pid('P1'), 'MRG|P2^^^HOSPA^MR'], { type: 'ADT^A40' })) as unknown as {
      entry: { resource: AnyResource }[];
    };
    const patients = entry.map((item) => item.resource).filter(({ resourceType }) => resourceType === 'Patient');
    const link = (of: string): unknown => patients.find((patient) => patient.id === id(of))?.['link'];
    assert.deepEqual(link('P2'), [{ other: { reference: `Patient/${id('P1')}` }, type: 'replaced-by' }]);
    assert.deepEqual(link('P1'), [{ other: { reference: `Patient/${id('P2')}` }, type: 'replaces' }]);
    assert.equal(patients.find((patient) => patient.id === id('P2'))?.['active'], false);
  });
});

describe('whole lists of a message', () => {
  const snapshots = (segments: readonly string[], type = 'ADT^A08') =>
    map([pid('P1'), visit, ...segments], { type }).snapshots;

  it('AL1 and NK1 are the patient’s, DG1 and PR1 the visit’s', () => {
    const lists = snapshots(['NK1|1|Lin^An|MTH', 'AL1|1|DA|A^Aspirin^L', 'DG1|1||I20^Angina^I10', 'PR1|1||X1^Scan^L']);
    assert.deepEqual(
      lists.map(({ segment, type, visit: of, ids }) => [segment, type, of !== undefined, ids.length]),
      [
        ['NK1', 'RelatedPerson', false, 1],
        ['AL1', 'AllergyIntolerance', false, 1],
        ['DG1', 'Condition', true, 1],
        ['PR1', 'Procedure', true, 1],
      ],
    );
  });

  it('no list of what is not there, of a segment with an action code, or of an event without whole lists', () => {
    assert.deepEqual(snapshots([]), []);
    assert.deepEqual(snapshots([`DG1|1||I20^Angina^I10|||F${'|'.repeat(15)}A`]), []);
    assert.deepEqual(snapshots(['AL1|1|DA|A^Aspirin^L'], 'ADT^A02'), []);
  });

  it('AL1 of nothing but `""` is an empty list and no allergy', () => {
    const mapped = map([pid('P1'), 'AL1|1|""|""|""'], { type: 'ADT^A08' });
    assert.deepEqual(
      mapped.snapshots.map(({ ids }) => ids),
      [[]],
    );
    assert.deepEqual(drafts(mapped, 'AllergyIntolerance'), []);
  });
});

describe('PR1 -> Procedure (HL7 v2-to-FHIR, PR1[Procedure])', () => {
  const procedure = (fields: string): string =>
    json(resource(map([pid('P1'), visit, `PR1|1||${fields}`]), 'Procedure'));

  it('PR1-5 with PR1-7 is a period, in the offset of its start', () => {
    assert.ok(
      procedure('X1^Scan^L||20260101233000+0800||45').includes(
        '"performedPeriod":{"start":"2026-01-01T23:30:00+08:00","end":"2026-01-02T00:15:00+08:00"}',
      ),
    );
    assert.ok(procedure('X1^Scan^L||20260101').includes('"performedDateTime":"2026-01-01"'));
  });

  it('PR1-8 and PR1-11 are anesthesiologist and surgeon', () => {
    const text = procedure('X1^Scan^L|||||12^Chen^Hao|||13^Wu^Lan');
    assert.match(text, /"88189002"/);
    assert.match(text, /"304292004"/);
  });

  it('PR1-20 D is a deletion', () => {
    const [draft] = drafts(map([pid('P1'), `PR1|1||X1^Scan^L${'|'.repeat(17)}D`]), 'Procedure');
    assert.equal(draft?.mode, 'delete');
  });
});
