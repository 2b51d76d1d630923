/** What the tables of test/spec share: a world of resources, and rows of `section, type, query, ids that match`. */
import assert from 'node:assert/strict';
import { givenDatabase } from '../given.ts';
import { Problem } from '../../src/fhir/problem.ts';
import { parseSearch } from '../../src/fhir/search.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { commit } from '../../src/store/commit.ts';
import { patientsNamed } from '../../src/store/search.ts';
import { selectPage } from '../../src/store/select.ts';
import { everything } from '../../src/store/visibility.ts';

export const now = new Date('2026-03-01T08:00:00.000Z');
const seal = { key: new Uint8Array(32).fill(7), boundTo: 'client' };

/** Section of the specification, resource type, query, ids of exactly those that match. */
export type Row = readonly [section: string, type: string, query: string, ids: readonly string[]];

export interface Page {
  readonly ids: readonly string[];
  readonly next: string | undefined;
}

export interface World {
  find(type: string, query: string): Promise<string[]>;
  page(type: string, query: string): Promise<Page>;
  write(resources: readonly AnyResource[], kind?: 'update' | 'delete'): Promise<void>;
  database: Awaited<ReturnType<typeof givenDatabase>>['database'];
  close(): Promise<void>;
}

export async function givenWorld(resources: readonly AnyResource[]): Promise<World> {
  const given = await givenDatabase();
  const { database } = given;
  const write = async (written: readonly AnyResource[], kind: 'update' | 'delete' = 'update'): Promise<void> => {
    await database.inTransaction((tx) =>
      commit(
        tx,
        written.map((resource) => ({ kind, resource, owner: 'Organization/a' })),
        { at: now },
      ),
    );
  };
  await write(resources);
  const page = async (type: string, query: string): Promise<Page> => {
    const request = parseSearch(type, query, {
      handling: 'strict',
      base: 'http://hub.example/fhir/R4',
      now: now.getTime(),
    });
    const aliases = new Map(patientsNamed(request).map((id) => [id, [id]] as const));
    const { rows, next } = await selectPage(database, everything('test'), request, {
      seal,
      aliases,
      organization: 'Organization/a',
    });
    return { ids: rows.map(({ id }) => id), next };
  };
  const find = async (type: string, query: string): Promise<string[]> => [...(await page(type, query)).ids];
  return { find, page, write, database, close: () => given.close() };
}

/** Each row is a test; what must not match stands in the same world and is not listed. */
export function describeSearch(title: string, resources: readonly AnyResource[], rows: readonly Row[]): void {
  describe(title, () => {
    let world: World;
    before(async () => {
      world = await givenWorld(resources);
    });
    after(() => world.close());
    for (const [section, type, query, ids] of rows) {
      it(`${section}: ${type}?${query} -> ${ids.join(' ') || 'nothing'}`, async () => {
        assert.deepEqual((await world.find(type, query)).toSorted(), ids.toSorted());
      });
    }
  });
}

/** Section, type, query, the Problem's code: refused whatever the handling. */
export type RefusedRow = readonly [section: string, type: string, query: string, code: string];

export function describeRefused(title: string, rows: readonly RefusedRow[]): void {
  describe(title, () => {
    for (const [section, type, query, code] of rows) {
      it(`${section}: ${type}?${query} is ${code}`, () => {
        for (const handling of ['strict', 'lenient'] as const) {
          assert.throws(
            () => parseSearch(type, query, { handling, base: 'http://hub.example/fhir/R4', now: now.getTime() }),
            (error) => error instanceof Problem && error.code === code,
          );
        }
      });
    }
  });
}
