/**
 * Telling one subscription what there is to tell. What is said is decided when it is sent, in this order:
 *
 * 1. what of the waiting changes is an event, under the rights of this moment; if nothing is, no connection is opened either;
 * 2. a connection to the receiver;
 * 3. numbers, committed: an event keeps its own whatever happens from here on;
 * 4. the audit trail, committed: what cannot be recorded is not sent;
 * 5. in one transaction: shared locks on every right the notification rests on (the patients of its rows with all records of
 *    the same persons, the token, the client, the subscription), the decision once more, with the content, and the sending,
 *    until the last byte is with the operating system. Whoever takes such a right away takes the lock alone and commits
 *    after: when a revocation is answered, what it forbids has left before or never leaves (docs/decisions/0029).
 */
import { randomUUID } from 'node:crypto';
import { auditEntries, type Audit } from '../../access/audit/audit.ts';
import type { Principal } from '../../access/principal/principal.ts';
import { locksOf } from '../../access/token/sending.ts';
import type { Database, Tx } from '../../db.ts';
import { Problem } from '../../fhir/problem.ts';
import { notification, type NotifiedEvent } from '../../fhir/subscription/notification.ts';
import { samePersons } from '../../identity/link.ts';
import { shareNames } from '../../store/lock.ts';
import { ChannelError, type Channel, type Line, type Sent } from './channel.ts';
import { lost, rightsOf, type Claimed } from './claim.ts';
import { evaluate, type Told } from './evaluate.ts';
import { pendingMaxDefault } from './match.ts';
import * as progress from './progress.ts';
import type { Waiting } from './progress.ts';
import { sendingOf } from './subscription.ts';

export interface DeliverOptions {
  readonly database: Database;
  readonly audit: Audit;
  /** FHIR base URL. */
  readonly base: string;
  readonly channels: Readonly<Partial<Record<Claimed['request']['channel'], Channel>>>;
  readonly limits?: Partial<DeliverLimits>;
}

export interface DeliverLimits {
  /** The wait after the first failure; it doubles with each, up to `retryMsMax`. */
  readonly retryMs: number;
  readonly retryMsMax: number;
  /** Failures in a row after which a subscription is ended. */
  readonly attemptsMax: number;
  /** How long a message may take to the operating system: so long a revocation may wait. */
  readonly flushMs: number;
  readonly pendingMax: number;
}

/** 1 s, 2 s, ... 1 h: given up after some six hours. */
export const deliverLimits: DeliverLimits = {
  retryMs: 1_000,
  retryMsMax: 3_600_000,
  attemptsMax: 17,
  flushMs: 2_000,
  pendingMax: pendingMaxDefault,
};

/** Rights that change while a notification is on its way: so often it is begun again at once. */
const roundsMax = 3;

export async function deliver(claimed: Claimed, options: DeliverOptions): Promise<void> {
  const { database } = options;
  const limits = { ...deliverLimits, ...options.limits };
  const reason = await database.inTransaction((tx) => overBecause(tx, claimed, limits));
  if (reason !== undefined) return database.inTransaction((tx) => progress.turnOff(tx, claimed, reason));
  const isAbsent = claimed.request.channel === 'websocket' && claimed.binding === undefined;
  if (isAbsent) return database.inTransaction((tx) => progress.unbind(tx, claimed));
  try {
    await tell(claimed, options, limits);
  } catch (error) {
    if (!(error instanceof ChannelError)) throw error;
    await fail(claimed, error, options, limits);
  }
}

async function overBecause(tx: Tx, claimed: Claimed, { pendingMax }: DeliverLimits): Promise<string | undefined> {
  if (claimed.isOver) return 'the time of the subscription is over';
  if ((await rightsOf(tx, claimed)) === undefined) return 'the client or its token no longer has the rights';
  return claimed.pending > pendingMax ? 'more events were waiting than are kept' : undefined;
}

async function fail(
  claimed: Claimed,
  { message, isFinal }: ChannelError,
  { database }: DeliverOptions,
  { retryMs, retryMsMax, attemptsMax }: DeliverLimits,
): Promise<void> {
  // A client that has gone comes back by itself, and is told then.
  if (claimed.request.channel === 'websocket') return database.inTransaction((tx) => progress.unbind(tx, claimed));
  const { attempts } = claimed;
  if (isFinal || attempts + 1 >= attemptsMax) {
    return database.inTransaction((tx) => progress.turnOff(tx, claimed, message));
  }
  const wait = Math.min(retryMs * 2 ** attempts, retryMsMax);
  return database.inTransaction((tx) => progress.noteFailure(tx, claimed, { error: message, retryMs: wait }));
}

