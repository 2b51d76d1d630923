/** `hub endpoint ...`, each a process of its own, as people run it. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readPatch } from '../../src/cli/endpoint/options.ts';
import { sql } from '../../src/db/sql.ts';
import { givenDatabase } from '../given.ts';
import { givenDataDir, runHub } from '../hub-process.ts';

describe('the options of hub endpoint set', () => {
  it('settings are JSON where they are JSON, dots go inside, and what is unset is null', () => {
    const set = ['every=15m', 'count=50', 'types=["Patient"]', 'auth.client=hub', 'auth.kid=1'];
    assert.deepEqual(readPatch({ set, unset: ['zone', 'auth.scope'], facility: ['A', 'B'], port: '7' }), {
      facilities: ['A', 'B'],
      port: 7,
      zone: null,
      config: { every: '15m', count: 50, types: ['Patient'], auth: { client: 'hub', kid: 1, scope: null } },
    });
  });
});

describe('hub endpoint', () => {
  let world: Awaited<ReturnType<typeof givenDatabase>>;
  let dataDir: Awaited<ReturnType<typeof givenDataDir>>;
  const hub = (line: string, input = '') =>
    runHub(['endpoint', ...line.split(' ')], {
      env: { DATABASE_URL: world.url, HUB_DATA_DIR: dataDir.path },
      input,
    });
  const lines = (text: string) =>
    text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);

  before(async () => {
    [world, dataDir] = await Promise.all([givenDatabase(), givenDataDir()]);
  });
  after(async () => {
    await Promise.all([world.close(), dataDir.close()]);
  });

  it('a source that only says what is there names one that pulls it: add and set refuse another, test notices', async () => {
    const push =
      'add told --kind fhir-push --organization Organization/a --set source=https://a.example/r4 --set pull=typo';
    const refused = await hub(push);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /typo is no endpoint of the same organization that pulls/);
    assert.equal((await hub(`${push} --draft`)).code, 0);
    const tested = await hub('test told --json');
    assert.equal(tested.code, 1);
    assert.match(tested.stdout, /typo is no endpoint of the same organization that pulls/);
    assert.equal((await hub('resume told')).code, 1);
    const asked = (name: string, organization: string) =>
      hub(
        `add ${name} --kind fhir-rest --organization Organization/${organization} --set base=https://a.example/r4 --draft`,
      );
    for (const added of [await asked('own', 'a'), await asked('foreign', 'b')])
      assert.deepEqual([added.code, added.stderr], [0, '']);
    assert.equal((await hub('set told --set pull=foreign --state live')).code, 1, 'of another organization');
    const live = await hub('set told --set pull=own --state live');
    assert.deepEqual([live.code, live.stderr], [0, '']);
    assert.doesNotMatch((await hub('test told --json')).stdout, /that pulls/);
    assert.equal((await hub('set told --set pull=typo')).code, 1);
  });

  it('add, look at a change, make it, and read who made it', async () => {
    const added = await hub('add ward --kind hl7v2-mllp --organization Organization/a --facility WARD --state testing');
    assert.deepEqual([added.code, added.stderr], [0, '']);
    assert.equal(lines(added.stdout)[0]?.['state'], 'testing');
    const looked = await hub('set ward --zone Asia/Shanghai --set title=Ward --dry-run');
    assert.deepEqual(lines(looked.stdout), [
      { what: 'zone', to: 'Asia/Shanghai' },
      { what: 'config', to: { title: 'Ward' } },
    ]);
    const made = await hub('set ward --zone Asia/Shanghai --set title=Ward --by lin --note moved');
    assert.deepEqual([made.code, made.stderr, lines(made.stdout)[0]?.['zone']], [0, '', 'Asia/Shanghai']);
    const same = await hub('set ward --zone Asia/Shanghai --dry-run');
    assert.deepEqual([same.code, same.stdout, same.stderr], [0, '', 'Nothing would change.\n']);
    await hub('resume ward --by wei');
    const history = lines((await hub('history ward')).stdout);
    assert.deepEqual(
      history.map(({ version, changedBy, note, state }) => [version, changedBy, note, state]),
      [
        [3, 'wei', undefined, 'live'],
        [2, 'lin', 'moved', 'testing'],
        [1, history[2]?.['changedBy'], undefined, 'testing'],
      ],
    );
  });

  it('a secret comes by stdin or a file, is sealed, and shown by its name alone', async () => {
    const file = join(dataDir.path, 'key');
    await writeFile(file, 'from a file\n');
    const added = await hub(
      `add his --kind fhir-push --organization Organization/a --secret token --secret key=@${file} --set title=His`,
      'from stdin\n',
    );
    assert.deepEqual([added.code, added.stderr], [0, '']);
    const shown = await hub('show his');
    const { secrets, config } = JSON.parse(shown.stdout) as Record<string, unknown>;
    assert.deepEqual([secrets, config], [['key', 'token'], { title: 'His' }]);
    const listed = await runHub(['secrets', 'list'], {
      env: { DATABASE_URL: world.url, HUB_DATA_DIR: dataDir.path },
    });
    assert.deepEqual(lines(listed.stdout)[0]?.['sealed'], { 'secrets of endpoints': 1 });
    assert.doesNotMatch(added.stdout + shown.stdout, /from (stdin|a file)/);
  });

  const wrong: [string, string, RegExp][] = [
    ['a secret as an argument', 'set his --secret token=sesame', /other processes can read it/],
    ['two secrets of one stdin', 'set his --secret a --secret b', /one secret is read from stdin/],
    [
      'a setting that hl7v2 endpoints do not have',
      'add x --kind hl7v2-mllp --organization Organization/a --facility X --set every=1m',
      /the setting every is not valid/,
    ],
    ['a kind that is none', 'add x --kind morse --organization Organization/a', /kind/],
    ['a port that is none', 'add x --kind hl7v2-mllp --organization Organization/a --facility X --port many', /port/],
    ['an endpoint that is not there', 'pause nobody', /no endpoint named nobody/],
    ['a destination that is not there', 'show nobody', /no endpoint named nobody/],
  ];
  for (const [what, line, message] of wrong) {
    it(`refuses ${what}`, async () => {
      const { code, stdout, stderr } = await hub(line);
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, message);
    });
  }

  it('is exported and imported whole, destinations too, and looked at first', async () => {
    const more = '--host 10.0.0.2 --port 7 --charset GB18030 --refusal park';
    await hub(`add sent --kind hl7v2-mllp-out --organization Organization/a --facility OUT ${more}`);
    const exported = (await hub('export')).stdout;
    assert.match(exported, /destinations:\n {2}- name: sent\n/);
    const file = join(dataDir.path, 'hub.yaml');
    await writeFile(file, exported);
    const again = await hub(`import ${file}`);
    assert.deepEqual(new Set(lines(again.stdout).map(({ outcome }) => outcome)), new Set(['unchanged']), again.stderr);
    await writeFile(file, exported.replace('port: 7', 'port: 8').replace('refusalPolicy: park', 'refusalPolicy: stop'));
    const looked = lines((await hub(`import ${file} --dry-run`)).stdout).filter(
      ({ outcome }) => outcome !== 'unchanged',
    );
    assert.deepEqual(looked, [
      { name: 'sent', kind: 'hl7v2-mllp-out', outcome: 'changed', changes: ['port', 'refusalPolicy'] },
    ]);
    assert.equal((await hub('export')).stdout, exported);
    await hub(`import ${file}`);
    assert.match((await hub('export')).stdout, /port: 8/);
    await writeFile(file, exported.replace('port: 7', 'port: 70000'));
    assert.equal((await hub(`import ${file}`)).code, 1);
    await world.database.query(sql`delete from destination`);
  });

  it('a destination is paused and resumed as well', async () => {
    await hub('add out --kind hl7v2-mllp-out --organization Organization/a --facility OUT --host 10.0.0.1 --port 1');
    const states = [];
    for (const step of ['pause', 'resume']) states.push(lines((await hub(`${step} out`)).stdout)[0]?.['isEnabled']);
    assert.deepEqual(states, [false, true]);
    const [row] = await world.database.query<{ is_enabled: boolean }>(sql`select is_enabled from destination`);
    assert.equal(row?.is_enabled, true);
  });
});
