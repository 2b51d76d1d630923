/**
 * The tables of terminology as an index of resources: whatever writes a CodeSystem, ValueSet or ConceptMap (REST, a Bundle, a
 * load) writes them in the same transaction, so that the next question is answered from what was written.
 */
import type { Tx } from '../../db.ts';
import { sql, textArray } from '../../db/sql.ts';
import {
  conceptsOf,
  headerOf,
  isAbstract,
  isInactive,
  isTerminology,
  mappingsOf,
  searchedText,
  type Concept,
  type Mapping,
} from '../../fhir/terminology.ts';
import { Problem } from '../../fhir/problem.ts';
import { typeCode, type AnyResource } from '../../fhir/types.ts';
import { isPublic } from './owners.ts';

export interface TerminologyState {
  readonly owner: string;
  readonly resource: AnyResource & { readonly id?: string };
  readonly lastUpdated: Date;
  readonly isDeleted?: boolean;
  /** Of what was loaded, to know it again. */
  readonly digest?: string;
}

/** Concepts of one statement: some 2 MB. */
const rowsMax = 5_000;
/**
 * Concepts or mappings of one resource that a client writes: a second of the database's time, within a transaction that other
 * writes share. What is longer is loaded by the operator.
 */
export const writtenMax = 10_000;
/** Levels of a hierarchy; the deepest published (SNOMED CT) has some 20. */
export const hierarchyDepthMax = 50;

/** Other types are passed over. */
export async function writeTerminology(tx: Tx, states: readonly TerminologyState[]): Promise<void> {
  const wanted = states.filter(({ resource }) => isTerminology(resource.resourceType));
  const gone = wanted.filter(({ isDeleted }) => isDeleted);
  if (gone.length > 0) await remove(tx, gone);
  const kept = wanted.filter(({ isDeleted }) => !isDeleted);
  if (kept.length === 0) return;
  const keys = await insertHeaders(tx, kept);
  const concepts: SystemConcept[] = [];
  const mappings: MapMapping[] = [];
  for (const { owner, resource } of kept) {
    const before = concepts.length + mappings.length;
    const key = keys.get(nameOf(owner, resource)) as number;
    if (bringsConcepts(resource)) for (const concept of conceptsOf(resource)) concepts.push({ system: key, concept });
    if (resource.resourceType === 'ConceptMap')
      for (const mapping of mappingsOf(resource)) mappings.push({ map: key, mapping });
    if (!isPublic(owner) && concepts.length + mappings.length - before > writtenMax) throw tooMany(resource);
  }
  await insertConcepts(tx, concepts);
  await closeHierarchy(tx, [...new Set(concepts.map(({ system }) => system))]);
  await insertMappings(tx, mappings);
}

function tooMany({ resourceType }: AnyResource): Problem {
  return new Problem('too-costly', `at most ${writtenMax} codes are written with one resource`, {
    expression: resourceType === 'CodeSystem' ? 'CodeSystem.concept' : 'ConceptMap.group.element',
    hint: 'An operator loads longer ones: hub terminology load.',
  });
}

/**
 * R4 codesystem.html#content: with `not-present` the concepts are elsewhere: what a load has brought stays. A supplement has
 * no codes of its own.
 */
function bringsConcepts({ resourceType, content }: AnyResource): boolean {
  return resourceType === 'CodeSystem' && content !== 'not-present' && content !== 'supplement';
}

const nameOf = (owner: string, { resourceType, id }: AnyResource): string => `${owner} ${resourceType}/${String(id)}`;

async function remove(tx: Tx, states: readonly TerminologyState[]): Promise<void> {
  const gone = await tx.query<{ key: number }>(sql`
    delete from terminology t using unnest(${states.map(({ resource }) => typeCode(resource.resourceType))}::smallint[],
      ${textArray(states.map(({ resource }) => String(resource.id)))}::text[],
      ${textArray(states.map(({ owner }) => owner))}::text[]) k (type, id, owner)
    where t.owner = k.owner and t.type = k.type and t.id = k.id returning t.key`);
  await clear(
    tx,
    gone.map(({ key }) => key),
  );
}

/** Everything of an owner. */
export async function removeAll(tx: Tx, owner: string): Promise<void> {
  const gone = await tx.query<{ key: number }>(sql`delete from terminology where owner = ${owner} returning key`);
  await clear(
    tx,
    gone.map(({ key }) => key),
  );
}

/** @returns keys by owner, type and id; what stood under them is gone */
async function insertHeaders(tx: Tx, states: readonly TerminologyState[]): Promise<Map<string, number>> {
  const rows = states.map(({ owner, resource, lastUpdated, digest }) => ({
    owner,
    type: typeCode(resource.resourceType),
    id: resource.id,
    url: resource['url'],
    version: resource['version'],
    value_set: resource.resourceType === 'CodeSystem' ? resource['valueSet'] : undefined,
    last_updated: lastUpdated.toISOString(),
    digest,
    header: JSON.stringify(headerOf(resource)),
    replaces: bringsConcepts(resource) || resource.resourceType !== 'CodeSystem',
  }));
  const found = await tx.query<{ key: number; owner: string; type: number; id: string; replaces: boolean }>(sql`
    with state as (
      select * from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as s (owner text, type smallint, id text, url text,
        version text, value_set text, last_updated timestamptz, digest text, header text, replaces boolean)),
    written as (
      insert into terminology as t (owner, type, id, url, version, value_set, last_updated, digest, header)
      select owner, type, id, url, version, value_set, last_updated, digest, header from state
      on conflict (owner, type, id) do update set url = excluded.url, version = excluded.version,
        value_set = excluded.value_set, last_updated = excluded.last_updated, digest = excluded.digest,
        header = excluded.header
      returning key, owner, type, id)
    select w.*, s.replaces from written w join state s on s.owner = w.owner and s.type = w.type and s.id = w.id`);
  await clear(
    tx,
    found.filter(({ replaces }) => replaces).map(({ key }) => key),
  );
  const byCode = new Map(states.map(({ resource }) => [typeCode(resource.resourceType), resource.resourceType]));
  return new Map(
    found.map(({ key, owner, type, id }) => [nameOf(owner, { resourceType: byCode.get(type) as string, id }), key]),
  );
}

