/** What overlays can say, each kind of change on a message; and what many of them cost. */
import assert from 'node:assert/strict';
import { parseMessage } from '../../adapters/hl7v2/message.ts';
import { validate } from '../../src/fhir/validate.ts';
import { checkOverlay } from '../../src/mapping/tables/check.ts';
import { compareResults, compareTables } from '../../src/mapping/compare.ts';
import type { CompiledMap } from '../../src/mapping/compile.ts';
import type { MappedMessage } from '../../src/mapping/message/draft.ts';
import { openMaps, parseOverlay, sourceOf, type OverlayText } from '../../src/mapping/maps.ts';
import { mapMessage } from '../../src/mapping/run.ts';
import { context, drafts, json, map as mapWithBase, mappings, maps, resource } from './given.ts';

const overlay = (changes: string): string => `partner: test\nchanges:\n${changes}`;
const compiled = (changes: string): CompiledMap => maps.compile(parseOverlay(overlay(changes), 'test.yaml'));

function mapBy(map: CompiledMap, segments: readonly string[], type = 'ADT^A01'): MappedMessage {
  const header = `MSH|^~\\&|APP|HOSPA|HUB|HUB|20240506103015||${type}|M1|P|2.5.1`;
  return mapMessage(map, parseMessage([header, ...segments].join('\r')), context);
}

describe('an overlay', () => {
  it('key: a record number in a Z segment is the same Patient as one in PID-3', () => {
    const map = compiled(`
  - key: patient
    from: [[ZPI-3 as identifier]]
  - add: pid-patient
    rule: { id: ZPI-3, from: ZPI-3, to: 'Patient.identifier[]', as: CX }`);
    const moved = resource(mapBy(map, ['PID|1||||Lin^Mei', 'ZPI|1||77^^^HOSPA^MR']), 'Patient');
    const usual = resource(mapWithBase(['PID|1||77^^^HOSPA^MR||Lin^Mei']), 'Patient');
    assert.equal(moved.id, usual.id);
    assert.equal(json(moved['identifier']), json(usual['identifier']));
    assert.equal(resource(mapBy(map, ['PID|1', 'ZPI|1||77^^^HOSPA^MR']), 'Patient').id, usual.id, 'an empty PID');
    // Where the Z segment is missing, PID-3 identifies as before.
    assert.equal(resource(mapBy(map, ['PID|1||77^^^HOSPA^MR||Lin^Mei']), 'Patient').id, usual.id);
  });

  it('key: a visit number that was moved', () => {
    const map = compiled('  - key: visit\n    from: [[PV1-5 as identifier]]');
    const ids = ['M1', 'M2'].map((id) => {
      const text = ['PID|1||7^^^HOSPA^MR', 'PV1|1|I|||V9^^^HOSPA'];
      const header = `MSH|^~\\&|APP|HOSPA|HUB|HUB|20240506||ADT^A01|${id}|P|2.5.1`;
      return resource(mapMessage(map, parseMessage([header, ...text].join('\r')), context), 'Encounter').id;
    });
    assert.equal(ids[0], ids[1], 'two messages, one visit');
  });

  it('map, key and build: a Z segment that is a resource of its own', () => {
    const map = compiled(`
  - map: zal-allergy
    segment: ZAL
    resource: AllergyIntolerance
    rules:
      - { id: ZAL-2, from: ZAL-2, to: AllergyIntolerance.code, as: concept }
      - id: ZAL.status
        const: { coding: [{ system: http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical, code: active }] }
        to: AllergyIntolerance.clinicalStatus
      - { id: ZAL-3, from: ZAL-3, to: AllergyIntolerance.onsetDateTime, as: dateTime }
  - key: localAllergy
    same: false
    from: [[ZAL-1], [ZAL-2 as concept]]
  - build: adt
    segment: ZAL
    resource: AllergyIntolerance
    key: localAllergy
    maps: [zal-allergy]
    refs: { patient: Patient }`);
    const mapped = mapBy(map, ['PID|1||7^^^HOSPA^MR', 'PV1|1|I', 'ZAL|A1|PEN^Penicillin^L|2020', 'ZAL|A2|NUT^Nuts^L']);
    const allergies = drafts(mapped, 'AllergyIntolerance').map((draft) => draft.resource);
    assert.equal(allergies.length, 2);
    for (const allergy of allergies) {
      assert.deepEqual(validate(allergy), []);
      assert.deepEqual(allergy['patient'], { reference: `Patient/${resource(mapped, 'Patient').id}` });
    }
    assert.deepEqual(
      mapped.unmapped.filter(({ position }) => position.startsWith('ZAL-2')),
      [],
    );
  });

  it('event: an event of the sender’s own is read as one of the map', () => {
    const map = compiled('  - event: adt\n    events: [Z01]');
    assert.equal(drafts(mapBy(map, ['PID|1||7^^^HOSPA^MR'], 'ADT^Z01'), 'Patient').length, 1);
    assert.throws(() => mapBy(maps.forEndpoint('test'), ['PID|1||7^^^HOSPA^MR'], 'ADT^Z01'), { code: 'not-supported' });
  });

  it('nest: a Z segment at the end belongs to the patient', () => {
    const rule =
      "  - add: pid-patient\n    rule: { id: ZPI-2, from: ZPI-2, to: 'Patient.extension[].valueString', with: { url: urn:x } }";
    const segments = ['PID|1||7^^^HOSPA^MR', 'PV1|1|I', 'ZPI|1|green'];
    const extensions = (map: CompiledMap): string => json(resource(mapBy(map, segments), 'Patient')['extension'] ?? []);
    assert.doesNotMatch(extensions(compiled(rule)), /green/);
    assert.match(extensions(compiled(`${rule}\n  - nest: ZPI\n    in: [PID]`)), /green/);
  });

  it('vocab: a table that the base map does not have', () => {
    const map = compiled(`
  - vocab: wards
    table: WARDS
    system: urn:example:wards
    codes: { A: { code: north, display: North ward } }
  - add: pid-patient
    rule: { id: ZPI-2, from: ZPI-2, to: 'Patient.extension[].valueCodeableConcept', as: concept, map: wards, with: { url: urn:x } }`);
    assert.match(json(resource(mapBy(map, ['PID|1||7^^^HOSPA^MR', 'ZPI|1|A']), 'Patient')), /urn:example:wards.*north/);
  });

  it('in JSON says the same', () => {
    const text = JSON.stringify({ partner: 'test', changes: [{ vocab: 'administrative-sex', codes: { x: 'male' } }] });
    const yaml = compiled('  - vocab: administrative-sex\n    codes: { x: male }');
    assert.equal(maps.compile(parseOverlay(text, 'test.json')).version, yaml.version);
  });
});

