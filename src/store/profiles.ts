/**
 * The profiles in force: packages added and taken out, each change whole or not at all, and followed by every process, so that
 * the next resource is validated by what was added a second ago. Definitions that cannot be used are refused before they are in
 * force; what they are is src/fhir/profile/.
 */
import { createHash } from 'node:crypto';
import type { Database, Tx } from '../db.ts';
import { sql } from '../db/sql.ts';
import { parseJson } from '../fhir/json.ts';
import { Problem } from '../fhir/problem.ts';
import { openLibrary, type Definition } from '../fhir/profile/library.ts';
import type { Profiles } from '../fhir/validate.ts';
import { noProfiles } from '../fhir/validation/profiles.ts';

export interface Package {
  readonly name: string;
  readonly version: string;
  readonly definitions: readonly Definition[];
}

export interface Change {
  readonly by: string;
  readonly at: Date;
}

export interface ListedPackage {
  readonly name: string;
  readonly version: string;
  readonly profiles: number;
  readonly valueSets: number;
  readonly codeSystems: number;
  readonly addedAt: string;
  readonly addedBy: string;
  /** Absent: in force. */
  readonly removedAt?: string;
}

/** Definitions of one package; US Core and IPS have some hundred. */
const definitionsMax = 20_000;
/** Packages that are listed, newest first. */
const listedMax = 1_000;

/**
 * Puts a package in force, in place of the version of it that was.
 * @returns `unchanged` when the same is in force already
 * @throws Problem invalid when a profile cannot be used, required when there is none
 */
export async function addPackage(
  database: Database,
  { name, version, definitions }: Package,
  { by, at }: Change,
): Promise<'added' | 'replaced' | 'unchanged'> {
  if (definitions.length === 0)
    throw new Problem('required', 'there is no profile, value set or code system in it', { expression: name });
  if (definitions.length > definitionsMax)
    throw new Problem('too-costly', `a package has at most ${definitionsMax} definitions`, { expression: name });
  const bodies = definitions.map((definition) => JSON.stringify(definition));
  const digest = createHash('sha256').update(version).update(bodies.join('\n')).digest('base64url');
  return change(database, async (tx) => {
    const [before] = await tx.query<{ id: string; digest: string }>(
      sql`select id, digest from profile_package where name = ${name} and removed_at is null`,
    );
    if (before?.digest === digest) return 'unchanged';
    const others = await readDefinitions(tx, name);
    requireUsable([...others, ...definitions]);
    if (before !== undefined)
      await tx.query(sql`update profile_package set removed_at = ${at} where id = ${before.id}`);
    const [row] = await tx.query<{ id: string }>(sql`
      insert into profile_package (name, version, digest, added_at, added_by)
      values (${name}, ${version}, ${digest}, ${at}, ${by}) returning id`);
    await tx.query(sql`
      insert into profile_definition (package, ordinal, type, url, version, body)
      select ${row?.id}::bigint, ordinal, type, url, version, body
      from unnest(
        ${definitions.map(({ resourceType }) => resourceType)}::text[], ${definitions.map(({ url }) => url)}::text[],
        ${definitions.map(({ version: own }) => own ?? null)}::text[], ${bodies}::text[]
      ) with ordinality as d (type, url, version, body, ordinal)`);
    return before === undefined ? 'added' : 'replaced';
  });
}

/** @throws Problem not-found; conflict when another package builds on it */
export async function removePackage(database: Database, name: string, at: Date): Promise<void> {
  await change(database, async (tx) => {
    const removed = await tx.query(
      sql`update profile_package set removed_at = ${at} where name = ${name} and removed_at is null returning id`,
    );
    if (removed.length === 0)
      throw new Problem('not-found', `no package ${name} is in force`, { hint: 'List them: hub profile list' });
    try {
      requireUsable(await readDefinitions(tx, name));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      throw new Problem('conflict', `another package builds on ${name}: ${problem.message}`, {
        hint: 'Remove that one first.',
      });
    }
  });
}

