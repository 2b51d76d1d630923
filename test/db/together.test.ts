import assert from 'node:assert/strict';
import { givenDatabase } from '../given.ts';
import { openDatabase, type Database } from '../../src/db.ts';
import { raw, render, shared, sql, varying, type Sql } from '../../src/db/sql.ts';
import { queryTogether } from '../../src/db/together.ts';
import type { Problem } from '../../src/fhir/problem.ts';

/** Numbers from 1 on, each with what it was asked with. */
const upTo = (n: number, beside: unknown = 'x'): Sql =>
  sql`select i, ${beside}::text as beside from generate_series(1, ${varying(n, 'int4')}::int) i order by i desc limit 10`;

describe('statements of one turn of the event loop that differ in what may vary', () => {
  let world: Awaited<ReturnType<typeof givenDatabase>>;
  let asked: string[];
  let observed: Database;

  before(async () => {
    world = await givenDatabase();
    observed = observe(world.database);
  });
  beforeEach(() => {
    asked = [];
  });
  after(() => world.close());

  const observe = (database: Database): Database => ({
    ...database,
    query: <Row extends object>(statement: Sql) => {
      asked.push(render(statement).text);
      return database.query<Row>(statement);
    },
  });
  const ask = (...statements: readonly Sql[]): Promise<Record<string, unknown>[][]> =>
    Promise.all(statements.map((statement) => queryTogether<Record<string, unknown>>(observed, statement)));
  const numbersOf = (rows: readonly Record<string, unknown>[] = []): unknown[] => rows.map(({ i }) => i);

  it('are one statement, and each has its own rows in its own order, however many', async () => {
    const found = await ask(upTo(3), upTo(0), upTo(1), upTo(3));
    assert.deepEqual(found.map(numbersOf), [[3, 2, 1], [], [1], [3, 2, 1]]);
    assert.equal(asked.length, 1);
    assert.match(asked[0] ?? '', /^select k\.n, p\.\* from unnest\(\$1::int4\[\]\) with ordinality k \(v0, n\)/);
  });

  it('alone is what it was', async () => {
    assert.deepEqual((await ask(upTo(2))).map(numbersOf), [[2, 1]]);
    assert.deepEqual(asked, [render(upTo(2)).text]);
  });

  it('LEAKS 28: share nothing when they differ in anything else', async () => {
    const found = await ask(
      upTo(1, 'x'),
      upTo(1, 'y'),
      upTo(1, shared('x')),
      upTo(1, shared('y')),
      upTo(2, shared('x')),
    );
    assert.deepEqual(
      found.map(([row]) => row?.['beside']),
      ['x', 'y', 'x', 'y', 'x'],
    );
    assert.equal(asked.length, 4);
  });

  it('share nothing when a list is among what they ask with, or nothing varies', async () => {
    const listed = (): Sql => sql`select ${varying(1, 'int4')}::int = any(${[1, 2]}::int[]) as i`;
    const same = (): Sql => sql`select ${1}::int as i`;
    assert.deepEqual((await ask(listed(), listed(), same(), same())).map(numbersOf), [[true], [true], [1], [1]]);
    assert.equal(asked.length, 4);
  });

  it('share nothing when a value stands twice in one and two values stand in the other', async () => {
    const twice = (one: unknown, other: unknown): Sql => sql`select ${one}::int * 10 + ${other}::int as i`;
    const one = varying(1, 'int4');
    const found = await ask(twice(one, one), twice(varying(2, 'int4'), varying(3, 'int4')), twice(one, one));
    assert.deepEqual(found.map(numbersOf), [[11], [23], [11]]);
    assert.equal(asked.length, 2);
    assert.ok(asked.some((text) => text.includes('select k.v0::int * 10 + k.v0::int')));
  });

  it('have any values: texts as they are, no value, times without end, numbers of 64 bits', async () => {
    const values = (text: string | null, at: string, key: string): Sql => sql`
      select ${varying(text, 'text')} as text, ${varying(at, 'timestamptz')}::timestamptz::text as at,
        ${varying(key, 'int8')}::bigint::text as key`;
    const texts = ['NULL', '', '{"a\\b",}', 'ü 张'];
    const found = await ask(
      values(null, '-infinity', '-9223372036854775808'),
      ...texts.map((text) => values(text, 'infinity', '9223372036854775807')),
    );
    assert.deepEqual(
      found.map(([row]) => [row?.['text'], row?.['at'], row?.['key']]),
      [[null, '-infinity', '-9223372036854775808'], ...texts.map((text) => [text, 'infinity', '9223372036854775807'])],
    );
    assert.equal(asked.length, 1);
  });

  it('are several statements when they are many, of one or of many callers', async () => {
    const many = Array.from({ length: 20 }, (_, n) => upTo(n % 3));
    assert.deepEqual(
      (await ask(...many)).map(({ length }) => length),
      many.map((_, n) => n % 3),
    );
    assert.equal(asked.length, 2);
    const callers = Array.from({ length: 60 }, (_, n) => upTo(1, `caller ${n % 30}`));
    assert.deepEqual(
      (await ask(...callers)).map(([row]) => row?.['beside']),
      callers.map((_, n) => `caller ${n % 30}`),
    );
  });

  it('of the next turn are the next statement', async () => {
    await ask(upTo(1));
    await ask(upTo(1));
    assert.equal(asked.length, 2);
  });

  it('fail each for itself: the others are answered', async () => {
    const quotient = (n: number): Sql => sql`select 6 / ${varying(n, 'int4')}::int as i`;
    const outcomes = await Promise.allSettled([3, 0, 2].map((n) => queryTogether(observed, quotient(n))));
    assert.deepEqual(
      outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : String(outcome.reason))),
      [[{ i: 2 }], 'error: division by zero', [{ i: 3 }]],
    );
    assert.equal(asked.length, 4);
  });

  it('go alone for a minute after they took longer together than one may', async () => {
    const impatient = openDatabase({ url: world.url, statementTimeoutMs: 3_000 });
    observed = observe(impatient);
    try {
      // Together 4 s, alone 0.25.
      const slow = (seconds: number): Sql => sql`select pg_sleep(${varying(seconds, 'float8')}::float8)::text as i`;
      const askAt = (at: number, ...seconds: readonly number[]): Promise<unknown> =>
        Promise.all(seconds.map((one) => queryTogether(observed, slow(one), at)));
      await askAt(1_000, ...Array.from({ length: 16 }, () => 0.25));
      assert.equal(asked.length, 17);
      asked = [];
      await askAt(60_999, 0, 0);
      assert.equal(asked.length, 2);
      asked = [];
      await askAt(61_000, 0, 0);
      assert.equal(asked.length, 1);
    } finally {
      observed = observe(world.database);
      await impatient.close();
    }
  });

  it('all fail with a database that is away, and are not asked again', async () => {
    // A port that nobody listens on.
    const closed = openDatabase({ url: 'postgres://nobody@127.0.0.1:1/none' });
    const away = observe(closed);
    const outcomes = await Promise.allSettled([1, 2].map((n) => queryTogether(away, upTo(n))));
    assert.deepEqual(
      outcomes.map((outcome) => outcome.status === 'rejected' && (outcome.reason as Problem).code),
      ['transient', 'transient'],
    );
    assert.equal(asked.length, 1);
    await closed.close();
  });

  it('in a statement by itself a value that varies is bound as any other, once', () => {
    const value = varying(5, 'int4');
    const { text, values } = render(sql`select ${value}::int, ${raw('r')}.x = ${value}, ${6}`);
    assert.deepEqual([text, values], ['select $1::int, r.x = $1, $2', [5, 6]]);
  });
});
