/** @see https://hl7.org/fhir/R4/search.html#sort */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { given } from '../given.ts';
import { Problem } from '../../src/fhir/problem.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { givenWorld, type World } from './given-search.ts';

const observation = (id: string, more: object = {}): AnyResource => ({
  resourceType: 'Observation',
  id,
  status: 'final',
  code: { text: 'x' },
  subject: { reference: 'Patient/p1' },
  ...more,
});
const code = (value: string) => ({ code: { coding: [{ system: 'http://loinc.org', code: value }] } });
const quantity = (value: number) => ({ valueQuantity: { value, unit: 'g' } });

const resources: AnyResource[] = [
  { ...given.patient({ id: 'p1' }), deceasedBoolean: true, telecom: [{ system: 'phone', value: '2' }] },
  { ...given.patient({ id: 'p2' }), deceasedBoolean: false, telecom: [{ system: 'email', value: 'a' }] },
  {
    ...given.patient({ id: 'p3' }),
    telecom: [
      { system: 'phone', value: '1' },
      { system: 'email', value: 'b' },
    ],
  },
  observation('a', { ...code('B'), ...quantity(2), effectiveDateTime: '2026-02-01', status: 'amended' }),
  observation('b', { ...code('a'), ...quantity(10), effectiveDateTime: '2026-01-01' }),
  observation('c', { ...code('b'), encounter: { reference: 'Encounter/e1' }, valueString: 'y' }),
  observation('d', { encounter: { reference: 'Encounter/e0' }, effectivePeriod: { end: '2026-01-05' } }),
  { resourceType: 'ValueSet', id: 'v1', status: 'active', url: 'http://x/b', version: '1' },
  { resourceType: 'ValueSet', id: 'v2', status: 'active', url: 'http://x/a', version: '1' },
  { resourceType: 'ValueSet', id: 'v3', status: 'draft', version: '2' },
];

const rows: [section: string, type: string, query: string, ids: string[]][] = [
  ['token: code, case ignored, absent last, ties by id', 'Observation', '_sort=code', ['b', 'a', 'c', 'd']],
  ['token, descending: absent last, ties by id backwards', 'Observation', '_sort=-code', ['c', 'a', 'b', 'd']],
  ['token of type code', 'Observation', '_sort=status,_id', ['a', 'b', 'c', 'd']],
  ['token of one system', 'Patient', '_sort=phone', ['p3', 'p1', 'p2']],
  ['token that is a condition', 'Patient', '_sort=-deceased,_id', ['p1', 'p2', 'p3']],
  ['reference', 'Observation', '_sort=encounter', ['d', 'c', 'a', 'b']],
  ['reference that resolves to a type', 'Observation', '_sort=patient,-_id', ['d', 'c', 'b', 'a']],
  ['uri', 'ValueSet', '_sort=url', ['v2', 'v1', 'v3']],
  ['two keys', 'ValueSet', '_sort=-version,url', ['v3', 'v2', 'v1']],
  ['quantity is a number, absent last', 'Observation', '_sort=value-quantity', ['a', 'b', 'c', 'd']],
  ['quantity, descending, absent last', 'Observation', '_sort=-value-quantity', ['b', 'a', 'd', 'c']],
  ['string', 'Observation', '_sort=value-string,_id', ['c', 'a', 'b', 'd']],
  ['date, absent last; an open start is the earliest', 'Observation', '_sort=date', ['d', 'b', 'a', 'c']],
  ['date, descending', 'Observation', 'patient=p1&_sort=-date', ['a', 'b', 'd', 'c']],
];

describe('_sort (R4 search.html#sort)', () => {
  let world: World;
  before(async () => {
    world = await givenWorld(resources);
  });
  after(() => world.close());

  for (const [section, type, query, ids] of rows) {
    it(`${section}: ${type}?${query} -> ${ids.join(' ')}`, async () => {
      assert.deepEqual(await world.find(type, query), ids);
    });
    it(`one by one: ${type}?${query}`, async () => {
      assert.deepEqual(await readPages(world, type, query, 1), ids);
    });
  }

  for (const [what, type, query] of [
    ['a composite has no order', 'Observation', '_sort=code-value-quantity'],
    ['nor has a place', 'Location', '_sort=near'],
  ] as const) {
    it(`${what}: ${type}?${query} is refused`, async () => {
      await assert.rejects(
        world.find(type, query),
        (error) => error instanceof Problem && error.code === 'not-supported',
      );
    });
  }
});

