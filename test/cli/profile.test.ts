/** `hub profile`: from a package to what a running hub refuses, and back. */
import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tar from 'tar';
import { readSource, runProfileAdd, runProfileList, runProfileRemove } from '../../src/cli/profile.ts';
import { Problem } from '../../src/fhir/problem.ts';
import { givenHub, type GivenHub } from '../given-hub.ts';
import { until } from '../until.ts';

const ips = join(import.meta.dirname, '../fixtures/ips');
const url = 'http://example.org/fhir/StructureDefinition/named';
const profile = (version: string, element: object): object => ({
  resourceType: 'StructureDefinition',
  text: { status: 'empty', div: '<div>' },
  url,
  version,
  name: 'Named',
  status: 'active',
  kind: 'resource',
  abstract: false,
  type: 'Patient',
  baseDefinition: 'http://hl7.org/fhir/StructureDefinition/Patient',
  derivation: 'constraint',
  differential: { element: [{ id: 'Patient', path: 'Patient' }, element] },
});
const named = profile('1.0.0', { id: 'Patient.name', path: 'Patient.name', min: 1 });

describe('hub profile', function () {
  this.timeout(300_000);
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'profiles-'));
  });
  after(() => rm(folder, { recursive: true }));

  const fileOf = async (name: string, content: unknown): Promise<string> => {
    const file = join(folder, name);
    await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
    return file;
  };

  describe('reads', () => {
    it('a package as it is published: examples and other types are passed over', async () => {
      await cp(join(ips, 'package'), join(folder, 'in', 'package'), { recursive: true });
      await cp(join(ips, 'examples.ndjson'), join(folder, 'in', 'package', 'example', 'Patient-x.json'));
      await writeFile(join(folder, 'in', 'package', 'ImplementationGuide-x.json'), 'no JSON');
      const file = join(folder, 'ips.tgz');
      await tar.create({ file, gzip: true, cwd: join(folder, 'in') }, ['package']);
      const found = await readSource(file);
      assert.deepEqual([found.name, found.version], ['hl7.fhir.uv.ips', '2.0.0']);
      assert.equal(found.definitions.length, 65);
      assert.deepEqual(found.definitions, (await readSource(join(ips, 'package'))).definitions);
    });
    it('one definition, without what validation does not read', async () => {
      const found = await readSource(await fileOf('named.json', named));
      assert.deepEqual([found.name, found.version, found.definitions.length], ['named', '1.0.0', 1]);
      assert.equal(found.definitions[0]?.['text'], undefined);
    });
    it('a Bundle of them', async () => {
      const bundle = {
        resourceType: 'Bundle',
        type: 'collection',
        entry: [{ resource: named }, { resource: { resourceType: 'Patient' } }],
      };
      assert.equal((await readSource(await fileOf('bundle.json', bundle))).definitions.length, 1);
    });
    it('and refuses what is no JSON, naming the file', async () => {
      await assert.rejects(
        readSource(await fileOf('broken.json', '{')),
        (error) => error instanceof Problem && /broken\.json/.test(error.message),
      );
    });
  });

  describe('with a running hub', () => {
    let hub: GivenHub;
    let hospital: string;
    before(async () => {
      hub = await givenHub();
      hospital = await hub.token('hospital');
    });
    after(() => hub.close());

    const run = async (work: (environment: NodeJS.ProcessEnv) => Promise<void>): Promise<Record<string, unknown>[]> => {
      const printed: Record<string, unknown>[] = [];
      const { log } = console;
      console.log = (line: string) => printed.push(JSON.parse(line) as Record<string, unknown>);
      try {
        await work({ DATABASE_URL: hub.databaseUrl });
      } finally {
        console.log = log;
      }
      return printed;
    };
    const add = async (name: string, content: object, package_ = 'named'): Promise<unknown> => {
      const file = await fileOf(name, content);
      const [line] = await run((environment) => runProfileAdd(file, { name: package_, by: 'tester' }, environment));
      return line?.['outcome'];
    };
    const patient = (more: object = {}): object => ({ resourceType: 'Patient', meta: { profile: [url] }, ...more });
    const create = async (body: object): Promise<string> => {
      const { status, json } = await hub.send('POST', 'Patient', hospital, { body });
      return status === 201 ? '201' : `${status} ${json['issue'][0].code} ${json['issue'][0].expression}`;
    };
    /** A change is followed within a second. */
    const eventually = async (expected: string, answer: () => Promise<string>): Promise<void> => {
      let found = '';
      await until(
        expected,
        async () => (found = await answer()) === expected,
        () => found,
      );
    };

    it('a profile that is not loaded refuses nothing', async () => assert.equal(await create(patient()), '201'));

    it('added: the running hub refuses what names it and does not follow it, with the place', async () => {
      assert.equal(await add('1.json', named), 'added');
      await eventually('422 required Patient.name', () => create(patient()));
      assert.equal(await create(patient({ name: [{ text: 'x' }] })), '201');
      assert.equal(await create({ resourceType: 'Patient' }), '201', 'what does not name it');
    });

    it('the same again changes nothing; another version takes its place', async () => {
      assert.equal(await add('1.json', named), 'unchanged');
      assert.equal(await add('2.json', profile('2.0.0', { id: 'Patient.gender', min: 1 })), 'replaced');
      await eventually('422 required Patient.gender', () => create(patient()));
    });

    it('an update, a patch and $meta-add are held against it too', async () => {
      const { json } = await hub.send('POST', 'Patient', hospital, { body: patient({ gender: 'male' }) });
      const path = `Patient/${json['id']}`;
      const { gender: _, ...bare } = json;
      assert.equal((await hub.send('PUT', path, hospital, { body: bare })).status, 422);
      const patch = [{ op: 'remove', path: '/gender' }];
      const headers = { 'content-type': 'application/json-patch+json' };
      assert.equal((await hub.send('PATCH', path, hospital, { body: JSON.stringify(patch), headers })).status, 422);
    });

    it('$validate?profile= holds a resource against a profile it does not name', async () => {
      const { json } = await hub.send('POST', `Patient/$validate?profile=${encodeURIComponent(url)}`, hospital, {
        body: { resourceType: 'Patient' },
      });
      const errors = (json['issue'] as { severity: string; expression: string[] }[]).filter(
        ({ severity }) => severity === 'error',
      );
      assert.deepEqual(
        errors.map(({ expression }) => expression[0]),
        ['Patient.gender'],
      );
    });

    it('what cannot be used is refused before it is in force', async () => {
      const orphan = {
        ...profile('1', { id: 'Patient.name', min: 1 }),
        url: 'http://example.org/orphan',
        baseDefinition: 'http://example.org/none',
      };
      await assert.rejects(
        add('orphan.json', orphan, 'orphan'),
        (error) => error instanceof Problem && error.code === 'invalid',
      );
      await assert.rejects(add('nothing.json', { resourceType: 'Patient' }, 'nothing'), Problem);
    });

    it('what another package builds on is not taken out', async () => {
      const child = {
        ...profile('1', { id: 'Patient.birthDate', min: 1 }),
        url: 'http://example.org/child',
        baseDefinition: url,
      };
      assert.equal(await add('child.json', child, 'child'), 'added');
      await assert.rejects(
        run((environment) => runProfileRemove('named', environment)),
        (error) => error instanceof Problem && error.code === 'conflict',
      );
    });

    it('a whole guide: IPS', async () => {
      await run((environment) => runProfileAdd(join(ips, 'package'), {}, environment));
      const body = {
        resourceType: 'Patient',
        meta: { profile: ['http://hl7.org/fhir/uv/ips/StructureDefinition/Patient-uv-ips'] },
        name: [{ text: 'x' }],
      };
      await eventually('422 required Patient.birthDate', () => create(body));
    });

    it('the CapabilityStatement names what is in force', async () => {
      const { json } = await hub.send('GET', 'metadata', undefined);
      const types = json['rest'][0].resource as { type: string; supportedProfile?: string[] }[];
      const supported = types.find(({ type }) => type === 'Patient')?.supportedProfile;
      assert.deepEqual(supported, [
        'http://example.org/child|1',
        `${url}|2.0.0`,
        'http://hl7.org/fhir/uv/ips/StructureDefinition/Patient-uv-ips|2.0.0',
      ]);
    });

    it('list shows what is in force, and with --all what was', async () => {
      const listed = await run((environment) => runProfileList(false, environment));
      assert.deepEqual(
        listed.map(({ name, version, profiles }) => [name, version, profiles]),
        [
          ['child', '1', 1],
          ['hl7.fhir.uv.ips', '2.0.0', 29],
          ['named', '2.0.0', 1],
        ],
      );
      assert.equal(listed[2]?.['addedBy'], 'tester');
      const all = await run((environment) => runProfileList(true, environment));
      assert.deepEqual(
        all.filter(({ name }) => name === 'named').map(({ version, removedAt }) => [version, removedAt === undefined]),
        [
          ['2.0.0', true],
          ['1.0.0', false],
        ],
      );
    });

    it('removed: it refuses nothing any more', async () => {
      await run((environment) => runProfileRemove('child', environment));
      await run((environment) => runProfileRemove('named', environment));
      await eventually('201', () => create(patient()));
      await assert.rejects(
        run((environment) => runProfileRemove('named', environment)),
        Problem,
      );
    });
  });
});
