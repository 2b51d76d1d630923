/** Resources in a store of their own, searched as the specification's examples are. */
import { parseSearch, type SearchRequest } from '../../src/fhir/search.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { commit } from '../../src/store/commit.ts';
import { selectIncluded } from '../../src/store/search/include.ts';
import { selectPage, type Page, type SelectOptions } from '../../src/store/select.ts';
import { everything, type Visibility, type VisibilityOf } from '../../src/store/visibility.ts';
import { givenDatabase } from '../given.ts';

export const at = new Date('2026-03-01T08:00:00.000Z');
export const base = 'http://hub.example/fhir/R4';
const seal = { key: new Uint8Array(32).fill(7), boundTo: 'client-1' };

export const request = (type: string, query: string): SearchRequest =>
  parseSearch(type, query, { handling: 'strict', base, now: at.getTime() });

export interface SearchWorld extends Awaited<ReturnType<typeof givenDatabase>> {
  write(...resources: readonly AnyResource[]): Promise<void>;
  find(type: string, query: string, options?: Partial<SelectOptions>, visibility?: Visibility): Promise<Page>;
  /** Ids of the first page, sorted. */
  ids(type: string, query: string, options?: Partial<SelectOptions>, visibility?: Visibility): Promise<string[]>;
  /** `Type/id` of what the first page includes beside its matches, in order. */
  included(type: string, query: string, visibilityOf?: VisibilityOf): Promise<string[]>;
}

export async function givenSearchWorld(resources: readonly AnyResource[]): Promise<SearchWorld> {
  const world = await givenDatabase();
  const write = async (...all: readonly AnyResource[]): Promise<void> => {
    await world.database.inTransaction((tx) =>
      commit(
        tx,
        all.map((resource) => ({ kind: 'update', resource, owner: 'Organization/a' })),
        { at },
      ),
    );
  };
  await write(...resources);
  const find: SearchWorld['find'] = (type, query, options = {}, visibility = everything('test')) =>
    selectPage(world.database, visibility, request(type, query), { seal, ...options });
  const ids: SearchWorld['ids'] = async (...args) => (await find(...args)).rows.map(({ id }) => id).toSorted();
  const included: SearchWorld['included'] = async (type, query, visibilityOf = () => everything('test')) => {
    const { rows } = await find(type, query);
    const found = await selectIncluded(world.database, visibilityOf, rows, request(type, query).includes);
    return found.rows.map((row) => `${row.type}/${row.id}`);
  };
  return { ...world, write, find, ids, included };
}

export const reference = (to: string): { reference: string } => ({ reference: to });

/** A resource with what R4 requires of it and what a test is about. */
export function resource(address: string, elements: Record<string, unknown> = {}): AnyResource {
  const [resourceType = '', id = ''] = address.split('/');
  return { resourceType, id, ...required[resourceType], ...elements };
}

const code = { coding: [{ system: 'http://loinc.org', code: '718-7' }] };
const required: Readonly<Record<string, Record<string, unknown>>> = {
  Observation: { status: 'final', code },
  Encounter: { status: 'finished', class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'IMP' } },
  DiagnosticReport: { status: 'final', code },
  Group: { type: 'person', actual: true },
  List: { status: 'current', mode: 'working' },
  MedicationRequest: { status: 'active', intent: 'order' },
};
