/**
 * The MLLP server: sockets in, acknowledgments out. It keeps the order of answers within a connection, accepts frames
 * ahead of the answers (pipelining), and when a connection or the process has enough unanswered it stops reading, so that
 * the sender's TCP window closes instead of the hub's memory filling.
 */
import type { AddressInfo, Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import { createServer as createTlsServer, TLSSocket } from 'node:tls';
import { Problem } from '../../src/fhir/problem.ts';
import type { Connection, Listener } from '../../src/ingest/contract.ts';
import { answerFrame } from './answer-batch.ts';
import { answerTooLong, type Answer, type AnswerOptions } from './answer.ts';
import { frame, FrameReader, type Frame } from './frames.ts';

export interface MllpLimits {
  /** A message with embedded documents; more belongs in parts. */
  readonly frameBytesMax: number;
  /** Frames of one connection that wait for their answer before its socket is no longer read. */
  readonly unansweredMax: number;
  /** Bytes of all connections that are not answered yet. */
  readonly pendingBytesMax: number;
  readonly connectionsMax: number;
  /** A hospital has a handful of interfaces; behind one address (NAT, a broker) there may be many hospitals. */
  readonly connectionsPerAddressMax: number;
  /** Between messages: interfaces stay connected through quiet nights, dead peers do not stay for ever. */
  readonly idleMs: number;
  /** From the first byte of a frame to its last, and the longest an answer waits to be read by the sender. */
  readonly frameMs: number;
  /** FS without CR ends a frame after this silence. */
  readonly endingMs: number;
  /** What is open when the hub stops gets its answer within this time. */
  readonly closeMs: number;
}

export const defaultLimits: MllpLimits = {
  frameBytesMax: 16 * 1024 * 1024,
  unansweredMax: 64,
  pendingBytesMax: 256 * 1024 * 1024,
  connectionsMax: 8_192,
  connectionsPerAddressMax: 512,
  idleMs: 3_600_000,
  frameMs: 60_000,
  endingMs: 200,
  closeMs: 5_000,
};

export interface TlsOptions {
  readonly key: string | Buffer;
  readonly cert: string | Buffer;
  /** When set, a client must show a certificate of this authority (mutual TLS). */
  readonly ca?: string | Buffer;
}

export interface MllpOptions extends AnswerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** The port that endpoints of their own name; undefined for the shared listener. */
  readonly endpointPort?: number;
  readonly tls?: TlsOptions;
  readonly limits?: Partial<MllpLimits>;
  /** Told of refusals and broken connections; never of content. */
  readonly onEvent?: (event: MllpEvent) => void;
}

export interface MllpEvent {
  /** `unfollowed`: an accepted message whose application acknowledgment could not be made; its sender waits for it. */
  readonly kind: 'opened' | 'closed' | 'answered' | 'refused' | 'limit' | 'unfollowed';
  readonly address: string;
  readonly reason?: string;
  /** Of a sender that opened a connection by a client certificate: which, and when it ends. */
  readonly certificate?: { readonly fingerprint: string; readonly endsAt: Date };
}

export async function listenMllp(options: MllpOptions): Promise<Listener> {
  const server = new MllpServer(options);
  await server.listen();
  return server;
}

class MllpServer implements Listener {
  readonly options: MllpOptions;
  readonly limits: MllpLimits;
  readonly #server: Server;
  readonly #open = new Set<MllpConnection>();
  readonly #perAddress = new Map<string, number>();
  readonly #waiting = new Set<MllpConnection>();
  #pendingBytes = 0;

  constructor(options: MllpOptions) {
    this.options = options;
    this.limits = { ...defaultLimits, ...options.limits };
    const accept = (socket: Socket): void => this.#accept(socket);
    // Half open: a sender may close its side after the last message and still wait for the answer.
    this.#server =
      options.tls === undefined
        ? createServer({ noDelay: true, allowHalfOpen: true }, accept)
        : tlsServer(options.tls, accept);
    this.#server.maxConnections = this.limits.connectionsMax;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.options.port, this.options.host, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const timer = setTimeout(() => {
      for (const connection of this.#open) connection.destroy('the hub stops');
    }, this.limits.closeMs);
    for (const connection of this.#open) connection.finish();
    await closed;
    clearTimeout(timer);
  }

