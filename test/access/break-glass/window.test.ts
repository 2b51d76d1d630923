/** What an open window shows, to whom, and for how long: by the statement. */
import assert from 'node:assert/strict';
import { visibility } from '../../../src/access/predicate/predicate.ts';
import {
  closeWindow,
  closeWindows,
  minutesMax,
  openWindowFor,
  reportWindows,
  type WindowRequest,
} from '../../../src/access/break-glass/window.ts';
import type { Database } from '../../../src/db.ts';
import { sql } from '../../../src/db/sql.ts';
import { ownBucket } from '../../../src/fhir/ids.ts';
import { actCodeSystem, labelBit } from '../../../src/fhir/labels.ts';
import { givenDatabase } from '../../given.ts';
import {
  classes,
  consents,
  givenPrincipal,
  givenRow,
  idsSeenBy,
  permitTo,
  purposes,
  recipient,
  seenBy,
  type PrincipalOverrides,
} from '../world.ts';

const label = (code: string): number => labelBit({ system: actCodeSystem, code });
const ordinary = ['allergy', 'blood', 'p1'];

describe('break-glass: what an open window shows', () => {
  let database: Awaited<ReturnType<typeof givenDatabase>>;
  let db: Database;
  before(async () => {
    database = await givenDatabase();
    db = database.database;
    await givenRow(db, { id: 'p1', type: 'Patient' });
    await givenRow(db, { id: 'blood' });
    await givenRow(db, { id: 'allergy', type: 'AllergyIntolerance', owner: 'Organization/clinic' });
    await givenRow(db, { id: 'mood', labels: label('PSY') });
    await givenRow(db, { id: 'mood-hiv', labels: label('PSY') | label('HIV') });
    await givenRow(db, { id: 'folder', type: 'List' });
    await givenRow(db, { id: 'decision', type: 'Consent', owner: 'Patient/p1' });
    await givenRow(db, { id: 'shared', otherPatients: ['p2'] });
    await givenRow(db, { id: 'of-p2', patient: 'p2' });
    await givenRow(db, { id: 'drug', type: 'Medication', patient: null });
  });
  after(() => database.close());
  beforeEach(async () => {
    await db.query(sql`delete from break_glass`);
    await db.query(sql`delete from consent_rule`);
    await db.query(sql`delete from person_member`);
  });

  const emergency = (overrides: PrincipalOverrides = {}): ReturnType<typeof givenPrincipal> =>
    givenPrincipal({
      kind: 'hospital',
      clientId: 'er',
      subject: 'er',
      organization: 'Organization/er',
      purpose: ['ETREAT'],
      ...overrides,
    });
  const open = (changes: Partial<WindowRequest> = {}, principal = emergency()) =>
    openWindowFor(db, principal, {
      patient: 'p1',
      reasonCode: 'unconscious',
      reason: 'found unconscious in the street',
      minutes: 60,
      labels: 0,
      ...changes,
    });

  it('without a window nothing', async () => assert.deepEqual(await idsSeenBy(db, emergency()), []));

  it('with one the ordinary records of that patient, whoever wrote them; the trail names the window', async () => {
    const { id } = await open();
    const seen = await seenBy(db, emergency());
    assert.deepEqual(Object.keys(seen), ordinary);
    assert.deepEqual([...new Set(Object.values(seen))], [`break-glass:${id}`]);
  });

  it('asked for rows of known patients it shows the same', async () => {
    await open();
    assert.deepEqual(await idsSeenBy(db, emergency(), { interaction: 's', patients: ['p1'] }), ordinary);
    assert.deepEqual(await idsSeenBy(db, emergency(), { interaction: 's', patients: ['p1', 'p2'] }), ordinary);
  });

  const labels: readonly [title: string, bits: number, more: readonly string[]][] = [
    ['PSY: what bears it alone', label('PSY'), ['mood']],
    ['PSY and HIV: what bears both, too', label('PSY') | label('HIV'), ['mood', 'mood-hiv']],
    ['HIV: not what bears another label beside it', label('HIV'), []],
  ];
  for (const [title, bits, more] of labels) {
    it(`sensitive records by name: ${title}`, async () => {
      await open({ labels: bits });
      assert.deepEqual(await idsSeenBy(db, emergency()), [...ordinary, ...more].toSorted());
    });
  }

  it('a row about two patients needs a window on both, which is none: it stays closed', async () => {
    await open();
    await open({ patient: 'p2' });
    assert.deepEqual(await idsSeenBy(db, emergency()), [...ordinary, 'of-p2'].toSorted());
  });

  it('the records that are linked to the patient are the same person, a row about both too', async () => {
    for (const patient of ['p1', 'p2']) {
      await db.query(sql`
        insert into person_member values (${patient}, ${ownBucket(patient)}, '11111111-1111-1111-1111-111111111111', '{}', now())`);
    }
    await open();
    assert.deepEqual(await idsSeenBy(db, emergency()), [...ordinary, 'of-p2', 'shared'].toSorted());
  });

  const others: readonly [title: string, who: PrincipalOverrides][] = [
    ['another client of the hospital', { clientId: 'ward' }],
    ['another user of the client', { subject: 'Practitioner/other' }],
    ['the same client id of another issuer', { issuer: 'https://elsewhere.test' }],
    ['the same hospital, for treatment', { purpose: ['TREAT'] }],
    ['for two purposes', { purpose: ['ETREAT', 'TREAT'] }],
    ['for research', { purpose: ['HRESCH'] }],
    ['a service that is registered as AI', { kind: 'ai' }],
    ['a payer', { kind: 'payment' }],
    ['a client that is not registered', { kind: 'local' }],
    ['no organization', { organization: undefined }],
    ['a token for another record (LEAKS 51)', { patient: 'p2' }],
    ['a scope that covers none of it', { scope: 'system/Medication.rs' }],
  ];
  for (const [title, who] of others) {
    it(`is for who opened it: ${title} sees nothing`, async () => {
      await open();
      assert.deepEqual(await idsSeenBy(db, emergency(who)), []);
    });
  }
  for (const [title, who] of others.slice(3, 10)) {
    it(`opens for nobody else: ${title} is refused`, async () => {
      await assert.rejects(open({}, emergency(who)), { code: 'forbidden' });
    });
  }

  describe('ends', () => {
    it('by the clock', async () => {
      await open({ minutes: 1 });
      assert.deepEqual(await idsSeenBy(db, emergency()), ordinary);
      await db.query(sql`update break_glass set closes_at = statement_timestamp() - interval '1 ms'`);
      assert.deepEqual(await idsSeenBy(db, emergency()), []);
    });

    it('by who opened it, and by nobody else', async () => {
      await open();
      assert.deepEqual(await closeWindows(db, emergency({ subject: 'other' }), ['p1']), []);
      assert.deepEqual(await closeWindows(db, emergency(), ['p2']), []);
      assert.equal((await closeWindows(db, emergency(), ['p1'])).length, 1);
      assert.deepEqual(await idsSeenBy(db, emergency()), []);
      assert.deepEqual(await closeWindows(db, emergency(), ['p1']), []);
    });

    it('for the next statement, however soon', async () => {
      const patient = emergency({ subject: 'soon' });
      await db.inTransaction(async (tx) => {
        await open({}, patient);
        for (let time = 0; time < 50; time++) {
          await tx.query(sql`update break_glass set closes_at = statement_timestamp() + interval '1 hour'`);
          assert.equal((await closeWindows(tx, patient, ['p1'])).length, 1);
          assert.deepEqual(await idsSeenBy(tx, patient), [], `${time}`);
        }
      });
    });

    it('by the operator, once', async () => {
      const { id } = await open();
      await closeWindow(db, id, 'wang');
      assert.deepEqual(await idsSeenBy(db, emergency()), []);
      await assert.rejects(closeWindow(db, id, 'wang'), { code: 'not-found' });
      await assert.rejects(closeWindow(db, 'no id', 'wang'), { code: 'not-found' });
      const [window] = await reportWindows(db, {});
      assert.equal(window?.closedBy, 'operator:wang');
    });

    it('when the token is revoked', async () => {
      await open();
      await db.query(
        sql`insert into revoked_token values ('gone', 'https://hub.test', now() + interval '1 hour') on conflict do nothing`,
      );
      assert.deepEqual(await idsSeenBy(db, emergency({ jti: 'gone' })), []);
    });
  });

  describe('and what the patient has said', () => {
    const denial = (rule: object): object => ({ type: 'deny', ...rule });
    const table: readonly [title: string, provision: object, sees: readonly string[]][] = [
      ['a deny to everybody is passed over', denial({}), ordinary],
      ['a deny to this hospital is passed over', denial({ actor: [recipient('Organization/er')] }), ordinary],
      ['a deny of treatment is passed over', denial({ purpose: purposes('TREAT') }), ordinary],
      [
        'a deny of treatment and of emergencies is one of treatment',
        denial({ purpose: purposes('TREAT', 'ETREAT') }),
        ordinary,
      ],
      ['a deny that names emergencies holds', denial({ purpose: purposes('ETREAT') }), []],
      [
        'so does one of emergencies in a class',
        denial({ purpose: purposes('ETREAT'), class: classes('AllergyIntolerance') }),
        ['blood', 'p1'],
      ],
      [
        'one that names them for another hospital does not',
        denial({ purpose: purposes('ETREAT'), actor: [recipient('Organization/other')] }),
        ordinary,
      ],
      ['one that is over does not', denial({ purpose: purposes('ETREAT'), period: { end: '2020-01-01' } }), ordinary],
      ['a permit for treatment opens nothing more', permitTo({ actor: [recipient('Organization/er')] }), ordinary],
    ];
    for (const [title, provision, sees] of table) {
      it(title, async () => {
        await open();
        await consents(db, provision);
        assert.deepEqual(await idsSeenBy(db, emergency()), sees);
      });
    }

    it('a consent for emergencies opens without a window', async () => {
      await consents(db, permitTo({ actor: [recipient('Organization/er')], purpose: purposes('ETREAT') }));
      const seen = await seenBy(db, emergency());
      assert.deepEqual(Object.keys(seen), ordinary);
      assert.ok(Object.values(seen).every((decided) => decided.startsWith('consent:')));
    });
  });

  it('LEAKS 8: older versions are seen as the row is', async () => {
    await open();
    const visible = visibility(emergency(), { interaction: 'r' });
    const rows = await db.query<{ id: string }>(sql`
      select id from resource r where ${visible.where('r')} and ${visible.past('r', 'r')} order by id`);
    assert.deepEqual(
      rows.map(({ id }) => id),
      ordinary,
    );
  });

  it('a user opens so many in an hour, and another user still may', async () => {
    for (let n = 0; n < 30; n++) await open({ patient: `p${n}` });
    await assert.rejects(open(), { code: 'throttled' });
    await open({}, emergency({ subject: 'Practitioner/second' }));
    assert.ok(minutesMax <= 240);
  });

  it('the report counts uses and has no reason unless it is asked for', async () => {
    const { id } = await open();
    await db.query(sql`
      insert into audit_event (shard, seq, at, purposes, interaction, patient, rows, outcome, hash, decided_by)
      select 8, n, statement_timestamp(), 2, case n when 1 then 'break-glass' else 'read' end, 'p1', 1, 0, '\\x00', ${`break-glass:${id}`}
      from generate_series(1, 3) n`);
    const [window] = await reportWindows(db, { isOpen: true });
    assert.equal(window?.uses, 2);
    assert.equal(window?.reason, undefined);
    assert.equal(window?.reasonCode, 'unconscious');
    const [full] = await reportWindows(db, { hasReasons: true });
    assert.equal(full?.reason, 'found unconscious in the street');
    assert.deepEqual(await reportWindows(db, { since: '2999-01-01T00:00:00Z' }), []);
  });
});
