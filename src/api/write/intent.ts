/**
 * Writes as their sender means them, and how any number of them is carried out in one transaction: what their conditions
 * describe is found, what is patched is read and locked, everything is committed in one go, and what follows from it is done.
 * A single write is a transaction of one.
 */
import { createdType } from '../../access/predicate/creator.ts';
import type { Principal } from '../../access/principal/principal.ts';
import type { Tx } from '../../db.ts';
import { parseJson } from '../../fhir/json.ts';
import { atIndex, Problem } from '../../fhir/problem.ts';
import type { AnyResource } from '../../fhir/types.ts';
import { samePerson } from '../../identity/link.ts';
import { commit } from '../../store/commit.ts';
import { patientsOf } from '../../store/place.ts';
import { readRows } from '../../store/read.ts';
import type { Row, Write, Written } from '../../store/row.ts';
import { everything } from '../../store/visibility.ts';
import type { Condition } from './condition.ts';
import { bringAbout, type Happened } from './consequences.ts';
import type { Facade } from '../interaction.ts';
import { HttpProblem } from '../respond.ts';
import { settleSubscription } from '../subscription/settle.ts';
import { findTargets, idOf, idsOf, readPatched, type Target } from './target.ts';

export interface Intent {
  readonly kind: 'create' | 'update' | 'patch' | 'delete';
  readonly type: string;
  /** Named by the URL; absent for a create and where a condition stands for it. */
  readonly id?: string;
  /** Of create and update: the new state. */
  readonly resource?: AnyResource;
  /** Of patch: the new state from the current one, which is its own to change. @throws Problem */
  readonly change?: (current: AnyResource) => AnyResource;
  readonly condition?: Condition;
  /** As `ownerOf` says. */
  readonly owner: string;
  /** `If-Match`. */
  readonly ifVersion?: number;
  /** `If-None-Match: *`. */
  readonly isNew?: boolean;
}

/** What became of an intent: versions written (none or several of a conditional delete), or the resource that was there. */
export type Outcome =
  | { readonly kind: 'written'; readonly written: readonly Written[] }
  | { readonly kind: 'found'; readonly row: Existing };

export type Existing = Pick<Written, 'type' | 'id' | 'version' | 'lastUpdated' | 'body' | 'patient' | 'otherPatients'>;

export interface Writer {
  readonly facade: Pick<Facade, 'base' | 'now' | 'cursorKey' | 'subscriptions'>;
  readonly principal: Principal;
}

/** Told which id each intent writes or found, before anything is written; undefined where the store will mint one. */
export type Settle = (ids: readonly (string | undefined)[]) => readonly (string | undefined)[];

/**
 * @param settle may give ids to what has none; resources may still be changed in it
 * @throws Problem with the `index` of the intent, whose error undoes the transaction
 */
export async function carryOut(
  tx: Tx,
  writer: Writer,
  intents: readonly Intent[],
  settle: Settle = (ids) => ids,
): Promise<Outcome[]> {
  const at = new Date(writer.facade.now());
  const targets = await findTargets(tx, writer, intents);
  const current = await readPatched(tx, writer, intents, targets);
  const ids = settle(targets.map((target) => idOf(target, targets)));
  const writes = intents
    .flatMap((intent, index) => writesOf(intent, index, targets[index] as Target, { id: ids[index], current }))
    .map((planned) => settled(planned, writer))
    .toSorted((one, other) => rank[one.write.kind] - rank[other.write.kind] || one.index - other.index);
  requireDistinct(writes);
  await requireContext(tx, writer.principal, writes);
  const speaksFor = await recordsOf(tx, writer.principal);
  const written = await commit(
    tx,
    writes.map(({ write }) => ({ ...write, speaksFor })),
    { at },
  ).catch((error: unknown) => {
    throw named(error, writes);
  });
  const happened = written.map((one, index) => {
    const { write, sent } = writes[index] as Planned;
    return { written: one, resource: sent ?? write.resource };
  });
  await bringAbout(tx, { ...writer, at }, happened).catch((error: unknown) => {
    throw named(error, writes);
  });
  const byIntent = Map.groupBy(happened, (_, at) => (writes[at] as Planned).index);
  return targets.map((target, index) => outcomeOf(target, index, { targets, byIntent }));
}

/**
 * A token for one record (LEAKS 51) writes nothing into another, and of what is there in another learns no more than of what is
 * not: asked before versions are compared and the patient of a row is held to be what it was.
 * @throws Problem forbidden for what is sent, not-found for what is there
 */
async function requireContext(tx: Tx, principal: Principal, writes: readonly Planned[]): Promise<void> {
  if (principal.patient === undefined) return;
  const patients = new Set<string | undefined>(await samePerson(tx, principal.patient));
  // A Subscription is in nobody's record: what it tells is bound to the context of the token (access/predicate/creator.ts).
  const bound = writes.filter(({ write }) => write.resource.resourceType !== createdType);
  const strange = bound.find(
    ({ write }) => write.kind !== 'delete' && !patients.has(patientsOf(write.resource).patient),
  );
  if (strange !== undefined) {
    throw atIndex(strange.index, new Problem('forbidden', 'the token is for the record of another patient'));
  }
  const named = bound.flatMap(({ write: { resource }, index }) =>
    resource.id === undefined ? [] : [{ type: resource.resourceType, id: resource.id, index }],
  );
  const rows = await readRows(tx, everything('whether they are of the record that the token is for'), named);
  const others = rows.filter(({ patient }) => !patients.has(patient));
  const hidden = named.find(({ type, id }) => others.some((row) => row.type === type && row.id === id));
  if (hidden !== undefined) throw atIndex(hidden.index, new Problem('not-found', 'unknown or hidden'));
}

