/**
 * HTTP load from a process of its own. A plain keep-alive client on sockets, because hub, database and load share the
 * same cores: autocannon costs 40 us a request here, this 12 us, and what the load takes the hub does not get.
 *
 * Run as a script it reads one {@link HttpJob} from stdin and prints one {@link HttpOutcome}.
 */
import { spawn } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { percentiles, type Latencies } from './result.ts';

export interface HttpJob {
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
  /** Stop after this many requests, if sooner than `seconds`. */
  readonly requestsMax?: number;
  readonly requests: readonly { method: string; path: string; headers: Record<string, string>; body?: string }[];
}

export interface HttpOutcome extends Latencies {
  readonly count: number;
  readonly perSecond: number;
  /** Answers by status code; a measurement with anything but the expected one is void. */
  readonly statuses: Record<string, number>;
  /** Processor time of the load itself, which the hub and the database did not get. */
  readonly cpuMicros: number;
}

/** Runs the job in a child process. */
export async function httpLoad(job: HttpJob): Promise<HttpOutcome> {
  const child = spawn(process.execPath, [import.meta.filename], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(JSON.stringify(job));
  return JSON.parse(await text(child.stdout)) as HttpOutcome;
}

const samplesMax = 2_000_000;

async function run(job: HttpJob): Promise<HttpOutcome> {
  const requests = job.requests.map(({ method, path, headers, body = '' }) => {
    const all = {
      host: `127.0.0.1:${job.port}`,
      ...headers,
      ...(body && { 'content-length': String(Buffer.byteLength(body)) }),
    };
    const head = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    return Buffer.from(`${method} ${path} HTTP/1.1\r\n${head.join('')}\r\n${body}`);
  });
  const samples = new Float64Array(samplesMax);
  const statuses: Record<string, number> = {};
  const requestsMax = Math.min(job.requestsMax ?? samplesMax, samplesMax);
  let [sent, count] = [0, 0];
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  const deadline = startedAt + job.seconds * 1000;

  const converse = (socket: Socket): Promise<void> =>
    new Promise((done, fail) => {
      let sentAt = 0;
      let pending = Buffer.alloc(0);
      const next = (): void => {
        if (sent >= requestsMax || performance.now() >= deadline) {
          socket.end();
          done();
          return;
        }
        sentAt = performance.now();
        socket.write(requests[sent++ % requests.length] as Buffer);
      };
      socket.on('data', (chunk) => {
        pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
        const headEnd = pending.indexOf('\r\n\r\n');
        if (headEnd < 0) return;
        const head = pending.toString('latin1', 0, headEnd);
        const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
        if (pending.length < headEnd + 4 + length) return;
        pending = Buffer.alloc(0);
        const status = head.slice(9, 12);
        statuses[status] = (statuses[status] ?? 0) + 1;
        samples[count++] = performance.now() - sentAt;
        next();
      });
      socket.on('error', fail);
      next();
    });

  const sockets = await Promise.all(
    Array.from(
      { length: job.connections },
      () =>
        new Promise<Socket>((done, fail) => {
          const socket = connect({ port: job.port, host: '127.0.0.1', noDelay: true }, () => done(socket)).once(
            'error',
            fail,
          );
        }),
    ),
  );
  await Promise.all(sockets.map(converse));
  const seconds = (performance.now() - startedAt) / 1000;
  const cpu = process.cpuUsage(cpuBefore);
  return {
    count,
    perSecond: count / seconds,
    statuses,
    cpuMicros: cpu.user + cpu.system,
    ...percentiles(samples.subarray(0, count)),
  };
}

if (process.argv[1] === import.meta.filename) {
  const outcome = await run(JSON.parse(await text(process.stdin)) as HttpJob);
  process.stdout.write(JSON.stringify(outcome));
}
