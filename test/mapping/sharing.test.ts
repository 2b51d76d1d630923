/** Many endpoints share what they have in common: the same overlay is one program, and so is what overlays leave alone. */
import { strict as assert } from 'node:assert';
import { openMaps, type OverlayText } from '../../src/mapping/maps.ts';
import { mappings } from './given.ts';

const overlay = (number: number): OverlayText => ({
  hash: String(number),
  name: `${number}.yaml`,
  text: `partner: p${number}\nchanges:\n  - vocab: administrative-sex\n    codes: { X${number}: other }\n`,
});

describe('the maps of many endpoints', () => {
  const maps = openMaps(mappings);
  const name = (index: number): string => `endpoint-${index}`;
  maps.assign(new Map(Array.from({ length: 3_600 }, (_, index) => [name(index), overlay(index % 20)] as const)));

  it('given 3,600 endpoints with 20 overlays, then they have 20 programs', () => {
    const programs = new Set(Array.from({ length: 3_600 }, (_, index) => maps.forEndpoint(name(index))));
    assert.equal(programs.size, 20);
  });

  it('given an overlay of one vocabulary, then what does not use it is the base map itself', () => {
    const [base, own] = [maps.forEndpoint('another'), maps.forEndpoint(name(0))];
    assert.notEqual(own, base);
    assert.notEqual(own.parts?.segments.get('pid-patient'), base.parts?.segments.get('pid-patient'));
    assert.equal(own.parts?.segments.get('obx-observation'), base.parts?.segments.get('obx-observation'));
    assert.equal(own.vocabularies.get('ucum'), base.vocabularies.get('ucum'));
  });
});
