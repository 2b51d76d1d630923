/** The registry as a file: there and back, looked at first, all or nothing. */
import assert from 'node:assert/strict';
import { parse } from 'yaml';
import { addEndpoint } from '../../../src/ingest/registry/change.ts';
import type { Kinds } from '../../../src/ingest/registry/description.ts';
import { importEndpoints, patchTo, planImport } from '../../../src/ingest/registry/import.ts';
import { mergePatch } from '../../../src/ingest/registry/difference.ts';
import { findEndpoint, listEndpoints } from '../../../src/ingest/registry/rows.ts';
import { listVersions } from '../../../src/ingest/registry/versions.ts';
import { exportEndpoints, readYaml } from '../../../src/ingest/registry/yaml.ts';
import { givenDatabase } from '../../given.ts';
import { oneHospital } from '../../given-ingest.ts';

const signed = { by: 'lin', at: new Date('2026-03-01T08:00:00Z') };

describe('the registry as YAML', () => {
  let [world, other]: Awaited<ReturnType<typeof givenDatabase>>[] = [];
  const [here, there] = [() => world!.database, () => other!.database];
  before(async () => {
    [world, other] = await Promise.all([givenDatabase(), givenDatabase()]);
    await addEndpoint(here(), {
      ...oneHospital,
      zone: 'Asia/Shanghai',
      config: { title: 'Ward', deep: { a: 1, b: [2] } },
    });
    await addEndpoint(here(), { ...oneHospital, name: 'b', facilities: ['B'], state: 'testing', ackMode: 'enhanced' });
    await addEndpoint(here(), { ...oneHospital, name: 'c', facilities: ['B'], state: 'retired' });
  });
  after(async () => {
    await Promise.all([world?.close(), other?.close()]);
  });

  it('what one installation exports, another imports; exported there it is the same text', async () => {
    const text = await exportEndpoints(here());
    const imported = await importEndpoints(there(), readYaml(text, 'hub.yaml'), signed);
    assert.deepEqual(
      imported.map(({ name, outcome }) => [name, outcome]),
      [
        ['b', 'added'],
        ['c', 'added'],
        ['hospa', 'added'],
      ],
    );
    assert.equal(await exportEndpoints(there()), text);
    const again = await importEndpoints(there(), readYaml(text, 'hub.yaml'), signed);
    assert.deepEqual(new Set(again.map(({ outcome }) => outcome)), new Set(['unchanged']));
    assert.equal((await listVersions(there(), 'hospa')).length, 1);
  });

  it('says only what is not as it would be anyway, and can be of some endpoints alone', async () => {
    assert.deepEqual(parse(await exportEndpoints(here(), ['b'])), {
      endpoints: [
        {
          name: 'b',
          kind: 'hl7v2-mllp',
          organization: 'Organization/a',
          state: 'testing',
          facilities: ['B'],
          ackMode: 'enhanced',
        },
      ],
    });
    await assert.rejects(exportEndpoints(here(), ['nobody']), { code: 'not-found' });
  });

  it('a look says what would change and changes nothing; what the file leaves out is taken away', async () => {
    const file = readYaml(
      (await exportEndpoints(here(), ['hospa'])).replace(/ +zone: .*\n/, '').replace('title: Ward', 'title: West ward'),
      'hub.yaml',
    );
    const expected = [
      {
        name: 'hospa',
        outcome: 'changed' as const,
        changes: [
          { what: 'zone', from: 'Asia/Shanghai' },
          { what: 'config.title', from: 'Ward', to: 'West ward' },
        ],
      },
    ];
    assert.deepEqual(await planImport(here(), file, signed), expected);
    assert.equal((await findEndpoint(here(), 'hospa'))?.zone, 'Asia/Shanghai');
    assert.deepEqual(await importEndpoints(here(), file, signed), expected);
    assert.equal((await findEndpoint(here(), 'hospa'))?.zone, undefined);
  });

  const entry = (name: string, more = '') =>
    `  - { name: ${name}, kind: hl7v2-mllp, organization: Organization/a, facilities: [${name.toUpperCase()}]${more} }`;
  const wrong: [string, string[], RegExp][] = [
    ['a second line that breaks a rule', [entry('x'), entry('y', ', zone: Mars/North')], /hub\.yaml:3: the zone/],
    ['a word nobody knows', [entry('x'), entry('y', ', colour: red')], /hub\.yaml:3: .*colour/],
    ['a name that is there twice', [entry('x'), entry('x')], /hub\.yaml:3: a second endpoint/],
    [
      'two of the file that take the same messages',
      [entry('x', ', port: 4000'), entry('y', ', port: 4000').replace('[Y]', '[X]')],
      /hub\.yaml:3: the endpoint x already takes/,
    ],
    ['another kind of what is there', [entry('x'), entry('b').replace('mllp', 'http')], /hub\.yaml:3: the kind/],
    ['no list', [], /endpoints is a list/],
  ];
  for (const [what, lines, message] of wrong) {
    it(`given ${what}, nothing is imported and the line is named`, async () => {
      const before = (await listEndpoints(there())).length;
      const text = ['endpoints:', ...lines].join('\n');
      await assert.rejects(async () => importEndpoints(there(), readYaml(text, 'hub.yaml'), signed), message);
      assert.equal((await listEndpoints(there())).length, before);
    });
  }

  it('an endpoint whose secrets are not there yet is a draft, and says which', async () => {
    const kinds: Kinds = () => ({ readConfig: (config) => config, secrets: () => ['password'], asks: () => undefined });
    const text = 'endpoints: [{ name: p, kind: fhir-rest, organization: Organization/a, secrets: [password] }]';
    const [imported] = await importEndpoints(there(), readYaml(text, 'hub.yaml'), { ...signed, kinds });
    assert.deepEqual([imported?.outcome, imported?.missingSecrets], ['added', ['password']]);
    assert.equal((await findEndpoint(there(), 'p'))?.state, 'draft');
  });

  it('the patch from one description to another makes the other', () => {
    const [before, after] = [
      { a: 1, b: { c: 1, d: { e: 1 } }, f: [1], g: { h: 1 } },
      { a: 2, b: { c: 1, d: { x: 2 } }, f: [2], g: 'text' },
    ];
    assert.deepEqual(mergePatch(before, patchTo(before, after)), after);
    assert.deepEqual(mergePatch(after, patchTo(after, before)), before);
  });
});
