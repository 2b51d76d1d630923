/** `hub map check`, `diff`, `apply` and `rollback`, each as a process of its own: what an interface analyst types, and what comes of it. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addEndpoint } from '../../src/ingest/endpoint.ts';
import { givenDatabase } from '../given.ts';
import { runHub } from '../hub-process.ts';

const overlay = (to: string): string => `partner: lakeside
changes:
  - add: pid-patient
    rule: { id: ZPI-3, from: ZPI-3, to: '${to}', as: CX }
`;

const message = [
  'MSH|^~\\&|HIS|LAKESIDE|HUB|HUB|20260301080000+0800||ADT^A01^ADT_A01|L-1|P|2.5.1',
  'PID|1||P1^^^LAKESIDE^MR||Lake^Ann',
  'ZPI|1|extra|CARD77',
].join('\r');

describe('hub map', function () {
  this.timeout(300_000);
  let database: Awaited<ReturnType<typeof givenDatabase>>;
  let folder: string;
  before(async () => {
    database = await givenDatabase();
    folder = await mkdtemp(join(tmpdir(), 'map-'));
    await mkdir(join(folder, 'messages'));
    await writeFile(join(folder, 'good.yaml'), overlay('Patient.identifier[]'));
    await writeFile(join(folder, 'bad.yaml'), overlay('Patient.identifer[]'));
    await writeFile(join(folder, 'messages', 'a.hl7'), message);
    await addEndpoint(database.database, {
      name: 'lakeside',
      kind: 'hl7v2-mllp',
      organization: 'Organization/lakeside',
      facilities: ['LAKESIDE'],
    });
  });
  after(async () => {
    await database.close();
    await rm(folder, { recursive: true });
  });

  const hub = (args: readonly string[], input?: string): ReturnType<typeof runHub> =>
    runHub([...args], { env: { DATABASE_URL: database.url }, ...(input === undefined ? undefined : { input }) });
  const file = (name: string): string => join(folder, name);
  const cards = async (): Promise<number> => {
    const { stdout } = await hub(['convert', '--endpoint', 'lakeside'], message);
    return stdout.split('"value": "CARD77"').length - 1;
  };

  it('check: an error with its file and line, and the end is 1; without one, 0', async () => {
    const [bad, good] = [await hub(['map', 'check', file('bad.yaml')]), await hub(['map', 'check', file('good.yaml')])];
    assert.deepEqual([bad.code, good.code], [1, 0]);
    assert.match(bad.stdout, /bad\.yaml:4.*identifer/);
    assert.match(good.stdout, /no errors/);
  });

  it('diff: the rules that differ, and the messages that come out otherwise', async () => {
    const { code, stdout } = await hub(['map', 'diff', 'shipped', file('good.yaml'), '--messages', file('messages')]);
    assert.equal(code, 0);
    assert.match(stdout, /^\+ .*ZPI-3/m);
    assert.match(stdout, /^1 of 1 messages come out otherwise$/m);
  });

  it('apply: refused with an error; else in force for the endpoint until it is rolled back', async () => {
    const refused = await hub(['map', 'apply', file('bad.yaml'), '--endpoint', 'lakeside']);
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /bad\.yaml:4/);
    assert.equal(await cards(), 0);

    const applied = await hub(['map', 'apply', file('good.yaml'), '--endpoint', 'lakeside', '--note', 'cards']);
    assert.deepEqual([applied.code, applied.stderr], [0, '']);
    assert.equal(await cards(), 1);
    const same = await hub(['map', 'diff', file('good.yaml'), '--endpoint', 'lakeside']);
    assert.match(same.stdout, /the rules are the same/);

    assert.equal((await hub(['map', 'rollback', '--endpoint', 'lakeside'])).code, 0);
    assert.equal(await cards(), 0);
    const { code, stderr } = await hub(['map', 'rollback', '--endpoint', 'lakeside']);
    assert.equal(code, 1);
    assert.match(stderr, /nothing was in force at lakeside before.*\n.*hub map history --endpoint lakeside/);
  });
});
