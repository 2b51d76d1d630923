/**
 * Two roles stand behind a hub: the owner of the tables, by which migrations run, and the role it serves by, which owns nothing:
 * it can neither change the schema nor what is on record in the audit trail, whatever statement somebody gets it to run. A start
 * looks once, by the role that serves, whether all is there; the owner is asked for only when it is not.
 */
import type pg from 'pg';
import { Problem } from '../fhir/problem.ts';
import { connect, lockKey, migrate, migrationNames } from './migrate.ts';

export interface Urls {
  /** Of the role that serves. */
  readonly url: string;
  /** Of the owner of the tables. Absent: the role that serves is the owner, or somebody else migrates. */
  readonly ownerUrl?: string;
}

export interface Prepared {
  /** Names of the migrations that ran. */
  readonly migrated: readonly string[];
  /** The role that serves owns the tables: what it is not given it can take. */
  readonly isOwner: boolean;
}

/**
 * Schema and rights as this version of the hub needs them. Several processes may do so at once.
 * @throws Problem forbidden when there is something to do and nobody who may
 */
export async function prepareDatabase({ url, ownerUrl }: Urls): Promise<Prepared> {
  const before = await look(url);
  if (before.isReady) return { migrated: [], isOwner: before.isOwner };
  const migrated = await migrate(ownerUrl ?? url).catch((error: unknown) => {
    throw ownerUrl === undefined && codeOf(error) === insufficientPrivilege ? withoutOwner(before.role, error) : error;
  });
  await grantRunTime(ownerUrl ?? url, ownerUrl === undefined ? [] : [before.role]);
  return { migrated, isOwner: (await look(url)).isOwner };
}

interface Look {
  readonly role: string;
  readonly isOwner: boolean;
  /** There is nothing for an owner to do. */
  readonly isReady: boolean;
}

async function look(url: string): Promise<Look> {
  const client = await connect(url);
  try {
    const { rows } = await client.query<{ role: string }>('select current_user as role');
    const role = rows[0]?.role ?? '';
    return { role, isOwner: false, isReady: false, ...(await lookAtSchema(client)) };
  } finally {
    await client.end();
  }
}

/** PostgreSQL appendix A. */
const undefinedTable = '42P01';
const insufficientPrivilege = '42501';

async function lookAtSchema(client: pg.Client): Promise<Pick<Look, 'isOwner' | 'isReady'> | undefined> {
  try {
    const { rows: ran } = await client.query<{ name: string }>('select name from knex_migrations order by name');
    const wanted = await migrationNames();
    if (ran.length !== wanted.length || ran.some(({ name }, index) => name !== wanted[index])) return undefined;
    const { rows } = await client.query<{ owns: boolean; granted: boolean | null; late: boolean }>(
      `select pg_has_role(relowner, 'usage') as owns,
         (select migrations = $1 from run_time_role where name = current_user) as granted,
         exists (select from run_time_role join pg_roles on rolname = name where migrations <> $1) as late
       from pg_class where oid = 'run_time_role'::regclass`,
      [wanted.length],
    );
    const { owns = false, granted, late = false } = rows[0] ?? {};
    return { isOwner: owns, isReady: owns ? !late : granted === true };
  } catch (error) {
    if (codeOf(error) === undefinedTable || codeOf(error) === insufficientPrivilege) return undefined;
    throw error;
  }
}

/** To these roles, and anew to those that had their rights before the latest migration. */
async function grantRunTime(ownerUrl: string, roles: readonly string[]): Promise<void> {
  const client = await connect(ownerUrl);
  try {
    await client.query('begin');
    // Two grants at once would meet in the catalog.
    await client.query('select pg_advisory_xact_lock($1)', [lockKey]);
    await client.query(
      `select grant_run_time(rolname) from pg_class, pg_roles left join run_time_role on name = rolname
       where pg_class.oid = 'run_time_role'::regclass and pg_has_role(relowner, 'usage')
         and (name is not null or rolname = any($1::name[])) and not pg_has_role(rolname, relowner, 'usage')
         and migrations is distinct from (select count(*) from knex_migrations)`,
      [roles],
    );
    await client.query('commit');
  } finally {
    await client.end();
  }
}

function withoutOwner(role: string, cause: unknown): Problem {
  return new Problem('forbidden', `the schema is not up to date, and the role ${role} may not change it`, {
    hint: 'Run hub migrate with HUB_DATABASE_OWNER_URL set to the owner of the tables, then start again.',
    cause,
  });
}

function codeOf(error: unknown): string | undefined {
  return (error as { code?: string }).code;
}
