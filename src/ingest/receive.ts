/**
 * From a message in memory to a message on disk. Messages of all sockets are gathered for a moment and written in one
 * statement, which is one transaction and one wait for the disk; each sender gets its receipt only after that.
 *
 * One row at a time, PostgreSQL commits 2-3 thousand messages a second here; gathered, 13 thousand.
 */
import { hash } from 'node:crypto';
import type { Tx } from '../db.ts';
import { sql } from '../db/sql.ts';
import { Problem } from '../fhir/problem.ts';
import type { Inbound, Receipt } from './contract.ts';
import { insertMessageRows, type MessageRow, type StoredRow } from './insert.ts';
import { laneKey } from './lane.ts';

export interface ReceiverOptions {
  /** Preferably with a connection of its own: a write that waits for the disk makes reads behind it wait too. */
  readonly database: Tx;
  /** Called after each commit: there is work. */
  readonly onStored?: () => void;
  readonly now?: () => Date;
}

export interface Receiver {
  /**
   * Resolves after the commit. The same bytes with the same control id from the same endpoint are stored once.
   * @throws Problem transient when the database did not take it, throttled when too many wait
   */
  receive(inbound: Inbound): Promise<Receipt>;
  /** Writes what waits. */
  close(): Promise<void>;
}

/** Long enough for the frames of other sockets to join, short beside the wait for the disk. */
const gatherMs = 2;
/** A statement of this size takes some 20 ms; larger ones only make the first wait longer. */
const batchMessagesMax = 1_000;
const batchBytesMax = 16 * 1024 * 1024;
/** Senders whose message waits longer than it takes to write this many are better told to wait. */
const waitingMessagesMax = 50_000;

interface Waiting {
  readonly inbound: Inbound;
  readonly digest: string;
  readonly resolve: (receipt: Receipt) => void;
  readonly reject: (error: unknown) => void;
}

export function openReceiver(options: ReceiverOptions): Receiver {
  let waiting: Waiting[] = [];
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> | undefined;
  let isClosed = false;

  // One batch at a time: two at once could commit in the other order, and a lane's second message be seen first.
  const write = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (writing !== undefined || waiting.length === 0) return;
    const batch = takeBatch(waiting);
    waiting = waiting.slice(batch.length);
    writing = store(options, batch).then((failure) => {
      writing = undefined;
      // What came after a lost message must not be stored before it comes again: its lane would be out of order.
      if (failure !== undefined) for (const { reject } of waiting.splice(0)) reject(failure);
      write();
    });
  };

  const close = async (): Promise<void> => {
    isClosed = true;
    write();
    await writing;
    if (waiting.length > 0) await close();
  };

  return {
    receive: async (inbound) => {
      if (isClosed) throw new Problem('transient', 'the hub is stopping');
      if (waiting.length >= waitingMessagesMax) throw new Problem('throttled', 'too many messages wait to be stored');
      return new Promise<Receipt>((resolve, reject) => {
        waiting.push({ inbound, digest: hash('sha256', inbound.bytes, 'hex'), resolve, reject });
        if (writing !== undefined) return;
        if (waiting.length >= batchMessagesMax) write();
        else timer ??= setTimeout(write, gatherMs);
      });
    },
    close,
  };
}

function takeBatch(waiting: readonly Waiting[]): Waiting[] {
  let bytes = 0;
  let count = 0;
  for (const { inbound } of waiting) {
    bytes += inbound.bytes.length;
    if (count > 0 && (count >= batchMessagesMax || bytes > batchBytesMax)) break;
    count++;
  }
  return waiting.slice(0, count);
}

/** Never rejects. @returns the failure that kept the whole batch from being stored */
async function store(options: ReceiverOptions, batch: readonly Waiting[]): Promise<unknown> {
  try {
    const receipts = await insertMessages(options.database, batch, options.now?.() ?? new Date());
    batch.forEach((one, index) => one.resolve(receipts[index] as Receipt));
    options.onStored?.();
    return undefined;
  } catch (error) {
    if (error instanceof Problem) {
      for (const { reject } of batch) reject(error);
      return error;
    }
    // A message that PostgreSQL refuses must not take its neighbours down with it.
    if (batch.length > 1) for (const one of batch) await store(options, [one]);
    else batch[0]?.reject(error);
    return undefined;
  }
}

function keyOf({ inbound, digest }: Waiting): string {
  return keyFrom(inbound.endpoint.id, inbound.envelope.controlId, digest);
}

function keyFrom(endpointId: number, controlId: string, digest: string): string {
  return `${endpointId} ${digest} ${controlId}`;
}

async function insertMessages(db: Tx, batch: readonly Waiting[], at: Date): Promise<Receipt[]> {
  const first = new Map<string, Waiting>();
  for (const one of batch) if (!first.has(keyOf(one))) first.set(keyOf(one), one);
  const stored = await insertRows(db, [...first.values()], at);
  const missing = [...first].filter(([key]) => !stored.has(key)).map(([, one]) => one);
  const known = missing.length === 0 ? stored : await findRows(db, missing);
  // Two of one control id in this very batch: the statement does not see its own rows.
  const digests = new Map<string, string>();
  return batch.map((one) => {
    const key = keyOf(one);
    const receipt = stored.get(key) ?? known.get(key);
    if (receipt === undefined) throw new Error('a message that was written cannot be found');
    const control = `${one.inbound.endpoint.id} ${one.inbound.envelope.controlId}`;
    const other = digests.get(control) ?? one.digest;
    digests.set(control, one.digest);
    return {
      messageId: receipt.messageId,
      isDuplicate: receipt.isDuplicate || first.get(key) !== one,
      isConflict: receipt.isConflict || other !== one.digest,
    };
  });
}

/** Of the rows of the batch those that are new. */
async function insertRows(db: Tx, batch: readonly Waiting[], at: Date): Promise<Map<string, Receipt>> {
  const rows = batch.map(({ inbound: { endpoint, envelope, bytes }, digest }): MessageRow => {
    const { controlId, type, facility, patientKey } = envelope;
    const lane = laneKey(endpoint.id, patientKey);
    const isTried = endpoint.state === 'testing';
    return { endpointId: endpoint.id, isTried, lane, controlId, type, facility, digest, bytes };
  });
  return toReceipts(await insertMessageRows(db, rows, at), false);
}

/** Messages that were stored before, by this process or another one. */
async function findRows(db: Tx, batch: readonly Waiting[]): Promise<Map<string, Receipt>> {
  const rows = await db.query<StoredRow>(sql`
    select m.id, m.endpoint_id, m.control_id, encode(m.digest, 'hex') as digest,
      exists (
        select from message o
        where o.endpoint_id = m.endpoint_id and o.control_id = m.control_id and o.digest <> m.digest
      ) as is_conflict
    from unnest(
      ${batch.map(({ inbound }) => inbound.endpoint.id)}::int[],
      ${batch.map(({ inbound }) => inbound.envelope.controlId)}::text[],
      ${batch.map(({ digest }) => digest)}::text[]
    ) as i (endpoint_id, control_id, digest)
    join message m
      on m.endpoint_id = i.endpoint_id and m.control_id = i.control_id and m.digest = decode(i.digest, 'hex')`);
  return toReceipts(rows, true);
}

function toReceipts(rows: readonly StoredRow[], isDuplicate: boolean): Map<string, Receipt> {
  return new Map(
    rows.map((row) => [
      keyFrom(row.endpoint_id, row.control_id, row.digest),
      { messageId: row.id, isDuplicate, isConflict: row.is_conflict },
    ]),
  );
}
