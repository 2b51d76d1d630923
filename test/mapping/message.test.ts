import assert from 'node:assert/strict';
import { numberOf } from '../../src/fhir/json.ts';
import { Problem } from '../../src/fhir/problem.ts';
import { validate } from '../../src/fhir/validate.ts';
import { drafts, fixture, json, map, resource, toBundle } from './given.ts';

describe('a whole message', () => {
  const expected: [name: string, types: Record<string, number>][] = [
    [
      'adt-a01.hl7',
      {
        Patient: 1,
        RelatedPerson: 1,
        Encounter: 1,
        Condition: 1,
        AllergyIntolerance: 1,
        Coverage: 1,
        Observation: 1,
        Organization: 2,
        Practitioner: 4,
        Location: 4,
        Provenance: 1,
      },
    ],
    [
      'oru-r01.hl7',
      {
        Patient: 1,
        Encounter: 1,
        ServiceRequest: 1,
        Specimen: 1,
        DiagnosticReport: 1,
        Observation: 3,
        Practitioner: 2,
        Location: 4,
        Provenance: 1,
      },
    ],
  ];
  for (const [name, types] of expected) {
    it(`${name} gives the resources of its message map`, () => {
      const counts: Record<string, number> = {};
      for (const { resource: item } of fixture(name).drafts)
        counts[item.resourceType] = (counts[item.resourceType] ?? 0) + 1;
      assert.deepEqual(counts, Object.fromEntries(Object.keys(counts).map((type) => [type, types[type]])));
      assert.deepEqual(Object.keys(counts).sort(), Object.keys(types).sort());
    });

    it(`${name} gives valid R4, with required bindings`, () => {
      for (const { resource: item } of fixture(name).drafts) {
        const problems = validate(JSON.parse(json(item))).map(
          (problem) => `${problem.message} ${problem.expression.join()}`,
        );
        assert.deepEqual(problems, [], item.resourceType);
      }
    });

    it(`${name} gives the same Bundle each time`, () => {
      assert.equal(json(toBundle(fixture(name))), json(toBundle(fixture(name))));
    });

    it(`${name}: every reference leads to a draft of the Bundle or to the owner`, () => {
      const mapped = fixture(name);
      const known = new Set(mapped.drafts.map(({ resource: item }) => `${item.resourceType}/${item.id}`));
      for (const [, reference] of json(mapped.drafts).matchAll(/"reference":"([^"]+)"/g)) {
        assert.ok(known.has(reference as string) || reference === 'Organization/x', reference);
      }
    });
  }

  it('the patient comes first, the provenance of all last', () => {
    const { drafts: all } = fixture('oru-r01.hl7');
    assert.equal(all[0]?.resource.resourceType, 'Patient');
    const last = all.at(-1)?.resource;
    assert.equal(last?.resourceType, 'Provenance');
    assert.equal((last?.['target'] as unknown[] | undefined)?.length, all.length - 1);
  });

  it('the report names its results, its specimen and its order', () => {
    const mapped = fixture('oru-r01.hl7');
    const report = resource(mapped, 'DiagnosticReport');
    assert.equal((report['result'] as unknown[]).length, 3);
    assert.equal((report['specimen'] as unknown[]).length, 1);
    assert.equal((report['basedOn'] as unknown[]).length, 1);
    assert.equal(report['status'], 'final');
    const [glucose] = drafts(mapped, 'Observation');
    assert.ok(glucose !== undefined);
    assert.equal(json(glucose.resource['valueQuantity']).slice(0, 13), '{"value":5.60');
    assert.equal(numberOf((glucose.resource['valueQuantity'] as { value: unknown }).value), 5.6);
    assert.deepEqual(glucose.resource['note'], [{ text: 'Checked twice' }, { text: 'and confirmed' }]);
    assert.ok(glucose.resource['specimen'] !== undefined);
  });
});

describe('nothing is lost in silence', () => {
  it('a Z segment stays with the segment before it, named by position, and is counted', () => {
    const mapped = fixture('adt-a01.hl7');
    const text = json(resource(mapped, 'Coverage')['extension']);
    assert.ok(text.includes('{"url":"ZPV-2","valueString":"local remark"}'), text);
    assert.ok(mapped.unmapped.some((item) => item.kind === 'field' && item.position === 'ZPV-2'));
  });

  it('the count names positions and codes, never the text of a field', () => {
    const text = json(fixture('adt-a01.hl7').unmapped);
    assert.ok(!text.includes('local remark') && !text.includes('Operator'), text);
  });

  it('set ids stay but are not counted', () => {
    const mapped = fixture('oru-r01.hl7');
    assert.ok(json(mapped.drafts).includes('{"url":"PID-1","valueString":"1"}'));
    assert.ok(!mapped.unmapped.some((item) => item.position === 'PID-1'));
  });

  it('repetitions, components and subcomponents each keep their place', () => {
    const text = json(map(['ZXX|a^b&c~d']).drafts);
    for (const leaf of [
      '{"url":"ZXX-1.1","valueString":"a"}',
      '{"url":"ZXX-1.2.1","valueString":"b"}',
      '{"url":"ZXX-1.2.2","valueString":"c"}',
      '{"url":"ZXX-1~2","valueString":"d"}',
    ]) {
      assert.ok(text.includes(leaf), text);
    }
  });
});

