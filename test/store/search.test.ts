import assert from 'node:assert/strict';
import { given, givenDatabase } from '../given.ts';
import { raw, render, sql } from '../../src/db/sql.ts';
import { parseSearch } from '../../src/fhir/search.ts';
import { Problem } from '../../src/fhir/problem.ts';
import { typeCode, type AnyResource } from '../../src/fhir/types.ts';
import { commit } from '../../src/store/commit.ts';
import { patientsNamed } from '../../src/store/search.ts';
import { compilePage, selectPage, type SelectOptions } from '../../src/store/select.ts';
import { everything, Visibility } from '../../src/store/visibility.ts';

const at = new Date('2026-03-01T08:00:00.000Z');
const all = everything('test');
const key = new Uint8Array(32).fill(7);
const seal = { key, boundTo: 'client-1' };
const request = (type: string, query: string) =>
  parseSearch(type, query, { handling: 'strict', base: 'http://hub.example/fhir/R4', now: at.getTime() });

const loinc = 'http://loinc.org';
const observation = (id: string, more: Record<string, unknown> & { patient?: string } = {}): AnyResource => {
  const { patient = 'p1', ...elements } = more;
  return { ...given.observation({ id, patient }), ...elements };
};
const quantity = (value: number, code: string) => ({
  valueQuantity: { value, unit: code, system: 'http://unitsofmeasure.org', code },
});

const resources: AnyResource[] = [
  {
    ...given.patient({ id: 'p1', family: 'Müller' }),
    identifier: [{ system: 'urn:mrn', value: '4711' }],
    gender: 'female',
    birthDate: '1980-02-29',
  },
  {
    ...given.patient({ id: 'p2', family: '张伟' }),
    identifier: [{ system: 'urn:other', value: '4711' }],
    gender: 'male',
  },
  { ...given.patient({ id: 'p3', family: 'Mull' }), birthDate: '1990-01-01' },
  observation('o1', {
    ...quantity(5.4, 'mmol/L'),
    effectiveDateTime: '2026-01-10T08:00:00Z',
    code: { coding: [{ system: loinc, code: '2339-0' }], text: 'Glucose in blood' },
  }),
  observation('o2', {
    ...quantity(97, 'mg/dL'),
    effectiveDateTime: '2026-02-01',
    encounter: { reference: 'Encounter/e1' },
  }),
  observation('o3', {
    effectivePeriod: { start: '2026-01-05', end: '2026-01-20' },
    status: 'preliminary',
    code: { coding: [{ system: 'urn:local', code: '2339-0' }] },
    component: [
      { code: { text: 'low' }, ...quantity(1, 'mmol/L') },
      { code: { text: 'high' }, ...quantity(9, 'mg/dL') },
    ],
  }),
  observation('o4', { patient: 'p2', effectiveDateTime: '2026-01-11' }),
  {
    resourceType: 'Observation',
    id: 'o5',
    status: 'final',
    code: { text: 'undated' },
    subject: { reference: 'Patient/p1' },
  },
  given.encounter({ id: 'e1', patient: 'p1', start: '2026-01-01', end: '2026-01-05' }),
  given.encounter({ id: 'e2', patient: 'p1', start: '2026-02-01' }),
  { resourceType: 'ValueSet', id: 'vs', status: 'active', url: 'http://example.org/vs' },
  {
    resourceType: 'RiskAssessment',
    id: 'r1',
    status: 'final',
    subject: { reference: 'Patient/p1' },
    prediction: [{ probabilityDecimal: 0.5 }],
  },
];

