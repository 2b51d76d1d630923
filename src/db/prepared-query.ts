/**
 * The driver's query for statements that run thousands of times a second. What a prepared statement answers with is asked
 * once a connection and not at each execution: that spares a message, its answer, and what the driver makes of it. Reads of
 * one turn of the event loop end with one Sync: at each, PostgreSQL ends a transaction, writes to its socket and wakes us.
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

interface Waiting {
  readonly statement: Prepared;
  readonly settle: Settle;
}

/** Larger groups gain little, and the first of them waits for the last to reach the socket. */
const groupMax = 16;
const waitingOf = new WeakMap<pg.ClientBase, Waiting[]>();

/** The same, with whatever else this turn of the event loop asks. Only for reads: a neighbour's failure undoes them all. */
export function runTogether<Row extends object>(client: pg.ClientBase, statement: Prepared): Promise<Row[]> {
  return new Promise((resolve, reject) => {
    const settle: Settle = { resolve: (rows) => resolve(rows as Row[]), reject };
    // Here, so that a value that cannot be sent is the error of this statement alone.
    const one: Waiting = { statement: { ...statement, values: statement.values.map(prepareValue) }, settle };
    const waiting = waitingOf.get(client);
    if (waiting !== undefined) {
      waiting.push(one);
      return;
    }
    const group = [one];
    waitingOf.set(client, group);
    setImmediate(() => {
      waitingOf.delete(client);
      sendTogether(client, group);
    });
  });
}

function sendTogether(client: pg.ClientBase, waiting: readonly Waiting[]): void {
  const { connection } = client as unknown as { connection: Connection };
  connection.stream.cork();
  try {
    const isKnown = ({ statement }: Waiting): boolean => columnsOf.get(connection)?.has(statement.name) ?? false;
    const known = waiting.filter(isKnown);
    for (const one of waiting) if (!isKnown(one)) client.query(new PreparedQuery(one.statement, one.settle));
    for (let at = 0; at < known.length; at += groupMax) {
      client.query(new PreparedGroup(client, known.slice(at, at + groupMax)));
    }
  } catch (error) {
    for (const { settle } of waiting) settle.reject(error);
  } finally {
    connection.stream.uncork();
  }
}

/** The driver's own view of a connection and of a query, as far as it is used here; its published types leave it out. */
interface Connection {
  readonly parsedStatements: Readonly<Record<string, string>>;
  bind(message: { statement: string; values: readonly unknown[]; valueMapper?: (value: unknown) => unknown }): void;
  readonly stream: { write(bytes: Uint8Array): unknown; cork(): void; uncork(): void };
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
const [execute, sync] = [executeAndSync.subarray(0, 10), executeAndSync.subarray(10)];

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
    this.#found.push(rowOf(fields, this.#columns ?? noColumns));
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

function rowOf(fields: readonly (string | null)[], { names, parsers, empty }: Columns): object {
  const row: Record<string, unknown> = { ...empty };
  fields.forEach((text, index) => {
    if (text !== null) row[names[index] as string] = parsers[index]?.(text);
  });
  return row;
}

/**
 * Prepared statements whose columns are known, behind one another. Each is answered as soon as its rows are there. After one
 * that fails PostgreSQL skips what follows up to the Sync, so that is sent again, each by itself.
 */
class PreparedGroup extends (pg.Query as unknown as typeof DriverQuery) {
  readonly #client: pg.ClientBase;
  readonly #waiting: readonly Waiting[];
  #at = 0;
  #found: object[] = [];
  #columns: Columns = noColumns;
  #known: ReadonlyMap<string, Columns> = new Map();

  constructor(client: pg.ClientBase, waiting: readonly Waiting[]) {
    super('', []);
    this.#client = client;
    this.#waiting = waiting;
  }

  // A property, as the published types have it.
  override submit = (driver: pg.Connection): void => {
    const connection = driver as unknown as Connection;
    this.#known = columnsOf.get(connection) ?? this.#known;
    for (const { statement } of this.#waiting) {
      connection.bind({ statement: statement.name, values: statement.values });
      connection.stream.write(execute);
    }
    connection.stream.write(sync);
    this.#begin();
  };

  override handleDataRow({ fields }: { readonly fields: readonly (string | null)[] }): void {
    this.#found.push(rowOf(fields, this.#columns));
  }

  override handleCommandComplete(): void {
    this.#waiting[this.#at]?.settle.resolve(this.#found);
    this.#at++;
    this.#begin();
  }

  override handleReadyForQuery(): void {
    // Each has been answered with its own end.
  }

  override handleError(error: Error): void {
    const [failed, ...skipped] = this.#waiting.slice(this.#at);
    failed?.settle.reject(error);
    // Anything but the failure of a statement is the end of the connection.
    const isLost = !(error instanceof pg.DatabaseError) || error.severity !== 'ERROR';
    for (const { statement, settle } of skipped) {
      if (isLost) settle.reject(error);
      else this.#client.query(new PreparedQuery(statement, settle));
    }
  }

  #begin(): void {
    this.#found = [];
    this.#columns = this.#known.get(this.#waiting[this.#at]?.statement.name ?? '') ?? noColumns;
  }
}