describe('what is refused, and why', () => {
  const cases: [what: string, type: string, segments: string[], code: string][] = [
    ['an unknown event', 'ADT^A99', ['PID|1||P1'], 'not-supported'],
    ['an event that nothing names', 'ADT', ['PID|1||P1'], 'not-supported'],
    ['another message type', 'QBP^Q22', ['PID|1||P1'], 'not-supported'],
    ['no type', '', ['PID|1||P1'], 'not-supported'],
  ];
  for (const [what, type, segments, code] of cases) {
    it(`${what} is ${code}`, () => {
      assert.throws(
        () => map(segments, { type }),
        (error) => error instanceof Problem && error.code === code,
      );
    });
  }

  const refused = (expression: string) => (error: unknown) =>
    error instanceof Problem && error.code === 'required' && error.expression[0] === expression;

  it('a message without patient is required', () => {
    assert.throws(() => map(['PV1|1|I'], { hasPatient: false }), refused('PID'));
  });

  const nobody: [what: string, pid: string][] = [
    ['an empty PID', 'PID|1'],
    ['a type without a number, a kind without a name', 'PID|1||^^^HOSPA^MR||^^^^^^L|'],
    ['deleted numbers and names', 'PID|1||""||""'],
    ['blanks', 'PID|1|| || ^ '],
    ['sex and birth alone', 'PID|1||||||19800101|F'],
    ['the number of an account alone', 'PID|1||||||||||||||||ACC1'],
  ];
  for (const [what, pid] of nobody) {
    it(`${what}: nobody knows whose record it is, and the message says so at PID-3`, () => {
      assert.throws(() => map([pid, 'PV1|1|I'], { type: 'ADT^A01' }), refused('PID-3'));
      assert.throws(() => map([pid, 'OBR|1||F1', 'OBX|1|ST|C||x'], { type: 'ORU^R01' }), refused('PID-3'));
    });
  }

  it('a name, or a number in PID-2, PID-4 or PID-19, is somebody', () => {
    for (const pid of ['PID|1||||Lin', 'PID|1||||^Mei', 'PID|1|7', 'PID|1|||7', `PID|1${'|'.repeat(18)}123-45-6789`])
      assert.equal(drafts(map([pid, 'PV1|1|I']), 'Patient').length, 1, pid);
  });

  it('of two patients, results of one whom nothing names are not taken for the other’s', () => {
    const two = ['PID|1||P1', 'OBR|1||F1', 'OBX|1|ST|C||x', 'PID|2', 'OBR|2||F2', 'OBX|1|ST|C||y'];
    assert.throws(() => map(two, { type: 'ORU^R01' }), refused('PID-3'));
    const schedule = ['SCH|7|7', 'PID|1||P1', 'PID|2', 'RGS|1'];
    assert.throws(() => map(schedule, { type: 'SIU^S12' }), refused('PID-3'));
  });

  it('where no patient is asked for, an empty PID is none', () => {
    const appointment = map(['SCH|7|7', 'PID|1||||||19800101', 'RGS|1', 'AIL|1|A|W1^101'], { type: 'SIU^S12' });
    assert.equal(drafts(appointment, 'Patient').length, 0);
    assert.equal(drafts(appointment, 'Appointment').length, 1);
    assert.ok(
      appointment.unmapped.some((left) => left.kind === 'field' && left.position === 'PID-7'),
      'kept and counted',
    );
  });

  it('ORU without an event is ORU^R01; ADT takes its event from EVN-1', () => {
    assert.equal(drafts(map(['OBR|1||F1'], { type: 'ORU' }), 'DiagnosticReport').length, 1);
    assert.equal(
      drafts(map(['EVN|A03', 'PID|1||P1', 'PV1|1|I'], { type: 'ADT' }), 'Encounter')[0]?.resource['status'],
      'finished',
    );
  });
});

describe('two patients in one message (ORU_R01.PATIENT_RESULT repeats)', () => {
  it('each result belongs to the patient before it', () => {
    const mapped = map(
      ['PID|1||P1', 'OBR|1||F1', 'OBX|1|NM|X||5||||||F', 'PID|2||P2', 'OBR|1||F2', 'OBX|1|NM|X||6||||||F'],
      { type: 'ORU^R01' },
    );
    const patients = drafts(mapped, 'Patient').map((draft) => `Patient/${draft.resource.id}`);
    const subjects = drafts(mapped, 'Observation').map(
      (draft) => (draft.resource['subject'] as { reference: string }).reference,
    );
    assert.equal(patients.length, 2);
    assert.deepEqual(subjects, patients);
  });
});
