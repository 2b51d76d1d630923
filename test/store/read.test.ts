import assert from 'node:assert/strict';
import { given, givenDatabase } from '../given.ts';
import { raw, render, sql } from '../../src/db/sql.ts';
import { ownBucket } from '../../src/fhir/ids.ts';
import { typeCode } from '../../src/fhir/types.ts';
import { commit } from '../../src/store/commit.ts';
import { compileRead, readRow, readVersion } from '../../src/store/read.ts';
import { everything, Visibility } from '../../src/store/visibility.ts';

const owner = 'Organization/a';
const all = everything('test');
/** Sees a row by what it is now. */
const unlabelled = new Visibility(
  (alias) => sql`${raw(alias)}.labels = 0`,
  () => raw(`'consent:c/1'::text`),
);

describe('read', () => {
  let world: Awaited<ReturnType<typeof givenDatabase>>;
  before(async () => {
    world = await givenDatabase();
    const label = { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'PSY' }] };
    const states = [
      given.patient({ id: 'p' }),
      given.observation({ id: 'open', patient: 'p', value: 1 }),
      given.observation({ id: 'open', patient: 'p', value: 2 }),
      given.observation({ id: 'labelled', patient: 'p', value: 1 }),
      { ...given.observation({ id: 'labelled', patient: 'p', value: 2 }), meta: label },
    ];
    await world.database.inTransaction((tx) =>
      commit(
        tx,
        states.map((resource) => ({ kind: 'update', resource, owner })),
        { at: new Date() },
      ),
    );
  });
  after(() => world.close());

  it('is one statement by primary key: the bucket comes from the id', () => {
    const id = 'abcd0000-0000-8000-8000-000000000001';
    const { text, values } = render(compileRead(all, 'Observation', id));
    assert.equal(
      text.replace(/\s+/g, ' ').trim(),
      'select r.bucket, r.type, r.id, r.version, r.last_updated, r.is_deleted, r.owner, r.patient, r.other_patients, r.body, ' +
        '$1::text as decided_by from resource r where r.bucket = $2 and r.type = $3 and r.id = $4 ' +
        'and /* visible r */ /* internal: test */ true',
    );
    assert.deepEqual(values, ['internal:test', 0xabcd, typeCode('Observation'), id]);
  });

  it('asks the locator for an id that a client chose', () => {
    const { text, values } = render(compileRead(all, 'Observation', 'mine'));
    assert.match(text, /from locator l where l\.id_bucket = \$\d and l\.type = \$\d and l\.id = \$\d/);
    assert.ok(values.includes(ownBucket('mine')));
  });

  // LEAKS 8: a version from before a label was set is as hidden as the current row.
  const versions: [id: string, version: number, visibility: Visibility, found: boolean][] = [
    ['open', 1, all, true],
    ['open', 2, all, true],
    ['open', 3, all, false],
    ['open', 0, all, false],
    ['open', 2 ** 31, all, false],
    ['open', 1, unlabelled, true],
    ['labelled', 1, all, true],
    ['labelled', 1, unlabelled, false],
    ['labelled', 2, unlabelled, false],
    ['none', 1, all, false],
  ];
  for (const [id, version, visibility, found] of versions) {
    const who = visibility === all ? 'everything' : 'what has no label';
    it(`version ${version} of ${id} is ${found ? 'seen' : 'not there'} for one who sees ${who}`, async () => {
      const row = await readVersion(world.database, visibility, { type: 'Observation', id, version });
      assert.equal(row?.version, found ? version : undefined);
      if (found) assert.match(row?.body ?? '', new RegExp(`"versionId":"${version}".*"value":${version},`));
    });
  }

  const rows: [type: string, id: string, visibility: Visibility, found: boolean][] = [
    ['Observation', 'open', unlabelled, true],
    ['Observation', 'labelled', unlabelled, false],
    ['Patient', 'open', all, false],
    ['Nonsense', 'open', all, false],
    ['Observation', 'op\u0000en', all, false],
    ['Observation', '', all, false],
  ];
  for (const [type, id, visibility, found] of rows) {
    it(`${type}/${JSON.stringify(id)} is ${found ? 'seen' : 'not there'}`, async () => {
      const row = await readRow(world.database, visibility, type, id);
      assert.equal(row?.id, found ? id : undefined);
      if (found) assert.equal(row?.decidedBy, 'consent:c/1');
    });
  }
});
