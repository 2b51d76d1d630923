/** Every search parameter of every R4 type: read, compiled and run. @see https://hl7.org/fhir/R4/searchparameter-registry.html */
import assert from 'node:assert/strict';
import { searchParamDefinitions } from '../../src/fhir/definitions.ts';
import { searchParams } from '../../src/fhir/params.ts';
import { Problem } from '../../src/fhir/problem.ts';
import { parseSearch } from '../../src/fhir/search.ts';
import type { SearchParam } from '../../src/fhir/search-request.ts';
import { resourceTypes } from '../../src/fhir/types.ts';
import { givenWorld, type World } from './given-search.ts';

const options = { handling: 'strict', base: 'http://hub.example/fhir/R4', now: 0 } as const;

/** What R4 defines and the hub does not serve, with the reason. */
const unserved: Record<string, string> = {
  _query: 'names a query of the server, and the hub has none of its own',
};
/** What has no order. */
const unsorted = (param: SearchParam): boolean =>
  param.type === 'composite' || param.type === 'special' || param.expression === undefined;

const values: Record<SearchParam['type'], string> = {
  number: 'ge5',
  date: 'lt2024-03',
  string: 'wang',
  token: 'http://example.org|a',
  reference: 'abc',
  quantity: '5.4|http://unitsofmeasure.org|mg',
  uri: 'http://example.org/x',
  special: '31.2|121.5|5|km',
  composite: '',
};
const valueOf = (param: SearchParam): string =>
  param.components === undefined
    ? values[param.type]
    : param.components.map((component) => values[component.param.type]).join('$');

/** Parameters of one query: fewer than a search takes. */
const chunkMax = 40;
const chunksOf = <T>(items: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, at) => items.slice(at * size, (at + 1) * size));

describe('every search parameter of every R4 type', () => {
  let world: World;
  before(async () => {
    world = await givenWorld([]);
  });
  after(() => world.close());

  it('is among those of its types', () => {
    for (const { code, base } of searchParamDefinitions()) {
      for (const type of base)
        if (resourceTypes.includes(type)) assert.ok(searchParams(type).has(code), `${type}.${code}`);
    }
  });

  it('is served, but for those that are named here with their reason', () => {
    const refused = new Set<string>();
    let served = 0;
    for (const type of resourceTypes) {
      for (const param of searchParams(type).values()) {
        try {
          const { filters } = parseSearch(type, `${param.code}=${encodeURIComponent(valueOf(param))}`, options);
          assert.equal(filters.length, 1, `${type}.${param.code}`);
          served++;
        } catch (error) {
          assert.ok(
            error instanceof Problem && error.code === 'not-supported',
            `${type}.${param.code}: ${String(error)}`,
          );
          refused.add(param.code);
        }
      }
    }
    assert.deepEqual([...refused], Object.keys(unserved));
    assert.ok(served > 2_500, String(served));
  });

  it('takes :missing, but for what is no element', () => {
    for (const type of resourceTypes) {
      for (const { code, expression } of searchParams(type).values()) {
        if (expression === undefined) continue;
        const { filters } = parseSearch(type, `${code}:missing=true`, options);
        assert.equal(filters.length, 1, `${type}.${code}`);
      }
    }
  });

  it('is a condition that PostgreSQL runs, all of a type at once', async function () {
    this.timeout(300_000);
    for (const type of resourceTypes) {
      // In a record: what is read from bodies is not served across patients.
      const all = [...searchParams(type).values()].filter(
        ({ code, expression }) => !(code in unserved) && expression !== undefined,
      );
      for (const params of chunksOf(all, chunkMax)) {
        const query = params.map((param) => `${param.code}=${encodeURIComponent(valueOf(param))}`).join('&');
        const missing = params.map(({ code }) => `${code}:missing=false`).join('&');
        assert.deepEqual(await world.find(type, query), [], type);
        assert.deepEqual(await world.find(type, missing), [], type);
      }
    }
  });

  it('is an order that PostgreSQL sorts by, but for places, composites and what is no element', async function () {
    this.timeout(300_000);
    for (const type of resourceTypes) {
      const sortable = [...searchParams(type).values()].filter((param) => !unsorted(param));
      for (const params of chunksOf(sortable, 4)) {
        assert.deepEqual(await world.find(type, `_sort=${params.map(({ code }) => code).join(',')}`), [], type);
      }
    }
  });
});
