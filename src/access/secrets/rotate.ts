/**
 * Another key for what is sealed at rest. The new key seals at once, in all processes; then row after row is sealed anew, a batch
 * at a time; the old key goes when nothing is left that only it opens. What was cut short is gone on with: how far it is stands
 * in each row, before the sealed text.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Database, Tx } from '../../db.ts';
import { raw, sql } from '../../db/sql.ts';
import { addSecretKey, readSecretKeys, removeSecretKeys } from './keyring.ts';
import type { Sealer } from './seal.ts';

/** A column of sealed texts, in a table with the primary key `id`. Names are ours, never a caller's. */
export interface SealedColumn {
  /** In the words of an operator. */
  readonly what: string;
  readonly table: string;
  readonly column: string;
  /** As it is when it is sealed. */
  readonly boundTo: (id: string) => string;
}

export interface KeyUse {
  readonly key: string;
  readonly what: string;
  readonly count: number;
}

/** Rows locked at a time: whoever signs in meanwhile waits a few milliseconds. */
const batchRows = 100;
/** A text that was sealed by the old key is in its row by then: a statement may take 30 s, and wait as long for a lock. */
const settleMsDefault = 60_000;
const pollMs = 1_000;

/** How many texts each key has sealed. */
export async function countSealed(db: Tx, columns: readonly SealedColumn[]): Promise<KeyUse[]> {
  const uses: KeyUse[] = [];
  for (const { what, table, column } of columns) {
    const rows = await db.query<{ key: string; count: number }>(sql`
      select split_part(${raw(column)}, '.', 1) as key, count(*) as count from ${raw(table)}
      where ${raw(column)} is not null group by 1 order by 1`);
    uses.push(...rows.map((row) => ({ ...row, what })));
  }
  return uses;
}

export interface RotateOptions {
  readonly db: Database;
  readonly dataDir: string;
  readonly sealer: Sealer;
  readonly columns: readonly SealedColumn[];
  readonly settleMs?: number;
}

export interface Rotated {
  /** Of an earlier run that was cut short, and not begun anew. */
  readonly isResumed: boolean;
  readonly resealed: number;
  /** Texts that no key opens any more; their keys are not removed. */
  readonly unopened: number;
  readonly removed: readonly string[];
}

export async function rotateSecrets({ db, dataDir, sealer, columns, settleMs }: RotateOptions): Promise<Rotated> {
  const before = await readSecretKeys(dataDir);
  const isResumed = before.length > 1;
  if (!isResumed) await addSecretKey(dataDir);
  const [current, ...former] = await readSecretKeys(dataDir);
  const settled = Date.parse(current?.created ?? '') + (settleMs ?? settleMsDefault);
  let resealed = 0;
  let unopened = 0;
  for (let isLast = false; !isLast;) {
    isLast = Date.now() >= settled;
    unopened = 0;
    for (const column of columns) {
      const done = await resealColumn(db, sealer, column);
      resealed += done.resealed;
      unopened += done.unopened;
    }
    if (!isLast) await sleep(Math.min(pollMs, Math.max(0, settled - Date.now())));
  }
  const used = new Set((await countSealed(db, columns)).map(({ key }) => key));
  const removed = former.map(({ id }) => id).filter((id) => !used.has(id));
  await removeSecretKeys(dataDir, new Set(removed));
  return { isResumed, resealed, unopened, removed };
}

async function resealColumn(
  db: Database,
  sealer: Sealer,
  column: SealedColumn,
): Promise<{ resealed: number; unopened: number }> {
  let [resealed, unopened] = [0, 0];
  for (let after = ''; ;) {
    const rows = await db.inTransaction((tx) => resealBatch(tx, sealer, column, after));
    resealed += rows.filter(({ isOpened }) => isOpened).length;
    unopened += rows.filter(({ isOpened }) => !isOpened).length;
    const last = rows.at(-1);
    if (last === undefined) return { resealed, unopened };
    after = last.id;
  }
}

async function resealBatch(
  tx: Tx,
  sealer: Sealer,
  { table, column, boundTo }: SealedColumn,
  after: string,
): Promise<{ id: string; isOpened: boolean }[]> {
  const rows = await tx.query<{ id: string; sealed: string }>(sql`
    select id, ${raw(column)} as sealed from ${raw(table)}
    where ${raw(column)} is not null and split_part(${raw(column)}, '.', 1) <> ${sealer.keyId()} and id > ${after}
    order by id limit ${batchRows} for update`);
  const opened = rows.map(({ id, sealed }) => ({ id, text: sealer.open(sealed, boundTo(id)) }));
  const anew = opened.flatMap(({ id, text }) => (text === undefined ? [] : [[id, sealer.seal(text, boundTo(id))]]));
  await tx.query(sql`
    update ${raw(table)} as old set ${raw(column)} = new.sealed
    from unnest(${anew.map(([id]) => id)}::text[], ${anew.map(([, sealed]) => sealed)}::text[]) as new (id, sealed)
    where old.id = new.id`);
  return opened.map(({ id, text }) => ({ id, isOpened: text !== undefined }));
}
