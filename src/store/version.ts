/** What one write makes of the current state of its row: the rules of versions, owners, precedence and immutability. Pure. */
import { clinicalPeriod } from '../fhir/clinical-date.ts';
import { parseJson } from '../fhir/json.ts';
import { labelBits } from '../fhir/labels.ts';
import { Problem } from '../fhir/problem.ts';
import { markedLabels, withLabels } from '../fhir/sensitivity/mark.ts';
import type { AnyResource } from '../fhir/types.ts';
import { mergeElements, writeBody } from './body.ts';
import { isClinicalDate, mainDateOf, type Patients } from './place.ts';
import type { Write, Written } from './row.ts';

/** A row as it stands, or as it will. */
export interface State {
  readonly bucket: number;
  readonly type: string;
  readonly id: string;
  readonly version: number;
  readonly lastUpdated: Date;
  readonly isDeleted: boolean;
  readonly owner: string;
  readonly patient: string | undefined;
  readonly otherPatients: readonly string[];
  readonly labels: number;
  /** Epoch milliseconds, half-open; undefined for undated. */
  readonly clinicalFrom: number | undefined;
  readonly clinicalTo: number | undefined;
  readonly precedence: number;
  readonly body: string;
}

/** A version that goes to history. */
export interface PastVersion {
  readonly bucket: number;
  readonly type: string;
  readonly id: string;
  readonly version: number;
  readonly lastUpdated: Date;
  readonly isDeleted: boolean;
  readonly body: string;
}

export interface Transition {
  readonly outcome: Written['outcome'];
  readonly state: State;
  /** The content of `state`; undefined when it did not change. */
  readonly resource: AnyResource | undefined;
  /** What stood before, and for a late older state that state too. */
  readonly past: readonly PastVersion[];
}

export interface Incoming {
  readonly write: Write;
  readonly id: string;
  readonly bucket: number;
  readonly patients: Patients;
  readonly at: Date;
  /** What the labelling service says of a content. */
  readonly sensitivity: (resource: AnyResource) => number;
}

/** The first version of a row. */
export function begin({ write, id, bucket, patients, at, sensitivity }: Incoming): Transition {
  if (write.ifVersion !== undefined) throw unknown();
  const resource = withLabels(write.resource, sensitivity(write.resource));
  const period = datesOf(resource);
  const state: State = {
    bucket,
    type: resource.resourceType,
    id,
    version: 1,
    lastUpdated: at,
    isDeleted: false,
    owner: write.owner,
    patient: patients.patient,
    otherPatients: patients.others,
    labels: labelBits(resource),
    clinicalFrom: period?.from,
    clinicalTo: period?.to,
    precedence: write.precedence ?? 0,
    body: writeBody(resource, id, 1, at),
  };
  return { outcome: 'created', state, resource, past: [] };
}

/** What a write says that takes the resource away. */
export function isDeletion({ kind, mode }: Write): boolean {
  return kind === 'delete' || (kind === 'draft' && mode === 'delete');
}

/**
 * The end of a row that is not there.
 * @throws Problem not-found unless a message says it: that one may have been sent before the hub was connected
 */
export function beginDeleted({ write, id, bucket, patients, at }: Incoming): Transition {
  if (write.kind === 'delete') throw unknown();
  const state: State = {
    bucket,
    type: write.resource.resourceType,
    id,
    version: 0,
    lastUpdated: at,
    isDeleted: true,
    owner: write.owner,
    patient: patients.patient,
    otherPatients: patients.others,
    labels: 0,
    clinicalFrom: undefined,
    clinicalTo: undefined,
    precedence: 0,
    body: '',
  };
  return { outcome: 'absent', state, resource: undefined, past: [] };
}

/**
 * A deletion is a version of its own. It holds no content (that is the version before it), keeps the labels, patients and
 * dates that the row ever had, and ends its ranks: what is sent again after it begins anew.
 * @see https://hl7.org/fhir/R4/http.html#delete
 */
function remove(current: State, at: Date): Transition {
  if (current.isDeleted) return { outcome: 'unchanged', state: current, resource: undefined, past: [] };
  const resource: AnyResource = { resourceType: current.type };
  const [version, lastUpdated] = [current.version + 1, later(at, current.lastUpdated)];
  const body = writeBody(resource, current.id, version, lastUpdated);
  const state: State = { ...current, version, lastUpdated, isDeleted: true, precedence: 0, body };
  return { outcome: 'deleted', state, resource, past: [current] };
}

/**
 * The next version of a row.
 * @param isFollowing extensions that follow the draft, see `mergeElements`
 * @throws Problem not-found for another's row, the same as for none; conflict for a stale `ifVersion`; duplicate for a
 *   create under a taken id; business-rule for a change of patient
 */
