/** Overlays in the database: applied, followed by a running process, taken back. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { Problem } from '../../src/fhir/problem.ts';
import { addEndpoint } from '../../src/ingest/endpoint.ts';
import {
  applyOverlay,
  followOverlays,
  listMapVersions,
  readOverlayText,
  rollBack,
  type Application,
} from '../../src/ingest/overlays.ts';
import { openMaps, type Maps } from '../../src/mapping/maps.ts';
import { givenDatabase } from '../given.ts';
import { oneHospital } from '../given-ingest.ts';

const mappings = join(import.meta.dirname, '..', '..', 'mappings');
const at = new Date('2026-03-01T00:00:00Z');

/** An overlay that differs from others in what PID-8 `x` means. */
const overlay = (gender: string): { name: string; text: string } => ({
  name: `${gender}.yaml`,
  text: `partner: ${gender}\nchanges:\n  - vocab: administrative-sex\n    codes: { x: ${gender} }\n`,
});

describe('overlays in the database', () => {
  let world: Awaited<ReturnType<typeof givenDatabase>>;
  let maps: Maps;
  before(async () => {
    world = await givenDatabase();
    maps = openMaps(mappings);
    for (const name of ['a', 'b', 'c', 'mingde']) {
      await addEndpoint(world.database, { ...oneHospital, name, facilities: [name.toUpperCase()] });
    }
  });
  after(() => world.close());

  const apply = (endpoints: readonly string[], gender: string, more: Partial<Application> = {}) =>
    applyOverlay(world.database, maps, { endpoints, overlay: overlay(gender), by: 'ann', at, ...more });
  const genderAt = (endpoint: string): string | undefined =>
    maps.forEndpoint(endpoint).vocabularies.get('administrative-sex')?.entries.get('x')?.code;

  it('says who, when and why, and what messages will name as their map', async () => {
    const [applied] = await apply(['a'], 'male', { note: 'x is male there' });
    assert.deepEqual(
      { ...applied, mapVersion: '', overlayHash: '' },
      {
        endpoint: 'a',
        version: 1,
        mapVersion: '',
        overlayHash: '',
        appliedBy: 'ann',
        appliedAt: at.toISOString(),
        note: 'x is male there',
      },
    );
    const overlays = await followOverlays(world.database, maps);
    overlays.close();
    assert.equal(applied?.mapVersion, maps.forEndpoint('a').version);
    assert.notEqual(applied?.mapVersion, maps.forEndpoint('b').version);
  });

  it('is followed by a process that runs, and taken back by a new version with the old content', async () => {
    const overlays = await followOverlays(world.database, maps);
    try {
      await apply(['b'], 'male');
      await overlays.refresh();
      assert.equal(genderAt('b'), 'male');
      await apply(['b'], 'female');
      await overlays.refresh();
      assert.equal(genderAt('b'), 'female');
      const back = await rollBack(world.database, maps, { endpoint: 'b', by: 'bob', at });
      assert.deepEqual([back.version, back.restores], [3, 1]);
      await overlays.refresh();
      assert.equal(genderAt('b'), 'male');
      const shipped = await rollBack(world.database, maps, { endpoint: 'b', by: 'bob', at });
      assert.deepEqual([shipped.version, shipped.restores], [4, 0]);
      await overlays.refresh();
      assert.equal(genderAt('b'), undefined);
      const history = await listMapVersions(world.database, 'b');
      assert.deepEqual(
        history.map(({ version, restores, overlay: name }) => [version, restores, name]),
        [
          [4, 0, undefined],
          [3, 1, 'male.yaml'],
          [2, undefined, 'female.yaml'],
          [1, undefined, 'male.yaml'],
        ],
      );
      assert.equal((await readOverlayText(world.database, 'b', 2))?.text, overlay('female').text);
    } finally {
      overlays.close();
    }
  });

  it('going back from a shipped overlay that was replaced ends at the shipped one', async () => {
    const before = maps.forEndpoint('mingde').version;
    await apply(['mingde'], 'male');
    await rollBack(world.database, maps, { endpoint: 'mingde', by: 'bob', at });
    const overlays = await followOverlays(world.database, maps);
    overlays.close();
    assert.equal(maps.forEndpoint('mingde').version, before);
  });

  const refused: [what: string, endpoints: string[], text: string, expected: RegExp][] = [
    [
      'an endpoint that is not there',
      ['nobody'],
      overlay('male').text,
      /^not-found: there is no endpoint named nobody/,
    ],
    ['no endpoint', [], overlay('male').text, /^required/],
    [
      'a rule that is not there',
      ['c'],
      'partner: x\nchanges:\n  - remove: pid-patient/NO',
      /^invalid: x\.yaml:3: .*NO/,
    ],
    ['no YAML', ['c'], 'partner: [', /^invalid: x\.yaml:1/],
    ['an overlay of more than a megabyte', ['c'], `# ${'x'.repeat(1_048_576)}`, /^too-long/],
  ];
  for (const [what, endpoints, text, expected] of refused) {
    it(`given ${what}, nothing is applied`, async () => {
      const before = await listMapVersions(world.database);
      await assert.rejects(
        apply([...endpoints, ...(endpoints[0] === 'nobody' ? ['c'] : [])], '', { overlay: { name: 'x.yaml', text } }),
        (error: Problem) => expected.test(`${error.code}: ${error.message}`),
      );
      assert.deepEqual(await listMapVersions(world.database), before);
    });
  }

  it('many who apply at once leave a history without gaps, and every process at the last', async () => {
    const overlays = await followOverlays(world.database, maps);
    try {
      const genders = ['male', 'female', 'other', 'unknown'];
      await Promise.all(Array.from({ length: 12 }, (_, index) => apply(['c'], genders[index % 4] as string)));
      await overlays.refresh();
      const history = await listMapVersions(world.database, 'c');
      assert.deepEqual(
        history.map(({ version }) => version).toReversed(),
        Array.from({ length: 12 }, (_, i) => i + 1),
      );
      assert.equal(history[0]?.mapVersion, maps.forEndpoint('c').version);
    } finally {
      overlays.close();
    }
  });
});
