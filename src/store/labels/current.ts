/**
 * The sensitivity sets in force: those of the last revision in the database, which every process follows, so that all label
 * alike whatever their files say. A start with sets that no revision ever had makes a revision of them; one with older sets
 * (a process that was restarted in the middle of an upgrade) follows the newer. Rows are looked at again in the background
 * (relabel.ts), what is written meets the new sets at once.
 */
import { hash } from 'node:crypto';
import type { Database, Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { sensitivityOf } from '../../fhir/sensitivity/classify.ts';
import { compileSets, noSensitivity, type Sensitivity, type SensitivitySets } from '../../fhir/sensitivity/sets.ts';
import type { AnyResource } from '../../fhir/types.ts';
import { followMs } from '../index-revision.ts';

/**
 * Raise it with every change of what is made of the same sets: where codes are looked for, which references carry labels. Rows
 * are looked at again.
 */
const labelVersion = 1;

interface InForce {
  readonly revision: number;
  readonly name: string;
  readonly sets: Sensitivity;
}
const none: InForce = { revision: 0, name: '', sets: noSensitivity };
let current = none;
let followers = 0;

/** What the labelling service says of a resource; nothing until a database is followed. */
export function currentSensitivity(resource: AnyResource): number {
  return sensitivityOf(resource, current.sets);
}

/** The revision by whose sets this process labels; 0: none. */
export function currentLabelRevision(): number {
  return current.revision;
}

export interface LabelFollowing {
  /** Resolves when what is committed now is in force here. */
  refresh(): Promise<void>;
  close(): void;
}

/** Keeps this process at the sets of the last revision. */
export async function followLabels(db: Database): Promise<LabelFollowing> {
  followers++;
  let looking: Promise<void> = Promise.resolve();
  const refresh = (): Promise<void> => (looking = looking.catch(() => undefined).then(() => look(db)));
  await refresh();
  // Without the database nothing is written either.
  const timer = setInterval(() => void refresh().catch(() => undefined), followMs).unref();
  const close = (): void => {
    clearInterval(timer);
    if (--followers === 0) current = none;
  };
  return { refresh, close };
}

async function look(db: Database): Promise<void> {
  const [last] = await db.query<{ revision: number; name: string; sets: SensitivitySets | null }>(sql`
    select r.revision, r.name, case when r.name <> ${current.name} then r.sets end as sets
    from label_revision r order by r.revision desc limit 1`);
  if (last === undefined) return;
  const { revision, name, sets } = last;
  current = { revision, name, sets: sets === null ? current.sets : compileSets(sets) };
}

/**
 * Puts sets in force that no revision ever had; in an empty database there is nothing to look at again.
 * @returns `known` for those in force, `older` for those that newer ones have replaced
 */
export async function registerSets(db: Tx, sets: SensitivitySets): Promise<'new' | 'known' | 'older'> {
  const [content, name] = [JSON.stringify(sets), nameOf(sets)];
  const added = await db.query(sql`
    insert into label_revision (name, sets, completed_at)
    select ${name}, ${content}::jsonb, case when not exists (select from resource) then now() end
    where not exists (select from label_revision where name = ${name})
    returning revision`);
  if (added.length > 0) return 'new';
  const [last] = await db.query<{ name: string }>(sql`select name from label_revision order by revision desc limit 1`);
  return last?.name === name ? 'known' : 'older';
}

/** Puts sets in force whatever was before, and has every row looked at again. */
export async function addLabelRevision(db: Tx, sets: SensitivitySets): Promise<void> {
  await db.query(sql`
    insert into label_revision (name, sets) values (${nameOf(sets)}, ${JSON.stringify(sets)}::jsonb)`);
}

/** By content: the same sets have the same name on every host. */
function nameOf(sets: SensitivitySets): string {
  return hash('sha256', JSON.stringify([labelVersion, sets]));
}
