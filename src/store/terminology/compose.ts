/**
 * What a value set holds, as one query: includes are united, what an include says holds all at once, excludes are taken
 * away, imported value sets are queries inside the query. Nothing is expanded that was not asked for.
 *
 * @see https://hl7.org/fhir/R4/valueset.html#compositions
 */
import { join, plannedAnew, raw, sql, textArray, type Sql } from '../../db/sql.ts';
import { Problem } from '../../fhir/problem.ts';
import { composeOf, splitCanonical, type Compose, type Include, type SystemCode } from '../../fhir/terminology.ts';
import type { AnyResource } from '../../fhir/types.ts';
import { matchFilter } from './filters.ts';
import { find, findByValueSet, requireSystem, type Found, type Library, type Name } from './library.ts';

/** Imports in imports; published ones have two or three. */
const importDepthMax = 10;
/** Includes and excludes of a value set with all it imports: each is a branch of the query. */
const includesMax = 500;

/**
 * A query of `(include, ordinal, system, version, key, code, display)`: `key` is null where the code system is not loaded,
 * `display` is what the value set itself says. A code that is included twice comes twice.
 */
export interface Members {
  readonly query: Sql;
  /** No code comes twice: there is one include, of a system. */
  readonly isDistinct: boolean;
  /** Whether inactive concepts belong to it (ValueSet.compose.inactive); undefined: it does not say. */
  readonly isInactiveIncluded: boolean | undefined;
}

export interface MembersOptions {
  /** Only codes of this system are asked for: other includes are left out, loaded or not. */
  readonly system?: string | undefined;
}

/** @throws Problem not-supported for a code system that is not loaded, not-found for an import that is not known */
export async function membersOf(
  library: Library,
  valueSet: AnyResource,
  options: MembersOptions = {},
): Promise<Members> {
  const compose = composeOf(valueSet);
  const compiler = new Compiler(library, options);
  const [{ concept, valueSet: imported } = {}, ...others] = compose.include;
  return {
    query: await compiler.compile(compose, []),
    isDistinct: others.length === 0 && concept === undefined && imported === undefined,
    isInactiveIncluded: compose.inactive,
  };
}

/** By name; the implicit value sets of code systems as well. */
export async function findValueSet(library: Library, name: Name): Promise<Found | undefined> {
  const found = await find(library, 'ValueSet', name);
  if (found !== undefined || 'id' in name) return found;
  return implicitValueSet(library, name);
}

/**
 * CodeSystem.valueSet, and `[system]?fhir_vs` and `[system]?fhir_vs=isa/[code]` as SNOMED CT has them.
 * @see https://hl7.org/fhir/R4/snomedct.html#implicit
 */
async function implicitValueSet(
  library: Library,
  { url, version }: { url: string; version?: string | undefined },
): Promise<Found | undefined> {
  const [, systemUrl, top] = /^(.+)\?fhir_vs(?:=isa\/(.+))?$/.exec(url) ?? [];
  const system =
    systemUrl === undefined
      ? await findByValueSet(library, { url, version })
      : await find(library, 'CodeSystem', { url: systemUrl, version });
  if (system === undefined) return undefined;
  const filter = top === undefined ? {} : { filter: [{ property: 'concept', op: 'is-a', value: top }] };
  const compose: Compose = { include: [{ system: system.url, ...filter }] };
  return { ...system, url, header: { resourceType: 'ValueSet', url, status: 'active', compose } };
}

class Compiler {
  readonly #library: Library;
  readonly #only: string | undefined;
  #includes = 0;

  constructor(library: Library, { system }: MembersOptions) {
    this.#library = library;
    this.#only = system;
  }

  /** @param path URLs of the value sets that this one is imported by */
  async compile({ include, exclude = [] }: Compose, path: readonly string[]): Promise<Sql> {
    const included: Sql[] = [];
    for (const [index, one] of include.entries()) {
      const query = await this.#include(one, index, path);
      if (query !== undefined) included.push(query);
    }
    if (included.length === 0) return nothing;
    const all = join(included, ' union all ');
    const excluded: Sql[] = [];
    for (const one of exclude) {
      const query = await this.#include(one, 0, path);
      if (query !== undefined) excluded.push(sql`select x.system, x.code from (${query}) x`);
    }
    if (excluded.length === 0) return all;
    return sql`select i.* from (${all}) i where (i.system, i.code) not in (${join(excluded, ' union all ')})`;
  }

