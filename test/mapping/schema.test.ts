/** The schema that editors read says what the loader says: it is made from its words, and both judge alike. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { checkOverlay } from '../../src/mapping/tables/check.ts';
import { overlaySchema } from '../../src/mapping/tables/schema.ts';
import { mappings, maps } from './given.ts';

const file = join(mappings, 'schema', 'overlay.schema.json');
const schema = z.fromJSONSchema(
  JSON.parse(JSON.stringify(overlaySchema(maps.library))) as z.core.JSONSchema.BaseSchema,
);
const isValid = (text: string): boolean => schema.safeParse(parse(text)).success;
const loads = (text: string): boolean => checkOverlay(maps, text, 'test.yaml').length === 0;

describe('the schema of overlays', () => {
  it('is the shipped file; npm run schema makes it anew', () => {
    assert.equal(readFileSync(file, 'utf8').trim(), JSON.stringify(overlaySchema(maps.library), undefined, 2));
  });

  const folder = join(mappings, 'partners');
  for (const name of readdirSync(folder)) {
    it(`takes ${name}`, () => assert.ok(isValid(readFileSync(join(folder, name), 'utf8'))));
  }

  const rule = '{ id: Z, from: ZPI-2, to: Patient.language }';
  const changes: [change: string, isGood: boolean][] = [
    [`{ add: pid-patient, rule: ${rule} }`, true],
    ['{ add: pid-patient }', false],
    [`{ add: pid-patient, rule: ${rule}, codes: {} }`, false],
    ['{ add: pid-patient, rule: { id: Z, from: ZPI 2, to: Patient.language } }', false],
    ['{ add: pid-patient, rule: { id: Z, from: ZPI-2, to: Patient.language, as: magic } }', false],
    ['{ add: pid-patient, rule: { id: Z, from: ZPI-2, to: Patient.language, script: x } }', false],
    ['{ add: pid-patient, rule: { id: Z, from: ZPI-2, to: Patient.language, when: { matches: [a, b] } } }', false],
    [
      '{ add: pid-patient, rule: { id: Z, from: ZPI-2, to: Patient.language, when: { not: { exists: ZPI-3 } } } }',
      true,
    ],
    [`{ replace: pid-patient/PID-5, rule: ${rule} }`, true],
    ['{ remove: pid-patient/PID-5 }', true],
    ['{ remove: pid-patient/PID-5, from: PID-6 }', false],
    ["{ move: pid-patient/PID-12, to: 'Patient.address[0].state' }", true],
    ['{ vocab: administrative-sex, codes: { x: male } }', true],
    ['{ vocab: administrative-sex, codes: { x: { code: male, shown: no } } }', false],
    ['{ vocab: wards, table: WARDS, system: urn:wards, codes: { x: y } }', true],
    ['{ key: patient, from: [[ZPI-3 as identifier]] }', true],
    ['{ key: patient, from: ZPI-3 }', false],
    ['{ key: allergyZ, same: false, from: [[ZAL-1]] }', true],
    ['{ map: zal, segment: ZAL, resource: Basic, rules: [{ id: Z, from: ZAL-1, to: Basic.code.text }] }', true],
    ['{ map: zal, segment: ZAL, rules: [] }', false],
    ['{ build: adt, segment: ZPI, into: Patient, maps: [] }', true],
    ['{ event: adt, events: [Z01] }', true],
    ['{ nest: ZPI, in: [PID] }', true],
    ['{ nest: zpi, in: [PID] }', false],
    ['{ forget: everything }', false],
  ];
  for (const [change, isGood] of changes) {
    it(`${isGood ? 'takes' : 'refuses'} ${change}, as the loader does`, () => {
      const text = `partner: test\nchanges:\n  - ${change}\n`;
      assert.deepEqual(
        [isValid(text), loads(text)],
        [isGood, isGood],
        JSON.stringify(checkOverlay(maps, text, 'test')),
      );
    });
  }

  for (const text of ['changes: []', 'partner: x\nchanges: []\nmore: 1', 'partner: x\nchanges: {}']) {
    it(`refuses ${JSON.stringify(text)}, as the loader does`, () => {
      assert.deepEqual([isValid(text), loads(text)], [false, false]);
    });
  }

  it('is named in the file itself, in YAML or JSON', () => {
    const text = JSON.stringify({ $schema: '../schema/overlay.schema.json', partner: 'x', changes: [] });
    assert.deepEqual([isValid(text), loads(text)], [true, true]);
  });
});
