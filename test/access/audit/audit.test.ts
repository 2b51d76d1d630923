import assert from 'node:assert/strict';
import type { Database } from '../../../src/db.ts';
import { openDatabase } from '../../../src/db.ts';
import { raw, sql } from '../../../src/db/sql.ts';
import { verifyAudit } from '../../../src/access/audit/verify.ts';
import { renderAuditEvent } from '../../../src/access/audit/event.ts';
import { readLog } from '../../../src/access/audit/log.ts';
import {
  auditEntries,
  openAudit,
  type Audit,
  type AuditContext,
  type AuditEntry,
} from '../../../src/access/audit/audit.ts';
import type { AnyResource } from '../../../src/fhir/types.ts';
import { givenPrincipal, givenSelf } from '../world.ts';
import { givenTrail, start, type GivenTrail } from './given-trail.ts';

const context: AuditContext = {
  principal: givenPrincipal(),
  interaction: 'search-type',
  type: 'Observation',
  query: 'patient&code',
  correlationId: 'r1',
  address: '127.0.0.1',
  at: start,
};

const shown = (patient: string, overrides: Partial<AuditContext> = {}): AuditEntry => ({
  context: { ...context, ...overrides },
  patient,
  rows: 3,
  decidedBy: 'consent:c1/2',
  outcome: 'success',
});

describe('audit trail', () => {
  let trail: GivenTrail;
  let database: Database;
  let audit: Audit;

  beforeEach(async () => {
    trail = await givenTrail();
    ({ database, audit } = trail);
  });
  afterEach(() => trail.close());
  const count = async (): Promise<number> =>
    (await database.query<{ n: number }>(sql`select count(*) as n from audit_entry`))[0]?.n ?? 0;

  const eventsOf = async (): Promise<AnyResource[]> =>
    (await readLog(database, givenSelf('p1'), { count: 10 })).rows.map((row) =>
      renderAuditEvent(row, 'http://hub/fhir/R4'),
    );

  it('one entry for each patient of an answer, and for each who was asked for in vain', () => {
    const rows = [
      { patient: 'p1', decidedBy: 'consent:c1/2' },
      { patient: 'p1', decidedBy: 'consent:c1/2' },
      { patient: null, decidedBy: 'source' },
    ];
    assert.deepEqual(
      auditEntries(context, rows, ['p1', 'p2']).map(({ patient, rows: n, outcome }) => [patient, n, outcome]),
      [
        ['p1', 2, 'success'],
        [undefined, 1, 'success'],
        ['p2', 0, 'refused'],
      ],
    );
    assert.deepEqual(
      auditEntries(context, []).map(({ outcome }) => outcome),
      ['refused'],
    );
  });

  it('given many accesses at once, when recorded, then all are committed, in few statements, in one intact chain', async () => {
    const all = Array.from({ length: 2500 }, (_, index) => audit.record([shown(`p${index}`)]));
    await Promise.all(all);
    assert.equal(await count(), 2500);
    const report = await verifyAudit(database);
    assert.deepEqual(
      report.shards.map(({ rows, findings }) => [rows, findings]),
      [[2500, []]],
    );
    const [{ commits }] = (await database.query(sql`
      select count(distinct xmin::text) as commits from audit_block`)) as [{ commits: number }];
    assert.ok(commits <= 10, `${commits} commits`);
  });

  it('two processes write chains of their own; one that ended leaves its chain to the next', async () => {
    const second = openAudit(database);
    await Promise.all([audit.record([shown('p1')]), second.record([shown('p2')])]);
    await second.close();
    const third = openAudit(database);
    await third.record([shown('p3')]);
    await third.close();
    const report = await verifyAudit(database);
    assert.equal(report.isIntact, true);
    assert.deepEqual(
      // Which of two that start together takes the first chain is chance.
      report.shards.map(({ rows }) => rows).toSorted((a, b) => a - b),
      [1, 2],
    );
  });

  it('given a process that lost its shard without noticing, when it writes, then it takes another one: nothing is lost or doubled', async () => {
    await audit.record([shown('p1')]);
    await database.query(sql`update audit_shard set lease_until = '-infinity'`);
    const second = openAudit(database);
    await second.record([shown('p2')]);
    await audit.record([shown('p3')]);
    await second.record([shown('p4')]);
    await second.close();
    assert.equal(await count(), 4);
    assert.equal((await verifyAudit(database)).isIntact, true);
  });

  it('what cannot be recorded is refused, and the trail goes on when it can be written again', async () => {
    const own = openDatabase({ url: trail.url, pipelines: 1, poolMax: 1 });
    const recording = openAudit(own);
    await recording.record([shown('p1')]);
    await database.query(raw('alter table audit_block rename to away'));
    await assert.rejects(recording.record([shown('p2')]), { name: 'Problem', code: 'transient' });
    await database.query(raw('alter table away rename to audit_block'));
    await recording.record([shown('p3')]);
    await recording.close();
    await own.close();
    assert.equal(await count(), 2);
    assert.equal((await verifyAudit(database)).isIntact, true);
  });

  it('an event says who, what for, which Consent, and keeps no value that was asked for', async () => {
    await audit.record([shown('p1')]);
    const [event] = await eventsOf();
    assert.equal(event?.['recorded'], '2026-01-02T03:04:05.678Z');
    assert.equal(event?.['action'], 'E');
    assert.equal(event?.['outcome'], '0');
    const text = JSON.stringify(event);
    for (const part of [
      'Organization/ai',
      'TREAT',
      'Consent/c1/_history/2',
      'Patient/p1',
      'IHE.BasicAudit.PatientQuery',
    ]) {
      assert.ok(text.includes(part), part);
    }
    const asked = JSON.stringify(event?.['entity']).match(/"query":"([^"]+)"/)?.[1] ?? '';
    assert.equal(Buffer.from(asked, 'base64').toString(), 'Observation?patient&code');
  });

  it('a refusal is in the log of the patient who was asked for', async () => {
    await audit.record(auditEntries(context, [], ['p1']));
    const [event] = await eventsOf();
    assert.equal(event?.['outcome'], '4');
    assert.equal(event?.['outcomeDesc'], 'nothing was shown');
  });
});
