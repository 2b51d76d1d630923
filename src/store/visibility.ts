/**
 * Who may see a row, as SQL. Every read in store/ takes a Visibility, and every alias that is returned or influences an
 * answer (filter, chain, count, sort, cursor) carries its `where`. access/ builds the one of a principal; an internal
 * caller writes `everything('reindex')`: the exception carries its reason and is one search away.
 */
import { raw, sql, type Sql } from '../db/sql.ts';

/** The same for a statement that returns the rows: what decides is found once, where `where` and `decidedBy` would both ask. */
export interface Decided {
  /** Follows the table in `from`. */
  readonly join: Sql;
  readonly where: Sql;
  readonly decidedBy: Sql;
}

export class Visibility {
  /** A boolean expression over the columns of the `resource` row with this alias. */
  readonly where: (alias: string) => Sql;
  /** A text expression that names what let the row through: `self`, `source`, `consent:<id>/<version>`, `internal:<reason>`. */
  readonly decidedBy: (alias: string) => Sql;
  readonly decided: (alias: string) => Decided;
  /**
   * What must hold besides for an older version to be seen, over the columns of the current row and of the version: codes are
   * known of the current one alone, and what it says of them says nothing of a version before a correction (LEAKS 8).
   */
  readonly past: (alias: string, version: string) => Sql;
  // Nominal: an object literal of the same shape is not a Visibility.
  readonly #brand = true;

  constructor(
    where: (alias: string) => Sql,
    decidedBy: (alias: string) => Sql,
    decided?: (alias: string) => Decided,
    past: (alias: string, version: string) => Sql = () => raw('true'),
  ) {
    this.where = (alias) => marked(alias, where(alias));
    this.decidedBy = decidedBy;
    this.past = past;
    this.decided = (alias) => {
      const found = decided?.(alias) ?? { join: raw(''), where: where(alias), decidedBy: decidedBy(alias) };
      return { ...found, where: marked(alias, found.where) };
    };
  }

  static is(value: unknown): value is Visibility {
    return typeof value === 'object' && value !== null && #brand in value && value.#brand;
  }
}

/**
 * What a statement says of who may see its rows begins with a comment, so that a test of all statements finds the alias that has
 * none (test/leaks/statements.test.ts).
 */
function marked(alias: string, condition: Sql): Sql {
  const mark = marks.get(alias) ?? raw(`/* visible ${alias} */ `);
  marks.set(alias, mark);
  return sql`${mark}${condition}`;
}
/** Aliases are written by us: a handful. */
const marks = new Map<string, Sql>();

export interface Decision {
  /** What must hold besides, without a subquery if possible. */
  readonly meets: (alias: string) => Sql;
  /** Names what lets the row through; null or empty: nothing does. */
  readonly decidedBy: (alias: string, known: Sql) => Sql;
  /** A subselect of what does not depend on the row: found once a statement, `known` above. */
  readonly once?: Sql;
  /** As {@link Visibility.past}. */
  readonly past?: (alias: string, version: string) => Sql;
}

/** A Visibility by one expression that says both whether a row is seen and why. */
export function decidedOnce({ meets, decidedBy, once, past }: Decision): Visibility {
  const expression = (alias: string): Sql =>
    once === undefined ? decidedBy(alias, raw('')) : sql`(select ${decidedBy(alias, raw('known'))} from ${once} known)`;
  return new Visibility(
    (alias) => sql`${meets(alias)} and ${expression(alias)} > ''`,
    expression,
    (alias) => {
      const [known, access] = [raw(`${alias}_known`), raw(`${alias}_access`)];
      // offset 0: the planner would put the expression back into each place.
      const decision = sql`cross join lateral (select ${decidedBy(alias, known)} as decided_by offset 0) ${access}`;
      return {
        join: once === undefined ? decision : sql`cross join ${once} ${known} ${decision}`,
        where: sql`${meets(alias)} and ${access}.decided_by > ''`,
        decidedBy: sql`${access}.decided_by`,
      };
    },
    past,
  );
}

/** Who may see rows of these types: for what a statement reads beside the rows it is about. */
export type VisibilityOf = (types: readonly string[]) => Visibility;

export function everything(reason: string): Visibility {
  return new Visibility(
    () => raw(`/* internal: ${reason} */ true`),
    () => sql`${`internal:${reason}`}::text`,
  );
}
