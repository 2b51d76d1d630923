/**
 * The whole trail checked: every row against its chain, every chain against where it ends, and against each signed statement of
 * where it ended once. Bounded in memory whatever its length; readers and writers go on meanwhile.
 */
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { lastOfBlock } from './entries.ts';
import { readPage } from './pages.ts';
import { ChainWalk, type Finding } from './walk.ts';
import type { Statement } from './heads.ts';
import { readStatements, type StatementFinding, type StatementSources } from './statements.ts';

export interface ChainReport {
  readonly shard: number;
  /** Rows that were walked. */
  readonly rows: number;
  /** The last of them. */
  readonly seq: number;
  readonly head: string;
  readonly findings: readonly Finding[];
}

export interface AuditReport {
  readonly isIntact: boolean;
  readonly shards: readonly ChainReport[];
  readonly statements: {
    /** Those that can be believed. */
    readonly count: number;
    /** Of these the file has so many. */
    readonly filed: number;
    readonly last?: Pick<Statement, 'number' | 'at'>;
    readonly findings: readonly StatementFinding[];
  };
  /** Where the walk began: the last statement before the instant that was asked for. */
  readonly since?: Pick<Statement, 'number' | 'at'>;
}

export interface VerifyOptions extends StatementSources {
  /** Rows before the last statement up to then are taken as checked. */
  readonly since?: Date;
  /** Rows of before then were to be signed by now; undefined: none had to be. */
  readonly dueBefore?: Date;
}

interface End {
  readonly shard: number;
  readonly seq: number;
  /** Null: rows without an end of their chain. */
  readonly hash: string | null;
}

export async function verifyAudit(db: Tx, options: VerifyOptions = { keys: [] }): Promise<AuditReport> {
  const ends = await db.query<End>(sql`
    select shard, coalesce(head.last_seq, 0)::int8 as seq, encode(head.last_hash, 'hex') as hash
    from audit_shard head
    full join (select shard from audit_event union select shard from audit_block) written using (shard) order by shard`);
  const walks = new Map<number, ChainWalk>();
  const walkOf = (shard: number, from?: ConstructorParameters<typeof ChainWalk>[2]): ChainWalk => {
    const walk = walks.get(shard) ?? new ChainWalk(db, shard, from);
    walks.set(shard, walk);
    return walk;
  };
  const known = new Map(ends.map((end) => [end.shard, end]));
  const findings: StatementFinding[] = [];
  let since: Statement | undefined;
  let last: Statement | undefined;
  let [count, filed] = [0, 0];
  const walkStatement = async (statement: Statement): Promise<void> => {
    for (const [shard, seq, hash] of statement.heads) await compare(walkOf(shard), { seq, hash }, statement, last);
  };
  const sinceMs = options.since?.getTime() ?? Number.NEGATIVE_INFINITY;
  for await (const { statement, isFiled } of readStatements(db, options, findings)) {
    if (Date.parse(statement.at) <= sinceMs) since = statement;
    else {
      if (since !== undefined && walks.size === 0) await begin(db, since, walkOf);
      await walkStatement(statement);
    }
    last = statement;
    count++;
    if (isFiled) filed++;
  }
  if (findings.length === 0) findings.push(...(await findUnproven(db, options, { count, filed })));
  if (since !== undefined && walks.size === 0) await begin(db, since, walkOf);
  for (const end of ends) await finish(walkOf(end.shard), end);
  await findStrangers(db, known, walkOf);
  const shards = [...walks].map(([shard, walk]): ChainReport => {
    const { seq, hash } = walk.position;
    return { shard, rows: walk.rows, seq, head: hash, findings: walk.findings };
  });
  return {
    isIntact: findings.length === 0 && shards.every((shard) => shard.findings.length === 0),
    shards: shards.toSorted((one, other) => one.shard - other.shard),
    statements: { count, filed, ...(last && { last: { number: last.number, at: last.at } }), findings },
    ...(since && { since: { number: since.number, at: since.at } }),
  };
}