export function advance(
  current: State,
  incoming: Incoming,
  isKnownPast: (content: (version: number, lastUpdated: Date) => string) => boolean,
  isFollowing: (extensionUrl: string) => boolean,
): Transition {
  const { write, id, at, patients, sensitivity } = incoming;
  if (current.owner !== write.owner) throw unknown();
  if (write.kind === 'create') throw new Problem('duplicate', 'the id is taken');
  if (write.ifVersion !== undefined && write.ifVersion !== current.version) {
    throw new Problem('conflict', 'the resource has changed since that version', {
      hint: 'Read it again and repeat the change on the current version.',
    });
  }
  if (write.isNew && !current.isDeleted) throw new Problem('conflict', 'the resource exists');
  if (isDeletion(write)) return remove(current, at);
  // LEAKS 34: another patient would take the row's past along.
  if (patients.patient !== current.patient) {
    throw new Problem('business-rule', 'the patient of a resource cannot be changed', {
      hint: 'Write the resource under a new id for the other patient.',
    });
  }
  const said = saidOf(current);
  const union = unionOf(current, write.resource, patients);
  if (write.kind === 'draft' && (write.precedence ?? 0) < current.precedence && !current.isDeleted) {
    const late = withLabels(write.resource, sensitivity(write.resource) | said);
    const content = (version: number, lastUpdated: Date) => writeBody(late, id, version, lastUpdated);
    if (isKnownPast(content)) return { outcome: 'unchanged', state: current, resource: undefined, past: [] };
    return supersede(current, { ...union, labels: union.labels | labelBits(late) }, { late, content }, at);
  }
  const sent = contentOf(current, write, isFollowing);
  const resource = withLabels(sent, sensitivity(sent) | said);
  const isSame = !current.isDeleted && writeBody(resource, id, current.version, current.lastUpdated) === current.body;
  if (isSame) return { outcome: 'unchanged', state: current, resource: undefined, past: [] };
  const lastUpdated = later(at, current.lastUpdated);
  const version = current.version + 1;
  const state: State = {
    ...current,
    ...union,
    labels: union.labels | labelBits(resource),
    version,
    lastUpdated,
    isDeleted: false,
    precedence: write.precedence ?? current.precedence,
    body: writeBody(resource, id, version, lastUpdated),
  };
  // FHIR R4 http.html#update: what comes back to life is created.
  return { outcome: current.isDeleted ? 'created' : 'updated', state, resource, past: [current] };
}

/** The late state is kept as a version of its own; the current content follows it, so that it stays the last word. */
function supersede(
  current: State,
  union: Pick<State, 'labels' | 'otherPatients' | 'clinicalFrom' | 'clinicalTo'>,
  { late, content }: { late: AnyResource; content: (version: number, lastUpdated: Date) => string },
  at: Date,
): Transition {
  const [lateAt, lateVersion] = [later(at, current.lastUpdated), current.version + 1];
  const [restatedAt, restated] = [later(at, lateAt), lateVersion + 1];
  const stored = parseJson(current.body) as AnyResource;
  // It shows what guards the row from now on.
  const resource = withLabels(stored, markedLabels(stored) | markedLabels(late));
  const { bucket, type, id } = current;
  return {
    outcome: 'superseded',
    state: {
      ...current,
      ...union,
      version: restated,
      lastUpdated: restatedAt,
      body: writeBody(resource, id, restated, restatedAt),
    },
    resource,
    past: [
      current,
      {
        bucket,
        type,
        id,
        version: lateVersion,
        lastUpdated: lateAt,
        isDeleted: false,
        body: content(lateVersion, lateAt),
      },
    ],
  };
}

function contentOf(current: State, write: Write, isFollowing: (url: string) => boolean): AnyResource {
  if (write.mode !== 'merge' || current.isDeleted) return write.resource;
  const stored = parseJson(current.body) as AnyResource;
  return mergeElements(stored, withoutFallback(write, stored), write.removed ?? [], isFollowing);
}

/** An element that the message only falls back to (an Encounter.status under A08) yields to the one that is stored. */
function withoutFallback({ resource, fallback = [] }: Write, stored: AnyResource): AnyResource {
  const yielding = fallback.filter((name) => stored[name] !== undefined);
  if (yielding.length === 0) return resource;
  const names = new Set(yielding.flatMap((name) => [name, `_${name}`]));
  return Object.fromEntries(Object.entries(resource).filter(([name]) => !names.has(name))) as AnyResource;
}

/**
 * What the labelling service has said of the row: it stays on every later version, as the row stays guarded by it, until the
 * sets change (labels/relabel.ts).
 */
function saidOf({ labels, isDeleted, body }: State): number {
  return labels === 0 || isDeleted ? 0 : markedLabels(parseJson(body) as AnyResource);
}

/** Labels, patients and dates only ever grow: what any version was, the whole row is (LEAKS 8, 36). */
function unionOf(
  current: State,
  resource: AnyResource,
  patients: Patients,
): Pick<State, 'labels' | 'otherPatients' | 'clinicalFrom' | 'clinicalTo'> {
  const period = datesOf(resource);
  return {
    labels: current.labels | labelBits(resource),
    otherPatients: [...new Set([...current.otherPatients, ...patients.others])],
    clinicalFrom: least(current.clinicalFrom, period?.from),
    clinicalTo: most(current.clinicalTo, period?.to),
  };
}

function datesOf(resource: AnyResource): { from: number; to: number } | undefined {
  return isClinicalDate(mainDateOf(resource.resourceType) ?? '') ? clinicalPeriod(resource) : undefined;
}

function least(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? (one ?? other) : Math.min(one, other);
}

function most(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? (one ?? other) : Math.max(one, other);
}

/** Monotone for each row: clocks of several processes differ, and readers that ask "since" must not miss a version. */
function later(at: Date, previous: Date): Date {
  return at > previous ? at : new Date(previous.getTime() + 1);
}

/** The same for unknown, hidden, and another's (LEAKS 21, 35). */
export function unknown(): Problem {
  return new Problem('not-found', 'the resource is not known');
}
