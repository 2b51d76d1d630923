/**
 * Statements of one turn of the event loop that differ in nothing but values they say may vary (`varying`) are one:
 *
 *     select k.n, p.* from unnest($1::text[], $2::int4[]) with ordinality k (v0, v1, n)
 *     cross join lateral (<their text, with k.v0 and k.v1 where their parameters stood>) p
 *
 * What PostgreSQL makes ready at each execution, and what the driver sends and is told, is then paid once for all of them. As
 * in turn.ts there is one snapshot and one clock for all. Nobody is answered by what was not their own statement: the text
 * is the same, and so is every other value in it, those that say who asks among them (LEAKS 28).
 */
import { performance } from 'node:perf_hooks';
import type { Database } from '../db.ts';
import { Problem } from '../fhir/problem.ts';
import { layOut, Shared, Sql, textArray, Varying, type Shape } from './sql.ts';

/** Larger groups gain nothing (of 8 a page costs PostgreSQL 3 % more), and the first of a group waits for the last. */
const groupMax = 16;
/** Of callers who ask the same in one turn: as many of them as are looked through for each statement. */
const groupsOpenMax = 16;
/** So long a text goes alone after a group of it took longer than a statement may. */
const apartMs = 60_000;

interface Waiting {
  readonly statement: Sql;
  readonly shape: Shape;
  readonly holes: readonly unknown[];
  readonly at: number;
  readonly resolve: (rows: object[]) => void;
  readonly reject: (error: unknown) => void;
}

const waitingOf = new WeakMap<Database, Waiting[]>();
/** By text: until when it goes alone, in milliseconds as `at`. */
const apart = new WeakMap<Shape, number>();

/**
 * The rows of a plain `select`, in its order, as if it were asked alone. So is its error: the statements of a group that fails are
 * asked again, each by itself.
 * @param at milliseconds of a clock that goes on
 */
export function queryTogether<Row extends object>(
  db: Database,
  statement: Sql,
  at = performance.now(),
): Promise<Row[]> {
  const { shape, holes } = layOut(statement);
  if (!holes.some((hole) => hole instanceof Varying)) return db.query<Row>(statement);
  return new Promise((resolve, reject) => {
    const asked = { statement, shape, holes, at, resolve: resolve as Waiting['resolve'], reject };
    const waiting = waitingOf.get(db);
    if (waiting !== undefined) {
      waiting.push(asked);
      return;
    }
    const all: Waiting[] = [asked];
    waitingOf.set(db, all);
    setImmediate(() => {
      waitingOf.delete(db);
      for (const group of groupsOf(all)) void send(db, group);
    });
  });
}

type Group = [Waiting, ...Waiting[]];

function groupsOf(waiting: readonly Waiting[]): readonly Group[] {
  const all: Group[] = [];
  for (const [shape, ofShape] of Map.groupBy(waiting, (one) => one.shape)) {
    const apartUntil = apart.get(shape) ?? Number.NEGATIVE_INFINITY;
    let open: Group[] = [];
    for (const one of ofShape) {
      const group = one.at < apartUntil ? undefined : open.find(([first]) => isAlike(first, one));
      if (group !== undefined && group.length < groupMax) group.push(one);
      else {
        const made: Group = [one];
        all.push(made);
        open = [made, ...open.filter((other) => other !== group)].slice(0, groupsOpenMax);
      }
    }
  }
  return all;
}

/** All that is not said to vary is equal. Two lists never are. */
function isAlike({ holes }: Waiting, other: Waiting): boolean {
  return holes.every((hole, index) => {
    const beside = other.holes[index];
    if (hole instanceof Varying) return true;
    return hole instanceof Shared ? beside instanceof Shared && hole.value === beside.value : hole === beside;
  });
}

async function send(db: Database, group: Group): Promise<void> {
  const [first, ...others] = group;
  if (others.length === 0) return sendAlone(db, first);
  try {
    const rows = await db.query<{ n: number }>(composed(group));
    const found: object[][] = group.map(() => []);
    for (const row of rows) found[row.n - 1]?.push(row);
    group.forEach(({ resolve }, index) => resolve(found[index] as object[]));
  } catch (error) {
    const code = error instanceof Problem ? error.code : undefined;
    if (code === 'too-costly') apart.set(first.shape, first.at + apartMs);
    // A database that is away would be no nearer.
    if (code === 'transient') for (const { reject } of group) reject(error);
    else await Promise.all(group.map((one) => sendAlone(db, one)));
  }
}

async function sendAlone(db: Database, { statement, resolve, reject }: Waiting): Promise<void> {
  await db.query(statement).then(resolve, reject);
}

interface Composition {
  readonly strings: readonly string[];
  /** Places in the holes, in the order in which they are bound: of the values that vary, each once; then of all others. */
  readonly varying: readonly number[];
  readonly fixed: readonly number[];
}

const compositions = new WeakMap<Shape, Composition>();

function composed(group: Group): Sql {
  const [first] = group;
  const { strings, varying, fixed } = compositions.get(first.shape) ?? compose(first);
  const lists = varying.map((at) => textArray(group.map(({ holes }) => (holes[at] as Varying).value)));
  return new Sql(strings, [...lists, ...fixed.map((at) => first.holes[at])], strings);
}

function compose({ statement, shape, holes }: Waiting): Composition {
  const columns = new Map<unknown, number>();
  const fixed: number[] = [];
  const varying: number[] = [];
  const strings = [''];
  for (const [at, text] of textsBetween(statement).entries()) {
    const hole = holes[at - 1];
    if (at === 0) strings[0] = text;
    else if (hole instanceof Varying) {
      const column = columns.get(hole) ?? varying.push(at - 1) - 1;
      columns.set(hole, column);
      strings.push(`${strings.pop()}k.v${column}${text}`);
    } else {
      fixed.push(at - 1);
      strings.push(text);
    }
  }
  const types = varying.map((at) => `::${(holes[at] as Varying).type}[]`);
  const names = varying.map((_, column) => `v${column}, `).join('');
  // PostgreSQL can join these in one way alone, value by value, so rows of one statement are together and in its order.
  const head = `${types.pop()}) with ordinality k (${names}n) cross join lateral (${strings.shift()}`;
  const whole = ['select k.n, p.* from unnest(', ...types.map((type) => `${type}, `), head, ...strings];
  whole.push(`${whole.pop()}) p`);
  const composition = { strings: whole, varying, fixed };
  compositions.set(shape, composition);
  return composition;
}

/** The text before, between and after the holes. */
function textsBetween({ strings, values }: Sql): string[] {
  const texts = [strings[0] ?? ''];
  values.forEach((value, index) => {
    if (value instanceof Sql) {
      const [first, ...rest] = textsBetween(value);
      texts.push(`${texts.pop()}${first}`, ...rest);
    } else texts.push('');
    texts.push(`${texts.pop()}${strings[index + 1] ?? ''}`);
  });
  return texts;
}
