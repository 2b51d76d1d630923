import assert from 'node:assert/strict';
import { join } from 'node:path';
import { checkLedger, type CheckReport } from '../../../src/cli/simulate/check/check.ts';
import { openLedger } from '../../../src/cli/simulate/ledger.ts';
import { crowdDefaults, openCrowd, type Crowd } from '../../../src/cli/simulate/sources/crowd.ts';
import { endpointOf } from '../../../src/cli/simulate/sources/endpoints.ts';
import { serveSources, type SourcesServer } from '../../../src/cli/simulate/sources/server.ts';
import { raw } from '../../../src/db/sql.ts';
import { addEndpoint } from '../../../src/ingest/registry/change.ts';
import { givenHub, type GivenHub } from '../../given-hub.ts';
import { givenDataDir } from '../../hub-process.ts';
import { until } from '../../until.ts';

describe('hub simulate check: the hub against the sources it asks', function () {
  this.timeout(300_000);
  let hub: GivenHub;
  let server: SourcesServer;
  let crowd: Crowd;
  let directory: { path: string; close(): Promise<void> };
  let path: string;

  before(async () => {
    [hub, server, directory] = await Promise.all([givenHub(), serveSources(), givenDataDir()]);
    path = join(directory.path, 'ledger.ndjson');
    let ledger = openLedger(path);
    const options = {
      ...crowdDefaults,
      seed: 2,
      count: 6,
      patients: 2,
      guarded: 0,
      deaf: 20,
      clocksOff: 50,
      withHistory: 70,
    };
    crowd = openCrowd(options, server, Date.now(), (entry) => ledger.write(entry));
    for (const source of crowd.sources) await addEndpoint(hub.database, endpointOf(source, 'fhir-rest', '1s'));
    await ledger.close();
    await untilEqual();
    // What the hub has seen changes, and some of it goes.
    ledger = openLedger(path);
    for (let n = 0; n < 60; n++) crowd.changeSomewhere(Date.now());
    for (const source of crowd.sources.filter(({ options: { habits } }) => habits.hasHistory)) {
      source.remove(5, Date.now());
    }
    await ledger.close();
  });
  after(async () => {
    await hub.close();
    await Promise.all([server.close(), directory.close()]);
  });

  const untilEqual = async (): Promise<CheckReport> => {
    let report = await checkLedger(hub.database, path);
    await until(
      'the hub says what the ledger says',
      async () => (report = await checkLedger(hub.database, path)).wrong === 0,
      () => report.findings.join('\n'),
    );
    return report;
  };

  it('comes to say what the sources say: what is new, what changed, what is gone', async () => {
    const report = await untilEqual();
    assert.ok(report.resources > 80 && report.deleted > 0, JSON.stringify(report));
  });

  const one = `(select id from resource where body like '{"resourceType":"Observation"%' and body like '%/sim-fhir-0001/fhir/Observation"%' limit 1)`;
  for (const [what, statement, finding] of [
    ['a resource is gone', `delete from resource where id = ${one}`, /resources of a source are missing/],
    [
      'a resource says something else',
      `update resource set body = replace(body, '"final"', '"amended"') where id = (select id from resource
         where body like '{"resourceType":"Observation"%' and body like '%"status":"final"%' limit 1)`,
      /do not say what their source says/,
    ],
    [
      'a resource is of another patient',
      `update resource set body = regexp_replace(body, '"Patient/[^"]*"', '"Patient/other"') where id = ${one}`,
      /do not say what their source says/,
    ],
    [
      'a resource is there twice',
      `insert into resource select bucket, type, id || 'b', version, last_updated, is_deleted, owner, patient, other_patients, labels,
         clinical_from, clinical_to, precedence, date_low, date_high, tokens, keys, strings, range_keys, range_lows, range_highs, body
         from resource where id = ${one}`,
      /several in the hub/,
    ],
    [
      'a version came in twice',
      `insert into message (lane_key, endpoint_id, slot, status, received_at, processed_at, control_id, type, facility, digest, raw)
         select lane_key, endpoint_id, slot, 1, now(), now(), control_id, type, facility, sha256('x'), raw from message limit 1`,
      /versions were received more than once/,
    ],
    [
      'a version was never processed',
      `update message set status = 2 where id = (select min(id) from message)`,
      /not processed/,
    ],
  ] as const) {
    it(`given ${what}, then it says so`, async () => {
      await hub.database
        .inTransaction(async (tx) => {
          await tx.query(raw(statement));
          const { wrong, findings } = await checkLedger(tx, path);
          assert.ok(wrong > 0);
          assert.match(findings.join('\n'), finding);
          throw new Undo();
        })
        .catch((error: unknown) => {
          if (!(error instanceof Undo)) throw error;
        });
    });
  }
});

/** Takes the damage back. */
class Undo extends Error {}
