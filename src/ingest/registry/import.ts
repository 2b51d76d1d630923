/** A file of endpoints -> the registry: all of it or nothing, in one transaction; or only what would change. */
import type { Database, Tx } from '../../db.ts';
import { Problem } from '../../fhir/problem.ts';
import { lockRegistry, writePlanned, type ChangeOptions } from './change.ts';
import { readKnown, type Known } from './known.ts';
import { describe, type NewEndpoint } from './description.ts';
import { isObject, type Difference } from './difference.ts';
import { releaseWindows } from './hold.ts';
import { missingSecrets, planChange, planNew, type Planned, type PlannedChange } from './plan.ts';
import type { FileEntry } from './yaml.ts';

export interface ImportedEndpoint {
  readonly name: string;
  readonly outcome: 'added' | 'changed' | 'unchanged';
  readonly changes: readonly Difference[];
  /** It is a draft until these are given. */
  readonly missingSecrets?: readonly string[];
}

type Step =
  | { readonly kind: 'new'; readonly planned: Planned; readonly missing: readonly string[] }
  | { readonly kind: 'change'; readonly planned: PlannedChange };

/** What the file would change. @throws Problem naming its line */
export async function planImport(
  db: Tx,
  entries: readonly FileEntry[],
  options: ChangeOptions,
): Promise<ImportedEndpoint[]> {
  return (await planAll(db, entries, options)).map(toImported);
}

/** @throws Problem naming the line of the file; nothing was changed then */
export async function importEndpoints(
  database: Database,
  entries: readonly FileEntry[],
  options: ChangeOptions,
): Promise<ImportedEndpoint[]> {
  // Planned whole before anything that was held is let go.
  for (const { kind, planned } of await planAll(database, entries, options)) {
    if (kind === 'change' && planned.isReleasing) await releaseWindows(database, planned.before.id);
  }
  return database.inTransaction(async (tx) => {
    await lockRegistry(tx);
    const steps = await planAll(tx, entries, options);
    const planned = steps.map((step) => step.planned);
    await writePlanned(tx, planned, options);
    return steps.map(toImported);
  });
}

async function planAll(db: Tx, entries: readonly FileEntry[], options: ChangeOptions): Promise<Step[]> {
  const known = await readKnown(db);
  return entries.map((entry) => plan(known, entry, options));
}

/** What follows in the file is checked against what this entry makes of the registry. */
function plan(known: Known, { at, wanted }: FileEntry, options: ChangeOptions): Step {
  try {
    const step = stepOf(known, wanted, options);
    const { description } = step.planned;
    const id = step.kind === 'new' ? -known.size - 1 : step.planned.before.id;
    const isEnabled = description.state === 'testing' || description.state === 'live';
    known.put({ ...description, id, isEnabled });
    return step;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const { code, message, expression, hint } = error;
    throw new Problem(code, `${at}: ${message}`, { expression, ...(hint !== undefined && { hint }), cause: error });
  }
}

function stepOf(known: Known, wanted: NewEndpoint, options: ChangeOptions): Step {
  const before = known.get(wanted.name);
  if (before !== undefined) {
    const patch = patchTo(describe(before), { ...wanted, state: wanted.state ?? before.state });
    return { kind: 'change', planned: planChange(known, { name: wanted.name, patch }, options) };
  }
  // Secrets do not come by the file: until they are there, it is a draft.
  const draft = planNew(known, { ...wanted, state: 'draft' }, options);
  const isOpen = wanted.state === undefined || wanted.state === 'live' || wanted.state === 'testing';
  const missing = isOpen ? missingSecrets(draft.description, [], options) : [];
  return { kind: 'new', planned: missing.length > 0 ? draft : planNew(known, wanted, options), missing };
}

/** The patch that makes one of the other. @see https://www.rfc-editor.org/rfc/rfc7396 */
export function patchTo(before: unknown, after: unknown): Record<string, unknown> {
  const [from, to] = [isObject(before) ? before : {}, isObject(after) ? after : {}];
  const gone = Object.keys(from).filter((name) => to[name] === undefined);
  return Object.fromEntries([
    ...gone.map((name): [string, unknown] => [name, null]),
    ...Object.entries(to).map(([name, value]): [string, unknown] => [
      name,
      isObject(value) && isObject(from[name]) ? patchTo(from[name], value) : value,
    ]),
  ]);
}

function toImported(step: Step): ImportedEndpoint {
  const { description, changes } = step.planned;
  const outcome = step.kind === 'new' ? 'added' : changes.length === 0 ? 'unchanged' : 'changed';
  const missing = step.kind === 'new' ? step.missing : [];
  return { name: description.name, outcome, changes, ...(missing.length > 0 && { missingSecrets: missing }) };
}
