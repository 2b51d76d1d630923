/** What a proxy sees and may decide: by the statement, from the clock, the child's birth date and what the patient says. */
import assert from 'node:assert/strict';
import { blocksMax, readLog } from '../../../src/access/audit/log.ts';
import { compileConsent, withdrawConsent } from '../../../src/access/consent/write.ts';
import { visibility, written } from '../../../src/access/predicate/predicate.ts';
import { minorAges } from '../../../src/access/proxy/minor.ts';
import type { Database } from '../../../src/db.ts';
import { sql } from '../../../src/db/sql.ts';
import { ownBucket } from '../../../src/fhir/ids.ts';
import { actCodeSystem, labelBit } from '../../../src/fhir/labels.ts';
import { typeCode } from '../../../src/fhir/types.ts';
import type { Principal } from '../../../src/access/principal/principal.ts';
import { givenDatabase } from '../../given.ts';
import { writeBlocks } from '../audit/given-trail.ts';
import {
  givenConsent,
  givenPrincipal,
  givenRow,
  givenSelf,
  idsSeenBy,
  purposes,
  recipient,
  seenBy,
  type PrincipalOverrides,
} from '../world.ts';

const label = (...codes: readonly string[]): number =>
  codes.reduce((bits, code) => bits | labelBit({ system: actCodeSystem, code }), 0);
const labelled = ['STD', 'SDV', 'PSY', 'SUD', 'SEX', 'PREGNANT', 'HIV', 'VIO', 'MH', 'GDIS', 'SCA', 'DVD'] as const;
const shared = ['DVD', 'GDIS', 'SCA'];
const ordinary = ['growth', 'p1', ...shared.map((code) => code.toLowerCase())].toSorted();
const whole = [...labelled.map((code) => code.toLowerCase()), 'decision', 'growth', 'p1', 'mixed'].toSorted();

interface Related {
  readonly relationship?: 'parent' | 'guardian' | 'caregiver' | 'none';
  readonly mayConsent?: boolean;
  readonly from?: string;
  readonly to?: string;
  readonly trustedBy?: string | null;
  readonly refusedBy?: string;
  readonly patient?: string;
}

