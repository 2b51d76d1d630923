import assert from 'node:assert/strict';
import { sql } from '../../src/db/sql.ts';
import { sourceId, sourceOf } from '../../src/fhir/ids.ts';
import { nationalIdSystem } from '../../src/fhir/identifiers.ts';
import { samePerson, unlink } from '../../src/identity/link.ts';
import type { Endpoint } from '../../src/ingest/contract.ts';
import { givenWorld, type World } from './given.ts';

const endpoint = {
  name: 'north',
  kind: 'fhir-rest',
  organization: 'Organization/north',
  config: { base: 'https://fhir.north.example/r4' },
} as unknown as Endpoint;

const idOf = (id: string): string => sourceId(sourceOf(endpoint), 'Patient', id);

/** A state of a Patient, with the links that it states: `replaced-by new`. */
function state(id: string, links: readonly string[] = [], more: Record<string, unknown> = {}): string {
  const link = links.map((text) => {
    const [type, other] = text.split(' ');
    return { type, other: { reference: `Patient/${other}` } };
  });
  return JSON.stringify({ resourceType: 'Patient', id, active: true, ...(link.length === 0 ? {} : { link }), ...more });
}

describe('Patient.link of FHIR sources, from message to store', () => {
  let world: World;
  before(async () => {
    world = await givenWorld();
  });
  after(() => world.close());

  const apply = (...texts: string[]): Promise<void> => world.apply(texts, endpoint);
  /** Who is one person with it, in the source’s words. */
  const person = async (id: string, among: readonly string[]): Promise<string[]> => {
    const found = await samePerson(world.database, idOf(id));
    return among.filter((one) => found.includes(idOf(one)));
  };
  const log = async (id: string): Promise<string[]> => {
    const rows = await world.database.query<{ action: string }>(
      sql`select action from person_link_log where patient = ${idOf(id)} order by id`,
    );
    return rows.map(({ action }) => action);
  };

  for (const type of ['replaced-by', 'replaces', 'refer', 'seealso']) {
    it(`${type}: the two records are one person; both stay as their source has them`, async () => {
      const [one, other] = [`${type}-1`, `${type}-2`];
      await apply(state(one, [`${type} ${other}`]), state(other));
      assert.deepEqual(await person(one, [one, other]), [one, other]);
      const [stored, linked] = [await world.read('Patient', idOf(one)), await world.read('Patient', idOf(other))];
      assert.deepEqual(stored?.['link'], [{ type, other: { reference: `Patient/${idOf(other)}` } }]);
      assert.deepEqual([stored?.['active'], linked?.['active'], linked?.['link']], [true, true, undefined]);
    });

    it(`${type}: what is stated no more is taken back`, async () => {
      const [one, other] = [`${type}-1`, `${type}-2`];
      await apply(state(one));
      assert.deepEqual(await person(one, [one, other]), [one]);
      assert.deepEqual(await log(one), ['link', 'unlink']);
      await apply(state(one, [`${type} ${other}`]));
      assert.deepEqual(await person(one, [one, other]), [one, other], 'and may be stated again');
    });
  }

  it('a link to a record that has not come holds from when it comes, also when it comes with a result alone', async () => {
    await apply(state('w1', ['replaces w2']), state('w3', ['replaces w4']));
    assert.deepEqual(await person('w1', ['w1', 'w2']), ['w1']);
    assert.equal(await world.read('Patient', idOf('w2')), undefined, 'no record is made of a link');
    await apply(state('w2'));
    assert.deepEqual(await person('w1', ['w1', 'w2']), ['w1', 'w2']);
    await apply(
      JSON.stringify({
        resourceType: 'Observation',
        id: 'o1',
        status: 'final',
        code: { text: 'x' },
        subject: { reference: 'Patient/w4' },
      }),
    );
    assert.deepEqual(await person('w3', ['w3', 'w4']), ['w3', 'w4']);
  });

  it('stated by both, it holds until both have taken it back; repeated, it changes nothing', async () => {
    await apply(state('b1', ['replaced-by b2']), state('b2', ['replaces b1']));
    await apply(
      state('b1', ['replaced-by b2'], { gender: 'female' }),
      state('b2', ['replaces b1'], { gender: 'female' }),
    );
    assert.deepEqual(await log('b1'), ['link']);
    await apply(state('b1'));
    assert.deepEqual(await person('b1', ['b1', 'b2']), ['b1', 'b2']);
    await apply(state('b2'));
    assert.deepEqual(await person('b1', ['b1', 'b2']), ['b1']);
  });

  it('of three, who leaves takes along whoever is linked to it alone', async () => {
    const all = ['c1', 'c2', 'c3', 'c4'];
    await apply(
      state('c1'),
      state('c2', ['replaces c1', 'seealso c3']),
      state('c3', ['seealso c4']),
      state('c4', ['refer c3']),
    );
    assert.deepEqual(await person('c1', all), all);
    await apply(state('c2', ['replaces c1']));
    assert.deepEqual(await person('c1', all), ['c1', 'c2']);
    assert.deepEqual(await person('c4', all), ['c3', 'c4']);
  });

  it('a national identifier that both show keeps them together; two that differ veto the link', async () => {
    const shown = (value: string) => ({ identifier: [{ system: nationalIdSystem, value }] });
    const [number, another] = ['11010519491231002X', '440524188001010014'];
    await apply(state('n1', ['seealso n2'], shown(number)), state('n2', [], shown(number)));
    await apply(state('n1', [], shown(number)));
    assert.deepEqual(await person('n1', ['n1', 'n2']), ['n1', 'n2']);
    await apply(state('v1', [], shown(another)), state('n1', ['seealso v1'], shown(number)));
    assert.deepEqual(await person('v1', ['v1', 'n1', 'n2']), ['v1']);
    assert.deepEqual(await log('n1'), ['link', 'veto']);
  });

  it('what a person separated stays apart, whatever the source repeats', async () => {
    await apply(state('h1', ['seealso h2']), state('h2'));
    await world.database.inTransaction((tx) => unlink(tx, idOf('h1'), 'two people', world.at));
    await apply(state('h1', ['seealso h2'], { gender: 'male' }), state('h2', ['seealso h1']));
    assert.deepEqual(await person('h1', ['h1', 'h2']), ['h1']);
  });

  it('a deletion says nothing of who the person was', async () => {
    await apply(state('d1', ['replaced-by d2']), state('d2'));
    await apply(JSON.stringify({ resourceType: 'Patient', id: 'd1' }));
    assert.equal(await world.read('Patient', idOf('d1')), undefined);
    assert.deepEqual(await person('d2', ['d1', 'd2']), ['d1', 'd2']);
  });

  it('a RelatedPerson, a record of another server, and itself are nobody else’s record of the patient', async () => {
    const link = [
      { type: 'seealso', other: { reference: 'RelatedPerson/r1' } },
      { type: 'seealso', other: { reference: 'https://other.example/fhir/Patient/x1' } },
      { type: 'seealso', other: { reference: 'Patient/s1' } },
      { type: 'seealso', other: { display: 'somebody' } },
    ];
    await apply(JSON.stringify({ resourceType: 'Patient', id: 's1', link }));
    const rows = await world.database.query(
      sql`select from person_assertion where low = ${idOf('s1')} or high = ${idOf('s1')}`,
    );
    assert.equal(rows.length, 0);
  });
});