  async #include(include: Include, index: number, path: readonly string[]): Promise<Sql | undefined> {
    if (++this.#includes > includesMax) {
      throw new Problem('too-costly', `at most ${includesMax} includes of a value set with its imports`);
    }
    const { system, valueSet = [] } = include;
    if (system !== undefined && this.#only !== undefined && system !== this.#only) return undefined;
    const imports: Sql[] = [];
    for (const canonical of valueSet) imports.push(await this.#import(canonical, path));
    if (system === undefined) {
      const [first, ...others] = imports;
      if (first === undefined) {
        throw new Problem('required', 'an include names a system or a value set', {
          expression: 'ValueSet.compose.include',
        });
      }
      return intersection(
        sql`select ${index}::int as include, v.ordinal, v.system, v.version, v.key, v.code, v.display from (${first}) v`,
        others,
      );
    }
    return intersection(await this.#ofSystem({ ...include, system }, index), imports);
  }

  async #import(canonical: string, path: readonly string[]): Promise<Sql> {
    const name = splitCanonical(canonical);
    if (path.includes(canonical) || path.length >= importDepthMax) {
      throw new Problem('invariant', 'the value set imports itself, or too deep', {
        expression: 'ValueSet.compose.include.valueSet',
      });
    }
    const found = await findValueSet(this.#library, name);
    if (found === undefined) {
      throw new Problem('not-supported', 'a value set that is imported is not known', {
        expression: 'ValueSet.compose.include.valueSet',
        hint: `Load it first: ${canonical}`,
      });
    }
    return this.compile(composeOf(found.header), [...path, canonical]);
  }

  async #ofSystem(
    { system, version, concept, filter = [] }: Include & { system: string },
    index: number,
  ): Promise<Sql> {
    if (concept !== undefined) return this.#listed(concept, { system, version, index });
    const { key, version: loaded } = await requireSystem(this.#library, system, version);
    const conditions = [sql`c.system = ${key}::bigint`, ...filter.map((one) => matchFilter(one, 'c'))];
    return sql`select ${index}::int as include, c.ordinal, ${system}::text as system, ${loaded ?? null}::text as version,
      c.system as key, c.code, null::text as display from concept c where ${join(conditions, ' and ')}`;
  }

  /** Codes that the value set lists are its own, whether or not their system is loaded. */
  async #listed(
    concepts: NonNullable<Include['concept']>,
    { system, version, index }: { system: string; version: string | undefined; index: number },
  ): Promise<Sql> {
    const found = await find(this.#library, 'CodeSystem', { url: system, version });
    const codes = textArray(concepts.map(({ code }) => code));
    const displays = concepts.map(({ display }) => display ?? null);
    return sql`select ${index}::int as include, l.ordinal::int as ordinal, ${system}::text as system,
      ${found?.version ?? version ?? null}::text as version, ${found?.key ?? null}::bigint as key, l.code collate "C" as code,
      l.display from unnest(${codes}::text[], ${displays}::text[]) with ordinality l (code, display, ordinal)`;
  }
}

/** @see https://hl7.org/fhir/R4/valueset.html#compositions "a concept must be in all of them" */
function intersection(query: Sql, others: readonly Sql[]): Sql {
  if (others.length === 0) return query;
  const conditions = others.map((other) => sql`(m.system, m.code) in (select o.system, o.code from (${other}) o)`);
  return sql`select m.* from (${query}) m where ${join(conditions, ' and ')}`;
}

const nothing =
  raw(`select 0 as include, 0 as ordinal, null::text as system, null::text as version, null::bigint as key,
  null::text as code, null::text as display where false`);

/**
 * The codes of a value set: what `:in` of a search compares with.
 * @throws Problem not-found (the value set), too-costly (more codes than `max`), not-supported (a code system is not loaded)
 */
export async function codesIn(library: Library, name: Name, max: number): Promise<SystemCode[]> {
  const found = await findValueSet(library, name);
  if (found === undefined) throw new Problem('not-found', 'the value set is not known');
  const { query } = await membersOf(library, found.header);
  const rows = await library.db.query<SystemCode>(
    plannedAnew(sql`select distinct m.system, m.code from (${query}) m limit ${max + 1}`),
  );
  if (rows.length > max) throw new Problem('too-costly', `the value set has more than ${max} codes`);
  return rows;
}