  event(kind: MllpEvent['kind'], address: string, reason?: string): void {
    this.options.onEvent?.({ kind, address, reason });
  }

  #opened(address: string, socket: Socket, fingerprintOf: string | undefined): void {
    const event = { kind: 'opened', address } as const;
    const isShown = fingerprintOf !== undefined && socket instanceof TLSSocket;
    const endsAt = isShown ? new Date(socket.getPeerCertificate().valid_to) : undefined;
    this.options.onEvent?.({
      ...event,
      ...(fingerprintOf !== undefined &&
        endsAt !== undefined && { certificate: { fingerprint: fingerprintOf, endsAt } }),
    });
  }

  get isFull(): boolean {
    return this.#pendingBytes > this.limits.pendingBytesMax;
  }

  /** Accounts for unanswered bytes; connections that wait for room are read again when there is some. */
  account(bytes: number): void {
    this.#pendingBytes += bytes;
    if (bytes >= 0 || this.isFull) return;
    for (const connection of this.#waiting) {
      this.#waiting.delete(connection);
      connection.resume();
      if (this.isFull) return;
    }
  }

  awaitRoom(connection: MllpConnection): void {
    this.#waiting.add(connection);
  }

  forget(connection: MllpConnection): void {
    this.#open.delete(connection);
    this.#waiting.delete(connection);
    const left = (this.#perAddress.get(connection.from.address) ?? 1) - 1;
    if (left > 0) this.#perAddress.set(connection.from.address, left);
    else this.#perAddress.delete(connection.from.address);
    this.event('closed', connection.from.address);
  }

  #accept(socket: Socket): void {
    const address = socket.remoteAddress ?? '';
    const count = this.#perAddress.get(address) ?? 0;
    if (count >= this.limits.connectionsPerAddressMax) {
      this.event('limit', address, 'too many connections of one address');
      socket.destroy();
      return;
    }
    this.#perAddress.set(address, count + 1);
    const certificate = socket instanceof TLSSocket ? fingerprint(socket) : undefined;
    const from: Connection = { kind: 'hl7v2-mllp', port: this.options.endpointPort, address, certificate };
    this.#open.add(new MllpConnection(this, socket, from));
    this.#opened(address, socket, certificate);
  }
}

function tlsServer(tls: TlsOptions, accept: (socket: TLSSocket) => void): Server {
  const isMutual = tls.ca !== undefined;
  const options = {
    ...tls,
    requestCert: isMutual,
    rejectUnauthorized: isMutual,
    minVersion: 'TLSv1.2' as const,
    noDelay: true,
    allowHalfOpen: true,
  };
  const server = createTlsServer(options, accept);
  // A failed handshake is the client's trouble; without a listener it would be ours.
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  return server;
}

function fingerprint(socket: TLSSocket): string | undefined {
  if (!socket.authorized) return undefined;
  return socket.getPeerCertificate().fingerprint256?.replaceAll(':', '').toLowerCase();
}

class MllpConnection {
  readonly from: Connection;
  readonly #server: MllpServer;
  readonly #socket: Socket;
  readonly #reader: FrameReader;
  readonly #timer: NodeJS.Timeout;
  #deadline: number;
  /** The end of the chain of answers: each is written after the one before it. */
  #answers: Promise<void> = Promise.resolve();
  #unanswered = 0;
  #later = 0;
  #isFinishing = false;
  #isClosed = false;

