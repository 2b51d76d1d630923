/** For whom a person may act, as the login and the choice of a patient ask it. */
import assert from 'node:assert/strict';
import { actsFor } from '../../../src/access/proxy/acts-for.ts';
import { confirmProxy, listProxies, recordProxies, refuseProxy } from '../../../src/access/proxy/record.ts';
import { relationships } from '../../../src/access/proxy/relation.ts';
import type { Database } from '../../../src/db.ts';
import { sql } from '../../../src/db/sql.ts';
import { ownBucket } from '../../../src/fhir/ids.ts';
import { typeCode } from '../../../src/fhir/types.ts';
import { givenDatabase } from '../../given.ts';

const roleCode = 'http://terminology.hl7.org/CodeSystem/v3-RoleCode';
const roleClass = 'http://terminology.hl7.org/CodeSystem/v3-RoleClass';
const codes = {
  parent: [roleCode, 'MTH'],
  guardian: [roleCode, 'GUARD'],
  caregiver: [roleClass, 'CAREGIVER'],
} as const;
const mum = 'aa';

interface Relative {
  readonly relationship?: keyof typeof codes;
  readonly period?: object;
  readonly active?: boolean;
  readonly identifiers?: readonly string[];
  readonly isTrusted?: boolean;
  readonly patient?: string;
}

