/**
 * The driver's query for statements that run thousands of times a second. What a prepared statement answers with is asked
 * once a connection and not at each execution: that spares a message, its answer, and what the driver makes of it.
 */
import pg from 'pg';

export interface Prepared {
  readonly text: string;
  readonly values: unknown[];
  /** Under which PostgreSQL keeps it on each connection. */
  readonly name: string;
}

export function runPrepared<Row extends object>(client: pg.ClientBase, statement: Prepared): Promise<Row[]> {
  return new Promise((resolve, reject) => {
    client.query(new PreparedQuery(statement, { resolve: (rows) => resolve(rows as Row[]), reject }));
  });
}

/** The driver's own view of a connection and of a query, as far as it is used here; its published types leave it out. */
interface Connection {
  readonly parsedStatements: Readonly<Record<string, string>>;
  bind(message: { statement: string; values: readonly unknown[]; valueMapper: (value: unknown) => unknown }): void;
  readonly stream: { write(bytes: Uint8Array): unknown };
}
type TypeId = Parameters<typeof pg.types.getTypeParser>[0];
interface RowDescription {
  readonly fields: readonly { readonly name: string; readonly dataTypeID: TypeId }[];
}
declare class DriverQuery extends pg.Query {
  name: string;
  prepare(connection: Connection): void;
  handleRowDescription(message: RowDescription): void;
  handleDataRow(message: { readonly fields: readonly (string | null)[] }): void;
  handleCommandComplete(): void;
  handleReadyForQuery(): void;
  handleError(error: Error): void;
}
const { prepareValue } = (pg as unknown as { utils: { prepareValue: (value: unknown) => unknown } }).utils;

interface Columns {
  readonly names: readonly string[];
  readonly parsers: readonly ((text: string) => unknown)[];
  /** Copied for each row, so that all rows have one hidden class. */
  readonly empty: Readonly<Record<string, unknown>>;
}

/** By statement name. PostgreSQL refuses to run a prepared statement whose columns have changed, so they hold. */
const columnsOf = new WeakMap<Connection, Map<string, Columns>>();

const noColumns: Columns = { names: [], parsers: [], empty: {} };
/**
 * Execute of the unnamed portal, all rows; Sync. Always the same, so in one piece.
 * @see https://www.postgresql.org/docs/15/protocol-message-formats.html
 */
const executeAndSync = Buffer.from('E\0\0\0\x09\0\0\0\0\0S\0\0\0\x04', 'latin1');

interface Settle {
  readonly resolve: (rows: object[]) => void;
  readonly reject: (error: unknown) => void;
}

class PreparedQuery extends (pg.Query as unknown as typeof DriverQuery) {
  readonly #values: readonly unknown[];
  readonly #settle: Settle;
  readonly #found: object[] = [];
  #known: Map<string, Columns> | undefined;
  #columns: Columns | undefined;

  constructor({ text, values, name }: Prepared, settle: Settle) {
    // Not as one object: the driver would copy it property by property.
    super(text, values);
    this.name = name;
    this.#values = values;
    this.#settle = settle;
  }

  override prepare(connection: Connection): void {
    const known = columnsOf.get(connection) ?? new Map<string, Columns>();
    columnsOf.set(connection, known);
    this.#known = known;
    if (connection.parsedStatements[this.name] !== undefined) this.#columns = known.get(this.name);
    if (this.#columns === undefined) {
      super.prepare(connection);
      return;
    }
    connection.bind({ statement: this.name, values: this.#values, valueMapper: prepareValue });
    connection.stream.write(executeAndSync);
  }

  override handleRowDescription({ fields }: RowDescription): void {
    this.#learn({
      names: fields.map(({ name }) => name),
      parsers: fields.map(({ dataTypeID }) => pg.types.getTypeParser(dataTypeID, 'text')),
      empty: Object.fromEntries(fields.map(({ name }) => [name, null])),
    });
  }

  override handleDataRow({ fields }: { readonly fields: readonly (string | null)[] }): void {
    const { names, parsers, empty } = this.#columns ?? noColumns;
    const row: Record<string, unknown> = { ...empty };
    fields.forEach((text, index) => {
      if (text !== null) row[names[index] as string] = parsers[index]?.(text);
    });
    this.#found.push(row);
  }

  override handleCommandComplete(): void {
    // No description came: a statement without rows.
    if (this.#columns === undefined) this.#learn(noColumns);
  }

  override handleReadyForQuery(): void {
    this.#settle.resolve(this.#found);
  }

  override handleError(error: Error): void {
    this.#settle.reject(error);
  }

  #learn(columns: Columns): void {
    this.#columns = columns;
    this.#known?.set(this.name, columns);
  }
}