async function readPages(
  world: World,
  type: string,
  query: string,
  size: number,
  between: () => Promise<void> = async () => undefined,
): Promise<string[]> {
  const found: string[] = [];
  let cursor = '';
  // More pages than there are rows would be a cursor that goes round.
  for (let page = 0; page < 100; page++) {
    const { ids, next } = await world.page(type, `${query}&_count=${size}${cursor}`);
    found.push(...ids);
    if (next === undefined) return found;
    cursor = `&_cursor=${next}`;
    await between();
  }
  throw new Error('paging does not end');
}

/** What happens between two pages. */
type Step = { kind: 'insert'; at: number; sortedBy: Sorted } | { kind: 'delete'; at: number };
interface Sorted {
  readonly code: string | undefined;
  readonly value: number | undefined;
  readonly day: number | undefined;
}

const sorted: fc.Arbitrary<Sorted> = fc.record({
  code: fc.constantFrom('a', 'b', 'B', undefined),
  value: fc.constantFrom(1, 2, undefined),
  day: fc.constantFrom(1, 2, undefined),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('insert' as const), at: fc.nat(999), sortedBy: sorted }),
  fc.record({ kind: fc.constant('delete' as const), at: fc.nat(999) }),
);
const sorts = [
  '',
  '&_sort=date',
  '&_sort=-date',
  '&_sort=code',
  '&_sort=-code,value-quantity',
  '&_sort=value-quantity,-_id',
  '&_sort=-_lastUpdated',
];

describe('paging while rows come and go (R4 http.html#paging)', () => {
  let world: World;
  before(async () => {
    world = await givenWorld([]);
  });
  after(() => world.close());

  it('every row that was there throughout appears exactly once, in the order of the search', async function () {
    this.timeout(300_000);
    let runs = 0;
    const scenario = fc.record({
      rows: fc.array(sorted, { minLength: 1, maxLength: 12 }),
      steps: fc.array(step, { maxLength: 12 }),
      sort: fc.constantFrom(...sorts),
      size: fc.integer({ min: 1, max: 4 }),
      isScoped: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(scenario, async ({ rows: initial, steps, sort, size, isScoped }) => {
        const run = `r${runs++}`;
        const patient = given.patient({ id: run });
        const resource = (id: string, { code: held, value, day }: Sorted): AnyResource =>
          observation(id, {
            subject: { reference: `Patient/${run}` },
            performer: [{ reference: `Organization/${run}` }],
            ...(held === undefined ? {} : code(held)),
            ...(value === undefined ? {} : quantity(value)),
            ...(day === undefined ? {} : { effectiveDateTime: `2026-01-0${day}` }),
          });
        const stable = initial.map((one, n) => resource(`${run}-${n}`, one));
        await world.write([patient, ...stable]);
        const query = `${isScoped ? `patient=${run}` : `performer=Organization/${run}`}${sort}`;
        const whole = await world.find('Observation', query);
        const left = [...steps];
        const extra: AnyResource[] = [];
        const found = await readPages(world, 'Observation', query, size, async () => {
          const next = left.shift();
          if (next?.kind === 'insert') {
            const inserted = resource(`${run}-${next.at}-${extra.length}x`, next.sortedBy);
            extra.push(inserted);
            await world.write([inserted]);
          } else if (next !== undefined) {
            const [gone] =
              extra.length > 0
                ? extra.splice(next.at % extra.length, 1)
                : stable.splice(next.at % stable.length, stable.length > 1 ? 1 : 0);
            if (gone !== undefined) await world.write([gone], 'delete');
          }
        });
        const throughout = new Set(stable.map(({ id }) => id));
        assert.deepEqual(
          found.filter((id) => throughout.has(id)),
          whole.filter((id) => throughout.has(id)),
        );
        assert.equal(new Set(found).size, found.length, 'no row twice');
      }),
      { numRuns: 60 },
    );
  });
});