describe('hub map check', () => {
  const rows: [what: string, changes: string, expected: string[]][] = [
    ['nothing wrong', '  - remove: pid-patient/PID-17', []],
    [
      'several errors at once, by line',
      '  - remove: pid-patient/NO\n  - forget: it\n  - add: pid-patient\n    rule: { id: Z, from: ZPI-2, to: Patient.nme }\n  - move: pid-patient/PID-12',
      [
        'test.yaml:3: pid-patient has no rule NO',
        'test.yaml:4: a change is one of',
        'test.yaml:6: R4 has no element nme in Patient',
        'test.yaml:7: move names a new from',
      ],
    ],
    [
      'a map that is there',
      '  - map: pid-patient\n    segment: ZPI\n    resource: Patient\n    rules: []',
      ['test.yaml:3: there is a map pid-patient already'],
    ],
    [
      'a new key without what it is within',
      '  - key: nope\n    from: [[ZPI-1]]',
      ['test.yaml:3: there is no key nope'],
    ],
    [
      'a message map that is not there',
      '  - event: nope\n    events: [A01]',
      ['test.yaml:3: there is no message map nope'],
    ],
    [
      'a build of a map that is not there',
      '  - build: adt\n    segment: ZPI\n    into: Patient\n    maps: [nope]',
      ['test.yaml:3: there is no segment map nope'],
    ],
    ['text that is no YAML', '  - [', ['test.yaml:3']],
  ];
  for (const [what, changes, expected] of rows) {
    it(what, () => {
      const found = checkOverlay(maps, overlay(changes), 'test.yaml').map(({ at, message }) => `${at}: ${message}`);
      assert.deepEqual(
        found.map((line, index) => line.slice(0, expected[index]?.length)),
        expected,
        json(found),
      );
    });
  }

  it('a profile that is not there, or is its own', () => {
    const found = checkOverlay(maps, 'partner: x\nprofile: nope\nchanges: []', 'test.yaml');
    assert.match(found[0]?.message ?? '', /there is no profile nope/);
  });
});

