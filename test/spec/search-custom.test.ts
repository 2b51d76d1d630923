/** SearchParameter resources in force. @see https://hl7.org/fhir/R4/searchparameter.html */
import assert from 'node:assert/strict';
import { given } from '../given.ts';
import { sql } from '../../src/db/sql.ts';
import { searchParam } from '../../src/fhir/params.ts';
import { Problem } from '../../src/fhir/problem.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { followIndex, type Following } from '../../src/store/index-revision.ts';
import { readIndexStatus, reindexBatch } from '../../src/store/reindex.ts';
import { givenWorld, type World } from './given-search.ts';

const tribeUrl = 'http://example.org/tribe';
const patient = (id: string, tribe?: string): AnyResource => ({
  ...given.patient({ id }),
  ...(tribe === undefined ? {} : { extension: [{ url: tribeUrl, valueCode: tribe }] }),
});
const parameter = (id: string, more: object = {}): AnyResource => ({
  resourceType: 'SearchParameter',
  id,
  url: `http://example.org/SearchParameter/${id}`,
  name: 'Tribe',
  status: 'active',
  description: 'x',
  code: 'tribe',
  base: ['Patient'],
  type: 'token',
  expression: `Patient.extension.where(url = '${tribeUrl}').value`,
  ...more,
});

const isProblem = (code: string, expression?: string) => (error: unknown) =>
  error instanceof Problem &&
  error.code === code &&
  (expression === undefined || error.expression.join() === expression);

describe('SearchParameter resources (R4 searchparameter.html)', () => {
  let world: World;
  let index: Following;
  beforeEach(async () => {
    world = await givenWorld([]);
    index = await followIndex(world.database);
    await reindexAll();
    await world.write([patient('han', 'han'), patient('hui', 'hui'), patient('none')]);
  });
  afterEach(async () => {
    index.close();
    await world.close();
  });
  /** @returns batches that had work */
  const reindexAll = async (): Promise<number> => {
    for (let batches = 0; batches < 100; batches++) {
      const outcome = await reindexBatch(world.database, { graceMs: 0 });
      assert.notEqual(outcome, 'busy');
      if (outcome === 'done') return batches;
    }
    throw new Error('reindexing does not end');
  };
  const put = async (...resources: AnyResource[]): Promise<void> => {
    await world.write(resources);
    await index.refresh();
  };

  it('is unknown before, refused while rows are indexed, and then finds old rows and new ones', async () => {
    await assert.rejects(world.find('Patient', 'tribe=hui'), isProblem('not-supported'));
    await put(parameter('tribe'));
    await assert.rejects(world.find('Patient', 'tribe=hui'), isProblem('transient', 'tribe'));
    await assert.rejects(world.find('Patient', '_sort=tribe'), isProblem('transient', 'tribe'));
    await world.write([patient('new', 'hui')]);
    await reindexAll();
    await index.refresh();
    assert.deepEqual((await world.find('Patient', 'tribe=hui')).toSorted(), ['hui', 'new']);
    assert.deepEqual(await world.find('Patient', 'tribe:missing=true'), ['none']);
    assert.deepEqual(await world.find('Patient', '_sort=tribe,_id'), ['han', 'hui', 'new', 'none']);
  });

  it('reads again the types of the parameter alone, each row once, and changes no version', async () => {
    await put(parameter('tribe'));
    await reindexAll();
    const [{ rowsIndexed } = { rowsIndexed: -1 }] = await readIndexStatus(world.database);
    assert.equal(rowsIndexed, 3);
    const rows = await world.database.query(sql`select version from resource where version <> 1`);
    assert.deepEqual(rows, []);
  });

  it('goes on where it stopped', async () => {
    await world.write(Array.from({ length: 250 }, (_, n) => patient(`many-${n}`, 'miao')));
    await put(parameter('tribe'));
    const first = await reindexBatch(world.database, { graceMs: 0 });
    assert.ok(typeof first === 'object' && first.rowsIndexed === 100);
    const second = await reindexBatch(world.database, { graceMs: 0 });
    assert.ok(typeof second === 'object' && second.rowsIndexed === 200);
    await reindexAll();
    await index.refresh();
    assert.equal((await world.find('Patient', 'tribe=miao&_count=1000')).length, 250);
  });

  it('finds the rows that a process wrote which did not know of it yet', async () => {
    await put(parameter('tribe'));
    await reindexBatch(world.database, { graceMs: 0 });
    // As another process writes: with none of the parameter's hashes, under the revision before.
    const isOld = sql`index_revision = 0, tokens = '{}', last_updated = now()`;
    await world.database.query(sql`update resource set ${isOld} where id = 'hui'`);
    await reindexAll();
    await index.refresh();
    assert.deepEqual(await world.find('Patient', 'tribe=hui'), ['hui']);
  });

  it('waits until every process has seen the revision', async () => {
    await put(parameter('tribe'));
    assert.equal(await reindexBatch(world.database, { graceMs: 60_000 }), 'busy');
  });

  it('is gone with its resource, and with its status', async () => {
    for (const end of [
      () => world.write([parameter('tribe')], 'delete'),
      () => put(parameter('tribe', { status: 'retired' })),
    ]) {
      await put(parameter('tribe'));
      await reindexAll();
      await index.refresh();
      assert.deepEqual(await world.find('Patient', 'tribe=hui'), ['hui']);
      await end();
      await index.refresh();
      assert.equal(searchParam('Patient', 'tribe'), undefined);
    }
  });

  it('with another expression finds what that says, and nothing of the former', async () => {
    await put(parameter('tribe'));
    await reindexAll();
    await put(parameter('tribe', { expression: 'Patient.name.family', type: 'string' }));
    await reindexAll();
    await index.refresh();
    assert.deepEqual(await world.find('Patient', 'tribe=hui'), []);
    assert.equal((await world.find('Patient', 'tribe=zhang')).length, 3);
  });

  for (const [what, expression] of [
    ['extension()', `Patient.extension('${tribeUrl}').value`],
    ['ofType', `Patient.extension.where(url='${tribeUrl}').value.ofType(code)`],
    ['as', `(Patient.extension.where(url='${tribeUrl}').value as code)`],
  ] as const) {
    it(`takes ${what}`, async () => {
      await put(parameter('tribe', { expression }));
      await reindexAll();
      await index.refresh();
      assert.deepEqual(await world.find('Patient', 'tribe=hui'), ['hui']);
    });
  }
});

