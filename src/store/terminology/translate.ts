/** From a code to what concept maps say it is elsewhere. @see https://hl7.org/fhir/R4/conceptmap-operation-translate.html */
import { join, raw, sql, textArray } from '../../db/sql.ts';
import { Problem } from '../../fhir/problem.ts';
import { typeCode } from '../../fhir/types.ts';
import { find, toFound, type Found, type Library, type Row } from './library.ts';
import type { Coding } from './validate-code.ts';

export interface TranslateRequest {
  /** Undefined: all maps between the systems or value sets that are named. */
  readonly map?: Found | undefined;
  readonly coding: Coding & { readonly code: string };
  /** Canonical URLs of the value sets and of the target system. */
  readonly source?: string | undefined;
  readonly target?: string | undefined;
  readonly targetSystem?: string | undefined;
  /** What else is known: mappings that depend on it count only when it holds. */
  readonly dependencies?: readonly Dependency[];
  /** The code is a target, and its sources are asked for. */
  readonly isReverse: boolean;
}

export interface Dependency {
  readonly property: string;
  readonly codings: readonly Coding[];
}

export interface Match {
  readonly equivalence: string;
  readonly concept?: Coding | undefined;
  readonly comment?: string | undefined;
  readonly product?: readonly {
    readonly property?: string;
    readonly system?: string;
    readonly value?: string;
    readonly display?: string;
  }[];
  /** URL of the map. */
  readonly map: string;
}

/** More maps than ever stand between two systems. */
const mapsMax = 50;
/** ConceptMap.group.unmapped of mode `other-map`: a map that sends on to another. */
const othersMax = 5;

/** Says what the target is to the source; from the target, the source is the opposite. */
const reversed: Readonly<Record<string, string>> = {
  wider: 'narrower',
  narrower: 'wider',
  subsumes: 'specializes',
  specializes: 'subsumes',
};

export async function translate(library: Library, request: TranslateRequest): Promise<Match[]> {
  const maps = request.map === undefined ? await mapsBetween(library, request) : [request.map];
  const matches = await mapped(library, maps, request);
  if (matches.length > 0 || request.isReverse) return matches;
  const found: Match[] = [];
  for (const map of maps) found.push(...(await unmapped(library, map, request, othersMax)));
  return found;
}

async function mapped(library: Library, maps: readonly Found[], request: TranslateRequest): Promise<Match[]> {
  const { coding, targetSystem, isReverse } = request;
  const [from, to] = isReverse ? ['target', 'source'] : ['source', 'target'];
  const conditions = [
    sql`m.map = any(${maps.map(({ key }) => key)}::bigint[])`,
    sql`m.${raw(from)}_code = ${coding.code}`,
    ...(coding.system === undefined ? [] : [sql`m.${raw(from)}_system = ${coding.system}`]),
    ...(targetSystem === undefined ? [] : [sql`m.${raw(to)}_system = ${targetSystem}`]),
  ];
  const rows = await library.db.query<MappingRow>(sql`
    select m.map, m.equivalence, m.comment, m.depends_on, m.product, m.${raw(to)}_system as system, m.${raw(to)}_version as version,
      m.${raw(to)}_code as code, m.${raw(to)}_display as display
    from concept_mapping m where ${join(conditions, ' and ')}
    order by array_position(${maps.map(({ key }) => key)}::bigint[], m.map), m.ordinal`);
  const urls = new Map(maps.map(({ key, url }) => [key, url]));
  const holding = rows.filter((row) => holds(row.depends_on ?? [], request.dependencies ?? []));
  return holding.map(({ map, equivalence, comment, product, system, version, code, display }) => ({
    equivalence: isReverse ? (reversed[equivalence] ?? equivalence) : equivalence,
    ...(code === null ? {} : { concept: codingOf({ system, version, code, display }) }),
    ...(comment === null ? {} : { comment }),
    ...(product === null ? {} : { product }),
    map: urls.get(map) ?? '',
  }));
}

