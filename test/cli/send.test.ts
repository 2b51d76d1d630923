/** `hub endpoint add --kind hl7v2-mllp-out`, `hub send`, `hub outbound`: each a process of its own. */
import assert from 'node:assert/strict';
import { sql } from '../../src/db/sql.ts';
import { given, givenDatabase } from '../given.ts';
import { givenDataDir, runHub } from '../hub-process.ts';
import { appointmentBundle } from '../outbound/given.ts';

describe('hub send', () => {
  let world: Awaited<ReturnType<typeof givenDatabase>>;
  let dataDir: Awaited<ReturnType<typeof givenDataDir>>;
  const hub = (args: string[], input?: string) =>
    runHub(args, {
      env: { DATABASE_URL: world.url, HUB_DATA_DIR: dataDir.path },
      ...(input !== undefined && { input }),
    });

  before(async () => {
    [world, dataDir] = await Promise.all([givenDatabase(), givenDataDir()]);
  });
  after(async () => {
    await Promise.all([world.close(), dataDir.close()]);
  });

  const words = (text: string): string[] => text.split(' ');
  const add = (name: string, ...more: string[]) =>
    hub(['endpoint', 'add', name, '--kind', 'hl7v2-mllp-out', '--organization', 'Organization/renji', ...more]);

  it('a destination is an endpoint that is called', async () => {
    const { code, stdout, stderr } = await add(
      'renji',
      ...words('--facility RENJI --application HIS --sender HUB^REGION --host 10.1.2.3 --port 6661'),
      ...words('--charset GB18030 --hl7-version 2.4 --refusal park'),
    );
    assert.deepEqual([code, stderr], [0, '']);
    const { id: _, ...destination } = JSON.parse(stdout) as Record<string, unknown>;
    assert.deepEqual(destination, {
      kind: 'hl7v2-mllp-out',
      name: 'renji',
      organization: 'Organization/renji',
      host: '10.1.2.3',
      port: 6661,
      isTls: false,
      version: '2.4',
      charset: 'GB 18030-2000',
      sender: { application: 'HUB', facility: 'REGION' },
      receiver: { application: 'HIS', facility: 'RENJI' },
      ackMode: 'original',
      refusalPolicy: 'park',
      isEnabled: true,
    });
  });

  const wrong: [why: string, more: string[], message: RegExp][] = [
    ['no host', ['--facility', 'F', '--port', '1'], /--host and --port/],
    [
      'an unknown version',
      ['--facility', 'F', '--host', 'h', '--port', '1', '--hl7-version', '9'],
      /no dictionary has this version/,
    ],
    ['an unknown charset', ['--facility', 'F', '--host', 'h', '--port', '1', '--charset', 'KLINGON'], /charset/],
    ['a port that is none', ['--facility', 'F', '--host', 'h', '--port', '70000'], /port/],
  ];
  for (const [why, more, message] of wrong) {
    it(`refuses ${why}`, async () => {
      const { code, stderr } = await add('wrong', ...more);
      assert.equal(code, 1);
      assert.match(stderr, message);
    });
  }

  it('queues what is on stdin, and says what the version has no place for', async () => {
    const { code, stdout, stderr } = await hub(['send', 'renji', 'SIU^S12'], JSON.stringify(appointmentBundle));
    assert.deepEqual([code, stderr], [0, '']);
    const { id, controlId, omitted } = JSON.parse(stdout) as { id: number; controlId: string; omitted: string[] };
    assert.ok(omitted.includes('TQ1'));
    const listed = await hub(['outbound', 'list', '--destination', 'renji']);
    const line = JSON.parse(listed.stdout) as Record<string, unknown>;
    assert.deepEqual(
      [line['id'], line['controlId'], line['type'], line['status']],
      [id, controlId, 'SIU^S12', 'waiting'],
    );
    assert.doesNotMatch(listed.stdout, /张/);
    const mistyped = await hub(['outbound', 'list', '--destination', 'typo']);
    assert.equal(mistyped.code, 1);
    assert.match(mistyped.stderr, /no destination named typo\nList them: hub endpoint list/);
  });

  it('drops a refused message, and only that', async () => {
    await world.database.query(sql`update outbound_message set status = 2`);
    const [row] = await world.database.query<{ id: number }>(sql`select id from outbound_message`);
    assert.equal((await hub(['outbound', 'drop', String(row?.id)])).code, 0);
    const again = await hub(['outbound', 'retry', String(row?.id)]);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /no refused message/);
  });

  it('sends nothing from the store that its receiver may not see', async () => {
    const { code, stderr } = await hub(['send', 'renji', 'SIU^S12', '--resource', 'Appointment/unknown']);
    assert.equal(code, 1);
    assert.match(stderr, /unknown, or hidden/);
    assert.equal((await hub(['send', 'renji', 'SIU^S12'], JSON.stringify(given.patient({ id: 'p' })))).code, 1);
  });
});
