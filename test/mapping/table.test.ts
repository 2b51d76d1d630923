import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Problem } from '../../src/fhir/problem.ts';
import { openMaps } from '../../src/mapping/maps.ts';
import { drafts, json, map, mappings, maps, resource } from './given.ts';

describe('a table is checked when it is loaded; an error names file and line', () => {
  let directory = '';
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'mappings-'));
    cpSync(mappings, directory, { recursive: true });
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  /** Loads the repository's tables with one rule added at the end of a file. */
  function problemWith(file: string, line: string): string {
    const path = join(directory, file);
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, `${text.trimEnd()}\n${line}\n`);
    try {
      openMaps(directory);
      return '';
    } catch (error) {
      assert.ok(error instanceof Problem);
      return `${error.code}: ${error.message}`;
    } finally {
      writeFileSync(path, text);
    }
  }

  const pid = 'hl7v2/segments/pid-patient.yaml';
  const cases: [what: string, file: string, line: string, expected: RegExp][] = [
    ['a rule without id', pid, '  - { from: PID-1, to: Patient.language }', /pid-patient\.yaml:\d+: id is missing/],
    [
      'an id used twice',
      pid,
      '  - { id: PID-3, from: PID-1, to: Patient.language }',
      /a second rule with the id PID-3/,
    ],
    ['a position that is none', pid, '  - { id: X, from: PID 1, to: Patient.language }', /PID 1 is no HL7v2 position/],
    [
      'a target of another type',
      pid,
      '  - { id: X, from: PID-1, to: Encounter.status }',
      /Encounter\.status is not in Patient/,
    ],
    [
      'an unknown function',
      pid,
      '  - { id: X, from: PID-1, to: Patient.language, as: magic }',
      /no data type map and no function magic/,
    ],
    [
      'an unknown vocabulary',
      pid,
      '  - { id: X, from: PID-1, to: Patient.language, as: code, map: nope }',
      /there is no vocabulary nope/,
    ],
    ['both from and const', pid, '  - { id: X, from: PID-1, const: a, to: Patient.language }', /either from or const/],
    [
      'an unknown word',
      pid,
      '  - { id: X, from: PID-1, to: Patient.language, script: "1+1" }',
      /script is not a word of this table/,
    ],
    [
      'an unknown condition',
      pid,
      '  - { id: X, from: PID-1, to: Patient.language, when: { matches: [PID-1, a] } }',
      /a condition is one of/,
    ],
    ['YAML that is none', pid, '  - { id: X', /pid-patient\.yaml:\d+/],
    [
      'an unknown map in a message',
      'hl7v2/messages/oru.yaml',
      '  - { segment: ZZZ, resource: Patient, key: patient, maps: [nope] }',
      /there is no segment map nope/,
    ],
    [
      'an unknown key',
      'hl7v2/messages/oru.yaml',
      '  - { segment: ZZZ, resource: Patient, key: nope, maps: [] }',
      /there is no key nope/,
    ],
    [
      'an overlay of a rule that is not there',
      'partners/mingde.yaml',
      '  - { remove: pid-patient/PID-99 }',
      /pid-patient has no rule PID-99/,
    ],
    [
      'an overlay of a map that is not there',
      'partners/mingde.yaml',
      '  - { remove: nope/PID-1 }',
      /there is no map nope/,
    ],
    [
      'an overlay that adds what is there',
      'partners/mingde.yaml',
      '  - { add: pid-patient, rule: { id: PID-3, from: PID-3, to: Patient.language } }',
      /use replace/,
    ],
  ];
  for (const [what, file, line, expected] of cases) {
    it(`${what} is invalid`, () => assert.match(problemWith(file, line), expected));
  }

  it('an added rule works', () => {
    assert.equal(problemWith(pid, '  - { id: X, from: PID-1, to: Patient.language }'), '');
  });
});

describe('an overlay changes the base map for its endpoints only', () => {
  const segments = ['PID|1||7^^^MINGDE^MR||林梅|||2||||浙江省|||||佛教', 'ZPI|1|HA^汉族^GB3304'];
  const mingde = resource(map(segments, { endpoint: 'mingde' }), 'Patient');
  const base = resource(map(segments), 'Patient');

  const cases: [kind: string, element: string, withOverlay: RegExp, without: RegExp][] = [
    ['vocab', 'gender', /^"female"$/, /^"unknown"$/],
    ['vocab', 'identifier', /urn:oid:2\.16\.156\.10011\.9\.1001/, /authority\/MINGDE/],
    ['replace', 'name', /^\[\{"text":"林梅"\}\]$/, /^\[\{"family":"林梅"\}\]$/],
    ['move', 'address', /"state":"浙江省"/, /"district":"浙江省"/],
    [
      'add',
      'extension',
      /ethnic-group","valueCodeableConcept":\{"coding":\[\{.*"code":"HA"/,
      /\{"url":"ZPI-2.1","valueString":"HA"\}/,
    ],
    ['remove', 'extension', /\{"url":"PID-17","valueString":"佛教"\}/, /patient-religion/],
  ];
  for (const [kind, element, withOverlay, without] of cases) {
    it(`${kind}: ${element}`, () => {
      assert.match(json(mingde[element]), withOverlay);
      assert.match(json(base[element]), without);
    });
  }

  it('a vendor profile comes before the hospital: arrows in OBX-8', () => {
    const result = ['OBR|1||F1', 'OBX|1|NM|X^x^L||5|||↑|||F'];
    const flag = (endpoint: string): string =>
      json(drafts(map(result, { type: 'ORU^R01', endpoint }), 'Observation')[0]?.resource['interpretation']);
    assert.ok(flag('mingde').includes('"code":"H"'), flag('mingde'));
    assert.ok(flag('mingde').includes('"code":"↑"'), 'the flag as sent stays');
    assert.ok(!flag('test').includes('"code":"H"'));
  });

  it('one content, one compiled map; another content, another version', () => {
    assert.equal(maps.forEndpoint('a'), maps.forEndpoint('b'));
    assert.notEqual(maps.forEndpoint('a').version, maps.forEndpoint('mingde').version);
    assert.equal(map([]).mapVersion, maps.forEndpoint('test').version);
  });
});