/** @param isWhole with those that are no longer in force */
export async function listPackages(tx: Tx, isWhole = false): Promise<ListedPackage[]> {
  const rows = await tx.query<PackageRow>(sql`
    select p.name, p.version, p.added_at, p.added_by, p.removed_at,
      count(*) filter (where d.type = 'StructureDefinition')::int as profiles,
      count(*) filter (where d.type = 'ValueSet')::int as value_sets,
      count(*) filter (where d.type = 'CodeSystem')::int as code_systems
    from profile_package p join profile_definition d on d.package = p.id
    where ${isWhole} or p.removed_at is null
    group by p.id order by p.name, p.id desc limit ${listedMax}`);
  return rows.map((row) => ({
    name: row.name,
    version: row.version,
    profiles: row.profiles,
    valueSets: row.value_sets,
    codeSystems: row.code_systems,
    addedAt: row.added_at.toISOString(),
    addedBy: row.added_by,
    ...(row.removed_at === null ? {} : { removedAt: row.removed_at.toISOString() }),
  }));
}

interface PackageRow {
  name: string;
  version: string;
  profiles: number;
  value_sets: number;
  code_systems: number;
  added_at: Date;
  added_by: string;
  removed_at: Date | null;
}

async function change<T>(database: Database, work: (tx: Tx) => Promise<T>): Promise<T> {
  return database.inTransaction(async (tx) => {
    await tx.query(sql`update profile_revision set revision = revision + 1`);
    return work(tx);
  });
}

/** In the order in which they were added: of two versions of a URL the later counts. */
async function readDefinitions(tx: Tx, without = ''): Promise<Definition[]> {
  const rows = await tx.query<{ body: string }>(sql`
    select d.body from profile_package p join profile_definition d on d.package = p.id
    where p.removed_at is null and p.name <> ${without} order by p.id, d.ordinal`);
  return rows.map(({ body }) => parseJson(body) as Definition);
}

/** Problems that are shown; the others are mostly of the same cause. */
const shownMax = 5;

/** Compiles every profile. @throws Problem invalid, naming those that cannot be used */
function requireUsable(definitions: readonly Definition[]): void {
  const library = openLibrary(definitions);
  const problems: string[] = [];
  for (const { resourceType, url } of definitions) {
    if (resourceType !== 'StructureDefinition') continue;
    try {
      library.check(url, 'errors');
      library.check(url, 'all');
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      problems.push(problem.message);
    }
  }
  if (problems.length === 0) return;
  const [shown, more] = [problems.slice(0, shownMax), problems.length - shownMax];
  throw new Problem('invalid', `${shown.join('; ')}${more > 0 ? ` (and ${more} more)` : ''}`, {
    hint: 'Add the package with their base first, or one whose profiles have snapshots.',
  });
}

/** The profiles of a process, as the database has them. */
export interface FollowedProfiles extends Profiles {
  /** Reads what has changed. */
  refresh(): Promise<void>;
  close(): void;
}

/** How late a change is seen. */
const checkMs = 1_000;

/** @param onProblem told when the definitions in force cannot be read: those known so far stay */
export async function followProfiles(
  db: Tx,
  onProblem: (problem: unknown) => void = () => undefined,
): Promise<FollowedProfiles> {
  let known = 0;
  let current: Profiles = noProfiles;
  const look = async (): Promise<void> => {
    const [row] = await db.query<{ revision: string }>(sql`select revision from profile_revision`);
    const revision = Number(row?.revision ?? 0);
    if (revision === known) return;
    const definitions = await readDefinitions(db);
    current = definitions.length === 0 ? noProfiles : openLibrary(definitions);
    known = revision;
  };
  let looking: Promise<void> = Promise.resolve();
  const refresh = (): Promise<void> => {
    looking = looking.catch(() => undefined).then(look);
    return looking;
  };
  await refresh();
  const timer = setInterval(() => void refresh().catch(onProblem), checkMs).unref();
  return {
    check: (canonical, depth) => current.check(canonical, depth),
    supported: () => current.supported(),
    refresh,
    close: () => clearInterval(timer),
  };
}
