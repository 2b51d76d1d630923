/**
 * The patient's own log: rows of the trail that are about them (and the records linked to them), newest first or last. For the patient and
 * for nobody else.
 */
import type { Tx } from '../../db.ts';
import { join, raw, sql, type Sql } from '../../db/sql.ts';
import { patientCompartment } from '../../fhir/definitions.ts';
import { typeCode, typeName } from '../../fhir/types.ts';
import { openCursor, sealCursor, type CursorSeal } from '../../store/search/cursor.ts';
import type { Principal } from '../principal/principal.ts';
import { standing, type ActingProxy } from '../proxy/standing.ts';
import { storedColumns, type StoredRow } from './chain.ts';
import { isOfPatients, isPlaced } from './entries.ts';

/** A row of the trail, and of an emergency why the record was opened. */
export interface LogRow extends StoredRow {
  readonly emergency: string | null;
}

const columns = sql`${storedColumns}, case when decided_by like '%break-glass:%' then (
  select glass.reason_code || ': ' || glass.reason from break_glass glass
  where glass.id = substring(decided_by from 'break-glass:([0-9a-f-]{36})')::uuid) end as emergency`;

/** Where a page ended: behind a row, or behind all rows of an instant. The instant may be of somebody else's row, so it leaves sealed. */
export interface LogPosition {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly place?: Pick<StoredRow, 'shard' | 'seq'>;
}

export interface LogPage {
  /** As many as were asked for, or fewer where filters leave few of many; the last page is the one without `next`. */
  readonly rows: readonly LogRow[];
  readonly next?: LogPosition;
}

export interface LogQuery {
  /** All must hold. */
  readonly where?: readonly Sql[];
  /** The same of blocks, by their `at_from` and `at_to`: what does not hold has no such row and is not opened. */
  readonly blocks?: readonly Sql[];
  readonly count: number;
  readonly after?: LogPosition | undefined;
  readonly isOldestFirst?: boolean;
}

export const countMax = 1_000;

/** Of rows and of the blocks that they stand in, in the order of a log. */
const newestFirst = {
  order: raw('at desc, shard desc, seq desc'),
  isAfter: raw('<'),
  isUpTo: raw('>='),
  isFrom: raw('<='),
  begin: raw('at_to'),
  end: raw('at_from'),
  nearest: raw('at_to desc'),
  further: Math.min,
};
type Order = typeof newestFirst;
const oldestFirst: Order = {
  order: raw('at, shard, seq'),
  isAfter: raw('>'),
  isUpTo: raw('<='),
  isFrom: raw('>='),
  begin: raw('at_from'),
  end: raw('at_to'),
  nearest: raw('at_from'),
  further: Math.max,
};

/** Blocks that are opened at first: a page of AuditEvents or less, where each has one row of the patient. */
const blocksMin = 64;
/** Where filters leave few of their rows: so many times as many the next time. */
const blocksGrowth = 4;
/**
 * Blocks that are opened for a page: 0.1 s of PostgreSQL's processor and some 60 MB of what it keeps, whoever asks for what there is none
 * of. What a filter says is in the text of a block alone, which has to be read for it (docs/decisions/0037).
 */
export const blocksMax = 2_048;

/** Empty for everybody but the patient: what third parties may not see is not there. */
export async function readLog(db: Tx, principal: Principal, query: LogQuery): Promise<LogPage> {
  const { self, proxy } = principal;
  if (self === undefined) return { rows: [] };
  const { where = [], blocks: ofBlocks = [], after } = query;
  const by = query.isOldestFirst === true ? oldestFirst : newestFirst;
  const count = Math.min(Math.max(query.count, 1), countMax);
  const isOf = [isOwn(self, proxy), ...where, ...ofBlocks, ...(after === undefined ? [] : [isBehind(after, by)])];
  const isOpened = [sql`patients && ${recordsOf(self)}`, ...isAllowed(self, proxy), ...ofBlocks];
  const rows: LogRow[] = [];
  // Blocks are opened in the order of time, as far as a number of them leads: to an instant before which no other block has a row.
  let from = after?.at;
  let done: number | undefined;
  let opened = 0;
  for (let blocks = Math.max(count + 1, blocksMin); ; blocks = stepAfter(blocks, opened)) {
    const fromOn = from === undefined ? [] : [sql`${by.end} ${by.isFrom} ${instant(from)}`];
    const to = await reach(db, by, [...isOpened, ...fromOn], blocks);
    const within = [
      ...isOf,
      ...fromOn,
      ...(done === undefined ? [] : [sql`at ${by.isAfter} ${instant(done)}`]),
      ...(to === undefined ? [] : [sql`${by.begin} ${by.isUpTo} ${instant(to)} and at ${by.isUpTo} ${instant(to)}`]),
    ];
    const found = await db.query<LogRow>(sql`
      select ${columns} from audit_entry where ${join(within, ' and ')} order by ${by.order} limit ${count + 1 - rows.length}`);
    rows.push(...found);
    opened += blocks;
    if (to === undefined || rows.length > count) break;
    done = by.further(to, done ?? to);
    // Where more of them than a page opens meet in one instant, it takes what there is: the next one must not begin where this one did.
    if (opened >= blocksMax && (after === undefined || by.further(done, after.at) !== after.at))
      return { rows: rows.map(asTold), next: { at: done } };
    from = by.further(done, from ?? done);
  }
  const page = rows.slice(0, count).map(asTold);
  const last = page.at(-1);
  return { rows: page, ...(rows.length > count && last !== undefined ? { next: positionOf(last) } : {}) };
}

