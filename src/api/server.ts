/**
 * The HTTP listener: it opens before the hub behind it is ready (liveness can be seen while a database recovers), bounds
 * what a slow or hostile caller can hold, and stops by answering what is open.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { Problem } from '../fhir/problem.ts';
import { websocketRoute } from './subscription/address.ts';

export interface HttpListener {
  readonly port: number;
  /** From now on requests go here, and those for a websocket there. */
  mount(handler: RequestListener, upgrade?: Upgrade): void;
  /** Stops accepting, answers what is open, cuts what is still open after `graceMs`. */
  close(graceMs: number): Promise<void>;
}

/** A request for a websocket: its socket is the taker's from here on. */
export type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

export interface HttpOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /**
   * Several threads listen on the port and the kernel deals connections out among them (SO_REUSEPORT). Another program could
   * then take the port without an error, so the first of them asks for it alone before it shares.
   * @see https://man7.org/linux/man-pages/man7/socket.7.html
   */
  readonly isShared?: boolean | 'first';
  /** Takes requests from the first on; without it they are told to wait until one is mounted. */
  readonly handler?: RequestListener;
  /** As {@link HttpListener.mount} takes it. */
  readonly upgrade?: Upgrade;
  readonly slowest?: Slowest;
}

/** How long headers, and a whole request, may take to arrive; then the answer is 408. */
export interface Slowest {
  readonly headersMs: number;
  readonly requestMs: number;
}

/** Request line and headers; Node answers 431 beyond it. Long searches go to POST _search. */
const headerBytesMax = 16_384;
/** A caller that sends its headers, or its body, slower than this holds a socket for nothing (slowloris). */
const slowest: Slowest = { headersMs: 10_000, requestMs: 60_000 };
/** Node looks at what is open twice a minute by itself, which would be forty seconds for headers. */
const looksIn = 5;
/** Longer than the idle time of common load balancers (60 s), so that they close first. */
const keepAliveTimeoutMs = 65_000;
const connectionsMax = 10_000;
/** A stop answers what is open within this. */
export const stopGraceMs = 3_000;
/** While stopping: how long a connection stays open after its last answer. */
const idleMs = 20;
/** The port of a hub that was killed a moment ago may need a moment. */
const bindAttemptsMax = 10;
const bindPauseMs = 300;

/** @throws Problem conflict when the port stays taken */
export async function listenHttp(options: HttpOptions): Promise<HttpListener> {
  let handler: RequestListener = options.handler ?? answerStarting;
  let { upgrade } = options;
  const { headersMs, requestMs } = options.slowest ?? slowest;
  let isClosing = false;
  const server = createServer(
    {
      maxHeaderSize: headerBytesMax,
      headersTimeout: headersMs,
      requestTimeout: requestMs,
      connectionsCheckingInterval: headersMs / looksIn,
      keepAliveTimeout: keepAliveTimeoutMs,
      // Others ask for an upgrade in passing (Java's client for h2c) and are answered as if they had not.
      shouldUpgradeCallback: (request) => upgrade !== undefined && isForWebsocket(request),
    },
    (request, response) => {
      if (isClosing) response.setHeader('connection', 'close');
      handler(request, response);
    },
  );
  server.on('upgrade', (request, socket, head) => {
    if (isClosing || upgrade === undefined) socket.destroy();
    else upgrade(request, socket, head);
  });
  server.maxConnections = connectionsMax;
  await bind(server, options);
  return {
    port: (server.address() as AddressInfo).port,
    mount: (next, nextUpgrade) => {
      handler = next;
      upgrade = nextUpgrade;
    },
    close: async (graceMs) => {
      isClosing = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      const cut = new AbortController();
      // A connection whose answer was under way is kept for the next request, which does not come: the stop would wait out its grace.
      const idle = setInterval(() => server.closeIdleConnections(), idleMs);
      await Promise.race([closed, sleep(graceMs, undefined, { signal: cut.signal }).catch(() => undefined)]);
      cut.abort();
      clearInterval(idle);
      server.closeAllConnections();
      await closed;
    },
  };
}

/** RFC 6455 section 4.2.1, at the one path that has one. */
export function isForWebsocket({ method, url, headers }: IncomingMessage): boolean {
  return method === 'GET' && url === websocketRoute && headers.upgrade?.toLowerCase() === 'websocket';
}

async function bind(server: Server, { host, port: wanted, isShared }: HttpOptions): Promise<void> {
  let port = wanted;
  if (isShared === 'first') {
    await bind(server, { host, port });
    ({ port } = server.address() as AddressInfo);
    await new Promise((resolve) => server.close(resolve));
  }
  for (let attempt = 1; ; attempt++) {
    server.listen({ port, host, reusePort: isShared !== undefined && isShared !== false });
    const failure = await once(server, 'listening').then(
      () => undefined,
      (error: NodeJS.ErrnoException) => error,
    );
    if (failure === undefined) return;
    if (failure.code !== 'EADDRINUSE' || attempt >= bindAttemptsMax) {
      throw new Problem('conflict', `cannot listen on ${host}:${port} (${failure.code ?? 'unknown'})`, {
        hint: 'Stop what holds the port, or set HUB_PORT (0: any free one) or HUB_HOST.',
        cause: failure,
      });
    }
    await sleep(bindPauseMs);
  }
}

const answerStarting: RequestListener = (request, response) => {
  const isAlive = request.url === '/healthz';
  response.writeHead(isAlive ? 200 : 503, {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'retry-after': '1',
  });
  response.end(JSON.stringify({ status: isAlive ? 'ok' : 'starting' }));
};
