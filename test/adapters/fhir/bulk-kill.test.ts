import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { sql } from '../../../src/db/sql.ts';
import { givenBulk } from '../../given-bulk.ts';
import { givenPull, type PullWorld } from '../../given-pull.ts';

const patients = 30;
const observations = 1_400;

/** Where an export can be when its process is killed, by what the source is asked at that moment. */
const phases = ['status', 'manifest', 'file Observation', 'file Patient', 'delete'];

describe('a process that is killed (SIGKILL) while it takes an export in bulk', function () {
  this.timeout(300_000);
  let world: PullWorld;
  before(async () => {
    world = await givenPull();
  });
  after(() => world.close());

  it('in each of five phases: the next goes on; one export there, and equal content here', async () => {
    let child: ChildProcess | undefined;
    const killed: string[] = [];
    const server = await givenBulk({
      polls: 1,
      on: (event, response) => {
        if (!phases.includes(event) || killed.includes(event)) return false;
        killed.push(event);
        if (event === 'file Observation') void killAmidst(response);
        else child?.kill('SIGKILL');
        return true;
      },
    });
    for (let n = 0; n < observations; n++) {
      server.put('Observation', `o${n}`, { status: 'final', subject: { reference: `Patient/p${n % patients}` } });
    }
    for (let n = 0; n < patients; n++) server.put('Patient', `p${n}`);
    const held = await world.held('killed', { kind: 'fhir-bulk', config: { base: server.base } });

    /** Two pages are on disk and a third one is being read. */
    async function killAmidst(response: ServerResponse): Promise<void> {
      response.writeHead(200, { 'content-type': 'application/fhir+ndjson' });
      response.write(`${server.lines('Observation').slice(0, 1_100).join('\n')}\n`);
      for (let stored = 0; stored < 1_000;) {
        const rows = await world.database.query<{ count: number }>(sql`select count(*)::int as count from message`);
        stored = rows[0]?.count ?? 0;
      }
      child?.kill('SIGKILL');
      response.destroy();
    }

    const ends: (string | number | null)[] = [];
    try {
      for (let starts = 0; starts <= phases.length; starts++) {
        const given = JSON.stringify({ url: world.url, ...held });
        child = spawn(process.execPath, [join(import.meta.dirname, '..', '..', 'bulk-process.ts'), given], {
          stdio: ['ignore', 'ignore', 'inherit'],
        });
        const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
        ends.push(signal ?? code);
      }
    } finally {
      child?.kill('SIGKILL');
      await server.close();
    }
    assert.deepEqual(killed, phases);
    assert.deepEqual(ends, [...phases.map(() => 'SIGKILL'), 0]);
    assert.equal(server.kickOffs.length, 1, 'one export on the remote side');
    assert.equal(server.open, 0, 'and it was told to forget it');
    const rows = await world.database.query<{ text: string }>(
      sql`select convert_from(raw, 'UTF8') as text from message where endpoint_id = ${held.endpoint.id}`,
    );
    const expected = ['Observation', 'Patient'].flatMap((type) => server.lines(type));
    assert.equal(expected.length, patients + observations);
    assert.deepEqual(rows.map(({ text }) => text).toSorted(), expected.toSorted(), 'each once, as it stands there');
    const state = await world.state('killed');
    const { aheadSeconds: _ahead, types: _types, comparedAt: _comparedAt, ...mark } = state.watermark ?? {};
    assert.deepEqual(mark, { form: 'bulk/1', since: server.transactionTime });
  });
});
