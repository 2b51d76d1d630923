/**
 * store/ keeps resources: their current versions, their past, and what finds them. It decides what a write makes of a row
 * and which rows a search returns; who may see them it is told (`Visibility`), and who may write it leaves to its callers.
 *
 * `commit` writes any number of resources in a handful of statements, in the caller's transaction: current row and index,
 * history, identifiers, locators and the outbox stand or fall together, with the message's state and the audit if the
 * caller writes them in the same transaction.
 */
import { randomBytes } from 'node:crypto';
import { setImmediate as breathe } from 'node:timers/promises';
import type { Tx } from '../db.ts';
import { isMintedId, ownBucket } from '../fhir/ids.ts';
import { parseJson } from '../fhir/json.ts';
import { limitedTo } from '../fhir/params.ts';
import { carriedReferences } from '../fhir/sensitivity/carry.ts';
import { atIndex, Problem } from '../fhir/problem.ts';
import { typeCode, type AnyResource } from '../fhir/types.ts';
import { unmappedUrl } from '../mapping/values/extensions.ts';
import { findErased, keptOut } from './erased.ts';
import { deleteIdentifiers, identifierHashes, insertIdentifiers, type IdentifierRow } from './identifier.ts';
import { indexColumns } from './index-columns.ts';
import { carryLabels, pushLabels, readCarried, type Labelled, type Others } from './labels/carry.ts';
import { currentSensitivity } from './labels/current.ts';
import { writeSearchParameters } from './index-revision.ts';
import { IndexColumns } from './params/columns.ts';
import { bucketOf, isInDirectory, mintId, needsLocator, patientsOf } from './place.ts';
import type { Write, Written } from './row.ts';
import { writeTerminology } from './terminology/write.ts';
import {
  insertHistory,
  insertLocators,
  insertOutbox,
  insertRows,
  lockRows,
  readLocators,
  readPast,
  readPatientOwners,
  readRows,
  updateRows,
  type IndexedState,
  type Key,
} from './rows.ts';
import {
  advance,
  begin,
  beginDeleted,
  isDeletion,
  unknown,
  type Incoming,
  type PastVersion,
  type State,
  type Transition,
} from './version.ts';

export interface CommitOptions {
  /** The time of the commit: `meta.lastUpdated`, unless a row already has a later one. */
  readonly at: Date;
  /** Values by which one resource is searched. Default: {@link valuesMaxDefault}. */
  readonly valuesMax?: number;
}

/** More resources than the largest transaction Bundle or batch of messages; the statement's arrays stay small. */
const writesMax = 10_000;
/**
 * They take 3 to 13 us each, so at most 0.65 s in which the process does nothing else. A list or group of 10,000 has as many,
 * a panel of 4,000 components 20,000; 5 MB of names would have a million.
 */
export const valuesMaxDefault = 50_000;
/** Of all resources of a commit: 50 for each of as many as there may be; a result of a laboratory has 26. */
const commitValuesMax = 50 * writesMax;
/** Between two turns of the event loop: some 30 ms. */
const breathAfter = 5_000;

/**
 * Writes in the given order; several writes of one row in one call each make their version.
 * @throws Problem not-found (unknown, or another's), conflict (`ifVersion`), duplicate, business-rule (patient, compartment,
 *   reference to a Patient that is not the writer's), too-long and too-costly (values to search by), with the `index` of the write. One Problem undoes the whole transaction.
 */
export async function commit(
  tx: Tx,
  writes: readonly Write[],
  { at, valuesMax = valuesMaxDefault }: CommitOptions,
): Promise<Written[]> {
  if (writes.length > writesMax) throw new Problem('too-costly', `at most ${writesMax} resources a transaction`);
  const incoming = await placeWrites(tx, writes, at);
  const read = await readCurrent(tx, incoming);
  await checkPatients(tx, incoming, read);
  await checkErased(tx, incoming, read);
  const planned = await plan(tx, incoming, read);
  const rows = changedRows(incoming, planned);
  const others = await readCarried(tx, rows);
  const locked = await lockChanging(tx, incoming, planned);
  const { before, transitions, passedOn } =
    locked === planned ? carry(planned, rows, others) : await carryAnew(tx, incoming, locked);
  await writeTransitions(tx, transitions, { before, at, valuesMax });
  await pushLabels(tx, passedOn);
  return transitions.map(({ outcome, state }) => ({
    outcome,
    bucket: state.bucket,
    type: state.type,
    id: state.id,
    version: state.version,
    lastUpdated: state.lastUpdated,
    isDeleted: state.isDeleted,
    body: state.body,
    patient: state.patient,
    otherPatients: state.otherPatients,
    labels: state.labels,
  }));
}

