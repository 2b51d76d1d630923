import assert from 'node:assert/strict';
import type { Database } from '../../src/db.ts';
import { sql } from '../../src/db/sql.ts';
import { nationalIdSystem } from '../../src/fhir/identifiers.ts';
import { linkPatients, samePerson, samePersons, unlink, type LinkOutcome } from '../../src/identity/link.ts';
import { nationalIdsOf } from '../../src/identity/national-id.ts';
import { consents, givenPrincipal, givenRow, givenSelf, idsSeenBy, permitTo, recipient } from '../access/world.ts';
import { givenDatabase } from '../given.ts';

const [fang, wei] = ['11010519491231002X', '440524188001010014'];
const at = new Date('2026-01-01T00:00:00Z');

function patient(id: string, ...numbers: readonly string[]): { id: string; resource: { resourceType: string } } {
  const identifier = numbers.map((value) => ({ system: nationalIdSystem, value }));
  return { id, resource: { resourceType: 'Patient', ...(numbers.length > 0 ? { identifier } : {}) } };
}

describe('identity: source patients of one person, by national identifier', () => {
  let given: Awaited<ReturnType<typeof givenDatabase>>;
  let database: Database;
  before(async () => {
    given = await givenDatabase();
    database = given.database;
  });
  after(() => given.close());
  beforeEach(() =>
    database.query(sql`
      truncate person_identifier, person_member, person_link_log, person_split, consent_rule, resource`),
  );
  const write = (...patients: readonly ReturnType<typeof patient>[]): Promise<LinkOutcome[]> =>
    database.inTransaction((tx) => linkPatients(tx, patients, at));

  it('given the same number in two hospitals, when written, then one person, with the evidence kept', async () => {
    assert.deepEqual(await write(patient('a', fang)), []);
    assert.deepEqual(await write(patient('b', fang.toLowerCase())), [{ patient: 'b', action: 'link', with: ['a'] }]);
    assert.deepEqual(await samePerson(database, 'a'), ['a', 'b']);
    assert.deepEqual(await samePerson(database, 'b'), ['a', 'b']);
    const log = await database.query(
      sql`select action, patient, evidence ? 'identifiers' as has from person_link_log order by patient`,
    );
    assert.deepEqual(log, [
      { action: 'link', patient: 'a', has: true },
      { action: 'link', patient: 'b', has: true },
    ]);
  });

  it('asked for several at once, each gets the records of its own person', async () => {
    await write(patient('a', fang), patient('b', fang), patient('c', wei), patient('d', wei), patient('e'));
    const found = await Promise.all(['a', 'd', 'e', 'b', 'unknown'].map((id) => samePerson(database, id)));
    assert.deepEqual(found, [['a', 'b'], ['c', 'd'], ['e'], ['a', 'b'], ['unknown']]);
    assert.deepEqual(
      await samePersons(database, ['e', 'a']),
      new Map([
        ['e', ['e']],
        ['a', ['a', 'b']],
      ]),
    );
  });

  it('the 15-digit form of a number is the same number', async () => {
    await write(patient('a', '11010519491231002X'), patient('b', '110105491231002'));
    assert.deepEqual(await samePerson(database, 'a'), ['a', 'b']);
  });

  const apart: readonly [string, ReturnType<typeof patient>][] = [
    ['another number', patient('b', wei)],
    ['a number that fails its check', patient('b', '110105194912310021')],
    ['no number', patient('b')],
    [
      'the number in another system',
      { id: 'b', resource: { resourceType: 'Patient', identifier: [{ system: 'urn:x', value: fang }] } as never },
    ],
    [
      'the number marked old',
      {
        id: 'b',
        resource: {
          resourceType: 'Patient',
          identifier: [{ system: nationalIdSystem, value: fang, use: 'old' }],
        } as never,
      },
    ],
  ];
  for (const [title, other] of apart) {
    it(`not linked: ${title}`, async () => {
      await write(patient('a', fang), other);
      assert.deepEqual(await samePerson(database, 'a'), ['a']);
      assert.deepEqual(await samePerson(database, 'b'), ['b']);
    });
  }

  it('veto: a record that shows two different numbers is linked to neither, and the log says why', async () => {
    await write(patient('a', fang), patient('b', wei));
    assert.deepEqual(await write(patient('c', fang, wei)), [{ patient: 'c', action: 'veto', with: ['a', 'b'] }]);
    assert.deepEqual(await samePerson(database, 'c'), ['c']);
    assert.deepEqual(await samePerson(database, 'a'), ['a']);
  });

  it('a linked record that comes to show a second number is on its own again', async () => {
    await write(patient('a', fang), patient('b', fang));
    assert.deepEqual(
      (await write(patient('b', fang, wei))).map(({ action }) => action),
      ['unlink', 'veto'],
    );
    assert.deepEqual(await samePerson(database, 'a'), ['a']);
  });

  it('a corrected number takes its link away and makes the right one', async () => {
    await write(patient('a', fang), patient('b', fang), patient('c', wei));
    await write(patient('b', wei));
    assert.deepEqual(await samePerson(database, 'a'), ['a']);
    assert.deepEqual(await samePerson(database, 'b'), ['b', 'c']);
  });

  it('what is known already costs one statement and changes nothing', async () => {
    await write(patient('a', fang), patient('b', fang));
    let statements = 0;
    await database.inTransaction((tx) =>
      linkPatients(
        { query: (statement) => (statements++, tx.query(statement)) },
        [patient('a', fang), patient('b', fang)],
        at,
      ),
    );
    assert.equal(statements, 1);
  });

  it('given twenty transactions at once with the same number, when all commit, then one person', async () => {
    const ids = Array.from({ length: 20 }, (_, index) => `p${String(index).padStart(2, '0')}`);
    await Promise.all(ids.map((id) => write(patient(id, fang))));
    assert.deepEqual(await samePerson(database, 'p00'), ids);
    const persons = await database.query(sql`select distinct person from person_member`);
    assert.equal(persons.length, 1);
  });

  it('two persons at once in opposite order: no deadlock is left, both are right', async () => {
    await Promise.all(
      Array.from({ length: 6 }, (_, round) => {
        const pair = [patient(`a${round}`, fang), patient(`b${round}`, wei)] as const;
        return round % 2 === 0 ? write(...pair) : write(pair[1], pair[0]);
      }),
    );
    assert.equal((await samePerson(database, 'a0')).length, 6);
    assert.equal((await samePerson(database, 'b0')).length, 6);
  });

  it('unlink: undone for good, the same evidence does not link the pair again', async () => {
    await write(patient('a', fang), patient('b', fang));
    assert.deepEqual(await database.inTransaction((tx) => unlink(tx, 'b', 'wrong number at the desk', at)), ['a']);
    assert.deepEqual(await samePerson(database, 'a'), ['a']);
    assert.deepEqual(
      (await write(patient('c', fang))).map(({ action, with: others }) => [action, others]),
      [['veto', ['a', 'b']]],
    );
    await write(patient('b'));
    await write(patient('c'));
    await write(patient('c', fang));
    assert.deepEqual(await samePerson(database, 'a'), ['a', 'c']);
    await write(patient('b', fang));
    assert.deepEqual(await samePerson(database, 'b'), ['b']);
  });

  describe('LEAKS 33: rights of a merged person', () => {
    const ai = givenPrincipal();
    beforeEach(async () => {
      await givenRow(database, { id: 'of-a', patient: 'a' });
      await givenRow(database, { id: 'of-b', patient: 'b' });
      await write(patient('a', fang), patient('b', wei));
    });
    const grant = (of: string, provision: object, id = 'c1'): Promise<void> =>
      database.inTransaction((tx) => consents(tx, provision, { id, patient: { reference: `Patient/${of}` } }));

    it('a permit does not follow the link, until the person writes it again', async () => {
      await grant('a', permitTo());
      await write(patient('b', fang));
      assert.deepEqual(await idsSeenBy(database, ai), ['of-a']);
      assert.deepEqual(await idsSeenBy(database, givenSelf('a')), ['of-a', 'of-b']);
      await grant('a', permitTo());
      assert.deepEqual(await idsSeenBy(database, ai), ['of-a', 'of-b']);
    });

    it('a deny follows the link', async () => {
      await grant('a', { type: 'deny', actor: [recipient()] });
      await grant('b', permitTo(), 'c2');
      assert.deepEqual(await idsSeenBy(database, ai), ['of-b']);
      await write(patient('b', fang));
      assert.deepEqual(await idsSeenBy(database, ai), []);
    });

    it('an unlink takes back what either side consented to for the other', async () => {
      await write(patient('b', fang));
      await grant('a', permitTo());
      assert.deepEqual(await idsSeenBy(database, ai), ['of-a', 'of-b']);
      await database.inTransaction((tx) => unlink(tx, 'b', 'two people', at));
      assert.deepEqual(await idsSeenBy(database, ai), ['of-a']);
      assert.deepEqual(await idsSeenBy(database, givenSelf('a')), ['of-a']);
    });

    it('a Consent written while the link is made: the deny holds for both in every order', async () => {
      await grant('b', permitTo(), 'c2');
      await Promise.all([grant('a', { type: 'deny' }), write(patient('b', fang))]);
      assert.deepEqual(await idsSeenBy(database, ai), []);
    });
  });

  it('national identifiers: each once, normalised', () => {
    const twice = patient('a', fang, ` ${fang.toLowerCase()} `, '110105491231002');
    assert.equal(nationalIdsOf(twice.resource).length, 1);
    assert.deepEqual(nationalIdsOf({ resourceType: 'Patient' }), []);
  });
});
