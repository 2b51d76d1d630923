import assert from 'node:assert/strict';
import fc from 'fast-check';
import { givenDatabase } from '../given.ts';
import { sql, type Sql } from '../../src/db/sql.ts';
import { formatId, idPattern, ownBucket } from '../../src/fhir/ids.ts';
import { keyHash } from '../../src/store/params/columns.ts';
import { bucketOf, ownBucketOf, referenceHash, referencesOf } from '../../src/store/search/references.ts';

const anyId = fc.oneof(
  fc.stringMatching(idPattern),
  fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => formatId(bytes)),
  fc.uuid(),
);

describe('references in SQL are what they are in TypeScript', () => {
  let world: Awaited<ReturnType<typeof givenDatabase>>;
  before(async () => {
    world = await givenDatabase();
  });
  after(() => world.close());
  const valueOf = async (expression: Sql): Promise<unknown> =>
    (await world.database.query<{ value: unknown }>(sql`select (${expression})::text as value`))[0]?.value;

  it('referenceHash is keyHash', () =>
    fc.assert(
      fc.asyncProperty(fc.constantFrom('subject', 'encounter', 'part-of'), anyId, async (param, id) => {
        const target = `Encounter/${id}`;
        const expected = String(keyHash('reference', param, target));
        assert.equal(await valueOf(referenceHash(param, sql`${target}::text`)), expected);
      }),
      { numRuns: 200 },
    ));

  it('ownBucketOf is ownBucket', () =>
    fc.assert(
      fc.asyncProperty(anyId, async (id) => {
        assert.equal(await valueOf(ownBucketOf(sql`${id}::text`)), String(ownBucket(id)));
      }),
      { numRuns: 200 },
    ));

  it('bucketOf follows the locator of an assigned id, and of no minted one', async () => {
    const minted = formatId(new Uint8Array(16).fill(5), 77);
    for (const id of ['assigned', minted]) {
      await world.database.query(
        sql`insert into locator (id_bucket, type, id, bucket) select ${ownBucket(id)}, 96, ${id}, 5`,
      );
    }
    const type = 'Patient';
    assert.equal(await valueOf(bucketOf(type, sql`${'assigned'}::text`)), String(ownBucket('assigned')));
    assert.equal(await valueOf(bucketOf('Observation', sql`${minted}::text`)), '77');
  });

  it('referencesOf finds the references of a type, and no text that looks like one', async () => {
    const body = JSON.stringify({
      subject: { reference: 'Patient/a' },
      encounter: { reference: 'Encounter/e/_history/2', display: '"reference":"Encounter/x"' },
      note: [{ text: '{"reference":"Encounter/y"}' }, { text: 'Encounter/z' }],
      partOf: [{ reference: 'Encounter/e' }, { reference: 'http://other/Encounter/w' }, { reference: '#Encounter/v' }],
      basedOn: [{ reference: 'Encounter/f' }, { reference: 'EncounterX/u' }],
    });
    const rows = await world.database.query<{ id: string }>(
      sql`select id from ${referencesOf(sql`${body}::text`, 'Encounter', 'refs')} order by id`,
    );
    assert.deepEqual(
      rows.map(({ id }) => id),
      ['e', 'e', 'f'],
    );
  });
});