describe('search', () => {
  let world: Awaited<ReturnType<typeof givenDatabase>>;
  before(async () => {
    world = await givenDatabase();
    await world.database.inTransaction((tx) =>
      commit(
        tx,
        resources.map((resource) => ({ kind: 'update', resource, owner: 'Organization/a' })),
        { at },
      ),
    );
  });
  after(() => world.close());

  const find = async (type: string, query: string, options: Partial<SelectOptions> = {}, visibility = all) =>
    selectPage(world.database, visibility, request(type, query), { seal, ...options });
  const idsOf = async (...args: Parameters<typeof find>): Promise<string[]> =>
    (await find(...args)).rows.map(({ id }) => id);

  // Section of FHIR R4 search.html, query, ids in any order. What must not match stands in the same row: it is not listed.
  const table: [section: string, type: string, query: string, ids: string[]][] = [
    ['token', 'Observation', `patient=p1&code=${loinc}|2339-0`, ['o1']],
    ['token', 'Observation', 'patient=p1&code=2339-0', ['o1', 'o3']],
    ['token', 'Observation', 'patient=p1&code=urn:local|', ['o3']],
    ['token', 'Observation', 'patient=p1&code=|2339-0', []],
    ['token', 'Observation', `code=${loinc}|2339-0`, ['o1']],
    ['token', 'Observation', 'code=2339-0,718-7', ['o1', 'o2', 'o3', 'o4']],
    ['token', 'Patient', 'identifier=urn:mrn|4711', ['p1']],
    ['token', 'Patient', 'identifier=4711', ['p1', 'p2']],
    ['token', 'Patient', 'identifier=urn:mrn|4712', []],
    ['token', 'Patient', 'gender=FEMALE', ['p1']],
    ['modifiers :not', 'Patient', 'gender:not=female', ['p2', 'p3']],
    ['modifiers :missing', 'Patient', 'gender:missing=true', ['p3']],
    ['modifiers :missing', 'Patient', 'gender:missing=false', ['p1', 'p2']],
    ['modifiers :text', 'Observation', 'patient=p1&code:text=glucose', ['o1']],
    ['reference', 'Observation', 'patient=Patient/p2', ['o4']],
    ['reference', 'Observation', 'subject=Patient/p1&status=preliminary', ['o3']],
    ['reference', 'Observation', 'subject=http://hub.example/fhir/R4/Patient/p2', ['o4']],
    ['reference', 'Observation', 'encounter=Encounter/e1', ['o2']],
    ['reference', 'Observation', 'encounter=e1', ['o2']],
    ['reference', 'Observation', 'encounter=Encounter/e2', []],
    ['reference', 'Observation', 'patient=p1,p2&status=final', ['o1', 'o2', 'o4', 'o5']],
    ['string', 'Patient', 'family=mul', ['p1', 'p3']],
    ['string', 'Patient', 'family=MÜLLE', ['p1']],
    ['string', 'Patient', 'family=张', ['p2']],
    ['string', 'Patient', 'family=伟', []],
    ['string', 'Patient', 'family=m%25', []],
    ['string :contains', 'Patient', 'family:contains=伟', ['p2']],
    ['string :contains', 'Patient', 'family:contains=u%25', []],
    ['string, U+0000', 'Patient', 'family=mu%00ll', ['p1', 'p3']],
    ['string :exact', 'Patient', 'family:exact=Mull', ['p3']],
    ['string :exact', 'Patient', 'family:exact=mull', []],
    ['date eq', 'Observation', 'patient=p1&date=2026-01-10', ['o1']],
    ['date eq', 'Observation', 'patient=p1&date=2026-01', ['o1', 'o3']],
    ['date ge', 'Observation', 'patient=p1&date=ge2026-01-15', ['o2', 'o3']],
    ['date sa', 'Observation', 'patient=p1&date=sa2026-01-10', ['o2']],
    ['date lt', 'Observation', 'patient=p1&date=lt2026-01-10', ['o3']],
    ['date ge, open period', 'Encounter', 'patient=p1&date=ge2026-03-01', ['e2']],
    ['date le', 'Encounter', 'patient=p1&date=le2026-01-31', ['e1']],
    ['date', 'Patient', 'birthdate=1980-02-29', ['p1']],
    ['date', 'Patient', 'birthdate=ge1980&birthdate=lt1990', ['p1']],
    ['date, the last year', 'Patient', 'birthdate=9999', []],
    ['date, the last year', 'Patient', 'birthdate=lt9999', ['p1', 'p3']],
    ['date, the first day, in a zone before it', 'Patient', 'birthdate=gt0001-01-01T00:00:00%2B14:00', ['p1', 'p3']],
    ['quantity', 'Observation', 'patient=p1&value-quantity=gt5||mmol/L', ['o1']],
    ['quantity', 'Observation', 'patient=p1&value-quantity=gt5', ['o1', 'o2']],
    ['quantity', 'Observation', 'patient=p1&value-quantity=5.4|http://unitsofmeasure.org|mmol/L', ['o1']],
    ['quantity', 'Observation', 'patient=p1&value-quantity=5.4|http://unitsofmeasure.org|mg/dL', []],
    ['quantity, value and unit of one component', 'Observation', 'component-value-quantity=gt5||mmol/L', []],
    ['quantity, value and unit of one component', 'Observation', 'component-value-quantity=gt5||mg/dL', ['o3']],
    ['number', 'RiskAssessment', 'probability=gt0.4', ['r1']],
    ['number', 'RiskAssessment', 'probability=gt0.5', []],
    ['uri', 'ValueSet', 'url=http://example.org/vs', ['vs']],
    ['uri', 'ValueSet', 'url=http://example.org/VS', []],
    ['_id', 'Observation', '_id=o1,o2,none', ['o1', 'o2']],
    ['_id', 'Observation', '_id=p1', []],
    ['_id, U+0000', 'Observation', '_id=o%001', []],
    ['_lastUpdated', 'Encounter', '_lastUpdated=ge2026-03-01T08:00:00Z', ['e1', 'e2']],
    ['_lastUpdated', 'Encounter', '_lastUpdated=gt2026-03-01T08:00:00Z', []],
  ];
  for (const [section, type, query, ids] of table) {
    it(`${section}: ${type}?${query} -> ${ids.join(' ') || 'nothing'}`, async () => {
      assert.deepEqual((await idsOf(type, query)).toSorted(), ids);
      assert.equal((await find(type, `${query}&_total=accurate`)).total, ids.length);
      assert.equal((await find(type, `${query}&_count=0`)).total, ids.length);
    });
  }

  const orders: [type: string, query: string, ids: string[]][] = [
    ['Observation', 'patient=p1', ['o2', 'o1', 'o3', 'o5']],
    ['Observation', 'patient=p1&_sort=date', ['o3', 'o1', 'o2', 'o5']],
    ['Observation', 'patient=p1,p2&_sort=-date&_count=3', ['o2', 'o4', 'o1']],
    ['Patient', '_sort=family', ['p3', 'p1', 'p2']],
    ['Patient', '_sort=-family,_id', ['p2', 'p1', 'p3']],
    ['Observation', 'patient=p1&_sort=-value-quantity,_id', ['o2', 'o1', 'o3', 'o5']],
    ['Observation', 'patient=p1&_sort=value-quantity,-_id', ['o1', 'o2', 'o5', 'o3']],
    ['Patient', '_sort=-_id', ['p3', 'p2', 'p1']],
  ];
  for (const [type, query, ids] of orders) {
    it(`_sort: ${type}?${query} -> ${ids.join(' ')}`, async () => assert.deepEqual(await idsOf(type, query), ids));

    it(`paging one by one gives the same: ${type}?${query}`, async () => {
      const paged: string[] = [];
      const [single, limit] = [query.replace(/&_count=\d+/, ''), ids.length];
      let cursor: string | undefined;
      for (let page = 0; page < limit; page++) {
        const parsed = request(type, `${single}&_count=1${cursor === undefined ? '' : `&_cursor=${cursor}`}`);
        const { rows, next } = await selectPage(world.database, all, parsed, { seal });
        paged.push(...rows.map(({ id }) => id));
        cursor = next;
      }
      assert.deepEqual(paged, ids);
    });
  }

  it('a patient named in a search stands for all records of the person', async () => {
    assert.deepEqual(patientsNamed(request('Observation', 'patient=p1')), ['p1']);
    const aliases = new Map([['p1', ['p1', 'p2']]]);
    assert.deepEqual(await idsOf('Observation', 'patient=p1&date=2026-01-11', { aliases }), ['o4']);
    assert.deepEqual(await idsOf('Observation', 'patient=p1&date=2026-01-11'), []);
  });

  it('within: only the compartments the caller may be served from', async () => {
    assert.deepEqual(await idsOf('Observation', 'date=2026-01-11', { within: ['p2'] }), ['o4']);
    assert.deepEqual(await idsOf('Observation', 'patient=p1', { within: ['p2'] }), []);
    assert.deepEqual(await idsOf('Observation', 'status=final', { within: [] }), []);
  });

  describe('visibility', () => {
    const only = (id: string) =>
      new Visibility(
        (alias) => sql`${raw(alias)}.id = ${id}`,
        () => raw(`'source'::text`),
      );

    it('hidden rows are left out of page, total and next link', async () => {
      const page = await find('Observation', 'patient=p1&_count=1&_total=accurate', {}, only('o3'));
      assert.deepEqual(
        page.rows.map(({ id, decidedBy }) => [id, decidedBy]),
        [['o3', 'source']],
      );
      assert.equal(page.total, 1);
      assert.equal(page.next, undefined);
    });

    it('a row that becomes hidden between two pages is not on the second', async () => {
      const first = await find('Observation', 'patient=p1&_count=1');
      const parsed = request('Observation', `patient=p1&_count=5&_cursor=${first.next}`);
      const second = await selectPage(world.database, only('o3'), parsed, { seal });
      assert.deepEqual(
        second.rows.map(({ id }) => id),
        ['o3'],
      );
    });
  });

  describe('cursor', () => {
    const refused = (parsed: ReturnType<typeof request>, boundTo = seal.boundTo) =>
      assert.rejects(
        selectPage(world.database, all, parsed, { seal: { key, boundTo } }),
        (error) => error instanceof Problem && error.code === 'value',
      );

    it('serves its own caller and query, and nobody else', async () => {
      const { next = '' } = await find('Observation', 'patient=p1&_count=1');
      await refused(request('Observation', `patient=p1&_count=1&_cursor=${next}`), 'client-2');
      await refused(request('Observation', `patient=p1&_count=1&_sort=date,_id&_cursor=${next}`));
      await refused(request('Observation', `patient=p1&_cursor=${next.slice(0, -2)}AA`));
      await refused(request('Observation', 'patient=p1&_cursor=o1'));
    });

    it('tells nothing of the row it stands on', async () => {
      const { next = '' } = await find('Observation', 'patient=p1&_count=1');
      assert.doesNotMatch(Buffer.from(next, 'base64url').toString('latin1'), /o2|2026/);
    });

    it('neither repeats nor loses a row when rows are written between two pages', async () => {
      const write = (id: string, effective: string) =>
        world.database.inTransaction((tx) =>
          commit(
            tx,
            [
              {
                kind: 'update',
                resource: given.observation({ id, patient: 'p3', effective }),
                owner: 'Organization/a',
              },
            ],
            { at },
          ),
        );
      for (const day of [1, 2, 3, 4]) await write(`w${day}`, `2026-01-0${day}`);
      const first = await find('Observation', 'patient=p3&_count=2');
      await write('w5', '2026-01-05');
      const second = await selectPage(
        world.database,
        all,
        request('Observation', `patient=p3&_count=9&_cursor=${first.next}`),
        { seal },
      );
      assert.deepEqual(
        [...first.rows, ...second.rows].map(({ id }) => id),
        ['w4', 'w3', 'w2', 'w1'],
      );
    });
  });

  it('latest 5 by code of a patient: one statement over the btree prefix', async () => {
    const parsed = request('Observation', `patient=p1&code=${loinc}|718-7&_sort=-date&_count=5`);
    const { statement } = compilePage(all, parsed, { seal });
    const { text, values } = render(statement);
    assert.equal(
      text.replace(/\s+/g, ' ').trim(),
      'select r.id, r.patient, r.other_patients, r.body, $1::text as decided_by, r.date_low::text as key0 from resource r ' +
        'where r.bucket = $2 and r.patient = $3 and r.type = $4 and not r.is_deleted ' +
        'and ($5::bigint = any(r.tokens)) and ($6::bigint = any(r.tokens)) ' +
        'and /* visible r */ /* internal: test */ true ' +
        'order by r.date_low desc, r.id desc limit $7',
    );
    assert.equal(values[0], 'internal:test');
    assert.deepEqual([values[2], values[6]], ['p1', 6]);
    const plan = await world.database.query<{ 'QUERY PLAN': string }>(sql`explain (costs off) ${statement}`);
    const lines = plan.map((line) => line['QUERY PLAN']).join('\n');
    assert.match(lines, /Index Scan Backward using resource_patient/);
    assert.doesNotMatch(lines, /Sort/);
  });

  describe('across patients: the keys index', () => {
    // At the size of a table where it matters which index is taken; a few pages are read whole.
    before(() =>
      world.database.inTransaction(async (tx) => {
        await tx.query(sql`
          insert into resource (bucket, type, id, version, last_updated, owner, tokens, keys, body)
          select n, type, 'filler-' || n, 1, now() - n * interval '1 second', 'Organization/f', array[n], array[n], ''
          from generate_series(1, 20000) n, unnest(array[${typeCode('Patient')}, ${typeCode('Observation')}]::smallint[]) type`);
        await tx.query(sql`analyze resource`);
      }),
    );

    const planOf = async (type: string, query: string): Promise<string> => {
      const { statement } = compilePage(all, request(type, query), { seal });
      const plan = await world.database.query<{ 'QUERY PLAN': string }>(sql`explain (costs off) ${statement}`);
      return plan.map((line) => line['QUERY PLAN']).join('\n');
    };
    const keyed: [type: string, query: string][] = [
      ['Patient', 'gender=female'],
      ['Patient', 'family=mul'],
      ['Observation', 'code=http://loinc.org|2339-0'],
      ['Observation', 'encounter=Encounter/e1'],
    ];
    for (const [type, query] of keyed) {
      it(`serves ${type}?${query}`, async () => {
        assert.match(await planOf(type, query), /Bitmap Index Scan on resource_keys/);
      });
    }

    it('leaves identifiers to their own index, in a statement that is kept', async () => {
      const { statement } = compilePage(all, request('Patient', 'identifier=urn:mrn|4711,urn:mrn|4712'), { seal });
      assert.equal(statement.isPlannedAnew, false);
      const plan = await planOf('Patient', 'identifier=urn:mrn|4711,urn:mrn|4712');
      assert.match(plan, /identifier_index_pkey/);
      assert.match(plan, /Index Scan using resource_pkey/);
    });

    it('is left alone inside a compartment', async () => {
      assert.doesNotMatch(await planOf('Observation', 'patient=p1&code=2339-0'), /resource_keys/);
    });
  });
});