/** Ids and buckets: minted, read from the id, or looked up. */
async function placeWrites(tx: Tx, writes: readonly Write[], at: Date): Promise<Incoming[]> {
  const named = each(writes, (write) => {
    const type = write.resource.resourceType;
    if (typeCode(type) === undefined) throw new Problem('not-supported', 'no R4 resource type');
    const id = write.resource.id ?? (write.kind === 'create' ? mintId(write.resource, randomBytes(16)) : undefined);
    if (id === undefined) throw new Problem('required', 'the resource has no id', { expression: `${type}.id` });
    const resource = write.resource.id === undefined ? { ...write.resource, id } : write.resource;
    return { write: { ...write, resource }, type, id, patients: patientsOf(resource) };
  });
  const locators = await readLocators(
    tx,
    named.filter(({ type, id }) => needsLocator(type, id)),
  );
  return each(named, ({ write, type, id, patients }) => {
    const bucket = locators.get(`${type}/${id}`) ?? bucketOf(type, id, patients.patient);
    return { write, id, bucket, patients, at, sensitivity: currentSensitivity };
  });
}

function each<From, To>(items: readonly From[], make: (item: From, index: number) => To): To[] {
  return items.map((item, index) => {
    try {
      return make(item, index);
    } catch (error) {
      throw atIndex(index, error);
    }
  });
}

const keyOf = ({ bucket, id, write }: Incoming): Key => ({ bucket, type: write.resource.resourceType, id });
const nameOf = ({ bucket, type, id }: Key): string => `${bucket}/${type}/${id}`;

type States = ReadonlyMap<string, State>;

async function readCurrent(tx: Tx, incoming: readonly Incoming[]): Promise<States> {
  // An id that was just minted has no row, and if it had, the insert would say so.
  const keys = incoming.filter(({ write }) => write.kind !== 'create').map(keyOf);
  const distinct = new Map(keys.map((key) => [nameOf(key), key]));
  return byName(await readRows(tx, [...distinct.values()]));
}

const byName = (states: readonly State[]): States => new Map(states.map((state) => [nameOf(state), state]));

interface Plan {
  readonly before: States;
  readonly transitions: readonly Transition[];
}

async function plan(tx: Tx, incoming: readonly Incoming[], before: States): Promise<Plan> {
  const past = await readPast(tx, lateRows(incoming, before));
  return { before, transitions: applyInOrder(incoming, before, past) };
}

/**
 * Locks the rows that the plan changes, and only those: every message restates its ward and its doctors, and if each held
 * them until its commit, all would wait for each other. A row that was read as unchanged needs no lock: this transaction
 * stands before whichever changes it. A row that has changed since it was read is planned again, now that it stands still.
 */
async function lockChanging(tx: Tx, incoming: readonly Incoming[], planned: Plan): Promise<Plan> {
  const { before, transitions } = planned;
  const changing = byName(
    transitions
      .filter((transition) => isChange(transition) && before.has(nameOf(transition.state)))
      .map(({ state }) => state),
  );
  const locked = await lockRows(tx, [...changing.values()]);
  const stale = locked.filter((key) => before.get(nameOf(key))?.version !== key.version);
  if (stale.length === 0) return planned;
  return plan(tx, incoming, new Map([...before, ...byName(await readRows(tx, stale))]));
}

/** Each row that the commit changes, once, as it will be. */
function changedRows(incoming: readonly Incoming[], { before, transitions }: Plan): Labelled[] {
  const rows = new Map<string, Labelled>();
  for (const [index, { outcome, state, resource }] of transitions.entries()) {
    if (outcome === 'unchanged' || state.isDeleted || resource === undefined) continue;
    rows.set(nameOf(state), {
      state,
      resource,
      references: carriedReferences(resource),
      grown: state.labels & ~(before.get(nameOf(state))?.labels ?? 0),
      isUnheardOf: incoming[index]?.write.kind === 'create',
    });
  }
  return [...rows.values()];
}

