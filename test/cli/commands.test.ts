/** The commands beside a running hub, each as a process of its own on the same data directory. */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { decodeJwt } from 'jose';
import { connectMllp } from '../../adapters/hl7v2/client.ts';
import { givenDataDir, givenHubProcess, runHub, type HubProcess } from '../hub-process.ts';

const message = (controlId: string, patient = '4711'): string =>
  [
    `MSH|^~\\&|ADT|HOSPA|HUB|HUB|20260301080000+0800||ADT^A01^ADT_A01|${controlId}|P|2.5.1|||AL|NE`,
    'EVN|A01|20260301080000+0800',
    `PID|1||${patient}^^^HOSPA^MR||Chen^Wei||19800101|M`,
    'PV1|1|I|W1^101^1||||||||||||||||V-1^^^HOSPA^VN|||||||||||||||||||||||||20260301080000+0800',
  ].join('\r');

describe('hub convert', () => {
  it('prints the Bundle of a message', async () => {
    const { code, stdout, stderr } = await runHub(['convert'], { input: message('A-1') });
    assert.deepEqual([code, stderr], [0, '']);
    const bundle = JSON.parse(stdout) as { resourceType: string; entry: { resource: { resourceType: string } }[] };
    assert.equal(bundle.resourceType, 'Bundle');
    assert.equal(bundle.entry[0]?.resource.resourceType, 'Patient');
  });

  it('given a batch, prints one Bundle a line and goes on after a message that cannot be converted', async () => {
    const batch = [
      'FHS|^~\\&',
      'BHS|^~\\&',
      message('A-1'),
      'MSH|^~\\&|X|Y|||1||QQQ^Q99|A-2|P|2.5',
      message('A-3', '4712'),
      'BTS|3',
      'FTS|1',
    ];
    const { code, stdout, stderr } = await runHub(['convert'], { input: batch.join('\r') });
    const types = stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { resourceType: string }).resourceType);
    assert.deepEqual([code, types], [1, ['Bundle', 'Bundle']]);
    assert.match(stderr, /^message 2: /);
  });

  it('given no message, says so and ends with 1', async () => {
    const { code, stdout, stderr } = await runHub(['convert'], { input: 'nothing' });
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /MSH/);
  });
});

describe('hub token', () => {
  it('needs a data directory alone, and names issuer and audience of the hub that will check it', async () => {
    const dataDir = await givenDataDir();
    try {
      const env = { HUB_DATA_DIR: dataDir.path, HUB_PUBLIC_URL: 'https://hub.example.org' };
      const { code, stdout } = await runHub(['token', '--preset', 'ai', '--expires', '60'], { env });
      assert.equal(code, 0);
      const { iss, aud, exp, iat, client_id: client } = decodeJwt(stdout.trim());
      assert.deepEqual(
        [iss, aud, client],
        ['https://hub.example.org', 'https://hub.example.org/fhir/R4', 'ai-health-manager'],
      );
      assert.equal((exp ?? 0) - (iat ?? 0), 60);
    } finally {
      await dataDir.close();
    }
  });

  it('says what an operator is for', async () => {
    const dataDir = await givenDataDir();
    const env = { HUB_DATA_DIR: dataDir.path };
    const { stdout } = await runHub(['token', '--preset', 'operator', '--role', 'analyst'], { env });
    await dataDir.close();
    const { scope, ops_role: role } = decodeJwt(stdout.trim());
    assert.deepEqual([scope, role], ['hub/ops', 'analyst']);
  });

  for (const args of [
    ['--preset', 'operator', '--role', 'king'],
    ['--preset', 'nobody'],
    ['--client', 'x'],
    ['--preset', 'patient'],
    ['--preset', 'ai', '--expires', 'soon'],
  ]) {
    it(`refuses ${args.join(' ')}`, async () => {
      const dataDir = await givenDataDir();
      const { code, stderr } = await runHub(['token', ...args], { env: { HUB_DATA_DIR: dataDir.path } });
      await dataDir.close();
      assert.equal(code, 1);
      assert.doesNotMatch(stderr, /at .*\.ts/, 'a refusal is a sentence, not a stack');
    });
  }
});

