import assert from 'node:assert/strict';
import { given, givenDatabase } from '../given.ts';
import { sql } from '../../src/db/sql.ts';
import { isMintedId, ownBucket } from '../../src/fhir/ids.ts';
import { parseJson } from '../../src/fhir/json.ts';
import { Problem, type ProblemCode } from '../../src/fhir/problem.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { unmappedUrl } from '../../src/mapping/values/extensions.ts';
import { commit } from '../../src/store/commit.ts';
import { findByIdentifier } from '../../src/store/identifier.ts';
import { readRow, readVersion } from '../../src/store/read.ts';
import type { Write, Written } from '../../src/store/row.ts';
import { everything } from '../../src/store/visibility.ts';

const at = new Date('2026-03-01T08:00:00.000Z');
const later = new Date('2026-03-01T09:00:00.000Z');
const [hospital, other] = ['Organization/hosp-a', 'Organization/hosp-b'];
const all = everything('test');

describe('commit', () => {
  let world: Awaited<ReturnType<typeof givenDatabase>>;
  before(async () => {
    world = await givenDatabase();
  });
  after(() => world.close());

  const write = (writes: readonly Write[], when = at): Promise<Written[]> =>
    world.database.inTransaction((tx) => commit(tx, writes, { at: when }));
  const one = async (resource: AnyResource, more: Partial<Write> = {}, when = at): Promise<Written> => {
    const [written] = await write([{ kind: 'update', resource, owner: hospital, ...more }], when);
    return written as Written;
  };
  const refuses = (code: ProblemCode, work: Promise<unknown>): Promise<void> =>
    assert.rejects(work, (error) => error instanceof Problem && error.code === code);
  const read = async (type: string, id: string): Promise<AnyResource> => {
    const row = await readRow(world.database, all, type, id);
    assert.ok(row, `${type}/${id} is stored`);
    return parseJson(row.body) as AnyResource;
  };

  describe('places', () => {
    it('mints an id in the bucket of the patient whose record it is', async () => {
      await one(given.patient({ id: 'place-1' }));
      const created = await one(given.observation({ id: undefined, patient: 'place-1' }), { kind: 'create' });
      assert.ok(isMintedId(created.id));
      assert.equal(created.bucket, ownBucket('place-1'));
      assert.equal(ownBucket(created.id), ownBucket('place-1'));
      assert.equal(created.patient, 'place-1');
    });

    it('finds a client-assigned id through its locator', async () => {
      await one(given.patient({ id: 'place-2' }));
      await one(given.observation({ id: 'obs-by-client', patient: 'place-2' }));
      const row = await readRow(world.database, all, 'Observation', 'obs-by-client');
      assert.equal(row?.bucket, ownBucket('place-2'));
      assert.notEqual(row?.bucket, ownBucket('obs-by-client'));
    });

    it('refuses a minted id of another compartment', async () => {
      await one(given.patient({ id: 'place-3' }));
      const id = 'ffff0000-0000-8000-8000-000000000001';
      await refuses('business-rule', one(given.observation({ id, patient: 'place-3' }), { kind: 'draft' }));
    });

    it('a row counts every patient it refers to, wherever the reference stands', async () => {
      await one(given.patient({ id: 'place-4' }));
      await one(given.patient({ id: 'place-5' }));
      const observation = {
        ...given.observation({ id: 'two', patient: 'place-4' }),
        focus: [{ reference: 'Patient/place-5' }],
      };
      const written = await one(observation);
      assert.equal(written.patient, 'place-4');
      assert.deepEqual(written.otherPatients, ['place-5']);
    });
  });

  describe('versions', () => {
    it('unchanged content makes no version', async () => {
      await one(given.patient({ id: 'v-1' }));
      const again = await one(given.patient({ id: 'v-1' }), {}, later);
      assert.equal(again.outcome, 'unchanged');
      assert.equal(again.version, 1);
      assert.deepEqual(again.lastUpdated, at);
    });

    it('a change makes the next version, and the older one stays readable', async () => {
      await one(given.patient({ id: 'v-2', family: 'Li' }));
      const next = await one(given.patient({ id: 'v-2', family: 'Wang' }), {}, later);
      assert.equal(next.version, 2);
      const first = await readVersion(world.database, all, { type: 'Patient', id: 'v-2', version: 1 });
      assert.match(first?.body ?? '', /"Li"/);
      assert.doesNotMatch(first?.body ?? '', /"Wang"/);
      assert.equal(await readVersion(world.database, all, { type: 'Patient', id: 'v-2', version: 3 }), undefined);
    });

    it('lastUpdated never goes back, whatever the clock says', async () => {
      await one(given.patient({ id: 'v-3', family: 'Li' }), {}, later);
      const next = await one(given.patient({ id: 'v-3', family: 'Wang' }), {}, at);
      assert.deepEqual(next.lastUpdated, new Date(later.getTime() + 1));
    });

    it('several writes of one row in one call each make their version', async () => {
      const writes = ['A', 'B', 'B', 'C'].map((family): Write => ({
        kind: 'draft',
        resource: given.patient({ id: 'v-4', family }),
        owner: hospital,
      }));
      const written = await write(writes);
      assert.deepEqual(
        written.map(({ outcome, version }) => [outcome, version]),
        [
          ['created', 1],
          ['updated', 2],
          ['unchanged', 2],
          ['updated', 3],
        ],
      );
      const rows = await world.database.query<{ version: number }>(
        sql`select version from resource_history where id = 'v-4' order by version`,
      );
      assert.deepEqual(
        rows.map(({ version }) => version),
        [1, 2],
      );
    });

    it('a stale ifVersion is a conflict, the current one is not', async () => {
      await one(given.patient({ id: 'v-5', family: 'Li' }));
      await one(given.patient({ id: 'v-5', family: 'Wang' }), { ifVersion: 1 });
      await refuses('conflict', one(given.patient({ id: 'v-5', family: 'Zhao' }), { ifVersion: 1 }));
    });

    it('numbers keep the digits they came with', async () => {
      await one(given.patient({ id: 'v-6' }));
      const text =
        '{"resourceType":"Observation","id":"digits","status":"final","code":{"text":"K"},"subject":{"reference":"Patient/v-6"},"valueQuantity":{"value":1.50}}';
      const written = await one(parseJson(text) as AnyResource);
      assert.match(written.body, /"value":1\.50\}/);
      assert.equal((await one(parseJson(text) as AnyResource)).outcome, 'unchanged');
      assert.match(
        written.body,
        /^\{"resourceType":"Observation","id":"digits","meta":\{"versionId":"1","lastUpdated":"2026-03-01T08:00:00\.000Z"\}/,
      );
    });
  });

  describe('owners', () => {
    it("another's row answers as one that is not there", async () => {
      await one(given.patient({ id: 'o-1' }));
      await refuses('not-found', one(given.patient({ id: 'o-1' }), { owner: other }));
      await refuses('not-found', one(given.patient({ id: 'o-none' }), { ifVersion: 1 }));
    });

    it('an update cannot choose an id that only the hub mints', async () => {
      await refuses('not-found', one(given.organization({ id: 'aaaa0000-0000-8000-8000-000000000001' })));
    });

    it('a source refers to its own patients only', async () => {
      await one(given.patient({ id: 'o-2' }));
      const observation = given.observation({ id: 'o-2-obs', patient: 'o-2' });
      await refuses('business-rule', one(observation, { owner: other }));
      await refuses('business-rule', one(given.observation({ id: 'o-3-obs', patient: 'nobody' })));
      assert.equal((await one(observation)).outcome, 'created');
    });

    it('a patient writes about the records of their own person, whoever keeps them', async () => {
      await one(given.patient({ id: 'o-4' }));
      const consent = { resourceType: 'Consent', id: 'o-4-consent', patient: { reference: 'Patient/o-4' } };
      await refuses('business-rule', one(consent, { owner: 'Patient/o-4' }));
      assert.equal((await one(consent, { owner: 'Patient/o-4', speaksFor: ['o-4'] })).outcome, 'created');
    });

    it('a row never changes its patient', async () => {
      await one(given.patient({ id: 'o-5' }));
      await one(given.patient({ id: 'o-6' }));
      await one(given.observation({ id: 'o-5-obs', patient: 'o-5' }));
      await refuses('business-rule', one(given.observation({ id: 'o-5-obs', patient: 'o-6' })));
    });

    it('one refusal undoes the whole transaction', async () => {
      const writes: Write[] = [
        { kind: 'update', resource: given.patient({ id: 'o-7' }), owner: hospital },
        { kind: 'update', resource: given.observation({ id: 'o-7-obs', patient: 'nobody' }), owner: hospital },
      ];
      await refuses('business-rule', write(writes));
      assert.equal(await readRow(world.database, all, 'Patient', 'o-7'), undefined);
    });
  });

  describe('drafts', () => {
    const draft = (resource: AnyResource, more: Partial<Write> = {}) => one(resource, { kind: 'draft', ...more });

    it('merge: what the draft lacks stays, a choice element is replaced whatever its type', async () => {
      await draft({ ...given.patient({ id: 'd-1' }), deceasedBoolean: false, birthDate: '1980-01-01' });
      await draft({ resourceType: 'Patient', id: 'd-1', deceasedDateTime: '2026-01-01' }, { mode: 'merge' });
      const stored = await read('Patient', 'd-1');
      assert.equal(stored['birthDate'], '1980-01-01');
      assert.equal(stored['deceasedDateTime'], '2026-01-01');
      assert.equal(stored['deceasedBoolean'], undefined);
    });

    it('merge: removed elements go, with their primitive sibling', async () => {
      await draft({ ...given.patient({ id: 'd-2' }), birthDate: '1980-01-01', _birthDate: { id: 'x' } });
      await draft({ resourceType: 'Patient', id: 'd-2' }, { mode: 'merge', removed: ['birthDate'] });
      const stored = await read('Patient', 'd-2');
      assert.equal(stored['birthDate'], undefined);
      assert.equal(stored['_birthDate'], undefined);
      assert.ok(stored['name']);
    });

    it('merge: a fallback yields to what is stored, and holds while nothing is', async () => {
      const visit = (elements: object): AnyResource => ({ resourceType: 'Encounter', id: 'd-7-visit', ...elements });
      const subject = { reference: 'Patient/d-7' };
      await one(given.patient({ id: 'd-7' }));
      await draft(visit({ status: 'unknown', subject }), { mode: 'merge', fallback: ['status'] });
      assert.equal((await read('Encounter', 'd-7-visit'))['status'], 'unknown');
      await draft(visit({ status: 'finished', subject }), { mode: 'merge' });
      await draft(visit({ status: 'in-progress', subject }), { mode: 'merge', fallback: ['status'] });
      assert.equal((await read('Encounter', 'd-7-visit'))['status'], 'finished');
    });

    it('merge: unmapped fields follow the message, other extensions stay', async () => {
      const unmapped = (text: string) => ({ url: unmappedUrl, valueString: text });
      const kept = { url: 'http://example.org/kept', valueString: 'x' };
      await draft({ ...given.patient({ id: 'd-3' }), extension: [unmapped('first'), kept] });
      await draft({ resourceType: 'Patient', id: 'd-3', extension: [unmapped('second')] }, { mode: 'merge' });
      assert.deepEqual((await read('Patient', 'd-3'))['extension'], [kept, unmapped('second')]);
    });

    it('a late older state becomes history, and the current content is restated after it', async () => {
      await one(given.patient({ id: 'd-4' }));
      const result = (status: string) => ({ ...given.observation({ id: 'd-4-obs', patient: 'd-4' }), status });
      await draft(result('final'), { precedence: 3 });
      const late = await draft(result('preliminary'), { precedence: 1 });
      assert.equal(late.outcome, 'superseded');
      assert.equal(late.version, 3);
      assert.equal((await read('Observation', 'd-4-obs'))['status'], 'final');
      const past = await readVersion(world.database, all, { type: 'Observation', id: 'd-4-obs', version: 2 });
      assert.match(past?.body ?? '', /preliminary/);
      // Replaying the same message says nothing new.
      assert.equal((await draft(result('preliminary'), { precedence: 1 })).outcome, 'unchanged');
      assert.equal((await draft(result('corrected'), { precedence: 4 })).version, 4);
    });
  });

  it('labels, clinical dates and patients are the union over versions', async () => {
    await one(given.patient({ id: 'u-1' }));
    const labelled = {
      ...given.observation({ id: 'u-1-obs', patient: 'u-1', effective: '2020-05-01' }),
      meta: { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'HIV' }] },
    };
    const first = await one(labelled);
    const second = await one(given.observation({ id: 'u-1-obs', patient: 'u-1', effective: '2021-05-01' }));
    assert.notEqual(first.labels, 0);
    assert.equal(second.labels, first.labels);
    const [row] = await world.database.query<{ from: string; to: string }>(sql`
      select to_char(clinical_from at time zone 'UTC', 'YYYY-MM-DD') as from, to_char(clinical_to at time zone 'UTC', 'YYYY-MM-DD') as to
      from resource where id = 'u-1-obs'`);
    assert.deepEqual(row, { from: '2020-05-01', to: '2021-05-02' });
  });

  it('identifiers find their resource, and no longer when they are gone', async () => {
    const identified = (value: string) => ({
      ...given.patient({ id: 'i-1' }),
      identifier: [{ system: 'urn:mrn', value }],
    });
    const find = async (value: string, system?: string) =>
      (await findByIdentifier(world.database, all, { type: 'Patient', value, ...(system ? { system } : {}) })).map(
        ({ id }) => id,
      );
    await one(identified('4711'));
    assert.deepEqual(await find('4711', 'urn:mrn'), ['i-1']);
    assert.deepEqual(await find('4711'), ['i-1']);
    assert.deepEqual(await find('4711', 'urn:other'), []);
    await one(identified('4712'));
    assert.deepEqual(await find('4711', 'urn:mrn'), []);
    assert.deepEqual(await find('4712', 'urn:mrn'), ['i-1']);
    const rows = await world.database.query(sql`select from identifier_index where id = 'i-1'`);
    assert.equal(rows.length, 2);
  });

  it('two transactions that create the same row at once: one creates, the other finds it', async () => {
    const patient = given.patient({ id: 'race' });
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, async () => (await one(patient, { kind: 'draft' })).outcome),
    );
    assert.deepEqual(outcomes.toSorted(), ['created', ...Array.from({ length: 7 }, () => 'unchanged')]);
  });

  it('given a row that two transactions restate, when neither has ended, then none waits for the other', async () => {
    const ward = given.patient({ id: 'restated' });
    await one(ward);
    const restate = { kind: 'draft', resource: ward, owner: hospital } as const;
    await world.database.inTransaction(async (tx) => {
      await commit(tx, [restate], { at });
      const [second] = await write([restate]);
      assert.equal(second?.outcome, 'unchanged');
    });
  });

  it('given writers that change one row at once, then each makes a version on top of the last', async () => {
    const version = (family: string): AnyResource => ({ ...given.patient({ id: 'contended' }), name: [{ family }] });
    await one(version('first'));
    const families = ['a', 'b', 'c', 'd', 'e', 'f'];
    const written = await Promise.all(families.map((family) => one(version(family))));
    assert.deepEqual(
      written.map((row) => row.version).toSorted((a, b) => a - b),
      [2, 3, 4, 5, 6, 7],
    );
    for (const [index, row] of written.entries()) {
      const past = await readVersion(world.database, all, { type: 'Patient', id: 'contended', version: row.version });
      assert.deepEqual((parseJson(past?.body ?? '') as AnyResource)['name'], [{ family: families[index] }]);
    }
  });

  it('given a resource of the usual 3 kB, then its body is kept as it is, not compressed', async () => {
    const usual = given.observation({ id: 'usual', patient: 'usual-patient' });
    await one(given.patient({ id: 'usual-patient' }));
    await one({ ...usual, note: [{ text: 'Specimen slightly haemolysed. '.repeat(85) }] });
    const [row] = await world.database.query(sql`
      select pg_column_compression(body) as method, pg_column_size(body) > 2500 as is_long from resource where id = 'usual'`);
    assert.deepEqual(row, { method: null, is_long: true });
  });

  it('given a store without statistics, then look-ups by key are planned on the primary key', async () => {
    const plan = await world.database.query<{ 'QUERY PLAN': string }>(sql`
      explain select r.version from resource r
      join unnest('{1}'::int[], '{1}'::smallint[], '{a}'::text[]) k (bucket, type, id)
        on r.bucket = k.bucket and r.type = k.type and r.id = k.id`);
    assert.match(plan.map((line) => line['QUERY PLAN']).join('\n'), /using resource_pkey/);
  });
});