/** A chain that holds proves nothing against who wrote all of it anew; nor does a statement that only the database has. */
async function findUnproven(
  db: Tx,
  { file, dueBefore }: VerifyOptions,
  { count, filed }: { readonly count: number; readonly filed: number },
): Promise<StatementFinding[]> {
  if (count > 0) {
    if (file === undefined || filed > 0) return [];
    return [
      { number: 1, text: `and those up to ${count} are in the table and not in the file: it is gone, or another` },
    ];
  }
  if (dueBefore === undefined) return [];
  const [row] = await db.query<{ first: Date | null }>(sql`
    select least((select min(at) from audit_event), (select min(at_from) from audit_block)) as first`);
  const first = row?.first ?? undefined;
  if (first === undefined || first >= dueBefore) return [];
  return [{ number: 1, text: `is missing: the trail begins at ${first.toISOString()} and was to be signed since` }];
}

/** Walks begin where the statement says that the chains were, if they still are. */
async function begin(
  db: Tx,
  { number, at, heads }: Statement,
  walkOf: (shard: number, from: { seq: number; hash: string }) => ChainWalk,
): Promise<void> {
  for (const [shard, seq, hash] of heads) {
    const walk = walkOf(shard, { seq, hash });
    const row = (await readPage(db, shard, seq - 1)).find((one) => one.seq === seq);
    const signed = `statement ${number} of ${at}`;
    if (row === undefined) walk.lose('cut short', seq, `row ${seq} is gone; by ${signed} the chain had it`);
    else if (row.hash !== hash) walk.lose('replaced', seq, `row ${seq} is not that of ${signed}`);
  }
}

/** The chain against what was signed of it. */
async function compare(
  walk: ChainWalk,
  { seq, hash }: { readonly seq: number; readonly hash: string },
  { number, at }: Statement,
  before: Statement | undefined,
): Promise<void> {
  const reached = await walk.advanceTo(seq);
  if (walk.isLost) return;
  const signed = `statement ${number} of ${at}`;
  if (!reached) {
    const end = walk.position.seq;
    walk.lose('cut short', end + 1, `it ends with row ${end}; by ${signed} it had ${seq}`);
  } else if (walk.position.seq === seq && walk.position.hash !== hash) {
    const known = before === undefined ? 'the first one' : `those after statement ${before.number}`;
    walk.lose(
      'replaced',
      seq,
      `its rows (${known}) up to ${seq} are not those of ${signed}: the chain was written anew`,
    );
  }
}

/** The chain against where it ended when the check began. */
async function finish(walk: ChainWalk, { seq, hash }: End): Promise<void> {
  if (walk.isLost) return;
  if (hash === null) {
    walk.lose('cut short', walk.position.seq + 1, 'the end of the chain was removed from audit_shard');
    return;
  }
  const reached = await walk.advanceTo(seq);
  if (walk.isLost) return;
  const end = walk.position;
  if (!reached) walk.lose('cut short', end.seq + 1, `it ends with row ${end.seq}; it had ${seq}`);
  else if (end.seq === seq && end.hash !== hash) {
    walk.lose('edited', seq, `row ${seq} is not the one that audit_shard ends with`);
  } else if (end.seq > seq && walk.rows === 0) {
    walk.lose('cut short', seq + 1, `audit_shard ends with row ${seq}; by a statement the chain had ${end.seq}`);
  }
}

/** Rows where no chain has any. In one statement, so that what is written meanwhile is no stranger. */
async function findStrangers(
  db: Tx,
  known: ReadonlyMap<number, End>,
  walkOf: (shard: number) => ChainWalk,
): Promise<void> {
  const strangers = await db.query<{ shard: number; first: number; count: number }>(sql`
    select shard, min(seq) as first, count(*) as count from (
      select shard, seq from audit_event
      union all
      select shard, seq from (select shard, first, ${lastOfBlock} as last from audit_block) block, generate_series(first, last) as seq
    ) row left join audit_shard head using (shard)
    where row.seq < 1 or row.seq > head.last_seq group by shard order by shard`);
  for (const { shard, first, count } of strangers) {
    if (known.get(shard)?.hash === null) continue;
    const walk = walkOf(shard);
    walk.add(
      'inserted',
      first,
      `${count} ${count === 1 ? 'row stands' : 'rows stand'} outside of the chain, from ${first} on`,
    );
  }
}
