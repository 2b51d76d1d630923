import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { sql } from '../../../src/db/sql.ts';
import { givenFhirServer, type GivenFhirServer } from '../../given-fhir-server.ts';
import { givenPull, type PullWorld } from '../../given-pull.ts';
import type { HeldSource } from '../../given-rest.ts';

const types = ['Patient', 'DocumentReference', 'Binary'];
const [patients, documents] = [12, 8];
const anHourAgo = (seconds: number): Date => new Date(Date.now() - 3_600_000 + seconds * 1_000);

describe('a process that is killed (SIGKILL) while it asks a source by REST', function () {
  this.timeout(120_000);
  let world: PullWorld;
  let server: GivenFhirServer;
  let held: HeldSource;
  let child: ChildProcess | undefined;
  /** What the process is killed at, one after the other: the path that it asks. */
  let deaths: string[] = [];

  before(async () => {
    world = await givenPull();
    server = await givenFhirServer({
      types,
      on: (url) => {
        if (url.split('?')[0] !== deaths[0]) return false;
        deaths = deaths.slice(1);
        child?.kill('SIGKILL');
        return true;
      },
    });
    held = await world.held('killed', {
      config: { base: server.base, types: ['Patient', 'DocumentReference'], count: 5 },
    });
  });
  after(async () => {
    child?.kill('SIGKILL');
    await Promise.all([server.close(), world.close()]);
  });

  /** Starts a process until one comes to its end. @returns how each ended */
  async function runAll(): Promise<(string | number | null)[]> {
    const ends: (string | number | null)[] = [];
    while (ends.at(-1) !== 0) {
      assert.ok(ends.length < 10, 'comes to an end');
      const given = JSON.stringify({ url: world.url, ...held });
      child = spawn(process.execPath, [join(import.meta.dirname, '..', '..', 'rest-process.ts'), given], {
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
      ends.push(signal ?? code);
    }
    return ends;
  }
  const messages = (): Promise<{ name: string; lane: number }[]> =>
    world.database.query(sql`select control_id as name, lane_key as lane from message order by id`);
  const isContent = (name: string): boolean => name.startsWith('Attachment/');
  const put = (n: number, at: Date): void =>
    server.put(
      'DocumentReference',
      `d${n}`,
      {
        status: 'current',
        subject: { reference: `Patient/p${n}` },
        description: at.toISOString(),
        content: [{ attachment: { contentType: 'text/plain', url: `Binary/b${n}` } }],
      },
      at,
    );

  it('what it left is taken once, whatever it was at: a page, the next page, content of a document', async () => {
    for (let n = 0; n < patients; n++) server.put('Patient', `p${n}`, { active: true }, anHourAgo(n));
    for (let n = 0; n < documents; n++) {
      put(n, anHourAgo(n));
      server.put('Binary', `b${n}`, { contentType: 'text/plain', data: Buffer.from(`d${n}`).toString('base64') });
    }
    deaths = ['page', 'DocumentReference', 'Binary/b0', 'Binary/b6'];
    assert.deepEqual(await runAll(), ['SIGKILL', 'SIGKILL', 'SIGKILL', 'SIGKILL', 0]);
    assert.deepEqual(deaths, []);
    const names = (await messages()).map(({ name }) => name);
    const expected = [
      ...Array.from({ length: patients }, (_, n) => `Patient/p${n}/1`),
      ...Array.from({ length: documents }, (_, n) => `DocumentReference/d${n}/1`),
    ];
    assert.deepEqual(names.filter((name) => !isContent(name)).toSorted(), expected.toSorted());
    assert.equal(names.filter(isContent).length, documents);
  });

  it('and in the order of each record, when states follow each other', async () => {
    for (let n = 0; n < documents; n++) put(n, new Date());
    deaths = ['DocumentReference', 'Binary/b2'];
    assert.deepEqual(await runAll(), ['SIGKILL', 'SIGKILL', 0]);
    const all = await messages();
    for (let n = 0; n < documents; n++) {
      const { lane } = all.find(({ name }) => name === `Patient/p${n}/1`) ?? {};
      const record = all.filter((one) => one.lane === lane).map(({ name }) => name);
      assert.deepEqual(
        record.filter((name) => !isContent(name)),
        [`Patient/p${n}/1`, `DocumentReference/d${n}/1`, `DocumentReference/d${n}/2`],
      );
      assert.equal(record.filter(isContent).length, 1, 'content that is the same is not received again');
    }
  });
});
