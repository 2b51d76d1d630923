/** The signed statements about the trail, in their order, from the table and the file beside it; what is missing or forged is told. */
import { open } from 'node:fs/promises';
import type { JWK } from 'jose';
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { digestOf, noStatement, openReader, type Signed, type Statement } from './heads.ts';

/** A statement that is not as it was signed, or is gone. */
export interface StatementFinding {
  readonly number: number;
  readonly text: string;
}

/** One that can be believed. */
export interface Believed {
  readonly statement: Statement;
  /** The file has it: not only who owns the database says so. */
  readonly isFiled: boolean;
}

export interface StatementSources {
  readonly keys: readonly JWK[];
  /** The file beside the table; one that is not there has no statements. */
  readonly file?: string;
}

const pageStatements = 500;

/** Every statement that can be believed; the others become findings. */
export async function* readStatements(
  db: Tx,
  { keys, file }: StatementSources,
  findings: StatementFinding[],
): AsyncGenerator<Believed> {
  const read = openReader(keys);
  const filed = file === undefined ? undefined : linesOf(file, findings);
  let line = await filed?.next();
  let before: { readonly number: number; readonly digest: string } = { number: 0, digest: noStatement };
  const stored = storedStatements(db);
  for (let row = await stored.next(); ;) {
    const [fromTable, fromFile] = [valueOf(row), valueOf(line)];
    const signed = earlier(fromTable, fromFile);
    if (signed === undefined) return;
    const { number } = signed;
    if (fromTable?.number !== number) findings.push({ number, text: 'is in the file and not in the table' });
    else if (fromFile?.number === number && fromFile.statement !== fromTable.statement) {
      findings.push({ number, text: 'is another one in the file than in the table' });
    }
    if (number !== before.number + 1) {
      findings.push({ number: before.number + 1, text: `and those up to ${number - 1} are missing` });
    }
    const content = await read(signed);
    if (typeof content === 'string') findings.push({ number, text: `cannot be believed: ${content}` });
    else {
      if (number === before.number + 1 && content.previous !== before.digest) {
        findings.push({ number: before.number, text: `is another one than statement ${number} follows` });
      }
      yield { statement: content, isFiled: fromFile?.number === number };
    }
    before = { number, digest: digestOf(signed.statement) };
    if (fromTable?.number === number) row = await stored.next();
    if (fromFile?.number === number) line = await filed?.next();
  }
}

const valueOf = (result: IteratorResult<Signed, void> | undefined): Signed | undefined =>
  result === undefined || result.done === true ? undefined : result.value;

/** Of two the one with the lower number; of both, what the file says: the owner of the database cannot have written it. */
function earlier(table: Signed | undefined, file: Signed | undefined): Signed | undefined {
  if (table === undefined || file === undefined) return table ?? file;
  return table.number < file.number ? table : file;
}

async function* storedStatements(db: Tx): AsyncGenerator<Signed, void> {
  let after = 0;
  for (;;) {
    const page = await db.query<Signed>(sql`
      select number, statement from audit_head where number > ${after} order by number limit ${pageStatements}`);
    yield* page;
    const last = page.at(-1);
    if (last === undefined) return;
    after = last.number;
  }
}

async function* linesOf(file: string, findings: StatementFinding[]): AsyncGenerator<Signed, void> {
  const handle = await open(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (handle === undefined) return;
  let last = 0;
  for await (const text of handle.readLines()) {
    const { number, statement } = lineOf(text);
    if (number > last) yield { number: (last = number), statement };
    else findings.push({ number: last, text: 'is followed in the file by a line that is no statement after it' });
  }
}

/** A line that is cut off or is something else has the number 0. */
function lineOf(text: string): Signed {
  try {
    const { number, statement } = JSON.parse(text) as Partial<Signed>;
    if (Number.isSafeInteger(number) && typeof statement === 'string') return { number: number as number, statement };
  } catch {
    // No JSON: told as a line that is no statement.
  }
  return { number: 0, statement: '' };
}
