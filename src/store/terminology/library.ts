/**
 * Which code systems, value sets and maps a caller is served from, and how one is found: what their own organization wrote,
 * then what the operator loaded, then R4's own definitions. What another organization wrote is not there for them: it could
 * otherwise put its codes into their answers, or read theirs.
 */
import type { Database, Tx } from '../../db.ts';
import { raw, sql, textArray, type Sql } from '../../db/sql.ts';
import { Problem } from '../../fhir/problem.ts';
import type { TerminologyType } from '../../fhir/terminology.ts';
import { typeCode, type AnyResource } from '../../fhir/types.ts';
import { ensureBase } from './base.ts';
import { baseOwner, publisher } from './owners.ts';

export interface Library {
  readonly db: Tx;
  /** Whose content counts, the first before the next. */
  readonly owners: readonly string[];
}

/** @param organization of the caller, `Organization/x` */
export async function openLibrary(db: Tx | Database, organization: string | undefined): Promise<Library> {
  await ensureBase(db);
  return { db, owners: [...(organization === undefined ? [] : [organization]), publisher, baseOwner] };
}

export interface Found {
  readonly key: number;
  readonly owner: string;
  readonly id: string;
  readonly url: string;
  readonly version: string | undefined;
  /** The resource without its concepts or elements. */
  readonly header: AnyResource;
  readonly concepts: number;
}

/** By canonical URL (with a version: exactly that one, else what was written last) or by logical id. */
export type Name = { readonly url: string; readonly version?: string | undefined } | { readonly id: string };

export async function find(library: Library, type: TerminologyType, name: Name): Promise<Found | undefined> {
  return select(library, type, 'id' in name ? sql`t.id = ${name.id}` : sql`t.url = ${name.url} ${ofVersion(name)}`);
}

/** A code system by the value set of all its codes (CodeSystem.valueSet), which has the version of the system. */
export async function findByValueSet(
  library: Library,
  valueSet: { readonly url: string; readonly version?: string | undefined },
): Promise<Found | undefined> {
  return select(library, 'CodeSystem', sql`t.value_set = ${valueSet.url} ${ofVersion(valueSet)}`);
}

function ofVersion({ version }: { readonly version?: string | undefined }): Sql {
  return version === undefined ? raw('') : sql`and t.version = ${version}`;
}

async function select({ db, owners }: Library, type: TerminologyType, condition: Sql): Promise<Found | undefined> {
  const [row] = await db.query<Row>(sql`
    select t.key, t.owner, t.id, t.url, t.version, t.header, t.concepts from terminology t
    where t.type = ${typeCode(type)} and t.owner = any(${textArray(owners)}::text[]) and ${condition}
    order by array_position(${textArray(owners)}::text[], t.owner), t.last_updated desc, t.key desc limit 1`);
  return row && toFound(row);
}

export interface Row {
  key: number;
  owner: string;
  id: string;
  url: string | null;
  version: string | null;
  header: string;
  concepts: number;
}

export function toFound({ key, owner, id, url, version, header, concepts }: Row): Found {
  return {
    key,
    owner,
    id,
    url: url ?? '',
    version: version ?? undefined,
    header: JSON.parse(header) as AnyResource,
    concepts,
  };
}

/** A code system whose codes are here. @throws Problem not-supported */
export async function requireSystem(library: Library, url: string, version?: string): Promise<Found> {
  const found = await find(library, 'CodeSystem', { url, version });
  if (found !== undefined && found.concepts > 0) return found;
  throw new Problem('not-supported', 'the codes of this code system are not loaded', {
    hint: `An operator loads them: hub terminology load. (${version === undefined ? url : `${url}|${version}`})`,
  });
}

/** The code systems whose codes are here, the version that counts first. */
export async function listSystems({
  db,
  owners,
}: Library): Promise<{ url: string; versions: (string | undefined)[] }[]> {
  const rows = await db.query<{ url: string; versions: (string | null)[] }>(sql`
    select t.url, array_agg(t.version order by array_position(${textArray(owners)}::text[], t.owner), t.last_updated desc,
      t.key desc) as versions
    from terminology t
    where t.type = ${typeCode('CodeSystem')} and t.owner = any(${textArray(owners)}::text[]) and t.url is not null
      and t.concepts > 0
    group by t.url order by t.url`);
  return rows.map(({ url, versions }) => ({
    url,
    versions: [...new Set(versions)].map((version) => version ?? undefined),
  }));
}
