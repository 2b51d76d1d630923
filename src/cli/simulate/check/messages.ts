/**
 * Messages of the ledger against the hub's archive: what was accepted is there once and processed, what is broken became no record,
 * nothing else came from these hospitals, and order was kept, from the first byte to the last commit.
 */
import type { Tx } from '../../../db.ts';
import { statuses } from '../../../ingest/status.ts';
import type { MessageEntry } from '../ledger.ts';
import { isAccepted } from '../send.ts';
import type { Findings } from './findings.ts';
import { messageRows, type MessageRow } from './rows.ts';

export interface SentMessage {
  /** Position of its first line among those of its facility. */
  readonly seq: number;
  readonly isBroken: boolean;
  isAccepted: boolean;
  stored: number;
}

/** By facility, control id and digest: the same number with other bytes is another message. */
export type SentMessages = Map<string, SentMessage>;

export interface MessageCounts {
  readonly accepted: number;
  readonly refused: number;
  readonly processed: number;
  readonly quarantined: number;
}

export function enterMessage(sent: SentMessages, line: MessageEntry): void {
  const key = keyOf(line);
  const before = sent.get(key);
  if (before === undefined) {
    // Of a broken file nobody knows what became of it, but the hub.
    const isIn = isAccepted(line.answer) && !(line.isBroken && line.answer === 'left');
    sent.set(key, { seq: sent.size, isBroken: line.isBroken === true, isAccepted: isIn, stored: 0 });
  } else if (isAccepted(line.answer)) {
    before.isAccepted = true;
  }
}

export interface MessageCheckOptions {
  /** Clocks of hub processes were moved: when something was processed, by their own telling, says nothing of its order. */
  readonly areClocksMoved?: boolean;
}

export async function checkMessages(
  db: Tx,
  sent: SentMessages,
  findings: Findings,
  { areClocksMoved = false }: MessageCheckOptions = {},
): Promise<MessageCounts> {
  const facilities = new Set([...sent.keys()].map((key) => key.slice(0, key.indexOf(' '))));
  const lastOf = { facility: new Map<string, number>(), lane: new Map<number, Date>() };
  let [processed, quarantined] = [0, 0];
  for await (const row of messageRows(db)) {
    if (!facilities.has(row.facility)) continue;
    const name = `${row.facility} ${row.controlId}`;
    const message = sent.get(keyOf(row));
    if (message === undefined) {
      findings.add('messages are stored that nobody sent', name);
      continue;
    }
    message.stored++;
    const status = statuses[row.status];
    if (status === 'processed') processed++;
    if (status === 'quarantined') quarantined++;
    checkFate(message, status ?? 'waiting', name, findings);
    checkArrival(row, message, lastOf.facility, name, findings);
    if (!areClocksMoved) checkLane(row, lastOf.lane, name, findings);
  }
  let accepted = 0;
  for (const [key, message] of sent) {
    if (message.isAccepted) accepted++;
    const name = key.slice(0, key.lastIndexOf(' '));
    if (message.isAccepted && message.stored === 0) findings.add('messages were accepted and are not stored', name);
    if (message.stored > 1) findings.add('messages are stored more than once', name);
  }
  return { accepted, refused: sent.size - accepted, processed, quarantined };
}

function checkFate(message: SentMessage, status: string, name: string, findings: Findings): void {
  if (message.isBroken && status === 'processed') findings.add('broken messages became records', name);
  if (!message.isBroken && status !== 'processed') findings.add(`messages are ${status}, not processed`, name);
  if (message.isBroken && status === 'waiting') findings.add('broken messages wait for ever', name);
}

function checkArrival(
  { facility }: MessageRow,
  { seq }: SentMessage,
  last: Map<string, number>,
  name: string,
  findings: Findings,
): void {
  const before = last.get(facility) ?? -1;
  if (seq < before) findings.add('messages arrived in another order than they were sent', name);
  last.set(facility, Math.max(before, seq));
}

function checkLane(
  { processedAt, laneKey }: MessageRow,
  last: Map<number, Date>,
  name: string,
  findings: Findings,
): void {
  if (processedAt === null) return;
  const before = last.get(laneKey);
  if (before !== undefined && processedAt < before) {
    findings.add('messages were processed before an earlier one of their lane', name);
  }
  last.set(laneKey, processedAt);
}

function keyOf({ facility, controlId, digest }: Pick<MessageRow, 'facility' | 'controlId' | 'digest'>): string {
  return `${facility} ${controlId} ${digest}`;
}
