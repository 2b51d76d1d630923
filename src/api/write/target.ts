/**
 * What each write of a transaction is about: the id its URL names, or what its condition describes. Conditions see what was there
 * before the transaction, without what it deletes.
 */
import { written as rowsWritten } from '../../access/predicate/predicate.ts';
import type { Tx } from '../../db.ts';
import { hash64 } from '../../fhir/hash.ts';
import { atIndex, Problem } from '../../fhir/problem.ts';
import { lockNames } from '../../store/lock.ts';
import { readRow, readRowsForChange } from '../../store/read.ts';
import type { Row } from '../../store/row.ts';
import { matchWritten, tooMany, type Condition } from './condition.ts';
import type { Intent, Writer } from './intent.ts';
import { HttpProblem } from '../respond.ts';

/** Resources one conditional delete takes away: a mistaken condition empties no record. */
export const conditionalDeletesMax = 100;

/** What an intent is about, once its condition was looked up. */
export type Target =
  | { readonly kind: 'ids'; readonly ids: readonly string[] }
  | { readonly kind: 'new'; readonly id?: string; readonly isNew?: boolean }
  | { readonly kind: 'found'; readonly row: Row }
  | { readonly kind: 'same'; readonly as: number };

/** @throws Problem with the `index` of the intent */
export async function findTargets(tx: Tx, writer: Writer, intents: readonly Intent[]): Promise<Target[]> {
  const places = [...intents.keys()];
  const first = firstByCondition(intents);
  const targets = await findAll(tx, writer, { intents, first, places });
  // What is there needs no lock, and those who refer to it do not wait for each other. Who finds nothing waits for whoever runs
  // the same condition, and then finds what that one made.
  const absent = places.filter((at) => isAwaited(intents[at] as Intent, targets[at] as Target));
  if (absent.length > 0) {
    await lockNames(
      tx,
      absent.map((at) => lockName(intents[at] as Intent)),
    );
    const again = await findAll(tx, writer, { intents, first, places: absent });
    for (const [index, at] of absent.entries()) targets[at] = again[index] as Target;
  }
  return withoutDeleted(intents, targets);
}

function isAwaited({ kind, condition }: Intent, target: Target): boolean {
  return condition !== undefined && target.kind === 'new' && (kind === 'create' || kind === 'update');
}

/**
 * Few enough that no transaction fills PostgreSQL's table of locks (`max_locks_per_transaction`, 64 for each connection), and
 * so many that two conditions hardly ever share one.
 */
const locks = 512n;

function lockName({ owner, condition }: Intent): string {
  return `condition ${BigInt.asUintN(64, hash64(`${owner} ${condition?.key}`)) % locks}`;
}

/** What the transaction deletes is no match for what it creates. */
function withoutDeleted(intents: readonly Intent[], targets: readonly Target[]): Target[] {
  const gone = new Set(
    intents.flatMap(({ kind, type }, at) =>
      kind === 'delete' ? idsOf(targets[at] as Target).map((id) => `${type}/${id}`) : [],
    ),
  );
  return targets.map((target) =>
    target.kind === 'found' && gone.has(`${target.row.type}/${target.row.id}`) ? { kind: 'new' } : target,
  );
}

/** Which intent said a condition first; deletions aside, after which the same condition may be said anew. */
function firstByCondition(intents: readonly Intent[]): ReadonlyMap<string, number> {
  const first = new Map<string, number>();
  for (const [at, { kind, condition }] of intents.entries()) {
    if (condition !== undefined && kind !== 'delete' && !first.has(condition.key)) first.set(condition.key, at);
  }
  return first;
}

interface Among {
  readonly intents: readonly Intent[];
  readonly first: ReadonlyMap<string, number>;
  /** Of the intents that are asked for. */
  readonly places: readonly number[];
}

/** @returns a target for each place */
async function findAll(tx: Tx, writer: Writer, { intents, first, places }: Among): Promise<Target[]> {
  const matched = await matchAll(
    tx,
    writer,
    intents,
    places.filter((at) => isAsked(intents[at] as Intent, first, at)),
  );
  return Promise.all(
    places.map(async (at) => {
      const intent = intents[at] as Intent;
      const { condition, id } = intent;
      if (condition === undefined) return id === undefined ? { kind: 'new' } : { kind: 'ids', ids: [id] };
      try {
        const ids = matched.get(at);
        if (ids === undefined) return sameAs(intents, first.get(condition.key) as number, intent);
        return await targetOf(tx, writer, intent, ids);
      } catch (error) {
        throw atIndex(at, error);
      }
    }),
  );
}