describe('commands beside a running hub', function () {
  // A process for each command.
  this.timeout(300_000);

  let dataDir: Awaited<ReturnType<typeof givenDataDir>>;
  let hub: HubProcess;
  let env: Record<string, string>;
  before(async () => {
    dataDir = await givenDataDir();
    env = { HUB_DATA_DIR: dataDir.path };
    hub = await givenHubProcess({ env });
  });
  after(async () => {
    hub.signal('SIGTERM');
    await hub.ended;
    await dataDir.close();
  });
  const send = async (text: string): Promise<string> => {
    const client = connectMllp({ host: '127.0.0.1', port: Number((await hub.logged('ready'))['mllpPort']) });
    const { code } = await client.send(Buffer.from(text));
    await client.close();
    return code;
  };
  const fates = async (): Promise<string[]> => {
    const { stdout } = await runHub(['messages', '--source', 'a'], { env });
    return stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => (JSON.parse(line) as { status: string }).status);
  };

  it('endpoint add: the hub takes its messages at once, and refused them before', async () => {
    assert.equal(await send(message('B-1')), 'CR');
    const args = [
      'endpoint',
      'add',
      'a',
      '--kind',
      'hl7v2-mllp',
      '--organization',
      'Organization/a',
      '--facility',
      'HOSPA',
    ];
    const added = await runHub(args, { env });
    assert.deepEqual([added.code, added.stderr], [0, '']);
    assert.equal(await send(message('B-1')), 'CA');
    const again = await runHub(args, { env });
    assert.equal(again.code, 1, 'a name is given once');
    assert.match(again.stderr, /hub endpoint set a/);
    const listed = await runHub(['endpoint', 'list'], { env });
    assert.equal((JSON.parse(listed.stdout) as { name: string }).name, 'a');
  });

  it('endpoint add: refuses what breaks a rule, naming it', async () => {
    const args = ['endpoint', 'add', 'b', '--kind', 'fax', '--organization', 'Organization/b', '--facility', 'B'];
    assert.match((await runHub(args, { env })).stderr, /kind is not valid/);
    assert.match((await runHub(['endpoint', 'add', 'b'], { env })).stderr, /required option '--kind <kind>'/);
  });

  const gone = join('no', 'such', 'file');
  for (const [args, said] of [
    ['messages --source typo', /no endpoint named typo\nList them: hub endpoint list/],
    ['unmapped --endpoint typo', /no endpoint named typo/],
    ['replay --source typo --preview', /no endpoint named typo/],
    ['endpoint health typo', /no endpoint named typo\nList them: hub endpoint list/],
    [`map explain ${gone}`, /file cannot be read/],
    [`map diff shipped --endpoint a --messages ${gone}`, /file cannot be read/],
    [`profile add ${gone}.tgz`, /file\.tgz cannot be read/],
    [`terminology load ${gone}.json`, /file\.json cannot be read/],
    [`device import ${gone}.json --endpoint a --patient p`, /file\.json cannot be read/],
    [`audit verify --statements ${gone}`, /file cannot be read/],
    ['proxy list --patient typo', /there is no such Patient \(--patient\)\n.*identifier=SYSTEM/],
    [`simulate check --ledger ${gone}`, /there is no such ledger/],
    ['simulate check --ledger /dev/null', /the ledger is empty \(--ledger\)\n.*when it ends/],
  ] as const) {
    it(`given a name or a file that there is not, ${args} says so, and ends with 1`, async () => {
      const { code, stderr } = await runHub(args.split(' '), { env });
      assert.equal(code, 1);
      assert.match(stderr, said);
      assert.doesNotMatch(stderr, /^ +at /m);
    });
  }

  it('messages and replay: processed, and processed again', async () => {
    while ((await fates())[0] !== 'processed') await sleep(100);
    assert.equal(
      (await runHub(['replay'], { env })).code,
      1,
      'a replay of everything is said, not forgotten to narrow',
    );
    const replayed = await runHub(['replay', '--control-id', 'B-1'], { env });
    assert.match(replayed.stdout, /^1 messages match; 1 in 1 lanes/);
    while ((await fates())[0] !== 'processed') await sleep(100);
  });

  it('replay --preview counts and touches nothing; --rate is done by the running hub', async () => {
    const counted = await runHub(['replay', '--source', 'a', '--preview'], { env });
    const { matched, endpoints } = JSON.parse(counted.stdout) as { matched: number; endpoints: { source: string }[] };
    assert.deepEqual([matched, endpoints.map(({ source }) => source)], [1, ['a']]);
    assert.equal((await runHub(['replay', '--source', 'a', '--rate', 'fast'], { env })).code, 1);
    const asked = await runHub(['replay', '--source', 'a', '--rate', '10'], { env });
    assert.equal((JSON.parse(asked.stdout) as { state: string }).state, 'planning');
    const listed = async (): Promise<string> => (await runHub(['messages', '--source', 'a'], { env })).stdout;
    // Put back and run by the hub: its time of processing is later than the one of the asking.
    const { askedAt } = JSON.parse(asked.stdout) as { askedAt: string };
    while (((JSON.parse(await listed()) as { processedAt?: string }).processedAt ?? '') <= askedAt) await sleep(100);
  });

  it('client role: of a client that there is, and a role that there is', async () => {
    const [nobody, king] = await Promise.all([
      runHub(['client', 'role', 'nobody', 'auditor'], { env }),
      runHub(['client', 'role', 'nobody', 'king'], { env }),
    ]);
    assert.deepEqual([nobody.code, king.code], [1, 1]);
    assert.match(nobody.stderr, /no such client/);
    assert.match(king.stderr, /operator, analyst, auditor/);
  });

  it('audit verify: the trail of what was read is whole', async () => {
    const token = (
      await runHub(['token', '--preset', 'ai'], { env: { ...env, HUB_PUBLIC_URL: hub.url } })
    ).stdout.trim();
    assert.equal(
      (await fetch(`${hub.url}/fhir/R4/Patient/x`, { headers: { authorization: `Bearer ${token}` } })).status,
      404,
    );
    const { code, stdout } = await runHub(['audit', 'verify'], { env });
    assert.equal(code, 0);
    assert.match(stdout, /The audit trail is intact\./);
  });

  it('none of them stopped the database under the hub', async () => {
    assert.equal((await fetch(`${hub.url}/readyz`)).status, 200);
    assert.ok(!hub.log.some((line) => line['event'] === 'database lost'));
  });

  it('hub reindex reads rows again beside the running hub, and says how far it is', async () => {
    const { code, stdout } = await runHub(['reindex', '--type', 'Patient'], { env });
    assert.equal(code, 0);
    const [last, ...earlier] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { revision: number; completedAt: string | null });
    assert.ok(last !== undefined && last.completedAt !== null && earlier.length > 0);
    const status = await runHub(['reindex', '--status'], { env });
    assert.deepEqual([status.code, status.stdout], [0, stdout]);
    assert.equal((await runHub(['reindex', '--type', 'Nonsense'], { env })).code, 1);
  });

  it('hub relabel says which sets are in force and how far it is, and what is wrong with files, by file and line', async () => {
    const status = await runHub(['relabel', '--status'], { env });
    const [last] = status.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { revision: number; rowsRead: number });
    assert.deepEqual([status.code, typeof last?.revision, typeof last?.rowsRead], [0, 'number', 'number']);
    const check = await runHub(['relabel', '--check'], { env });
    assert.match(check.stdout, /"HIV"/);
    const folder = join(dataDir.path, 'sets');
    await mkdir(folder);
    await writeFile(join(folder, 'wrong.yaml'), 'category: HIV\ncodes:\n  - { system: none, list: [a], why: x }\n');
    const wrong = await runHub(['relabel', '--check'], { env: { ...env, HUB_SENSITIVITY_DIR: folder } });
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /sets\/wrong\.yaml:3/);
  });
});