interface Planned {
  readonly write: Write;
  /** Of the intent. */
  readonly index: number;
  /** Where other is stored than what was sent. */
  readonly sent?: AnyResource;
}

/** A Subscription is stored without its secrets, and its state is the hub's to say. */
function settled(planned: Planned, { principal, facade }: Writer): Planned {
  const { write, index } = planned;
  const { resource: sent, kind } = write;
  if (sent.resourceType !== 'Subscription' || kind === 'delete') return planned;
  const { base, now, subscriptions: policy } = facade;
  try {
    const resource = settleSubscription(sent, { principal, policy, base, now: now() });
    return { ...planned, write: { ...write, resource }, sent };
  } catch (error) {
    throw atIndex(index, error);
  }
}

/** @see https://hl7.org/fhir/R4/http.html#trules DELETE, then POST, then PUT and PATCH */
const rank: Readonly<Record<Write['kind'], number>> = { delete: 0, create: 1, update: 2, draft: 2 };

function writesOf(
  intent: Intent,
  index: number,
  target: Target,
  { id, current }: { readonly id: string | undefined; readonly current: ReadonlyMap<string, Row> },
): Planned[] {
  const { kind, type, owner, ifVersion } = intent;
  if (target.kind === 'found' || target.kind === 'same') return [];
  const conditions = ifVersion === undefined ? {} : { ifVersion };
  const planned = (write: Write): Planned => ({ write, index });
  switch (kind) {
    case 'delete':
      return idsOf(target).map((one) =>
        planned({ kind, resource: { resourceType: type, id: one }, owner, ...conditions }),
      );
    case 'patch':
      try {
        return [planned({ kind: 'update', ...patch(intent, current.get(`${type}/${id}`)), owner })];
      } catch (error) {
        throw atIndex(index, error);
      }
    default: {
      const resource = intent.resource as AnyResource;
      const isUpdate = kind === 'update' && id !== undefined && (target.kind === 'ids' || target.isNew === true);
      const isNew = intent.isNew ?? (target.kind === 'new' && target.isNew);
      return [
        planned({
          kind: isUpdate ? 'update' : 'create',
          resource: id === undefined ? resource : { ...resource, id },
          owner,
          ...conditions,
          ...(isNew ? { isNew } : {}),
        }),
      ];
    }
  }
}

function patch({ change, ifVersion }: Intent, row: Row | undefined): Pick<Write, 'resource' | 'ifVersion'> {
  if (row === undefined) throw new Problem('not-found', 'unknown or hidden');
  if (row.isDeleted) throw new Problem('deleted', 'the resource is deleted');
  if (ifVersion !== undefined && ifVersion !== row.version) throw stale();
  const resource = (change as NonNullable<typeof change>)(parseJson(row.body) as AnyResource);
  return { resource, ifVersion: row.version };
}

/** @see https://hl7.org/fhir/R4/http.html#concurrency 412 when If-Match names another version than the current one */
function stale(): HttpProblem {
  return new HttpProblem(412, 'conflict', 'the resource has changed since that version', {
    hint: 'Read the resource again and send its ETag as If-Match.',
  });
}

/** @see https://hl7.org/fhir/R4/http.html#trules "If any resource identities overlap [...] then the transaction SHALL fail" */
function requireDistinct(writes: readonly Planned[]): void {
  const seen = new Set<string>();
  for (const { write, index } of writes) {
    const { resourceType, id } = write.resource;
    if (id === undefined) continue;
    const name = `${resourceType}/${id}`;
    if (seen.has(name)) {
      throw atIndex(index, new HttpProblem(400, 'duplicate', 'two entries write the same resource'));
    }
    seen.add(name);
  }
}

/** The records of the patient who writes: their own, under every id they are linked to. */
async function recordsOf(tx: Tx, principal: Principal): Promise<string[]> {
  return principal.self === undefined ? [] : samePerson(tx, principal.self);
}

/** An error of the store, as HTTP has it and about the intent. */
function named(error: unknown, writes: readonly Planned[]): unknown {
  if (!(error instanceof Problem)) return error;
  const { index } = error;
  const problem = asPrecondition(error);
  return index === undefined ? problem : atIndex(writes[index]?.index ?? 0, problem);
}

/** A version, or the absence, that the sender made a condition of the write is not what there is: 412. */
export function asPrecondition(error: Problem): Problem {
  if (error.code !== 'conflict' || error instanceof HttpProblem) return error;
  return new HttpProblem(412, 'conflict', error.message, {
    hint: 'Read the resource again and send its ETag as If-Match.',
  });
}

function outcomeOf(
  target: Target,
  index: number,
  done: { readonly targets: readonly Target[]; readonly byIntent: ReadonlyMap<number, readonly Happened[]> },
): Outcome {
  if (target.kind === 'found') return target;
  if (target.kind === 'same') {
    const outcome = outcomeOf(done.targets[target.as] as Target, target.as, done);
    return outcome.kind === 'found' ? outcome : { kind: 'found', row: outcome.written[0] as Written };
  }
  return { kind: 'written', written: (done.byIntent.get(index) ?? []).map(({ written }) => written) };
}