/** How many more are opened when so many were not enough. */
function stepAfter(blocks: number, opened: number): number {
  const more = blocks * blocksGrowth;
  return opened < blocksMax ? Math.min(more, blocksMax - opened) : more;
}

/** @returns how far that many blocks of the person lead; undefined: no further block has any of their rows */
async function reach(db: Tx, by: Order, within: readonly Sql[], blocks: number): Promise<number | undefined> {
  const [next] = await db.query<{ at: number }>(sql`
    select round(extract(epoch from ${by.begin}) * 1000)::int8 as at from audit_block
    where ${join(within, ' and ')} order by ${by.nearest} offset ${blocks} limit 1`);
  return next?.at;
}

function isBehind({ at, place }: LogPosition, by: Order): Sql {
  if (place === undefined) return sql`at ${by.isAfter} ${instant(at)}`;
  return sql`(at, shard, seq) ${by.isAfter} (${instant(at)}, ${place.shard}::int, ${place.seq}::int8)`;
}

function instant(at: number): Sql {
  return sql`to_timestamp(${at}::float8 / 1000)`;
}

/** One row by the id it was listed under; undefined for others' and unknown ones alike. */
export async function readLogRow(db: Tx, principal: Principal, id: string): Promise<LogRow | undefined> {
  const place = placeOf(id);
  if (principal.self === undefined || place === undefined) return undefined;
  const [row] = await db.query<LogRow>(sql`
    select ${columns} from audit_entry
    where ${isOwn(principal.self, principal.proxy)} and ${isPlaced(place.shard, place.seq)} limit 1`);
  return row && asTold(row);
}

const operation = 'operation';

/**
 * Whether the log says what an operation was asked of, in SQL: something of a record. A Subscription is its creator's and nobody
 * else knows that there is one (LEAKS 20, 25): the patient reads who was told, of what and why, and not by which.
 */
export function isNamed(): Sql {
  return sql`(interaction <> ${operation} or type = any(${Object.keys(patientCompartment()).map(typeCode)}::smallint[]))`;
}

/** The same of a row. */
function asTold(row: LogRow): LogRow {
  const { interaction, type } = row;
  if (interaction !== operation) return row;
  const isOfRecord = type !== null && Object.hasOwn(patientCompartment(), typeName(type));
  return isOfRecord ? row : { ...row, resourceId: null };
}

/** Where the row of an AuditEvent stands: `audit-3-17`. */
export function placeOf(id: string): { readonly shard: number; readonly seq: number } | undefined {
  const [, shard, seq] = /^audit-(\d{1,9})-(\d{1,15})$/.exec(id) ?? [];
  return shard === undefined ? undefined : { shard: Number(shard), seq: Number(seq) };
}

export function positionOf({ at, shard, seq }: Pick<StoredRow, 'at' | 'shard' | 'seq'>): LogPosition {
  return { at, place: { shard, seq } };
}

export function sealPosition({ at, place }: LogPosition, seal: CursorSeal): string {
  const ofPlace = place === undefined ? [null, null] : [String(place.shard), String(place.seq)];
  return sealCursor({ id: '', keys: [String(at), ...ofPlace] }, seal);
}

/** @throws Problem value for a cursor that is not of this caller and this query */
export function openPosition(cursor: string | undefined, seal: CursorSeal): LogPosition | undefined {
  if (cursor === undefined) return undefined;
  const [at, shard, seq] = openCursor(cursor, 3, seal).keys.map((key) => (key === null ? undefined : Number(key)));
  return { at: at as number, ...(shard === undefined || seq === undefined ? {} : { place: { shard, seq } }) };
}

function isOwn(self: string, proxy: ActingProxy | undefined): Sql {
  return join([isOfPatients(recordsOf(self)), ...isAllowed(self, proxy)], ' and ');
}

/** The log tells of everything in the record: for a proxy who may see all of it. */
function isAllowed(self: string, proxy: ActingProxy | undefined): Sql[] {
  return proxy === undefined ? [] : [sql`${standing(proxy, recordsOf(self))} = 'whole'`];
}

function recordsOf(self: string): Sql {
  return sql`array(
    select ${self}::text union all
    select other.patient from person_member one join person_member other on other.person = one.person
    where one.patient = ${self} and other.patient <> ${self})`;
}
