/**
 * MLLP load from a process of its own: every connection keeps `depth` unanswered messages in flight. Each message gets
 * a control id of its own; the rest of its bytes comes from a prepared list, so the load costs little beside the hub.
 *
 * Run as a script it reads one {@link MllpJob} from stdin and prints one {@link MllpOutcome}.
 */
import { spawn } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { percentiles, type Latencies } from './result.ts';

export interface MllpJob {
  readonly port: number;
  readonly connections: number;
  readonly depth: number;
  readonly messagesMax: number;
  readonly secondsMax: number;
  /** Messages a second over all connections; unlimited when absent. */
  readonly rate?: number;
  /** Messages as sent between VT and FS; `@ID@` is replaced by the control id. Connection c sends those with index % connections === c. */
  readonly messages: readonly string[];
  readonly idPrefix: string;
}

export interface MllpOutcome extends Latencies {
  readonly count: number;
  readonly perSecond: number;
  /** Acknowledgements by MSA-1. */
  readonly codes: Record<string, number>;
}

export async function mllpLoad(job: MllpJob): Promise<MllpOutcome> {
  const child = spawn(process.execPath, [import.meta.filename], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(JSON.stringify(job));
  return JSON.parse(await text(child.stdout)) as MllpOutcome;
}

async function run(job: MllpJob): Promise<MllpOutcome> {
  const samples = new Float64Array(job.messagesMax);
  const codes: Record<string, number> = {};
  let [sent, count] = [0, 0];
  const startedAt = performance.now();
  const deadline = startedAt + job.secondsMax * 1000;
  const isOver = (): boolean => sent >= job.messagesMax || performance.now() >= deadline;
  const isDue = (): boolean => job.rate === undefined || sent < ((performance.now() - startedAt) / 1000) * job.rate;

  const converse = (socket: Socket, index: number): Promise<void> =>
    new Promise((done, fail) => {
      const own = job.messages.filter((_, position) => position % job.connections === index);
      const inFlight: number[] = [];
      let [turn, rest] = [0, ''];
      const fill = (): void => {
        let frames = '';
        while (inFlight.length < job.depth && !isOver() && isDue()) {
          const message = own[turn++ % own.length] as string;
          frames += `\u000b${message.replace('@ID@', `${job.idPrefix}${sent++}`)}\u001c\r`;
          inFlight.push(performance.now());
        }
        if (frames !== '') socket.write(frames);
        if (inFlight.length === 0 && isOver()) {
          clearInterval(timer);
          socket.end();
          done();
        }
      };
      // Only paced load needs waking up: otherwise each answer makes room for the next message.
      const timer = setInterval(fill, job.rate === undefined ? 250 : 2);
      socket.on('data', (chunk) => {
        rest += chunk.toString('latin1');
        for (let end = rest.indexOf('\u001c'); end >= 0; end = rest.indexOf('\u001c')) {
          const code = /\rMSA\|([A-Z]{2})/.exec(rest.slice(0, end))?.[1] ?? 'none';
          codes[code] = (codes[code] ?? 0) + 1;
          samples[count++] = performance.now() - (inFlight.shift() ?? 0);
          rest = rest.slice(end + 1);
        }
        fill();
      });
      socket.on('error', fail);
      fill();
    });

  await Promise.all(
    Array.from({ length: job.connections }, async (_, index) => {
      const socket = connect({ port: job.port, host: '127.0.0.1', noDelay: true });
      return converse(socket, index);
    }),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  return { count, perSecond: count / seconds, codes, ...percentiles(samples.subarray(0, count)) };
}

if (process.argv[1] === import.meta.filename) {
  const outcome = await run(JSON.parse(await text(process.stdin)) as MllpJob);
  process.stdout.write(JSON.stringify(outcome));
}