describe('actsFor', () => {
  let database: Awaited<ReturnType<typeof givenDatabase>>;
  let db: Database;
  before(async () => {
    database = await givenDatabase();
    db = database.database;
    await identified('mum', mum);
  });
  after(() => database.close());

  /** A Patient row with the birth date the predicate reads. */
  async function born(id: string, low: string, high = low): Promise<void> {
    await db.query(sql`
      insert into resource (bucket, type, id, version, last_updated, owner, patient, date_low, date_high, body)
      values (${ownBucket(id)}, ${typeCode('Patient')}, ${id}, 1, now(), 'Organization/h', ${id},
        ${low}::timestamptz, ${high === '-infinity' ? null : high}::timestamptz, '{}')
      on conflict (bucket, type, id) do update set date_low = excluded.date_low, date_high = excluded.date_high`);
  }

  async function identified(patient: string, hash: string): Promise<void> {
    await db.query(
      sql`insert into person_identifier (hash, patient, system) values (decode(${hash}, 'hex'), ${patient}, 'n')`,
    );
  }

  async function relate(
    id: string,
    { relationship = 'parent', identifiers = [mum], isTrusted = true, patient = 'child', ...rest }: Relative = {},
  ): Promise<void> {
    const [system, code] = codes[relationship];
    const resource = {
      resourceType: 'RelatedPerson',
      id,
      patient: { reference: `Patient/${patient}` },
      relationship: [{ coding: [{ system, code }] }],
      ...rest,
    };
    await recordProxies(db, [{ id, version: 1, resource, identifiers }], { isTrusted });
  }

  const now = new Date('2026-06-15T12:00:00Z');
  const self = { patient: 'mum', fhirUser: 'Patient/mum', relationship: 'self' };
  const forChild = (relationship: string): object => ({ patient: 'child', fhirUser: 'RelatedPerson/r', relationship });

  interface Case {
    readonly title: string;
    readonly relative: Relative;
    /** Birth date of the child, or its interval; default: two years old. */
    readonly birth?: readonly [low: string, high?: string];
    readonly acts: boolean;
  }
  const child = ['2024-06-15'] as const;
  const cases: readonly Case[] = [
    { title: 'a mother of a child', relative: {}, acts: true },
    { title: 'a mother who is not vouched for', relative: { isTrusted: false }, acts: false },
    { title: 'a mother who is not known as the one who asks', relative: { identifiers: ['bb'] }, acts: false },
    { title: 'a mother without any identifier', relative: { identifiers: [] }, acts: false },
    { title: 'not active', relative: { active: false }, acts: false },
    { title: 'before its period', relative: { period: { start: '2026-06-16' } }, acts: false },
    { title: 'on the first day of its period', relative: { period: { start: '2026-06-15' } }, acts: true },
    { title: 'on the last day of its period', relative: { period: { end: '2026-06-15' } }, acts: true },
    { title: 'after its period', relative: { period: { end: '2026-06-14' } }, acts: false },
    { title: 'a parent, the day before the child is 18', relative: {}, birth: ['2008-06-16'], acts: true },
    { title: 'a parent, when the child is 18', relative: {}, birth: ['2008-06-15'], acts: false },
    {
      title: 'a parent of one who is 18 this year, the day not known',
      relative: {},
      birth: ['2008', '2009'],
      acts: false,
    },
    {
      title: 'a parent of one whose birth date is not known',
      relative: {},
      birth: ['-infinity', '-infinity'],
      acts: false,
    },
    { title: 'a guardian of a child', relative: { relationship: 'guardian' }, acts: true },
    {
      title: 'the guardian of a child who is of age by now',
      relative: { relationship: 'guardian', period: { start: '2020-01-01' } },
      birth: ['2006-01-01', '2006-01-02'],
      acts: false,
    },
    {
      title: 'a guardian who does not say since when, of an adult',
      relative: { relationship: 'guardian' },
      birth: ['1950-01-01', '1950-01-02'],
      acts: false,
    },
    {
      title: 'a guardian appointed for an adult',
      relative: { relationship: 'guardian', period: { start: '2020-01-01' } },
      birth: ['1950-01-01', '1950-01-02'],
      acts: true,
    },
    { title: 'a caregiver of an adult', relative: { relationship: 'caregiver' }, birth: ['1950-01-01'], acts: true },
    {
      title: 'a caregiver of one whose birth date is not known',
      relative: { relationship: 'caregiver' },
      birth: ['-infinity', '-infinity'],
      acts: true,
    },
    { title: 'about the one who asks', relative: { patient: 'mum', relationship: 'caregiver' }, acts: false },
  ];
  for (const { title, relative, birth = child, acts } of cases) {
    it(`${title}: ${acts ? 'acts' : 'does not'}`, async () => {
      await born('child', full(birth[0]), full(birth[1] ?? birth[0]));
      await relate('r', relative);
      const expected = acts ? [self, forChild(relative.relationship ?? 'parent')] : [self];
      assert.deepEqual(await actsFor(db, 'Patient/mum', now), expected);
    });
  }

  it('a RelatedPerson who signs in acts by themselves, without an identifier', async () => {
    await born('child', '2024-06-15');
    await relate('r', { identifiers: [] });
    assert.deepEqual(await actsFor(db, 'RelatedPerson/r', now), [forChild('parent')]);
    assert.deepEqual(await actsFor(db, 'RelatedPerson/other', now), []);
  });

  it('a linked record of the one who asks counts as theirs', async () => {
    await born('child', '2024-06-15');
    await relate('r');
    await link('mum', 'mum-elsewhere');
    assert.deepEqual(await actsFor(db, 'Patient/mum-elsewhere', now), [
      { ...self, patient: 'mum-elsewhere', fhirUser: 'Patient/mum-elsewhere' },
      forChild('parent'),
    ]);
  });

  it('a child with two records is named once', async () => {
    await born('child', '2024-06-15');
    await born('twice', '2024-06-15');
    await relate('r');
    await relate('r2', { patient: 'twice' });
    assert.equal((await actsFor(db, 'Patient/mum', now)).length, 3);
    await link('child', 'twice');
    assert.deepEqual(await actsFor(db, 'Patient/mum', now), [self, forChild('parent')]);
  });

  for (const user of ['Practitioner/mum', 'Organization/h', '', 'Patient']) {
    it(`"${user}" acts for nobody`, async () => {
      assert.deepEqual(
        (await actsFor(db, user, now)).filter(({ relationship }) => relationship !== 'self'),
        [],
      );
    });
  }

  it('an operator confirms one version, and refuses for good', async () => {
    await born('child', '2024-06-15');
    await relate('r2', { active: false });
    await relate('r', { isTrusted: false });
    const acting = async (): Promise<boolean> => (await actsFor(db, 'Patient/mum', now)).length > 1;
    assert.equal(await acting(), false);
    await confirmProxy(db, 'r', 'wang', now);
    assert.equal(await acting(), true);
    await relate('r', { isTrusted: false });
    assert.equal(await acting(), false, 'what was confirmed is another version');
    await confirmProxy(db, 'r', 'wang', now);
    await refuseProxy(db, 'r', 'wang', now);
    assert.equal(await acting(), false);
    await relate('r', { isTrusted: true });
    assert.equal(await acting(), false, 'what was refused stays so when its source writes it again');
    const [row] = await listProxies(db, { patient: 'child' });
    assert.deepEqual(
      { ...row, validFrom: undefined, validTo: undefined },
      {
        relatedPerson: 'r',
        patient: 'child',
        relationship: 'parent',
        mayConsent: true,
        validFrom: undefined,
        validTo: undefined,
        trustedBy: 'source',
        refusedBy: 'operator:wang',
      },
    );
    await assert.rejects(confirmProxy(db, 'nobody', 'wang', now), { code: 'not-found' });
  });

  it('every relationship is one the table takes', async () => {
    for (const relationship of relationships) await relate(`of-${relationship}`, { relationship });
    assert.equal((await listProxies(db, {})).filter(({ relatedPerson }) => relatedPerson.startsWith('of-')).length, 3);
  });

  async function link(...patients: readonly string[]): Promise<void> {
    const person = crypto.randomUUID();
    for (const patient of patients) {
      await db.query(sql`
        insert into person_member values (${patient}, ${ownBucket(patient)}, ${person}, '{}'::jsonb, now())`);
    }
  }
});

/** A year alone begins with its first day. */
function full(date: string): string {
  return /^\d{4}$/.test(date) ? `${date}-01-01T00:00:00Z` : date === '-infinity' ? date : `${date}T00:00:00Z`;
}