interface MappingRow {
  map: number;
  equivalence: string;
  comment: string | null;
  depends_on: DependsOn[] | null;
  product: NonNullable<Match['product']> | null;
  system: string | null;
  version: string | null;
  code: string | null;
  display: string | null;
}

/** @see https://hl7.org/fhir/R4/conceptmap-definitions.html#ConceptMap.group.element.target.dependsOn */
interface DependsOn {
  readonly property: string;
  readonly system?: string;
  readonly value: string;
}

/** A mapping under a condition that is not known to hold says nothing. */
function holds(conditions: readonly DependsOn[], dependencies: readonly Dependency[]): boolean {
  return conditions.every(({ property, system, value }) =>
    dependencies.some(
      (one) =>
        one.property === property &&
        one.codings.some((coding) => coding.code === value && (system === undefined || coding.system === system)),
    ),
  );
}

function codingOf(row: Pick<MappingRow, 'system' | 'version' | 'code' | 'display'>): Coding {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as Coding;
}

/** Maps of the callers own, the operator's and R4's, by what they map between. */
async function mapsBetween({ db, owners }: Library, request: TranslateRequest): Promise<Found[]> {
  const rows = await db.query<Row>(sql`
    select t.key, t.owner, t.id, t.url, t.version, t.header, t.concepts from terminology t
    where t.type = ${typeCode('ConceptMap')} and t.owner = any(${textArray(owners)}::text[])
      and exists (select from concept_mapping m where m.map = t.key and ${request.isReverse ? sql`m.target_code` : sql`m.source_code`} = ${request.coding.code})
    order by array_position(${textArray(owners)}::text[], t.owner), t.last_updated desc, t.key limit ${mapsMax}`);
  const [from, to] = request.isReverse ? ['target', 'source'] : ['source', 'target'];
  const says = ({ header }: Found, side: string, url: string | undefined): boolean =>
    url === undefined || header[`${side}Uri`] === url || header[`${side}Canonical`] === url;
  return rows.map(toFound).filter((map) => says(map, from, request.source) && says(map, to, request.target));
}

interface Unmapped {
  readonly mode: 'provided' | 'fixed' | 'other-map';
  readonly code?: string;
  readonly display?: string;
  readonly url?: string;
}

/** What a map says of codes it does not list. @see https://hl7.org/fhir/R4/conceptmap-definitions.html#ConceptMap.group.unmapped */
async function unmapped(library: Library, map: Found, request: TranslateRequest, othersLeft: number): Promise<Match[]> {
  const { coding, targetSystem } = request;
  const groups = (map.header['group'] ?? []) as { source?: string; target?: string; unmapped?: Unmapped }[];
  const matches: Match[] = [];
  for (const { source, target, unmapped: otherwise } of groups) {
    if (otherwise === undefined || (coding.system !== undefined && source !== coding.system)) continue;
    if (targetSystem !== undefined && target !== targetSystem) continue;
    if (otherwise.mode === 'other-map') {
      if (othersLeft === 0) throw new Problem('too-costly', `at most ${othersMax} maps send on to another`);
      const other = otherwise.url === undefined ? undefined : await find(library, 'ConceptMap', { url: otherwise.url });
      if (other === undefined) throw new Problem('not-supported', 'the map sends on to one that is not known');
      const found = await mapped(library, [other], request);
      matches.push(...(found.length > 0 ? found : await unmapped(library, other, request, othersLeft - 1)));
      continue;
    }
    const code = otherwise.mode === 'provided' ? coding.code : otherwise.code;
    const display = otherwise.mode === 'provided' ? coding.display : otherwise.display;
    matches.push({
      equivalence: otherwise.mode === 'provided' ? 'equal' : 'inexact',
      concept: { system: target, code, ...(display === undefined ? {} : { display }) },
      map: map.url,
    });
  }
  return matches;
}

/** R4: "true if the concept could be translated": none of these says so. */
export function isTranslation({ equivalence }: Match): boolean {
  return equivalence !== 'unmatched' && equivalence !== 'disjoint';
}
