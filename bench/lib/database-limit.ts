/**
 * The database's own limit for the same rows, through plain `pg`, measured beside the hub in the same run and from a
 * process of its own: the machine is noisy, so the figure to quote is the ratio.
 *
 * Run as a script it reads one {@link LimitJob} from stdin and prints operations per second.
 */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import pg from 'pg';

export type LimitJob = {
  readonly url: string;
  readonly seconds: number;
} & (
  | {
      /** One row a commit on many connections: PostgreSQL gathers the commits of one flush (group commit). */
      readonly kind: 'insert';
      readonly connections: number;
      /** Bytes of the row's body. */
      readonly body: string;
    }
  | {
      /** The same statement with rotating values, in pipeline mode. */
      readonly kind: 'read';
      readonly connections: number;
      readonly depth: number;
      readonly text: string;
      readonly values: readonly (readonly unknown[])[];
    }
);

export async function databaseLimit(job: LimitJob): Promise<number> {
  const child = spawn(process.execPath, [import.meta.filename], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(JSON.stringify(job));
  return Number(await text(child.stdout));
}

async function run(job: LimitJob): Promise<number> {
  const clients = await Promise.all(
    Array.from({ length: job.connections }, async () => {
      const client = new pg.Client({ connectionString: job.url, pipeline: job.kind === 'read' });
      await client.connect();
      return client;
    }),
  );
  if (job.kind === 'insert') {
    await clients[0]?.query('drop table if exists bench_limit');
    await clients[0]?.query(
      'create table bench_limit (id bigint generated always as identity primary key, at timestamptz not null default now(), body text not null)',
    );
  }
  const statement =
    job.kind === 'insert'
      ? { name: 'limit', text: 'insert into bench_limit (body) values ($1)', values: [[job.body]] }
      : { name: 'limit', text: job.text, values: job.values };
  const depth = job.kind === 'read' ? job.depth : 1;
  let count = 0;
  const startedAt = performance.now();
  const deadline = startedAt + job.seconds * 1000;
  const loop = async (client: pg.Client): Promise<void> => {
    while (performance.now() < deadline) {
      const values = [...(statement.values[count % statement.values.length] ?? [])];
      count++;
      await client.query({ name: statement.name, text: statement.text, values });
    }
  };
  await Promise.all(clients.flatMap((client) => Array.from({ length: depth }, () => loop(client))));
  const seconds = (performance.now() - startedAt) / 1000;
  if (job.kind === 'insert') await clients[0]?.query('drop table bench_limit');
  await Promise.all(clients.map((client) => client.end()));
  return count / seconds;
}

if (process.argv[1] === import.meta.filename) {
  process.stdout.write(String(await run(JSON.parse(await text(process.stdin)) as LimitJob)));
}
