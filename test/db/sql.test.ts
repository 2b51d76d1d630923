import assert from 'node:assert/strict';
import { join, plannedAnew, raw, render, shared, sql, textArray, type Sql } from '../../src/db/sql.ts';

describe('SQL as values', () => {
  const byId = (id: string, type: Sql): Sql => sql`select ${raw('body')} from r where id = ${id} and ${type}`;

  it('numbers parameters through fragments, in the order of the text', () => {
    const { text, values } = render(byId('a', join([sql`type = ${1}`, sql`not ${raw('r')}.is_deleted`], ' and ')));
    assert.equal(text, 'select body from r where id = $1 and type = $2 and not r.is_deleted');
    assert.deepEqual(values, ['a', 1]);
  });

  it('the same shape has the same text and name whatever its values', () => {
    const [one, two] = [render(byId('a', sql`type = ${1}`)), render(byId('b', sql`type = ${1}`))];
    assert.equal(one.text, two.text);
    assert.equal(one.name, two.name);
    assert.notEqual(one.name, undefined);
    assert.deepEqual(
      [one.values, two.values],
      [
        ['a', 1],
        ['b', 1],
      ],
    );
  });

  const other: [what: string, one: Sql, two: Sql][] = [
    ['a fragment instead of a parameter', sql`select ${raw('1')}`, sql`select ${1}`],
    ['raw text', byId('a', raw('x')), byId('a', raw('y'))],
    ['the number of parts', join([raw('a'), raw('b')], ', '), join([raw('a'), raw('b'), raw('c')], ', ')],
    ['the separator', join([raw('a'), raw('b')], ', '), join([raw('a'), raw('b')], ' or ')],
    [
      'where fragments end',
      join([raw('a'), join([raw('b'), raw('c')], '-')], '+'),
      join([raw('a'), raw('b'), raw('c')], '+'),
    ],
  ];
  for (const [what, one, two] of other) {
    it(`tells statements apart by ${what}`, () => {
      assert.notEqual(render(one).text, render(two).text);
      assert.notEqual(render(one).name, render(two).name);
    });
  }

  it('binds a shared value once, and tells it from equal values that are not shared', () => {
    const statement = (first: unknown, second: unknown): Sql => sql`select ${first}::int, ${second}::int, ${7}::int`;
    const id = shared(5);
    assert.deepEqual(render(statement(id, id)).values, [5, 7]);
    assert.equal(render(statement(id, id)).text, 'select $1::int, $1::int, $2::int');
    assert.deepEqual(render(statement(shared(5), shared(5))).values, [5, 5, 7]);
    assert.equal(render(statement(5, 5)).text, 'select $1::int, $2::int, $3::int');
  });

  it('gives no name to a statement that is planned anew', () => {
    const { text, values, name } = render(sql`select ${1} where ${plannedAnew(sql`${2} = 2`)}`);
    assert.deepEqual([text, values, name], ['select $1 where $2 = 2', [1, 2], undefined]);
  });

  it('writes a text array that PostgreSQL reads as it was', () => {
    assert.equal(textArray(['a', 'b,c', '"', '\\', '']), String.raw`{"a","b,c","\"","\\",""}`);
  });
});