describe('SearchParameter resources that cannot be served (R4 searchparameter.html)', () => {
  let world: World;
  let index: Following;
  before(async () => {
    world = await givenWorld([]);
    index = await followIndex(world.database);
  });
  after(async () => {
    index.close();
    await world.close();
  });
  const put = async (...resources: AnyResource[]): Promise<void> => {
    await world.write(resources);
    await index.refresh();
  };

  const refused: [what: string, more: object, code: string, element: string][] = [
    [
      'an expression outside of what is indexed',
      { expression: 'Patient.name.where(use.exists())' },
      'business-rule',
      'expression',
    ],
    ['an expression that leads nowhere', { expression: 'Patient.nickname' }, 'business-rule', 'expression'],
    ['an expression of another type', { expression: 'Observation.code' }, 'business-rule', 'expression'],
    [
      'values that the type does not have',
      { expression: 'Patient.birthDate', type: 'reference' },
      'business-rule',
      'expression',
    ],
    ['no expression', { expression: undefined }, 'business-rule', 'expression'],
    ['a code of R4', { code: 'gender' }, 'business-rule', 'code'],
    ['a code of every resource', { code: '_id' }, 'business-rule', 'code'],
    ['a code that is no name', { code: 'a:b' }, 'business-rule', 'code'],
    ['a base that is no type', { base: ['Person2'] }, 'business-rule', 'base'],
    ['a composite', { type: 'composite' }, 'business-rule', 'type'],
  ];
  for (const [what, more, code, element] of refused) {
    it(`${what} is refused, with the element`, async () => {
      await assert.rejects(put(parameter('tribe', more)), isProblem(code, `SearchParameter.${element}`));
    });
  }

  it('a draft may say anything', async () => {
    await put(parameter('tribe', { status: 'draft', expression: 'nonsense(' }));
    assert.equal(searchParam('Patient', 'tribe'), undefined);
  });

  it('a code that another has is refused', async () => {
    await put(parameter('tribe'));
    await assert.rejects(put(parameter('other')), isProblem('duplicate', 'SearchParameter.code'));
  });
});

describe('a release that indexes in another way', () => {
  it('reads the rows of the one before again by itself, and finds them as they were meanwhile', async () => {
    const world = await givenWorld([given.patient({ id: 'p1' })]);
    // Written before anybody followed: revision 0. What the release before did not have is missing.
    await world.database.query(sql`update resource set strings = '{}' where id = 'p1'`);
    const index = await followIndex(world.database);
    try {
      assert.deepEqual(await world.find('Patient', '_id=p1'), ['p1']);
      assert.deepEqual(await world.find('Patient', 'family:contains=zhang'), []);
      while ((await reindexBatch(world.database, { graceMs: 0 })) !== 'done');
      assert.deepEqual(await world.find('Patient', 'family:contains=zhang'), ['p1']);
      await followIndex(world.database).then((again) => again.close());
      assert.equal((await readIndexStatus(world.database)).length, 1, 'a second start has nothing to do');
    } finally {
      index.close();
      await world.close();
    }
  });
});