/** Whether its condition is matched; the others' is one that an intent before them has. */
function isAsked({ condition, kind }: Intent, first: ReadonlyMap<string, number>, at: number): boolean {
  return condition !== undefined && (kind === 'delete' || first.get(condition.key) === at);
}

/** Conditions of several intents together. @returns ids by place */
async function matchAll(
  tx: Tx,
  writer: Writer,
  intents: readonly Intent[],
  places: readonly number[],
): Promise<ReadonlyMap<number, readonly string[]>> {
  const matched = new Map<number, readonly string[]>();
  const alike = Map.groupBy(places, (at) => {
    const intent = intents[at] as Intent;
    return `${limitOf(intent)} ${intent.owner}`;
  });
  await Promise.all(
    Array.from(alike.values(), async (some) => {
      const [intent] = some.map((at) => intents[at] as Intent) as [Intent];
      const conditions = some.map((at) => intents[at]?.condition as Condition);
      const asked = { conditions, limit: limitOf(intent) };
      const matches = await matchWritten(tx, intent.owner, writer, asked).catch((error: unknown) => {
        const index = error instanceof Problem ? error.index : undefined;
        throw index === undefined ? error : atIndex(some[index] as number, error);
      });
      for (const [index, at] of some.entries()) matched.set(at, matches[index]?.map(({ id }) => id) ?? []);
    }),
  );
  return matched;
}

const limitOf = ({ kind }: Intent): number => (kind === 'delete' ? conditionalDeletesMax : 1);

/** Said twice in one transaction, a conditional create makes one resource; other writes would overlap. */
function sameAs(intents: readonly Intent[], as: number, { kind }: Intent): Target {
  if (kind === 'create' && intents[as]?.kind === 'create') return { kind: 'same', as };
  throw new HttpProblem(400, 'duplicate', 'two entries have the same condition');
}

/** @param ids of what the condition of the intent describes */
async function targetOf(tx: Tx, writer: Writer, intent: Intent, ids: readonly string[]): Promise<Target> {
  const { kind, type, owner, resource } = intent;
  if (ids.length > limitOf(intent)) throw kind === 'delete' ? tooManyToDelete() : tooMany();
  const [id] = ids;
  if (kind === 'delete') return { kind: 'ids', ids };
  if (id === undefined) {
    if (kind === 'patch') throw new Problem('not-found', 'nothing to patch');
    // http.html#cond-update: "No matches, id provided: the server treats the interaction as an Update as Create".
    return {
      kind: 'new',
      ...(kind === 'update' && resource?.id !== undefined ? { id: resource.id, isNew: true } : {}),
    };
  }
  if (kind === 'create') {
    const visible = rowsWritten(writer.principal, owner, { interaction: 's', types: [type] });
    const row = await readRow(tx, visible, type, id);
    return row === undefined ? { kind: 'new' } : { kind: 'found', row };
  }
  if (kind === 'update' && resource?.id !== undefined && resource.id !== id) {
    throw new HttpProblem(400, 'invalid', 'the id of the resource is not the id of what the condition describes', {
      expression: `${type}.id`,
    });
  }
  return { kind: 'ids', ids: [id] };
}

function tooManyToDelete(): HttpProblem {
  return new HttpProblem(
    412,
    'multiple-matches',
    `the condition describes more than ${conditionalDeletesMax} resources`,
    {
      hint: 'Delete them in smaller sets.',
    },
  );
}

/**
 * What is patched, as it stands and stays; by `Type/id`. Every row of the transaction is locked with it, in one order, so that
 * two transactions that patch and write the same rows do not wait for each other in a circle.
 */
export async function readPatched(
  tx: Tx,
  { principal }: Writer,
  intents: readonly Intent[],
  targets: readonly Target[],
): Promise<ReadonlyMap<string, Row>> {
  const patched = intents.find(({ kind }) => kind === 'patch');
  if (patched === undefined) return new Map();
  const keys = intents.flatMap(({ type }, index) => idsOf(targets[index] as Target).map((id) => ({ type, id })));
  const visible = rowsWritten(principal, patched.owner, { interaction: 'u', types: intents.map(({ type }) => type) });
  const rows = await readRowsForChange(tx, visible, keys);
  return new Map(rows.map((row) => [`${row.type}/${row.id}`, row]));
}

export const idsOf = (target: Target): readonly string[] => (target.kind === 'ids' ? target.ids : []);

export function idOf(target: Target, targets: readonly Target[]): string | undefined {
  switch (target.kind) {
    case 'ids':
      return target.ids[0];
    case 'new':
      return target.id;
    case 'found':
      return target.row.id;
    default:
      return idOf(targets[target.as] as Target, targets);
  }
}
