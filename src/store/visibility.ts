/**
 * Who may see a row, as SQL. Every read in store/ takes a Visibility, and every alias that is returned or influences an
 * answer (filter, chain, count, sort, cursor) carries its `where`. access/ builds the one of a principal; an internal
 * caller writes `everything('reindex')`: the exception carries its reason and is one search away.
 */
import { raw, sql, type Sql } from '../db/sql.ts';

export class Visibility {
  /** A boolean expression over the columns of the `resource` row with this alias. */
  readonly where: (alias: string) => Sql;
  /** A text expression that names what let the row through: `self`, `source`, `consent:<id>/<version>`, `internal:<reason>`. */
  readonly decidedBy: (alias: string) => Sql;
  // Nominal: an object literal of the same shape is not a Visibility.
  readonly #brand = true;

  constructor(where: (alias: string) => Sql, decidedBy: (alias: string) => Sql) {
    this.where = where;
    this.decidedBy = decidedBy;
  }

  static is(value: unknown): value is Visibility {
    return typeof value === 'object' && value !== null && #brand in value && value.#brand;
  }
}

export function everything(reason: string): Visibility {
  return new Visibility(
    () => raw('true'),
    () => sql`${`internal:${reason}`}::text`,
  );
}