async function tell(claimed: Claimed, options: DeliverOptions, limits: DeliverLimits): Promise<void> {
  const { database } = options;
  if (!claimed.isGreeted) {
    const sent = await sendPlain('handshake', claimed, options, limits);
    await sent.answered;
    return database.inTransaction((tx) => progress.noteSuccess(tx, claimed, { told: [], isGreeting: true }));
  }
  for (let round = 1; round <= roundsMax; round++) {
    const told = await tellEvents(claimed, options, limits);
    if (told === 'nothing') {
      if (!isBeatDue(claimed)) return database.inTransaction((tx) => progress.noteNothing(tx, claimed));
      const sent = await sendPlain('heartbeat', claimed, options, limits);
      await sent.answered;
      return database.inTransaction((tx) => progress.noteSuccess(tx, claimed, { told: [] }));
    }
    if (told === 'told') return;
  }
  // Rights change faster than they can be held: at the next look.
  await database.inTransaction((tx) => progress.noteNothing(tx, claimed));
}

const isBeatDue = ({ request: { heartbeatSeconds }, sentAt }: Claimed): boolean =>
  heartbeatSeconds !== undefined && Date.now() - sentAt.getTime() >= heartbeatSeconds * 1_000;

/** A message about nobody. */
async function sendPlain(
  type: 'handshake' | 'heartbeat',
  claimed: Claimed,
  options: DeliverOptions,
  limits: DeliverLimits,
): Promise<Sent> {
  const line = await open(claimed, options);
  return options.database.inTransaction(async (tx) => {
    await shareNames(tx, [sendingOf(claimed.id)]);
    await requireRights(tx, claimed);
    const sent = line.send(bodyOf(claimed, options, { type, events: [], total: claimed.events }));
    await flush(line, sent, limits);
    return sent;
  });
}

/** @throws Problem lock-error: at the next look it is ended */
async function requireRights(tx: Tx, claimed: Claimed): Promise<Principal> {
  const principal = await rightsOf(tx, claimed);
  if (principal === undefined) throw lost();
  return principal;
}

interface Content {
  readonly type: 'handshake' | 'heartbeat' | 'event-notification';
  readonly events: readonly NotifiedEvent[];
  readonly total: number;
}

function bodyOf(claimed: Claimed, { base }: DeliverOptions, { type, events, total }: Content): string {
  const { content } = claimed.request;
  // A subscription that is told something works, whatever went wrong before.
  const { error: _error, ...state } = claimed;
  const status = type === 'handshake' ? claimed.status : 'active';
  return notification(
    { ...state, status, events: total },
    { base, type, content, events, at: new Date(), ids: [randomUUID(), randomUUID()] },
  );
}

async function tellEvents(
  claimed: Claimed,
  options: DeliverOptions,
  limits: DeliverLimits,
): Promise<'told' | 'nothing' | 'changed'> {
  const { database, audit } = options;
  const { principal, chosen, told } = await database.inTransaction((tx) => choose(tx, claimed, options));
  if (chosen.length === 0) return 'nothing';
  const line = await open(claimed, options);
  const isNew = chosen[0]?.number === null;
  let hasLeft = false;
  try {
    const total = isNew
      ? await database.inTransaction((tx) => progress.assignNumbers(tx, claimed, chosen))
      : claimed.events;
    const numbered = isNew ? chosen.map((one, at) => ({ ...one, number: total - chosen.length + at + 1 })) : chosen;
    await audit.record(entriesOf(principal, claimed, told));
    const sent = await database.inTransaction(async (tx) => {
      const now = await decideAgain(tx, claimed, { numbered, told, isNew, options });
      if (now === undefined) return undefined;
      const events = numbered.map(({ place, number, committed_at }): NotifiedEvent => {
        const focus = now.get(place)?.focus;
        return { number: number as number, at: committed_at, ...(focus === undefined ? {} : { focus }) };
      });
      const body = bodyOf(claimed, options, { type: 'event-notification', events, total });
      hasLeft = true;
      const leaving = line.send(body);
      await flush(line, leaving, limits);
      return leaving;
    });
    if (sent === undefined) return 'changed';
    await sent.answered;
    await database.inTransaction((tx) => progress.noteSuccess(tx, claimed, { told: numbered }));
    return 'told';
  } finally {
    // First: whether the database is there or not, the connection is of no use any more.
    line.release();
    if (isNew && !hasLeft) await database.inTransaction((tx) => progress.takeNumbersBack(tx, claimed, chosen));
  }
}