describe('what a proxy sees', () => {
  let database: Awaited<ReturnType<typeof givenDatabase>>;
  let db: Database;
  before(async () => {
    database = await givenDatabase();
    db = database.database;
    for (const code of labelled) await givenRow(db, { id: code.toLowerCase(), labels: label(code) });
    await givenRow(db, { id: 'growth' });
    await givenRow(db, { id: 'mixed', labels: label('GDIS', 'STD') });
    await givenRow(db, { id: 'decision', type: 'Consent', owner: 'Patient/p1' });
    await givenRow(db, { id: 'p1', type: 'Patient' });
    await givenRow(db, { id: 'of-another', patient: 'p2' });
    await givenRow(db, { id: 'about-both', otherPatients: ['p2'] });
    await givenRow(db, { id: 'p2', type: 'Patient', patient: 'p2' });
  });
  after(() => database.close());
  beforeEach(async () => {
    await db.query(sql`delete from consent_rule`);
    await related({});
    await aged('5 years');
  });

  async function related({
    relationship = 'parent',
    mayConsent = relationship !== 'caregiver',
    from = '-infinity',
    to = 'infinity',
    trustedBy = 'source',
    refusedBy,
    patient = 'p1',
  }: Related): Promise<void> {
    await db.query(sql`delete from proxy`);
    await db.query(sql`
      insert into proxy values ('r', ${patient}, ${ownBucket(patient)}, ${relationship}, ${mayConsent}, ${from}::timestamptz,
        ${to}::timestamptz, 1, ${trustedBy}, ${refusedBy ?? null}, null)`);
  }

  /** Born so long before now, and a millisecond: columns are rounded to one. '': nobody knows. */
  async function aged(age: string): Promise<void> {
    const born = sql`now() - interval '1 ms' - nullif(${age}, '')::interval`;
    await db.query(sql`
      update resource set date_low = coalesce(${born}, '-infinity'), date_high = ${born}
      where bucket = ${ownBucket('p1')} and type = ${typeCode('Patient')} and id = 'p1'`);
  }

  const proxy = (overrides: PrincipalOverrides = {}): Principal =>
    givenSelf('p1', {
      subject: 'RelatedPerson/r',
      fhirUser: 'RelatedPerson/r',
      proxy: { relatedPerson: 'r', ages: minorAges },
      ...overrides,
    });

  interface Case {
    readonly title: string;
    readonly related?: Related;
    readonly age?: string;
    readonly as?: PrincipalOverrides;
    readonly sees: 'whole' | 'ordinary' | 'nothing';
  }
  const ended = { to: '2020-01-01' };
  const future = { from: '2100-01-01' };
  const cases: readonly Case[] = [
    { title: 'a parent of a child', sees: 'whole' },
    { title: 'a parent, the day before 14', age: '14 years -1 day', sees: 'whole' },
    { title: 'a parent at 14', age: '14 years', sees: 'ordinary' },
    { title: 'a parent, the day before 18', age: '18 years -1 day', sees: 'ordinary' },
    { title: 'a parent at 18', age: '18 years', sees: 'nothing' },
    { title: 'a parent of an adult', age: '50 years', sees: 'nothing' },
    { title: 'a parent of one whose birth date nobody knows', age: '', sees: 'nothing' },
    { title: 'a guardian of a child', related: { relationship: 'guardian' }, sees: 'whole' },
    { title: 'a guardian at 14', related: { relationship: 'guardian' }, age: '14 years', sees: 'ordinary' },
    {
      title: 'the guardian of a child who is of age',
      related: { relationship: 'guardian' },
      age: '18 years',
      sees: 'nothing',
    },
    {
      title: 'a guardian appointed for an adult',
      related: { relationship: 'guardian', from: '2010-01-01' },
      age: '50 years',
      sees: 'whole',
    },
    { title: 'a caregiver of an adult', related: { relationship: 'caregiver' }, age: '80 years', sees: 'whole' },
    {
      title: 'a caregiver after the period',
      related: { relationship: 'caregiver', ...ended },
      age: '80 years',
      sees: 'nothing',
    },
    {
      title: 'a caregiver before the period',
      related: { relationship: 'caregiver', ...future },
      age: '80 years',
      sees: 'nothing',
    },
    { title: 'a parent whose period has ended', related: ended, sees: 'nothing' },
    { title: 'a RelatedPerson that is none any more', related: { relationship: 'none' }, sees: 'nothing' },
    { title: 'nobody vouches for it', related: { trustedBy: null }, sees: 'nothing' },
    { title: 'an operator vouches for it', related: { trustedBy: 'operator:wang' }, sees: 'whole' },
    { title: 'an operator took it back', related: { refusedBy: 'operator:wang' }, sees: 'nothing' },
    { title: 'of another patient than the token says (LEAKS 51)', related: { patient: 'p2' }, sees: 'nothing' },
    { title: 'another RelatedPerson', as: { proxy: { relatedPerson: 'r2', ages: minorAges } }, sees: 'nothing' },
    {
      title: 'a place where minors decide from 16 on',
      age: '15 years',
      as: { proxy: { relatedPerson: 'r', ages: { private: 16, full: 18 } } },
      sees: 'whole',
    },
    {
      title: 'a place where full age is 21',
      age: '20 years',
      as: { proxy: { relatedPerson: 'r', ages: { private: 14, full: 21 } } },
      sees: 'ordinary',
    },
  ];
  const seen = { whole, ordinary, nothing: [] };
  for (const { title, related: relative = {}, age = '5 years', as, sees } of cases) {
    it(`${title}: ${sees}`, async () => {
      await related(relative);
      await aged(age);
      assert.deepEqual(Object.keys(await seenBy(db, proxy(as))).toSorted(), seen[sees]);
    });
  }

  it('says that it was on behalf', async () => {
    assert.deepEqual([...new Set(Object.values(await seenBy(db, proxy())))], ['proxy']);
  });

  it('a revoked token of a proxy sees nothing', async () => {
    await db.query(sql`insert into revoked_token values ('gone', 'https://hub.test', now() + interval '1 hour')`);
    assert.deepEqual(await idsSeenBy(db, proxy({ jti: 'gone' })), []);
  });

  it('the patient sees all of it, whatever the proxy does', async () => {
    await aged('15 years');
    assert.deepEqual((await idsSeenBy(db, givenSelf('p1'))).toSorted(), whole);
  });

  const opens = (rule: object = {}): object => ({
    type: 'permit',
    actor: [recipient('RelatedPerson/r')],
    purpose: purposes('FAMRQT'),
    securityLabel: [{ system: actCodeSystem, code: 'STD' }],
    ...rule,
  });
  async function says(provision: object, principal = givenSelf('p1'), id = 'c1'): Promise<void> {
    await db.inTransaction((tx) =>
      compileConsent(tx, principal, { id, version: 1, resource: givenConsent(provision) }),
    );
  }

  const openings: readonly [title: string, rule: object, opened: readonly string[]][] = [
    ['this label, to this parent', opens(), ['std']],
    ['for what the patient asks', opens({ purpose: purposes('PATRQT') }), ['std']],
    [
      'two labels: records with no other label',
      opens({
        securityLabel: [
          { system: actCodeSystem, code: 'STD' },
          { system: actCodeSystem, code: 'GDIS' },
        ],
      }),
      ['mixed', 'std'],
    ],
    ['to another relative', opens({ actor: [recipient('RelatedPerson/r2')] }), []],
    ['to an organization', opens({ actor: [recipient('Organization/h')] }), []],
    ['no longer', opens({ period: { end: '2020-01-01' } }), []],
    ['another class', opens({ class: [{ system: 'http://hl7.org/fhir/resource-types', code: 'Condition' }] }), []],
    ['without a label', opens({ securityLabel: undefined }), []],
  ];
  for (const [title, rule, opened] of openings) {
    it(`a minor opens what is private: ${title}`, async () => {
      await aged('15 years');
      await says(rule);
      assert.deepEqual((await idsSeenBy(db, proxy())).toSorted(), [...ordinary, ...opened].toSorted());
    });
  }

  it('what the patient denies a proxy by name is hidden, and what is denied to everybody is not', async () => {
    await says({
      type: 'deny',
      actor: [recipient('RelatedPerson/r')],
      securityLabel: [{ system: actCodeSystem, code: 'PSY' }],
    });
    await says(
      { type: 'deny', class: [{ system: 'http://hl7.org/fhir/resource-types', code: 'Observation' }] },
      givenSelf('p1'),
      'c2',
    );
    assert.deepEqual(
      (await idsSeenBy(db, proxy())).toSorted(),
      whole.filter((id) => id !== 'psy'),
    );
  });

  it('that a record was deleted is not told to a proxy who may have been denied it: by its class, or by a code that is gone', async () => {
    await db.query(sql`update resource set is_deleted = true, tokens = '{}' where id = 'growth'`);
    const told = async (): Promise<boolean> => (await idsSeenBy(db, proxy())).includes('growth');
    assert.equal(await told(), true);
    await says({ type: 'deny', actor: [recipient('RelatedPerson/r')], code: [{ coding: [{ code: 'height' }] }] });
    assert.equal(await told(), false);
    await says({ type: 'deny', actor: [recipient('RelatedPerson/r2')], code: [{ coding: [{ code: 'height' }] }] });
    assert.equal(await told(), true);
    await db.query(sql`update resource set is_deleted = false where id = 'growth'`);
  });

  it('LEAKS 8: what is private is so in older versions as well', async () => {
    await aged('15 years');
    const visible = visibility(proxy(), { interaction: 'r' });
    const rows = await db.query<{ id: string }>(sql`
      select id from resource r where ${visible.where('r')} and ${visible.past('r', 'r')} order by id`);
    assert.deepEqual(rows.map(({ id }) => id).toSorted(), ordinary);
  });

  describe('who writes Consents (LEAKS 31)', () => {
    const performer = [{ reference: 'RelatedPerson/r' }];
    const treat = { type: 'permit', actor: [recipient()], purpose: purposes('TREAT') };
    async function writes(changes: object = { performer }, provision: object = treat, id = 'c1'): Promise<void> {
      await db.inTransaction((tx) =>
        compileConsent(tx, proxy(), { id, version: 1, resource: givenConsent(provision, changes) }),
      );
    }
    const table: readonly [title: string, related: Related, age: string, may: boolean][] = [
      ['a parent of a child', {}, '5 years', true],
      ['a parent of a minor who decides', {}, '14 years', false],
      ['a parent of an adult', {}, '30 years', false],
      ['a guardian of a child', { relationship: 'guardian' }, '5 years', true],
      ['a guardian of an adult', { relationship: 'guardian', from: '2010-01-01' }, '50 years', true],
      ['a power of attorney for health care', { relationship: 'caregiver', mayConsent: true }, '80 years', true],
      ['the same, ended', { relationship: 'caregiver', mayConsent: true, ...ended }, '80 years', false],
      ['another caregiver', { relationship: 'caregiver' }, '80 years', false],
      ['nobody vouches for it', { trustedBy: null }, '5 years', false],
      ['the patient is another', { patient: 'p2' }, '5 years', false],
    ];
    for (const [title, relative, age, may] of table) {
      it(`${title}: ${may ? 'does' : 'does not'}, and takes back as much`, async () => {
        await related(relative);
        await aged(age);
        const may403 = (work: Promise<unknown>): Promise<unknown> =>
          may ? work : assert.rejects(work, { code: 'forbidden' });
        await may403(writes());
        const [before] = await db.query<{ count: number }>(sql`select count(*)::int from consent_rule`);
        assert.equal(before?.count, may ? 1 : 0);
        const mine = written(proxy(), 'Patient/p1', { interaction: 'u', types: ['Consent'] });
        const rows = await db.query(sql`select id from resource r where ${mine.where('r')}`);
        assert.equal(rows.length, may ? 1 : 0);
        await says(treat);
        await may403(db.inTransaction((tx) => withdrawConsent(tx, proxy(), { id: 'c1', patient: 'p1' })));
        const [after] = await db.query<{ count: number }>(sql`select count(*)::int from consent_rule`);
        assert.equal(after?.count, may ? 0 : 1);
      });
    }

    const performers: readonly [title: string, performer: unknown, code: string | undefined][] = [
      ['the proxy', performer, undefined],
      ['nobody', undefined, 'business-rule'],
      ['an empty list', [], 'business-rule'],
      ['the patient', [{ reference: 'Patient/p1' }], 'business-rule'],
      ['another proxy', [{ reference: 'RelatedPerson/r2' }], 'business-rule'],
      ['the proxy and the patient', [...performer, { reference: 'Patient/p1' }], 'business-rule'],
      ['no reference', [{ display: 'r' }], 'business-rule'],
    ];
    for (const [title, stated, code] of performers) {
      it(`the performer is who the token says: ${title} -> ${code ?? 'written'}`, async () => {
        const work = writes({ performer: stated });
        await (code === undefined ? work : assert.rejects(work, { code }));
      });
    }

    it('what proxies see is neither said nor taken back by one', async () => {
      await assert.rejects(writes({ performer }, opens(), 'c9'), { code: 'forbidden' });
      await says({ type: 'deny', actor: [recipient('RelatedPerson/r')] });
      await assert.rejects(writes({ performer, status: 'inactive' }), { code: 'forbidden' });
      await assert.rejects(
        db.inTransaction((tx) => withdrawConsent(tx, proxy(), { id: 'c1', patient: 'p1' })),
        { code: 'forbidden' },
      );
      assert.deepEqual(await idsSeenBy(db, proxy()), []);
    });

    it('an organization still writes none', async () => {
      await assert.rejects(says(treat, givenPrincipal({ kind: 'hospital' })), { code: 'forbidden' });
    });
  });

  it('LEAKS 20: the log is for who may see all of the record', async () => {
    await db.query(sql`
      insert into audit_event (shard, seq, at, purposes, interaction, patient, rows, outcome, hash)
      values (9, 1, now(), 1, 'read', 'p1', 1, 0, '\\x00')`);
    const events = async (): Promise<number> => (await readLog(db, proxy(), { count: 10 })).rows.length;
    assert.equal(await events(), 1);
    // Nor does anybody else learn whether there is much.
    await writeBlocks(
      db,
      Array.from({ length: blocksMax + 100 }, (_, n) => [{ at: n * 1_000, patient: 'p1' }]),
    );
    const hasMore = async (): Promise<boolean> => {
      const { rows, next } = await readLog(db, proxy(), { count: 10, where: [sql`interaction = 'delete'`] });
      return rows.length > 0 || next !== undefined;
    };
    assert.equal(await hasMore(), true);
    await aged('15 years');
    assert.deepEqual([await events(), await hasMore()], [0, false]);
    await related({ relationship: 'caregiver', ...ended });
    assert.equal(await events(), 0);
  });
});
