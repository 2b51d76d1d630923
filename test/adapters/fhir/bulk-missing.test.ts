import assert from 'node:assert/strict';
import { SeenIds, TooManyIds } from '../../../adapters/fhir/bulk/seen.ts';
import { readBulkSettings } from '../../../adapters/fhir/bulk/settings.ts';
import { Problem } from '../../../src/fhir/problem.ts';
import type { PullEnd } from '../../../src/ingest/contract.ts';
import { givenBulkWorld, type BulkManners, type BulkSource } from '../../given-bulk.ts';

const day = 24 * 3_600_000;
/** What is deleted was written before: servers tell the time to the second. */
const anHourAgo = new Date(Date.now() - 3_600_000);

describe('a source that exports in bulk and tells no deletions', () => {
  const bulk = givenBulkWorld();

  interface Given extends Omit<BulkSource, 'run'> {
    /** @param days after now */
    readonly run: (days?: number, options?: Parameters<BulkSource['run']>[0]) => Promise<PullEnd>;
    readonly deleted: () => Promise<string[]>;
  }
  /** Ten Patients and an Observation that were exported once. */
  async function given(manners: BulkManners = { reads: true }, config: Record<string, unknown> = {}): Promise<Given> {
    const one = await bulk.source(manners, config);
    const { server } = one;
    for (let n = 0; n < 10; n++) server.put('Patient', `p${n}`, { active: true }, anHourAgo);
    server.put('Observation', 'o', { status: 'final', subject: { reference: 'Patient/p0' } }, anHourAgo);
    assert.deepEqual(await one.run(), { notes: [] });
    return {
      ...one,
      run: (days = 0, options = {}) => one.run({ now: () => new Date(Date.now() + days * day), ...options }),
      deleted: async () => (await one.messages()).filter((text) => text.includes(':delete')),
    };
  }

  it('is asked for a whole export after reconcileEvery; what it does not show, and says to be gone, is deleted', async () => {
    const { server, run, deleted } = await given();
    server.remove('Patient', 'p3');
    server.remove('Observation', 'o');
    await run(6);
    assert.deepEqual(await deleted(), []);
    assert.deepEqual(await run(8), { notes: [] });
    assert.deepEqual((await deleted()).toSorted(), ['Observation:delete o', 'Patient:delete p3']);
    assert.deepEqual(
      server.kickOffs.map((url) => url.includes('_since')),
      [false, true, false],
    );
    await run(9);
    assert.ok(server.kickOffs.at(-1)?.includes('_since'), 'then what changed again');
    assert.equal((await deleted()).length, 2);
  });

  it('is asked for what is missing alone, and believed: what is there, and only not exported, stays', async () => {
    const { server, run, deleted } = await given();
    server.remove('Patient', 'p1');
    server.manners.files = { Patient: `${server.lines('Patient').slice(0, 5).join('\n')}\n` };
    server.manners.counts = { Patient: 5 };
    assert.deepEqual(await run(8), { notes: [] });
    assert.deepEqual(await deleted(), ['Patient:delete p1']);
    // Whether it answers at all, then the five that were not shown, and each that a search did not find.
    assert.deepEqual(server.reads, ['Patient/p0', 'Patient?_id=p1,p6,p7,p8,p9&_count=5', 'Patient/p1']);
  });

  it('one that answers no reads is not believed, and says so; with `missing` gone the export is enough', async () => {
    const deaf = await given({});
    deaf.server.remove('Patient', 'p3');
    assert.deepEqual(await deaf.run(8), {
      notes: ['Patient: 1 are not exported any more, and kept, as the source answers no reads: see missing'],
    });
    assert.deepEqual(await deaf.deleted(), []);
    const told = await given({}, { missing: 'gone' });
    told.server.remove('Patient', 'p3');
    assert.deepEqual(await told.run(8), { notes: [] });
    assert.deepEqual(await told.deleted(), ['Patient:delete p3']);
    assert.deepEqual(told.server.reads, []);
  });

  it('`missing` gone waits for an export without errors, and is for whole exports alone', async () => {
    const { server, run, deleted } = await given({}, { missing: 'gone' });
    server.remove('Patient', 'p3');
    server.manners.errors = [{ severity: 'error', code: 'exception' }];
    const { notes = [] } = await run(8);
    assert.ok(notes.includes('the export has errors: nothing is taken for deleted'));
    assert.deepEqual(await deleted(), []);
    delete server.manners.errors;
    await run(8);
    assert.deepEqual(await deleted(), ['Patient:delete p3']);
    const base = 'https://x.example/r4';
    for (const wrong of [{ level: 'patient' }, { typeFilter: 'Patient?active=true' }]) {
      assert.throws(
        () => readBulkSettings({ base, missing: 'gone', ...wrong }),
        (error) => error instanceof Problem && error.expression[0] === 'missing',
      );
    }
  });

  it('one that tells deletions is not compared', async () => {
    const { server, run } = await given();
    server.manners.deleted = ['Patient/p9'];
    await run(1);
    delete server.manners.deleted;
    await run(30);
    assert.deepEqual(
      server.kickOffs.map((url) => url.includes('_since')),
      [false, true, true],
    );
  });

  it('a type of which nothing is exported any more is compared as well', async () => {
    const { server, run, deleted } = await given();
    server.remove('Observation', 'o');
    await run(8);
    // There is no Observation by which to see whether it answers reads.
    assert.deepEqual(await deleted(), ['Observation:delete o']);
  });

  it('more than half at once is not believed, unless the operator says so', async () => {
    const many = async (massDeletion: string): Promise<Given> => {
      const one = await given({ reads: true }, { massDeletion, types: 'Patient', incremental: false });
      for (let n = 10; n < 210; n++) one.server.put('Patient', `p${n}`, { active: true }, anHourAgo);
      await one.run(1);
      for (let n = 0; n < 150; n++) one.server.remove('Patient', `p${n}`);
      return one;
    };
    const refused = await many('refused');
    const { notes = [] } = await refused.run(8);
    assert.ok(notes.includes('Patient: 150 of 210 are not shown any more, and kept: see massDeletion'));
    assert.deepEqual(await refused.deleted(), []);
    const allowed = await many('allowed');
    await allowed.run(8);
    assert.equal((await allowed.deleted()).length, 150);
  });

  it('more ids than may be held are looked at in parts, with the same outcome', async () => {
    const { server, run, deleted } = await given({ reads: true }, { compareMax: 3 });
    for (const id of ['p2', 'p5', 'p7']) server.remove('Patient', id);
    assert.deepEqual(await run(8), { notes: [] });
    assert.deepEqual((await deleted()).toSorted(), ['Patient:delete p2', 'Patient:delete p5', 'Patient:delete p7']);
  });

  it('a run that ends within the comparison is gone on with; nothing is deleted twice, and the export is ended once', async () => {
    const { server, run, deleted, mark } = await given();
    for (const id of ['p2', 'p5']) server.remove('Patient', id);
    server.remove('Observation', 'o');
    let files = 0;
    // The second reading of each file breaks off, twice.
    server.manners.on = (event, response) => {
      if (!event.startsWith('file ') || ++files < 2 || files > 3) return false;
      response.destroy();
      return true;
    };
    await assert.rejects(run(8), (error) => error instanceof Problem && error.code === 'transient');
    await assert.rejects(run(8), Problem);
    assert.ok((await mark())['export'] !== undefined);
    await run(8);
    assert.deepEqual((await deleted()).toSorted(), ['Observation:delete o', 'Patient:delete p2', 'Patient:delete p5']);
    assert.deepEqual([server.kickOffs.length, server.open, (await mark())['export']], [2, 0, undefined]);
  });

  it('addresses that have expired by then are asked for anew', async () => {
    const { server, run, deleted } = await given();
    server.remove('Patient', 'p2');
    server.manners.addressesLast = 1;
    await run(8);
    assert.deepEqual(await deleted(), ['Patient:delete p2']);
  });

  it('`never`: deletions are left', async () => {
    const { server, run } = await given({ reads: true }, { reconcileEvery: 'never' });
    await run(300);
    assert.ok(server.kickOffs.at(-1)?.includes('_since'));
  });
});

describe('ids that a pass has shown', () => {
  const ids = Array.from({ length: 5_000 }, (_, n) => `id-${n}`);

  it('each is found in its part, and no other is', () => {
    const parts = Array.from({ length: 4 }, (_, part) => new SeenIds({ part, parts: 4, max: 5_000 }));
    for (const id of ids) for (const seen of parts) seen.add(id);
    for (const id of ids) {
      const covering = parts.filter((seen) => seen.covers(id));
      assert.equal(covering.length, 1);
      assert.ok(covering[0]?.has(id));
      assert.ok(parts.every((seen) => !seen.has(`other-${id}`)));
    }
  });

  it('no more than the most are held', () => {
    const seen = new SeenIds({ part: 0, parts: 1, max: 100 });
    assert.throws(() => ids.forEach((id) => seen.add(id)), TooManyIds);
  });
});