interface Chosen {
  readonly principal: Principal;
  readonly chosen: readonly Waiting[];
  readonly told: ReadonlyMap<number, Told>;
}

/** What is numbered already is sent as it is, without what may not be seen any more. */
async function choose(tx: Tx, claimed: Claimed, { base }: DeliverOptions): Promise<Chosen> {
  const { request } = claimed;
  const principal = await requireRights(tx, claimed);
  const waiting = await progress.nextWaiting(tx, claimed);
  const told = await evaluate(tx, waiting, { principal, request, content: request.content, base, now: Date.now() });
  if (waiting.some(({ number }) => number !== null)) return { principal, chosen: waiting, told };
  const { chosen, passed } = progress.divideWaiting(waiting, told, request.maxCount);
  await progress.forget(tx, claimed, passed);
  const places = new Set(chosen.map(({ place }) => place));
  return { principal, chosen, told: new Map([...told].filter(([place]) => places.has(place))) };
}

interface Decided {
  readonly numbered: readonly Waiting[];
  readonly told: ReadonlyMap<number, Told>;
  readonly isNew: boolean;
  readonly options: DeliverOptions;
}

/**
 * Under the locks, by statements that begin after they were had: what stands in the trail and may still be told, with its
 * content; undefined when that is not what the numbers were given for.
 */
async function decideAgain(
  tx: Tx,
  claimed: Claimed,
  { numbered, told, isNew, options: { base } }: Decided,
): Promise<ReadonlyMap<number, Told> | undefined> {
  const patients = [...told.values()].flatMap(({ patient, otherPatients }) => [patient, ...otherPatients]);
  const named = [...new Set(patients.filter((patient) => patient !== undefined))];
  const persons = await personsOf(tx, named);
  await shareNames(tx, [
    sendingOf(claimed.id),
    ...locksOf(claimed.principal),
    ...persons.map((patient) => `patient ${patient}`),
  ]);
  // Somebody was linked meanwhile, whose word counts too.
  if ((await personsOf(tx, named)).some((patient) => !persons.includes(patient))) return undefined;
  const principal = await rightsOf(tx, claimed);
  if (principal === undefined) return undefined;
  const { request } = claimed;
  const now = await evaluate(tx, numbered, { principal, request, content: request.content, base, now: Date.now() });
  const isRecorded = [...now.values()].every((one) => isSame(one, told.get(one.place)));
  return isRecorded && (!isNew || now.size === numbered.length) ? now : undefined;
}

/** Whose it is, and why it may be told, is what the trail says. */
function isSame(one: Told, other: Told | undefined): boolean {
  return (
    one.decidedBy === other?.decidedBy && one.otherPatients.every((patient) => other.otherPatients.includes(patient))
  );
}

async function personsOf(tx: Tx, patients: readonly string[]): Promise<string[]> {
  return [...new Set([...(await samePersons(tx, patients)).values()].flat())];
}

function entriesOf(principal: Principal, { id }: Claimed, told: ReadonlyMap<number, Told>) {
  const rows = [...told.values()].map(({ patient = null, otherPatients, decidedBy }) => ({
    patient,
    otherPatients,
    decidedBy,
  }));
  return auditEntries(
    { principal, interaction: 'operation', type: 'Subscription', id, query: '$notify', at: Date.now() },
    rows,
  );
}

async function open(claimed: Claimed, { channels }: DeliverOptions): Promise<Line> {
  const channel = channels[claimed.request.channel];
  if (channel === undefined) throw new Problem('lock-error', 'another process sends this');
  return channel.open(claimed);
}

/** A message that does not leave in time never does. */
async function flush(line: Line, { flushed, answered }: Sent, { flushMs }: DeliverLimits): Promise<void> {
  // Whoever waits for the answer hears of it; until then it is nobody's.
  answered.catch(() => undefined);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new ChannelError('the receiver did not take the notification in time')), flushMs);
  });
  try {
    await Promise.race([flushed, late]);
  } catch (error) {
    line.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
