/**
 * A page of a source, on disk: message rows, the memory of the source and the watermark, in one transaction under the fence of the run. A
 * process that was killed or merely slow leaves either all of a page or nothing, and never writes after its successor.
 */
import { hash } from 'node:crypto';
import type { Database, Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { sourceOf } from '../../fhir/ids.ts';
import { Problem } from '../../fhir/problem.ts';
import { insertMessageRows, type MessageRow } from '../insert.ts';
import { laneKey } from '../lane.ts';
import type { Endpoint, Pulled, Taken, Watermark } from '../contract.ts';
import { comparePage, findSource, lockSource, readMemory, writeMemory, type Compared } from './memory.ts';

/** Who asks: valid until the next holder has a larger fence. */
export interface Hold {
  readonly endpointId: number;
  readonly slotAt: Date;
  readonly worker: string;
  readonly fence: number;
}

export interface TakeOptions {
  readonly database: Database;
  readonly endpoint: Pick<Endpoint, 'id' | 'name'> & Partial<Pick<Endpoint, 'state'>>;
  /** As `findSource` numbers it. */
  readonly source: number;
  readonly hold: Hold;
  readonly at: Date;
}

/** One statement's worth, as of messages that are received. */
const rowsMax = 1_000;
const bytesMax = 16 * 1024 * 1024;

/** @throws Problem lock-error when another process has taken over, transient when nothing was stored */
export async function takePage(options: TakeOptions, page: readonly Pulled[], watermark: Watermark): Promise<Taken> {
  const { database, source, hold } = options;
  return database.inTransaction(async (tx) => {
    await moveWatermark(tx, hold, watermark);
    if (page.length === 0) return { received: 0, unchanged: 0 };
    const taken = await takeStates(tx, { ...options, source }, page);
    await countTaken(tx, hold, taken);
    return taken;
  });
}

/** What a source sends by itself: as a page, without a run. Its memory is the one that pulls of the source have. */
export async function takePushed(
  { database, endpoint, at }: { readonly database: Database; readonly endpoint: Endpoint; readonly at: Date },
  page: readonly Pulled[],
): Promise<Taken> {
  if (page.length === 0) return { received: 0, unchanged: 0 };
  const source = await findSource(database, sourceOf(endpoint));
  return database.inTransaction((tx) => takeStates(tx, { endpoint, source, at }, page));
}

type StatesOptions = Pick<TakeOptions, 'endpoint' | 'source' | 'at'>;

async function takeStates(tx: Tx, options: StatesOptions, page: readonly Pulled[]): Promise<Taken> {
  const { source } = options;
  await lockSource(tx, source);
  const compared = comparePage(page, await readMemory(tx, source, page), (pulled) => laneOf(source, pulled));
  await insertReceived(tx, options, compared.received);
  await writeMemory(tx, source, compared.remembered);
  return { received: compared.received.length, unchanged: page.length - compared.received.length };
}

/** First of all: the row stays locked, so that nobody takes over until the page is committed. */
async function moveWatermark(tx: Tx, { endpointId, worker, fence }: Hold, watermark: Watermark): Promise<void> {
  const rows = await tx.query(sql`
    update pull set watermark = ${JSON.stringify(watermark)}::jsonb
    where endpoint_id = ${endpointId} and worker = ${worker} and fence = ${fence}
    returning endpoint_id`);
  if (rows.length === 0) throw new Problem('lock-error', 'another process has taken over');
}

async function countTaken(tx: Tx, { endpointId, slotAt, fence }: Hold, { received, unchanged }: Taken): Promise<void> {
  await tx.query(sql`
    update pull_run set received = received + ${received}, unchanged = unchanged + ${unchanged}
    where endpoint_id = ${endpointId} and slot_at = ${slotAt} and fence = ${fence}`);
}

async function insertReceived(tx: Tx, options: StatesOptions, received: Compared['received']): Promise<void> {
  const rows = received.map((one) => rowOf(options, one));
  for (const part of partsOf(rows)) {
    const stored = new Set((await insertMessageRows(tx, part, options.at)).map(nameOf));
    // A state that was taken once before, and is back: a message of its own, by a control id of its own.
    const again = part.filter((row) => !stored.has(nameOf({ control_id: row.controlId, digest: row.digest })));
    if (again.length === 0) continue;
    const counts = new Map(received.map(({ memory }, index) => [rows[index], memory.received]));
    const renamed = again.map((row) => ({ ...row, controlId: `${row.controlId}~${counts.get(row)}` }));
    await insertMessageRows(tx, renamed, options.at);
  }
}

const nameOf = ({ control_id, digest }: { readonly control_id: string; readonly digest: string }): string =>
  `${digest} ${control_id}`;

/** One record keeps its order, by whichever endpoint of the source its states come. */
function laneOf(source: number, { type, id, patient }: Pulled): number {
  const record = patient ?? (type === 'Patient' ? id : undefined);
  return laneKey(`source ${source}`, record === undefined ? `${type}/${id}` : `Patient/${record}`);
}

function rowOf({ endpoint }: StatesOptions, { pulled, memory }: Compared['received'][number]): MessageRow {
  const { type, id, version, isDeleted, bytes } = pulled;
  return {
    endpointId: endpoint.id,
    isTried: endpoint.state === 'testing',
    lane: memory.lane,
    // What has no version is told apart by how often it was received.
    controlId: `${type}/${id}/${version ?? `~${memory.received}`}`,
    type: isDeleted === true ? `${type}:delete` : type,
    facility: endpoint.name,
    digest: hash('sha256', bytes, 'hex'),
    bytes,
  };
}

function* partsOf(rows: readonly MessageRow[]): Generator<MessageRow[]> {
  let part: MessageRow[] = [];
  let bytes = 0;
  for (const row of rows) {
    if (part.length > 0 && (part.length >= rowsMax || bytes + row.bytes.length > bytesMax)) {
      yield part;
      [part, bytes] = [[], 0];
    }
    part.push(row);
    bytes += row.bytes.length;
  }
  if (part.length > 0) yield part;
}
