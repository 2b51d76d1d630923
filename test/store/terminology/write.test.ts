/** The tables of terminology follow the resources, in the transaction that writes them. */
import assert from 'node:assert/strict';
import type { AnyResource } from '../../../src/fhir/types.ts';
import { commit } from '../../../src/store/commit.ts';
import { codesIn } from '../../../src/store/terminology/compose.ts';
import { findConcept } from '../../../src/store/terminology/hierarchy.ts';
import { loadResource } from '../../../src/store/terminology/load.ts';
import { find, openLibrary, type Library } from '../../../src/store/terminology/library.ts';
import type { Write } from '../../../src/store/row.ts';
import { givenDatabase } from '../../given.ts';
import { animalMap, animals, animalSystem, givenTerminology, letters, letterSystem } from './given.ts';

describe('terminology in the store', function () {
  this.timeout(300_000);
  const owner = 'Organization/a';
  let database: Awaited<ReturnType<typeof givenDatabase>>;
  let library: Library;
  before(async () => {
    database = await givenDatabase();
    library = await openLibrary(database.database, owner);
  });
  after(() => database.close());
  const write = (resource: AnyResource, kind: Write['kind'] = 'update'): Promise<unknown> =>
    database.database.inTransaction((tx) => commit(tx, [{ kind, resource, owner }], { at: new Date() }));
  const count = async (name: { url: string }): Promise<number> => (await codesIn(library, name, 100)).length;

  it('a CodeSystem that is written is answered from, replaced whole, and gone when deleted', async () => {
    const all = { url: `${letters}?fhir_vs` };
    await write(letterSystem);
    assert.equal(await count(all), 3);
    await write({ ...letterSystem, concept: [{ code: 'Z' }] });
    assert.deepEqual(await codesIn(library, all, 10), [{ system: letters, code: 'Z' }]);
    await write({ resourceType: 'CodeSystem', id: 'letters' }, 'delete');
    await assert.rejects(count(all), { code: 'not-found' });
  });

  it('a value set of more codes than a client may have indexed is loaded by an operator', async () => {
    const url = 'http://example.org/vs/many';
    const concept = Array.from({ length: 51_000 }, (_, at) => ({ code: `c${at}` }));
    const resource = {
      resourceType: 'ValueSet',
      id: 'many',
      url,
      status: 'active',
      compose: { include: [{ system: letters, concept }] },
    };
    await assert.rejects(write(resource), { code: 'too-long' });
    const loaded = await database.database.inTransaction((tx) => loadResource(tx, resource, new Date()));
    assert.equal(loaded.outcome, 'loaded');
  });

  it('a transaction that fails leaves the tables as they were', async () => {
    await write(animalSystem);
    await assert.rejects(
      database.database.inTransaction(async (tx) => {
        await commit(tx, [{ kind: 'update', resource: { ...animalSystem, concept: [] }, owner }], { at: new Date() });
        throw new Error('undone');
      }),
    );
    assert.equal(await count({ url: `${animals}?fhir_vs` }), 8);
  });

  it('what one resource may bring is bounded, unless the operator loads it', async () => {
    const concept = Array.from({ length: 10_001 }, (_, index) => ({ code: `c${index}` }));
    const long = { ...letterSystem, id: 'long', url: 'http://example.org/long', concept };
    await assert.rejects(write(long), { code: 'too-costly' });
    const element = concept.map(({ code }) => ({ code, target: [{ code: 'A', equivalence: 'equal' }] }));
    await assert.rejects(write({ ...animalMap, id: 'long', group: [{ source: animals, target: letters, element }] }), {
      code: 'too-costly',
    });
    await givenTerminology(database.database, [long]);
    assert.equal((await find(library, 'CodeSystem', { url: long.url }))?.concepts, 10_001);
  });

  it('another owner is not served from it', async () => {
    const other = await openLibrary(database.database, 'Organization/b');
    assert.equal(await find(other, 'CodeSystem', { url: animals }), undefined);
  });

  it('a ValueSet and its imports follow', async () => {
    const url = 'http://example.org/vs/some';
    const set = (code: string): AnyResource => ({
      resourceType: 'ValueSet',
      id: 'some',
      url,
      status: 'active',
      compose: { include: [{ system: animals, concept: [{ code }] }] },
    });
    await write(set('cat'));
    assert.deepEqual(await codesIn(library, { url }, 10), [{ system: animals, code: 'cat' }]);
    await write(set('owl'));
    assert.deepEqual(await codesIn(library, { url }, 10), [{ system: animals, code: 'owl' }]);
  });

  it('content=not-present leaves the concepts that were loaded', async () => {
    const { concept: _concept, ...header } = animalSystem;
    await write({ ...header, content: 'not-present', title: 'Animals' });
    assert.equal(await count({ url: `${animals}?fhir_vs` }), 8);
  });

  // R4 codesystem-definitions.html#CodeSystem.caseSensitive
  it('codes are compared in any case unless the system says that case counts', async () => {
    await write(letterSystem);
    const [relaxed, strict] = await Promise.all([letters, animals].map((url) => find(library, 'CodeSystem', { url })));
    assert.ok(relaxed && strict);
    assert.equal((await findConcept(library, relaxed, 'b'))?.code, 'B');
    assert.equal(await findConcept(library, strict, 'Cat'), undefined);
    assert.equal((await findConcept(library, strict, 'cat'))?.display, 'Cat');
  });
});