/** What each row takes from what it refers to; `passedOn`: the rows whose labels others may have to take. */
function carry(
  plan: Plan,
  rows: readonly Labelled[],
  others: Others,
): Plan & { readonly passedOn: readonly Labelled[] } {
  const carrying = new Map(carryLabels(rows, others).map((row) => [nameOf(row.state), row]));
  if (carrying.size === 0) return { ...plan, passedOn: rows };
  const transitions = plan.transitions.map((transition) => {
    const row = carrying.get(nameOf(transition.state));
    // Of several versions the last is the row's; the others are past.
    if (row?.state.version !== transition.state.version) return transition;
    return { ...transition, state: row.state, resource: transition.resource && row.resource };
  });
  const passedOn = rows.map((row) => carrying.get(nameOf(row.state)) ?? row);
  return { before: plan.before, transitions, passedOn };
}

/** What was planned again may refer to something else. */
async function carryAnew(tx: Tx, incoming: readonly Incoming[], plan: Plan): Promise<ReturnType<typeof carry>> {
  const rows = changedRows(incoming, plan);
  return carry(plan, rows, await readCarried(tx, rows));
}

/** LEAKS 35: a source may speak of its own patients only; a Patient of another is like none. */
async function checkPatients(tx: Tx, incoming: readonly Incoming[], before: States): Promise<void> {
  const writtenHere = new Map(
    incoming
      .filter(({ write }) => write.resource.resourceType === 'Patient')
      .map(({ id, write }) => [
        id,
        before.get(nameOf({ bucket: ownBucket(id), type: 'Patient', id }))?.owner ?? write.owner,
      ]),
  );
  const asked: { id: string; owner: string; index: number }[] = [];
  for (const [index, one] of incoming.entries()) {
    const { write, patients } = one;
    if (write.resource.resourceType === 'Patient' || isDeletion(write)) continue;
    const current = before.get(nameOf(keyOf(one)));
    // Of a row of another source nothing is known: it would tell whose it is.
    const known = current?.owner === write.owner ? current : undefined;
    for (const id of [patients.patient, ...patients.others]) {
      if (id === undefined || id === known?.patient || known?.otherPatients.includes(id)) continue;
      if (write.speaksFor?.includes(id) || writtenHere.get(id) === write.owner) continue;
      asked.push({ id, owner: write.owner, index });
    }
  }
  const owners = await readPatientOwners(tx, [...new Set(asked.map(({ id }) => id))]);
  const stranger = asked.find(({ id, owner }) => owners.get(id) !== owner);
  if (stranger === undefined) return;
  const problem = new Problem('business-rule', 'the resource refers to a Patient that is not known', {
    hint: 'Refer to a Patient that the same source has written.',
  });
  throw atIndex(stranger.index, problem);
}

/** A Patient that is new here may be one that its source had, and that was erased. What messages say was asked before (hub/apply.ts). */
async function checkErased(tx: Tx, incoming: readonly Incoming[], before: States): Promise<void> {
  const fresh = [...incoming.entries()].filter(
    ([, one]) =>
      one.write.resource.resourceType === 'Patient' &&
      (one.write.kind === 'create' || one.write.kind === 'update') &&
      !before.has(nameOf(keyOf(one))),
  );
  const erased = await findErased(
    tx,
    fresh.map(([, { write }]) => write),
  );
  for (const [at, whose] of erased) throw atIndex(fresh[at]?.[0] ?? 0, whose === 'own' ? keptOut() : unknown());
}

function lateRows(incoming: readonly Incoming[], before: States): Key[] {
  return incoming
    .filter((one) => {
      const current = before.get(nameOf(keyOf(one)));
      return (
        one.write.kind === 'draft' &&
        !isDeletion(one.write) &&
        current !== undefined &&
        (one.write.precedence ?? 0) < current.precedence
      );
    })
    .map(keyOf);
}

function applyInOrder(incoming: readonly Incoming[], before: States, past: readonly PastVersion[]): Transition[] {
  const states = new Map(before);
  const history = Map.groupBy(past, nameOf);
  return each(incoming, (one) => {
    const name = nameOf(keyOf(one));
    const current = states.get(name);
    const older = history.get(name) ?? [];
    const transition =
      current === undefined
        ? first(one)
        : advance(
            current,
            one,
            (content) => older.some((o) => content(o.version, o.lastUpdated) === o.body),
            isFollowing,
          );
    if (transition.outcome !== 'absent') states.set(name, transition.state);
    history.set(name, [...older, ...transition.past]);
    return transition;
  });
}

/** LEAKS 21: a minted id without a row answers as one with a hidden row does; only the hub mints ids. */
function first(one: Incoming): Transition {
  if (isDeletion(one.write)) return beginDeleted(one);
  if (one.write.kind === 'update' && isMintedId(one.id)) throw unknown();
  return begin(one);
}

