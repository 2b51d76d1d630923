/**
 * The patient's own log: rows of the trail that are about them (and the records linked to them), newest first or last. For the patient and
 * for nobody else.
 */
import type { Tx } from '../../db.ts';
import { join, raw, sql, type Sql } from '../../db/sql.ts';
import { patientCompartment } from '../../fhir/definitions.ts';
import { typeCode, typeName } from '../../fhir/types.ts';
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

export interface LogPage {
  readonly rows: readonly LogRow[];
  /** Position for the next page; nothing secret, and of use to the same patient only. */
  readonly next?: string;
}

export interface LogQuery {
  /** All must hold. */
  readonly where?: readonly Sql[];
  /** The same of blocks, by their `at_from` and `at_to`: what does not hold has no such row and is not opened. */
  readonly blocks?: readonly Sql[];
  readonly count: number;
  readonly cursor?: string;
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
const oldestFirst: typeof newestFirst = {
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

/** Empty for everybody but the patient: what third parties may not see is not there. */
export async function readLog(db: Tx, principal: Principal, query: LogQuery): Promise<LogPage> {
  const { self, proxy } = principal;
  if (self === undefined) return { rows: [] };
  const { where = [], blocks: ofBlocks = [] } = query;
  const by = query.isOldestFirst === true ? oldestFirst : newestFirst;
  const count = Math.min(Math.max(query.count, 1), countMax);
  const position = readCursor(query.cursor);
  const isOf = [
    isOwn(self, proxy),
    ...where,
    ...ofBlocks,
    ...(position === undefined
      ? []
      : [sql`(at, shard, seq) ${by.isAfter} (${instant(position.at)}, ${position.shard}::int, ${position.seq}::int8)`]),
  ];
  const rows: LogRow[] = [];
  // Blocks are opened in the order of time, as far as a number of them leads: to an instant before which no other block has a row.
  let from = position?.at;
  let done: number | undefined;
  for (let blocks = Math.max(count + 1, blocksMin); rows.length <= count; blocks *= blocksGrowth) {
    const to = await reach(db, self, { by, from, blocks, ofBlocks });
    const within = [
      ...isOf,
      ...(from === undefined ? [] : [sql`${by.end} ${by.isFrom} ${instant(from)}`]),
      ...(done === undefined ? [] : [sql`at ${by.isAfter} ${instant(done)}`]),
      ...(to === undefined ? [] : [sql`${by.begin} ${by.isUpTo} ${instant(to)} and at ${by.isUpTo} ${instant(to)}`]),
    ];
    const found = await db.query<LogRow>(sql`
      select ${columns} from audit_entry where ${join(within, ' and ')} order by ${by.order} limit ${count + 1 - rows.length}`);
    rows.push(...found);
    if (to === undefined) break;
    done = by.further(to, done ?? to);
    from = by.further(done, from ?? done);
  }
  const page = rows.slice(0, count).map(asTold);
  const last = page.at(-1);
  return { rows: page, ...(rows.length > count && last !== undefined ? { next: cursorAfter(last) } : {}) };
}

interface Reach {
  readonly by: typeof newestFirst;
  readonly from: number | undefined;
  readonly blocks: number;
  readonly ofBlocks: readonly Sql[];
}

/** @returns how far that many blocks of the person lead; undefined: no further block has any of their rows */
async function reach(db: Tx, self: string, { by, from, blocks, ofBlocks }: Reach): Promise<number | undefined> {
  const fromOn = from === undefined ? [] : [sql`${by.end} ${by.isFrom} ${instant(from)}`];
  const within = [sql`patients && ${recordsOf(self)}`, ...fromOn, ...ofBlocks];
  const [next] = await db.query<{ at: number }>(sql`
    select round(extract(epoch from ${by.begin}) * 1000)::int8 as at from audit_block
    where ${join(within, ' and ')} order by ${by.nearest} offset ${blocks} limit 1`);
  return next?.at;
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

export function cursorAfter({ at, shard, seq }: Pick<StoredRow, 'at' | 'shard' | 'seq'>): string {
  return `${at}.${shard}.${seq}`;
}

function readCursor(cursor: string | undefined): { at: number; shard: number; seq: number } | undefined {
  const [, at, shard, seq] = /^(\d{1,15})\.(\d{1,9})\.(\d{1,15})$/.exec(cursor ?? '') ?? [];
  return at === undefined ? undefined : { at: Number(at), shard: Number(shard), seq: Number(seq) };
}

/** The log tells of everything in the record: for a proxy who may see all of it. */
function isOwn(self: string, proxy: ActingProxy | undefined): Sql {
  const records = recordsOf(self);
  const own = isOfPatients(records);
  return proxy === undefined ? own : sql`${own} and ${standing(proxy, records)} = 'whole'`;
}

function recordsOf(self: string): Sql {
  return sql`array(
    select ${self}::text union all
    select other.patient from person_member one join person_member other on other.person = one.person
    where one.patient = ${self} and other.patient <> ${self})`;
}
