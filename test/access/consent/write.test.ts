import assert from 'node:assert/strict';
import { compileConsent, withdrawConsent } from '../../../src/access/consent/write.ts';
import { ownerOf } from '../../../src/access/predicate/owner.ts';
import type { Principal } from '../../../src/access/principal/principal.ts';
import type { Database } from '../../../src/db.ts';
import { sql } from '../../../src/db/sql.ts';
import { givenDatabase } from '../../given.ts';
import { consents, givenConsent, givenPrincipal, givenSelf, permitTo } from '../world.ts';

describe('a Consent and its rules', () => {
  let given: Awaited<ReturnType<typeof givenDatabase>>;
  let database: Database;
  before(async () => {
    given = await givenDatabase();
    database = given.database;
  });
  after(() => given.close());
  beforeEach(() => database.query(sql`truncate consent_rule, person_member`));

  const write = (principal: Principal, overrides: object = {}): Promise<void> =>
    database.inTransaction((tx) =>
      compileConsent(tx, principal, { id: 'c1', version: 1, resource: givenConsent(permitTo(), overrides) }),
    );
  const rules = async (): Promise<unknown[]> =>
    (await database.query<{ patient: string }>(sql`select patient from consent_rule order by patient`)).map(
      (row) => row.patient,
    );

  it('LEAKS 31: only the patient grants: no service, no hospital, no other patient', async () => {
    for (const principal of [givenPrincipal(), givenPrincipal({ purpose: ['PATRQT'] }), givenSelf('p2')]) {
      await assert.rejects(write(principal), { code: 'forbidden' });
    }
    assert.deepEqual(await rules(), []);
    await write(givenSelf('p1'));
    assert.deepEqual(await rules(), ['p1']);
  });

  it('LEAKS 31: the performer is the patient, or is not said', async () => {
    await assert.rejects(write(givenSelf('p1'), { performer: [{ reference: 'Practitioner/x' }] }), {
      expression: ['Consent.performer'],
    });
    await write(givenSelf('p1'), { performer: [{ reference: 'Patient/p1' }] });
  });

  it('LEAKS 31, 35: the owner of what is written comes from the token', () => {
    const consent = givenConsent(permitTo());
    assert.equal(ownerOf(givenSelf('p1'), consent), 'Patient/p1');
    assert.equal(ownerOf(givenPrincipal(), { resourceType: 'Observation' }), 'Organization/ai');
    assert.throws(() => ownerOf(givenPrincipal(), consent), { code: 'forbidden' });
    assert.throws(() => ownerOf(givenPrincipal(), { resourceType: 'AuditEvent' }), { code: 'forbidden' });
    assert.throws(() => ownerOf(givenSelf('p1'), { resourceType: 'Observation' }), { code: 'forbidden' });
    assert.throws(() => ownerOf(givenPrincipal({ organization: undefined }), { resourceType: 'Observation' }), {
      code: 'forbidden',
    });
    const payer = givenPrincipal({ purpose: ['HPAYMT'] });
    assert.equal(ownerOf(payer, { resourceType: 'Claim' }), 'Organization/ai');
    assert.throws(() => ownerOf(payer, { resourceType: 'Observation' }), { code: 'forbidden' });
    // In force it would change what everybody's searches, scopes and Consents by code find.
    assert.throws(() => ownerOf(givenPrincipal(), { resourceType: 'SearchParameter' }), { code: 'forbidden' });
    const operator = givenPrincipal({ isOperator: true });
    assert.equal(ownerOf(operator, { resourceType: 'SearchParameter' }), 'Organization/ai');
  });

  it('written for one record of a person, holds for all of them', async () => {
    await link('p1', 'p2');
    await write(givenSelf('p2'));
    assert.deepEqual(await rules(), ['p1', 'p2']);
  });

  it('a refused Consent leaves the rules it had', async () => {
    await write(givenSelf('p1'));
    const broken = { id: 'c1', version: 2, resource: givenConsent(permitTo({ actor: undefined })) };
    await assert.rejects(
      database.inTransaction((tx) => compileConsent(tx, givenSelf('p1'), broken)),
      { code: 'business-rule' },
    );
    assert.deepEqual(await rules(), ['p1']);
  });

  it('a Consent that is rolled back grants nothing', async () => {
    const failing = database.inTransaction(async (tx) => {
      await consents(tx, permitTo());
      throw new Error('the write failed');
    });
    await assert.rejects(failing, { message: 'the write failed' });
    assert.deepEqual(await rules(), []);
  });

  it('a deleted Consent has no rules', async () => {
    await link('p1', 'p2');
    await write(givenSelf('p1'));
    await database.inTransaction((tx) => withdrawConsent(tx, givenSelf('p1'), { id: 'c1', patient: 'p1' }));
    assert.deepEqual(await rules(), []);
  });

  it('a patient has a bounded number of rules', async () => {
    const many = { type: 'deny', provision: Array.from({ length: 60 }, () => permitTo()) };
    const writing = async (): Promise<void> => {
      for (let n = 0; n < 9; n++) await database.inTransaction((tx) => consents(tx, many, { id: `c${n}` }));
    };
    await assert.rejects(writing(), { code: 'too-costly' });
    assert.equal((await rules()).length, 480);
  });

  async function link(...patients: string[]): Promise<void> {
    await database.query(sql`
      insert into person_member (patient, bucket, person, evidence, linked_at)
      select patient, 0, '00000000-0000-4000-8000-000000000001', '{}', now() from unnest(${patients}::text[]) as patient`);
  }
});