  constructor(server: MllpServer, socket: Socket, from: Connection) {
    this.#server = server;
    this.#socket = socket;
    this.from = from;
    this.#reader = new FrameReader(server.limits.frameBytesMax);
    const { idleMs, frameMs } = server.limits;
    this.#deadline = Date.now() + idleMs;
    // One slow timer a connection instead of one set anew with every chunk.
    this.#timer = setInterval(() => this.#checkTime(), Math.max(10, Math.min(idleMs, frameMs) / 4)).unref();
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('drain', () => this.resume());
    socket.on('end', () => this.finish());
    socket.on('error', (error) => this.destroy(error.message));
    socket.on('close', () => this.#closed());
  }

  /** Takes no more messages, answers those it has, and closes. */
  finish(): void {
    if (this.#isFinishing) return;
    this.#isFinishing = true;
    this.#take(this.#reader.flush());
    void this.#answers.then(() => this.#endWhenDone());
  }

  destroy(reason: string): void {
    if (!this.#isClosed) this.#server.event('limit', this.from.address, reason);
    this.#socket.destroy();
  }

  resume(): void {
    if (this.#unanswered < this.#server.limits.unansweredMax && !this.#socket.writableNeedDrain) this.#socket.resume();
  }

  #read(chunk: Buffer): void {
    if (this.#isFinishing) return;
    const wasInFrame = this.#reader.isInFrame;
    const before = this.#reader.pendingBytes;
    const frames = this.#reader.push(chunk);
    this.#accountFor(this.#reader.pendingBytes - before);
    const { idleMs, frameMs, endingMs } = this.#server.limits;
    if (!this.#reader.isInFrame) this.#deadline = Date.now() + idleMs;
    else if (!wasInFrame || frames.length > 0) this.#deadline = Date.now() + frameMs;
    this.#take(frames);
    if (this.#reader.isEnding) setTimeout(() => this.#take(this.#reader.flush()), endingMs).unref();
    this.#applyBackpressure();
  }

  #applyBackpressure(): void {
    if (this.#unanswered >= this.#server.limits.unansweredMax) this.#socket.pause();
    if (!this.#server.isFull) return;
    if (this.#unanswered > 0) {
      this.#socket.pause();
      this.#server.awaitRoom(this);
    } else if (this.#reader.isInFrame) {
      // Half a frame holds memory that no answer will free; its sender sends it again.
      this.destroy('too many unanswered bytes');
    }
  }

  #take(frames: Frame[]): void {
    for (const one of frames) {
      this.#unanswered++;
      this.#accountFor(one.bytes.length);
      const answer = this.#answer(one);
      void answer.then(({ isLost }) => {
        // At once, not when its turn comes: what follows must not be stored before it is sent again.
        if (isLost) this.#isFinishing = true;
      });
      this.#answers = this.#answers.then(async () => this.#write(await answer, one.bytes.length));
    }
  }

  async #answer(one: Frame): Promise<Answer> {
    const { options, limits } = this.#server;
    return one.kind === 'message'
      ? answerFrame(one.bytes, this.from, options)
      : answerTooLong(one.bytes, limits.frameBytesMax, options);
  }

  #write(answer: Answer, bytes: number): void {
    this.#unanswered--;
    this.#accountFor(-bytes);
    this.#server.event(answer.problem === undefined ? 'answered' : 'refused', this.from.address, answer.problem?.code);
    if (answer.isLost) {
      // What an error code does is up to the sender, and many give the message up. Silence makes every sender repeat it.
      this.destroy('the message could not be stored');
      return;
    }
    for (const ack of answer.acks) this.#send(ack);
    for (const later of answer.later) this.#followUp(later);
    if (this.#unanswered === this.#server.limits.unansweredMax >> 1 && !this.#server.isFull) this.resume();
  }

  #send(ack: Buffer | undefined): void {
    if (ack === undefined || this.#socket.destroyed) return;
    // Answers of one commit leave in one packet.
    if (this.#socket.writableCorked === 0) {
      this.#socket.cork();
      setImmediate(() => this.#socket.uncork());
    }
    // A sender that does not read its answers is not read either.
    if (!this.#socket.write(frame(ack))) this.#socket.pause();
  }

  #followUp(later: Promise<Buffer | undefined>): void {
    this.#later++;
    const finish = (ack: Buffer | undefined): void => {
      this.#send(ack);
      this.#later--;
      this.#endWhenDone();
    };
    void later.then(finish, (error: unknown) => {
      const reason = error instanceof Problem ? error.code : 'exception';
      this.#server.event('unfollowed', this.from.address, reason);
      finish(undefined);
    });
  }

  #endWhenDone(): void {
    if (this.#isFinishing && this.#unanswered === 0 && this.#later === 0) this.#socket.end();
  }

  #checkTime(): void {
    if (this.#unanswered > 0 || Date.now() < this.#deadline) return;
    this.destroy(this.#reader.isInFrame ? 'a frame took too long' : 'idle');
  }

  #accountFor(bytes: number): void {
    if (bytes !== 0) this.#server.account(bytes);
  }

  #closed(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.#server.forget(this);
    // Answers still on their way give back their own share.
    this.#accountFor(-this.#reader.pendingBytes);
  }
}