describe('hub map diff', () => {
  const after = parseOverlay(
    overlay("  - vocab: administrative-sex\n    codes: { '1': male }\n  - remove: pid-patient/PID-16"),
    'b.yaml',
  );

  it('says which rules and codes are not the same', () => {
    const found = compareTables(maps.library.base, sourceOf(maps.library, after));
    assert.deepEqual(
      found.map(({ kind, what }) => `${kind} ${what}`),
      ['removed rule pid-patient/PID-16', 'added vocabulary administrative-sex: 1'],
    );
    assert.deepEqual(compareTables(maps.library.base, maps.library.base), []);
  });

  it('says which results come out otherwise, by element and example, without a value', async () => {
    const message = (gender: string, status: string) =>
      parseMessage(
        `MSH|^~\\&|APP|HOSPA|HUB|HUB|20240506||ADT^A01|M1|P|2.5.1\rPID|1||7^^^HOSPA^MR||Lin^Mei|||${gender}||||||||${status}`,
      );
    const samples = [
      { name: 'one', message: message('1', 'M'), context },
      { name: 'two', message: message('F', ''), context },
    ];
    const { messages, changed, differences } = await compareResults(
      maps.forEndpoint('test'),
      maps.compile(after),
      samples,
    );
    assert.deepEqual([messages, changed], [2, 1]);
    const found = differences.map(({ kind, element, examples }) => `${kind} ${element} ${examples.join()}`);
    assert.ok(found.includes('changed Patient.gender one'), json(found));
    assert.ok(found.includes('removed Patient.maritalStatus.coding.code one'), json(found));
    assert.doesNotMatch(json(differences), /Lin/);
  });
});

describe('many overlays', () => {
  const hospital = (index: number): OverlayText => ({
    hash: String(index),
    name: `h${index}.yaml`,
    text: `partner: h${index}
profile: cn-his
changes:
  - vocab: administrative-sex
    codes: { x${index}: male }
  - move: pid-patient/PID-12
    to: 'Patient.address[0].state'
  - add: pid-patient
    rule: { id: ZPI-2, from: ZPI-2, to: 'Patient.extension[].valueString', with: { url: 'urn:example:${index}' } }
`,
  });

  it('3,600 endpoints that share 20 overlays have 20 programs', () => {
    const world = openMaps(mappings);
    world.assign(new Map(Array.from({ length: 3_600 }, (_, index) => [`e${index}`, hospital(index % 20)])));
    const programs = new Set(Array.from({ length: 3_600 }, (_, index) => world.forEndpoint(`e${index}`)));
    assert.equal(programs.size, 20);
  });

  it('what an overlay leaves as it is, it shares with its profile and the base', () => {
    const world = openMaps(mappings);
    world.assign(
      new Map([
        ['a', hospital(1)],
        ['b', hospital(2)],
      ]),
    );
    const [a, b] = [world.forEndpoint('a'), world.forEndpoint('b')];
    assert.equal(a.parts.segments.get('pv1-encounter'), world.shipped('').parts.segments.get('pv1-encounter'));
    assert.equal(a.parts.segments.get('obx-observation'), b.parts.segments.get('obx-observation'), 'of cn-his');
    assert.notEqual(a.parts.segments.get('pid-patient'), b.parts.segments.get('pid-patient'));
  });

  it('a data type that is changed is heard by rules that are not', () => {
    const map = compiled('  - remove: CX/CX.4');
    const [identifier] = resource(mapBy(map, ['PID|1||7^^^HOSPA^MR']), 'Patient')['identifier'] as object[];
    assert.ok(identifier !== undefined && !('system' in identifier));
  });

  it('an overlay that does not fit stops its own endpoint, and no other', () => {
    const world = openMaps(mappings);
    world.assign(
      new Map([
        ['good', hospital(1)],
        ['bad', { hash: 'bad', name: 'bad.yaml', text: 'partner: x\nchanges:\n  - remove: a/b' }],
      ]),
    );
    assert.throws(() => world.forEndpoint('bad'), { code: 'invalid', message: /^bad\.yaml:3: there is no map a/ });
    assert.ok(world.forEndpoint('good'));
    assert.deepEqual([...world.problems().keys()], ['bad']);
    world.assign(new Map([['bad', undefined]]));
    assert.equal(world.forEndpoint('bad'), world.shipped('bad'));
  });
});
