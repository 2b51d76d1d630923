import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connectMllp } from '../../../adapters/hl7v2/client.ts';
import { checkLedger } from '../../../src/cli/simulate/check/check.ts';
import { untilIdle } from '../../../src/cli/simulate/check/command.ts';
import { openLedger, readLedger } from '../../../src/cli/simulate/ledger.ts';
import { folderLine, httpLine } from '../../../src/cli/simulate/lines.ts';
import { mishapsOf } from '../../../src/cli/simulate/mishaps.ts';
import { sendSimulation, type Line } from '../../../src/cli/simulate/send.ts';
import { simulate, simulatedHospitals } from '../../../src/cli/simulate/stream.ts';
import { raw } from '../../../src/db/sql.ts';
import { Problem } from '../../../src/fhir/problem.ts';
import { addEndpoint } from '../../../src/ingest/endpoint.ts';
import { givenHub, type GivenHub } from '../../given-hub.ts';
import { givenDataDir } from '../../hub-process.ts';

const seed = 12;
const organization = 'Organization/simulated';
const endpoint = {
  organization,
  batchAck: 'messages',
  ackMode: 'auto',
  poisonPolicy: 'continue',
  addresses: [],
} as const;

describe('hub simulate check: the hub against the ledger', function () {
  this.timeout(300_000);
  let hub: GivenHub;
  let directory: { path: string; close(): Promise<void> };
  let ledger: string;

  before(async () => {
    [hub, directory] = await Promise.all([givenHub(), givenDataDir()]);
    ledger = join(directory.path, 'ledger.ndjson');
    await addEndpoint(hub.database, {
      ...endpoint,
      name: 'mllp',
      kind: 'hl7v2-mllp',
      facilities: ['SIM0001', 'SIM0002', 'SIM0003'],
    });
    await addEndpoint(hub.database, { ...endpoint, name: 'http', kind: 'hl7v2-http', facilities: ['SIM0004'] });
    const token = await hub.token('hospital', { organization });
    const book = openLedger(ledger);
    const summary = await sendSimulation({
      simulation: simulate({ seed, hospitals: simulatedHospitals(4) }),
      seed,
      count: 512,
      rate: 0,
      mishaps: mishapsOf(6),
      connect: ({ facility }): Line =>
        facility === 'SIM0004'
          ? httpLine(hub.url, async () => token)
          : connectMllp({ host: '127.0.0.1', port: hub.mllpPort, attemptsMax: 3 }),
      ledger: book,
    });
    assert.equal(summary.firstRefusal, undefined);
    await book.close();
    await untilIdle(hub.database, 100);
  });
  after(() => Promise.all([hub.close(), directory.close()]));

  it('given a day with every mishap, over MLLP and HTTP, then nothing is missing, twice or in another state', async () => {
    const report = await checkLedger(hub.database, ledger);
    assert.deepEqual(report.findings, []);
    assert.equal(report.wrong, 0);
    assert.ok(report.processed > 512 && report.quarantined > 5, JSON.stringify(report));
    assert.ok(report.reports > 150 && report.observations > 450 && report.visits > 60, JSON.stringify(report));
  });

  it('knows each version of a ledger line, and says which one is none', async () => {
    const lines = [];
    for await (const line of readLedger(ledger)) lines.push(line);
    assert.ok(lines.length > 512);
    const torn = join(directory.path, 'torn.ndjson');
    await writeFile(torn, `${(await readFile(ledger, 'utf8')).split('\n', 2).join('\n')}\n{"what":"mess`);
    await assert.rejects(
      checkLedger(hub.database, torn),
      (error) => error instanceof Problem && /line 3/.test(error.message),
    );
    await assert.rejects(
      checkLedger(hub.database, join(directory.path, 'none')),
      (error) => error instanceof Problem && error.code === 'not-found',
    );
  });

  const anyReport = `(select id from resource where type = (select type from resource where body like '{"resourceType":"DiagnosticReport"%' limit 1) limit 1)`;
  for (const [what, statement, finding] of [
    [
      'a message is gone',
      `delete from message where id = (select max(id) from message where status = 1)`,
      /accepted and are not stored/,
    ],
    [
      'a message was never processed',
      `update message set status = 3 where id = (select max(id) from message where status = 1)`,
      /are held, not processed/,
    ],
    [
      'a lane went out of order',
      `update message set processed_at = '2000-01-01' where id = (select max(id) from message m where status = 1
         and exists (select from message o where o.lane_key = m.lane_key and o.id < m.id and o.status = 1))`,
      /before an earlier one of their lane/,
    ],
    [
      'a message is stored that nobody sent',
      `insert into message (lane_key, endpoint_id, slot, status, received_at, processed_at, control_id, type, facility, digest, raw)
         select lane_key, endpoint_id, slot, 1, now(), now(), 'NOBODY', type, facility, digest, raw from message limit 1`,
      /nobody sent/,
    ],
    ['a report is gone', `delete from resource where id = ${anyReport}`, /reports have no DiagnosticReport/],
    [
      'a report is there twice',
      `insert into resource select bucket, type, id || 'b', version, last_updated, is_deleted, owner, patient, other_patients, labels,
         clinical_from, clinical_to, precedence, date_low, date_high, tokens, keys, strings, range_keys, range_lows, range_highs, body
         from resource where id = ${anyReport}`,
      /several DiagnosticReports/,
    ],
    [
      'a digit of a value is lost',
      `update resource set body = regexp_replace(body, '("valueQuantity":\\{"value":[0-9]+\\.[0-9]*)0,', '\\1,')
         where id = (select id from resource where body ~ '"valueQuantity":\\{"value":[0-9]+\\.[0-9]*0,' limit 1)`,
      /reports have other values/,
    ],
    [
      'a visit is in another state',
      `update resource set body = replace(body, '"status":"finished"', '"status":"in-progress"')
         where id = (select id from resource where body like '{"resourceType":"Encounter"%"status":"finished"%' limit 1)`,
      /visits are not in their last state/,
    ],
    [
      'a merge left no trace',
      `update resource set body = replace(body, '"replaced-by"', '"seealso"')
         where id = (select id from resource where body like '%"replaced-by"%' limit 1)`,
      /merges left no trace/,
    ],
  ] as const) {
    it(`given ${what}, then it says so`, async () => {
      await hub.database
        .inTransaction(async (tx) => {
          await tx.query(raw(statement));
          const { wrong, findings } = await checkLedger(tx, ledger);
          assert.ok(wrong > 0);
          assert.match(findings.join('\n'), finding);
          throw new Undo();
        })
        .catch((error: unknown) => {
          if (!(error instanceof Undo)) throw error;
        });
    });
  }

  it('leaves files in the order they are to be read, each whole when it appears', async () => {
    const [hospital] = simulatedHospitals(1);
    assert.ok(hospital);
    const line = folderLine(directory.path, hospital, 7);
    for (const text of ['a', 'b', 'c']) assert.equal((await line.send(Buffer.from(text))).code, 'left');
    const read = async (number: number): Promise<string> =>
      readFile(join(directory.path, 'SIM0001', `7-00000000${number}.hl7`), 'utf8');
    assert.deepEqual(await Promise.all([1, 2, 3].map(read)), ['a', 'b', 'c']);
  });
});

/** Takes the damage back. */
class Undo extends Error {}