/** Empties code systems and maps that are about to be filled. */
export async function clear(tx: Tx, keys: readonly number[]): Promise<void> {
  await Promise.all([
    tx.query(sql`delete from concept where system = any(${keys}::bigint[])`),
    tx.query(sql`delete from concept_ancestor where system = any(${keys}::bigint[])`),
    tx.query(sql`delete from concept_mapping where map = any(${keys}::bigint[])`),
    tx.query(sql`update terminology set concepts = 0 where key = any(${keys}::bigint[])`),
  ]);
}

export interface SystemConcept {
  readonly system: number;
  readonly concept: Concept;
}

/** A code that comes twice is kept as it came first. @param ordinal of the first */
export async function insertConcepts(tx: Tx, concepts: readonly SystemConcept[], ordinal = 0): Promise<void> {
  for (let from = 0; from < concepts.length; from += rowsMax) {
    const rows = concepts.slice(from, from + rowsMax).map(({ system, concept }, index) => ({
      system,
      code: concept.code,
      ordinal: ordinal + from + index,
      display: concept.display,
      definition: concept.definition,
      designations: concept.designations.length === 0 ? undefined : concept.designations,
      properties: concept.properties.length === 0 ? undefined : concept.properties,
      is_abstract: isAbstract(concept),
      is_inactive: isInactive(concept),
      searched: searchedText(concept),
      parents: concept.parents,
    }));
    await tx.query(sql`
      with one as (
        select * from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as c (system bigint, code text, ordinal int,
          display text, definition text, designations jsonb, properties jsonb, is_abstract boolean, is_inactive boolean,
          searched text, parents text[])),
      inserted as (
        insert into concept (system, code, ordinal, display, definition, designations, properties, is_abstract, is_inactive,
          searched)
        select system, code, ordinal, display, definition, designations, properties, is_abstract, is_inactive, searched
        from one on conflict do nothing returning system),
      counted as (
        update terminology t set concepts = t.concepts + n.n
        from (select system, count(*)::int as n from inserted group by system) n where t.key = n.system)
      insert into concept_ancestor (system, code, ancestor, distance)
      select one.system, one.code, parent, 1 from one cross join unnest(one.parents) parent on conflict do nothing`);
  }
}

/** From parents to all ancestors. @throws Problem invariant for a concept that would stand under itself */
export async function closeHierarchy(tx: Tx, systems: readonly number[]): Promise<void> {
  if (systems.length === 0) return;
  await tx.query(sql`
    insert into concept_ancestor (system, code, ancestor, distance)
    with recursive up as (
      select system, code, ancestor, distance from concept_ancestor where system = any(${systems}::bigint[])
      union
      select up.system, up.code, above.ancestor, (up.distance + 1)::smallint from up
      join concept_ancestor above on above.system = up.system and above.code = up.ancestor and above.distance = 1
      where up.distance < ${hierarchyDepthMax}::int)
    select system, code, ancestor, min(distance) from up where distance > 1 group by system, code, ancestor
    on conflict do nothing`);
  const circles = await tx.query(sql`
    select from concept_ancestor where system = any(${systems}::bigint[]) and code = ancestor limit 1`);
  if (circles.length === 0) return;
  throw new Problem('invariant', 'a concept of the code system stands under itself', {
    expression: 'CodeSystem.concept',
    hint: 'Take the circle of parents out.',
  });
}

interface MapMapping {
  readonly map: number;
  readonly mapping: Mapping;
}

async function insertMappings(tx: Tx, mappings: readonly MapMapping[]): Promise<void> {
  for (let from = 0; from < mappings.length; from += rowsMax) {
    const rows = mappings.slice(from, from + rowsMax).map(({ map, mapping }, index) => ({
      ...mapping,
      map,
      ordinal: from + index,
    }));
    await tx.query(sql`
      insert into concept_mapping (map, ordinal, source_system, source_version, source_code, source_display, target_system,
        target_version, target_code, target_display, equivalence, comment, depends_on, product)
      select map, ordinal, "sourceSystem", "sourceVersion", "sourceCode", "sourceDisplay", "targetSystem", "targetVersion",
        "targetCode", "targetDisplay", equivalence, comment, "dependsOn", product
      from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as m (map bigint, ordinal int, "sourceSystem" text,
        "sourceVersion" text, "sourceCode" text, "sourceDisplay" text, "targetSystem" text, "targetVersion" text,
        "targetCode" text, "targetDisplay" text, equivalence text, comment text, "dependsOn" jsonb, product jsonb)`);
  }
}
