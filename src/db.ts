/**
 * The database as every room sees it: statements in, rows out, transactions opened at the top and handed down as `tx`.
 *
 * Statements are named by their text, so PostgreSQL parses and plans each shape once a connection. Single reads share
 * connections in pipeline mode (no wait for the answer before the next is sent); a transaction has a connection alone.
 */
import type { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { Problem } from './fhir/problem.ts';
import { runPrepared, runTogether } from './db/prepared-query.ts';
import { render, type Sql } from './db/sql.ts';

/** Where statements go: a transaction, or the database outside of one. */
export interface Tx {
  query<Row extends object>(statement: Sql): Promise<Row[]>;
}

export interface Database extends Tx {
  /** Commits when `work` resolves, rolls back when it throws. Retries serialization failures and deadlocks. */
  inTransaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /**
   * Reads of one moment, by as many statements as they take: what one of them saw the next one sees as it was. On a
   * connection alone, so that one that takes long holds up nobody.
   * @throws Problem too-costly when a statement takes longer than a search may
   */
  inSnapshot<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Not in a transaction: what is asked has no connection to itself. */
export function isDatabase(db: Tx): db is Database {
  return 'inTransaction' in db;
}

export interface DatabaseOptions {
  readonly url: string;
  /** Connections for transactions. */
  readonly poolMax?: number;
  /** Connections for single statements, in pipeline mode. */
  readonly pipelines?: number;
  readonly statementTimeoutMs?: number;
  /** For a connection: to be made, or to be free. */
  readonly connectTimeoutMs?: number;
  /** Of a statement in a snapshot. */
  readonly snapshotTimeoutMs?: number;
  /** Connections for snapshots: apart, so that searches that take long hold up no writes. */
  readonly snapshotsMax?: number;
  readonly applicationName?: string;
}

// bigint (oid 20) as number: ours are sequences and counts below 2^53. Hashes are read as text with ::text.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

const attemptsMax = 5;
const pauseMsMax = 10;
/** As long as a person waits for an answer; what takes longer names too little. */
const snapshotTimeoutMsDefault = 10_000;
const retryable = new Set(['40001', '40P01']);
const unreachable = /^(08|57P0|53)|ECONN|EPIPE|ENOENT|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN|ERR_STREAM/;
/** What the driver says without a code, of a connection that is lost, was lost before the statement came, or could not be made in time. */
const lost = /Connection terminated|timeout exceeded when trying to connect|timeout expired|is not queryable/;

export function openDatabase(options: DatabaseOptions): Database {
  const common = {
    connectionString: options.url,
    statement_timeout: options.statementTimeoutMs ?? 30_000,
    application_name: options.applicationName ?? 'hub',
    connectionTimeoutMillis: options.connectTimeoutMs ?? 5_000,
    keepAlive: true,
    // Shapes are planned once. Left to itself PostgreSQL plans a statement with the access predicate anew each time: 1-2.6 ms
    // of planning for 0.3 ms of work (2 busy cores, 100,000 resources).
    // And none is spread over processes: to start one took $everything of 101 entries from 1.4 to 10.9 ms, and the cores are
    // shared by many requests anyway.
    options: '-c plan_cache_mode=force_generic_plan -c max_parallel_workers_per_gather=0',
  };
  const openPool = (max: number): pg.Pool => {
    const opened = new pg.Pool({ ...common, pipeline: true, max, idleTimeoutMillis: 30_000 });
    // A lost idle connection is replaced at the next use; the statement in flight gets the error itself.
    opened.on('error', () => undefined);
    return opened;
  };
  const pool = openPool(options.poolMax ?? 8);
  const snapshots = openPool(options.snapshotsMax ?? 4);
  const pipelines: Pipeline[] = Array.from({ length: options.pipelines ?? 2 }, () => openPipeline(common));
  let turn = 0;
  const openingOfSnapshot = [
    'begin isolation level repeatable read read only',
    `set local statement_timeout = ${options.snapshotTimeoutMs ?? snapshotTimeoutMsDefault}`,
  ];

  const transact = async <T>(from: pg.Pool, opening: readonly string[], work: (tx: Tx) => Promise<T>): Promise<T> => {
    for (let attempt = 1; ; attempt++) {
      const client = await from.connect().catch((cause: unknown) => {
        throw asProblem(cause);
      });
      let broken: Error | undefined;
      // The pool listens only to connections that are idle: one that is lost between two statements would end the process.
      const lose = (error: Error): void => {
        broken = error;
      };
      client.on('error', lose);
      try {
        // Not awaited: the first statement follows in the same packet, and fails with it.
        const begun = Promise.all(opening.map((statement) => client.query(statement)));
        begun.catch(() => undefined);
        const result = await work({ query: (statement) => run(client, statement) });
        await begun;
        const { command } = await client.query('commit');
        // What PostgreSQL answers when a statement failed and its error was lost on the way up.
        if (command !== 'COMMIT') throw new Error('the transaction was rolled back');
        return result;
      } catch (error) {
        if (broken !== undefined) throw unreachableBy(broken);
        await client.query('rollback').catch((rollbackError: Error) => {
          broken = rollbackError;
        });
        if (attempt >= attemptsMax || !retryable.has(codeOf(error))) throw asProblem(error);
        // Those that met do not meet again.
        await pause(Math.random() * pauseMsMax * attempt);
      } finally {
        client.off('error', lose);
        client.release(broken);
      }
    }
  };

  return {
    query: async <Row extends object>(statement: Sql) => {
      turn = (turn + 1) % pipelines.length;
      return run<Row>(await (pipelines[turn] as Pipeline).client(), statement, true);
    },
    inTransaction: (work) => transact(pool, ['begin'], work),
    inSnapshot: (work) => transact(snapshots, openingOfSnapshot, work),
    close: async () => {
      await Promise.all([pool.end(), snapshots.end(), ...pipelines.map((pipeline) => pipeline.end())]);
    },
  };
}

interface Pipeline {
  client(): Promise<pg.Client>;
  end(): Promise<void>;
}

/** One shared connection in pipeline mode, opened at first use and again after it broke. */
function openPipeline(config: pg.ClientConfig): Pipeline {
  let current: Promise<pg.Client> | undefined;
  const open = (): Promise<pg.Client> => {
    const client = new pg.Client({ ...config, pipeline: true });
    const opened = client.connect().then(
      () => client,
      (cause: unknown) => {
        forget();
        throw asProblem(cause);
      },
    );
    // What is heard of one that is lost does not concern the one after it.
    const forget = (): void => {
      if (current === opened) current = undefined;
    };
    client.on('error', forget);
    client.on('end', forget);
    return opened;
  };
  return {
    client: () => (current ??= open()),
    end: async () => {
      const client = await current?.catch(() => undefined);
      current = undefined;
      await client?.end();
    },
  };
}

/** @param isShared the connection runs single statements of everybody */
async function run<Row extends object>(client: pg.ClientBase, statement: Sql, isShared = false): Promise<Row[]> {
  try {
    const { text, values, name, isRead } = render(statement);
    if (isShared && isRead && name !== undefined) return await runTogether<Row>(client, { text, values, name });
    gather(client);
    if (name !== undefined) return await runPrepared<Row>(client, { text, values, name });
    return (await client.query<Row>(text, values)).rows;
  } catch (error) {
    throw asProblem(error);
  }
}

const gathering = new WeakSet<Socket>();

/**
 * Statements of one turn of the event loop leave in one packet. A write for each took a third of the API's processor time
 * under load (reads on 16 connections).
 */
function gather(client: pg.ClientBase): void {
  // The driver gives no other access to its socket.
  const { stream } = (client as unknown as { connection: { stream: Socket } }).connection;
  if (gathering.has(stream)) return;
  gathering.add(stream);
  stream.cork();
  setImmediate(() => {
    gathering.delete(stream);
    stream.uncork();
  });
}

function codeOf(error: unknown): string {
  const cause = error instanceof Problem ? error.cause : error;
  return cause instanceof Error && 'code' in cause ? String(cause.code) : '';
}

// PostgreSQL appendix A: query_canceled, which is what a statement timeout is.
const canceled = '57014';

/**
 * Unreachable, full or restarting is `transient`, and so is what met others too often; longer than allowed `too-costly`; every other database error is ours and
 * stays as it is.
 */
function asProblem(error: unknown): unknown {
  if (error instanceof Problem || !(error instanceof Error)) return error;
  const code = codeOf(error);
  if (code === canceled) {
    return new Problem('too-costly', 'the database would need too long for this', {
      hint: 'Narrow the search: name a patient, an identifier, a code or a period.',
      cause: error,
    });
  }
  if (retryable.has(code)) {
    return new Problem('transient', 'others are writing the same', {
      hint: 'Send it again in a moment.',
      cause: error,
    });
  }
  const isLost = unreachable.test(code) || lost.test(error.message);
  return isLost ? unreachableBy(error) : error;
}

function unreachableBy(cause: Error): Problem {
  return new Problem('transient', 'the database cannot be reached', { cause });
}
