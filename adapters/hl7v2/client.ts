/**
 * The MLLP client: what a hospital's interface engine does. It keeps the order of messages, has up to `depth` of them
 * unanswered, matches answers by MSA-2, and sends again what was not answered, over a new connection, after a growing wait.
 */
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { Problem } from '../../src/fhir/problem.ts';
import { frame, FrameReader } from './frames.ts';
import { parseMessage } from './message.ts';

export interface ClientOptions {
  readonly host: string;
  readonly port: number;
  readonly tls?: { readonly ca?: string; readonly key?: string; readonly cert?: string; readonly servername?: string };
  /** Messages sent ahead of their answers. */
  readonly depth?: number;
  /** Silence after which the connection is given up and everything unanswered is sent again. */
  readonly ackTimeoutMs?: number;
  /** Connections tried without any answer before the messages are given up. */
  readonly attemptsMax?: number;
  /** First wait before a new connection; it doubles up to {@link backoffMaxMs}. */
  readonly backoffMs?: number;
  /** Application acknowledgments that follow an accept acknowledgment. */
  readonly onApplicationAck?: (ack: Ack) => void;
}

export interface Ack {
  /** MSA-1: AA, AE, AR, CA, CE or CR. */
  readonly code: string;
  /** MSA-2. */
  readonly controlId: string;
  /** ERR-3.1 of each ERR, before version 2.5 ERR-1.4.1: codes of HL70357. */
  readonly errorCodes: readonly string[];
  readonly bytes: Buffer;
}

export interface MllpClient {
  /** Resolves with the answer, whatever it says. @throws Problem transient when nobody answered */
  send(message: Uint8Array): Promise<Ack>;
  /** Waits for what is unanswered, then closes. */
  close(): Promise<void>;
  /** Breaks the connection without a word, as a power failure would. */
  destroy(): void;
}

const backoffMaxMs = 5_000;
const ackBytesMax = 1024 * 1024;

export function connectMllp(options: ClientOptions): MllpClient {
  return new Client(options);
}

interface Waiting {
  readonly bytes: Buffer;
  readonly controlId: string;
  readonly resolve: (ack: Ack) => void;
  readonly reject: (problem: Problem) => void;
}

class Client implements MllpClient {
  readonly #options: Required<Pick<ClientOptions, 'depth' | 'ackTimeoutMs' | 'attemptsMax' | 'backoffMs'>> &
    ClientOptions;
  /** In the order they were given; the first `#sent` are on the wire. */
  #queue: Waiting[] = [];
  #sent = 0;
  #socket: Socket | undefined;
  #isConnected = false;
  #attempts = 0;
  #timer: NodeJS.Timeout | undefined;
  #isDestroyed = false;
  #whenIdle: (() => void)[] = [];

  constructor(options: ClientOptions) {
    this.#options = { depth: 1, ackTimeoutMs: 10_000, attemptsMax: 10, backoffMs: 100, ...options };
  }

  async send(message: Uint8Array): Promise<Ack> {
    if (this.#isDestroyed) throw new Problem('transient', 'the connection was closed');
    return new Promise<Ack>((resolve, reject) => {
      this.#queue.push({ bytes: frame(message), controlId: controlIdOf(message), resolve, reject });
      this.#pump();
    });
  }

  async close(): Promise<void> {
    if (this.#queue.length > 0) await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
    const socket = this.#socket;
    this.#isDestroyed = true;
    if (socket === undefined || socket.destroyed) return;
    await new Promise<void>((resolve) => {
      socket.once('close', () => resolve());
      socket.end();
    });
  }

  destroy(): void {
    this.#isDestroyed = true;
    clearTimeout(this.#timer);
    this.#socket?.destroy();
    this.#giveUp('the connection was closed');
  }

  #pump(): void {
    if (this.#socket === undefined) this.#connect();
    if (!this.#isConnected) return;
    const until = Math.min(this.#queue.length, this.#options.depth);
    if (this.#sent >= until) return;
    const frames = this.#queue.slice(this.#sent, until).map(({ bytes }) => bytes);
    this.#socket?.write(frames.length === 1 ? (frames[0] as Buffer) : Buffer.concat(frames));
    this.#sent = until;
    this.#expectAnswer();
  }

  #connect(): void {
    const { host, port, tls } = this.#options;
    const socket = tls === undefined ? connect({ host, port, noDelay: true }) : connectTls({ host, port, ...tls });
    const reader = new FrameReader(ackBytesMax);
    this.#socket = socket;
    this.#sent = 0;
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => {
      this.#isConnected = true;
      this.#pump();
    });
    socket.on('data', (chunk: Buffer) => {
      for (const { bytes } of reader.push(chunk)) this.#answered(bytes);
    });
    socket.on('error', () => undefined);
    socket.once('close', () => this.#lost());
  }

  #answered(bytes: Buffer): void {
    const ack = readAck(bytes);
    if (ack === undefined) return;
    const index = this.#queue.findIndex(({ controlId }, at) => at < this.#sent && controlId === ack.controlId);
    const waiting = this.#queue[index];
    if (waiting === undefined) {
      if (ack.code.startsWith('A')) this.#options.onApplicationAck?.(ack);
      return;
    }
    this.#queue.splice(index, 1);
    this.#sent--;
    this.#attempts = 0;
    waiting.resolve(ack);
    this.#expectAnswer();
    this.#pump();
    if (this.#queue.length === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  /** One timer for the oldest unanswered message. */
  #expectAnswer(): void {
    clearTimeout(this.#timer);
    if (this.#sent > 0) this.#timer = setTimeout(() => this.#socket?.destroy(), this.#options.ackTimeoutMs);
  }

  #lost(): void {
    clearTimeout(this.#timer);
    this.#isConnected = false;
    this.#sent = 0;
    if (this.#isDestroyed || this.#queue.length === 0) {
      this.#socket = undefined;
      return;
    }
    if (++this.#attempts >= this.#options.attemptsMax) {
      this.#socket = undefined;
      this.#attempts = 0;
      this.#giveUp('no answer from the receiver');
      return;
    }
    const waitMs = Math.min(this.#options.backoffMs * 2 ** (this.#attempts - 1), backoffMaxMs);
    this.#timer = setTimeout(() => this.#connect(), waitMs);
  }

  #giveUp(reason: string): void {
    for (const { reject } of this.#queue.splice(0)) reject(new Problem('transient', reason));
    for (const resolve of this.#whenIdle.splice(0)) resolve();
  }
}

/** MSH-10 as it is on the wire: MSA-2 repeats it exactly. */
function controlIdOf(message: Uint8Array): string {
  return parseMessage(latin1(message)).first('MSH')?.field(10)[0]?.raw ?? '';
}

function readAck(bytes: Buffer): Ack | undefined {
  try {
    const message = parseMessage(latin1(bytes));
    const msa = message.first('MSA');
    if (msa === undefined) return undefined;
    const errors = message.segments.filter(({ name }) => name === 'ERR');
    const errorCodes = errors
      .map((err) => err.text(3) || (err.field(1)[0]?.get(4) ?? ''))
      .filter((code) => code !== '');
    return { code: msa.text(1), controlId: msa.field(2)[0]?.raw ?? '', errorCodes, bytes };
  } catch {
    // Not an HL7v2 message: as good as no answer, and the wait for one goes on.
    return undefined;
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