function isChange({ outcome }: Transition): boolean {
  return outcome !== 'unchanged' && outcome !== 'absent';
}

/** Fields of a message that no rule took: they mirror that message, so the next one replaces them. */
function isFollowing(extensionUrl: string): boolean {
  return extensionUrl === unmappedUrl;
}

type IndexedRow = IndexedState & { readonly resource: AnyResource };

/** The rows as they will be; others are served meanwhile. */
async function indexRows(transitions: readonly Transition[], valuesMax: number): Promise<IndexedRow[]> {
  // Of several versions of one row in this call the last is current; the others are in `past`.
  const last = new Map(
    transitions.flatMap((transition, index) =>
      isChange(transition) ? [[nameOf(transition.state), { ...transition, index }] as const] : [],
    ),
  );
  const rows: IndexedRow[] = [];
  let [total, sinceBreath] = [0, 0];
  for (const { state, resource, index } of last.values()) {
    const content = resource as AnyResource;
    const limit = limitedTo(valuesMax, state.type);
    try {
      // Nothing finds what is deleted.
      rows.push({
        state,
        resource: content,
        columns: state.isDeleted ? new IndexColumns() : indexColumns(content, limit),
      });
      if ((total += limit.used) > Math.max(valuesMax, commitValuesMax)) throw tooManyValues();
    } catch (error) {
      throw atIndex(index, error);
    }
    if ((sinceBreath += limit.used) < breathAfter) continue;
    await breathe();
    sinceBreath = 0;
  }
  return rows;
}

function tooManyValues(): Problem {
  return new Problem('too-costly', `a transaction has at most ${commitValuesMax} values to be searched by`, {
    hint: 'Send it in several.',
  });
}

async function writeTransitions(
  tx: Tx,
  transitions: readonly Transition[],
  { before, at, valuesMax }: { readonly before: States; readonly at: Date; readonly valuesMax: number },
): Promise<void> {
  const changed = transitions.filter(isChange);
  const rows = await indexRows(transitions, valuesMax);
  const [existing, fresh] = [
    rows.filter(({ state }) => before.has(nameOf(state))),
    rows.filter(({ state }) => !before.has(nameOf(state))),
  ];
  const identifiers = identifierChanges(rows, before);
  // One connection runs them in this order; none waits for the answer of the one before.
  await Promise.all([
    insertRows(tx, fresh.toSorted(byKey)),
    insertLocators(
      tx,
      fresh.map(({ state }) => state).filter(({ type, id }) => needsLocator(type, id)),
    ),
    updateRows(tx, existing),
    insertHistory(
      tx,
      changed.flatMap(({ past, state: { owner } }) => past.map((version) => ({ ...version, owner }))),
    ),
    insertIdentifiers(tx, identifiers.added),
    deleteIdentifiers(tx, identifiers.gone),
    insertOutbox(
      tx,
      rows.map(({ state }) => state),
      at,
    ),
    writeSearchParameters(
      tx,
      rows
        .filter(({ state }) => state.type === 'SearchParameter')
        .map(({ state: { id, isDeleted }, resource }) => ({ id, resource, isDeleted })),
    ),
    writeTerminology(
      tx,
      rows.map(({ state, resource }) => ({
        owner: state.owner,
        resource: { ...resource, resourceType: state.type, id: state.id },
        lastUpdated: state.lastUpdated,
        isDeleted: state.isDeleted,
      })),
    ),
  ]);
}

function byKey(one: IndexedState, other: IndexedState): number {
  const [a, b] = [one.state, other.state];
  return a.bucket - b.bucket || (typeCode(a.type) as number) - (typeCode(b.type) as number) || (a.id < b.id ? -1 : 1);
}

function identifierChanges(
  rows: readonly IndexedRow[],
  before: States,
): { added: IdentifierRow[]; gone: IdentifierRow[] } {
  const added: IdentifierRow[] = [];
  const gone: IdentifierRow[] = [];
  for (const { state: key, resource } of rows) {
    const now = new Set(identifierHashes(resource));
    const current = before.get(nameOf(key));
    const then = new Set(
      current === undefined || current.isDeleted || !isInDirectory(key.type)
        ? []
        : identifierHashes(parseJson(current.body) as AnyResource),
    );
    for (const hash of now) if (!then.has(hash)) added.push({ key, hash });
    for (const hash of then) if (!now.has(hash)) gone.push({ key, hash });
  }
  return { added, gone };
}
