/**
 * The channel websocket: a client connects, shows a token of $get-ws-binding-token, and is told. Until it has shown one it gets
 * nothing and is cut off soon; no cookie and no origin counts, so no page of another site gets anything either.
 *
 * @see https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html#websockets
 * @see https://www.rfc-editor.org/rfc/rfc6455
 */
import { randomUUID } from 'node:crypto';
import type { RawData, WebSocket, WebSocketServer } from 'ws';
import type { Database } from '../../db.ts';
import { bindSubscriptions, releaseBinding, type Bound } from '../../feeds/subscription/bind.ts';
import { ChannelError, type Channel, type Line } from '../../feeds/subscription/channel.ts';
import type { Upgrade } from '../server.ts';

export interface WebsocketOptions {
  readonly database: Database;
  /** A connection was bound: there is somebody to tell. */
  readonly onBound: () => void;
  readonly onError: (error: unknown) => void;
  readonly limits?: Partial<WebsocketLimits>;
}

export interface WebsocketLimits {
  readonly connectionsMax: number;
  /** Of one caller. */
  readonly perCreatorMax: number;
  /** Without a token yet: anybody may open these. */
  readonly unboundMax: number;
  readonly unboundMs: number;
  /** A client that answers no ping for so long is gone. */
  readonly pingMs: number;
}

export const websocketLimits: WebsocketLimits = {
  connectionsMax: 2_000,
  perCreatorMax: 20,
  unboundMax: 200,
  unboundMs: 10_000,
  pingMs: 30_000,
};

export interface Websockets {
  readonly upgrade: Upgrade;
  readonly channel: Channel;
  /** Those that are bound. */
  bindings(): readonly string[];
  /** No new ones, and the open ones are told to go. */
  close(): void;
}

/** A token and the word before it. */
const messageBytesMax = 1_024;
/** Tokens that one connection shows: one an hour, for many subscriptions each. */
const bindsMax = 200;
/** A client that does not read is not written to. */
const bufferedBytesMax = 1_048_576;
/** RFC 6455 section 7.4.1. */
const closing = { goingAway: 1001, policy: 1008, tryAgainLater: 1013 } as const;

interface Connection {
  readonly id: string;
  readonly socket: WebSocket;
  bound: Bound | undefined;
  binds: number;
  isAlive: boolean;
  timer: NodeJS.Timeout;
}

export function openWebsockets(options: WebsocketOptions): Websockets {
  return new WebsocketHub(options);
}

class WebsocketHub implements Websockets {
  readonly #options: WebsocketOptions;
  readonly #limits: WebsocketLimits;
  readonly #connections = new Map<string, Connection>();
  #server: Promise<WebSocketServer> | undefined;
  #isClosed = false;
  readonly #pinging: NodeJS.Timeout;

  constructor(options: WebsocketOptions) {
    this.#options = options;
    this.#limits = { ...websocketLimits, ...options.limits };
    this.#pinging = setInterval(() => this.#ping(), this.#limits.pingMs).unref();
  }

  readonly upgrade: Upgrade = (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    const unbound = [...this.#connections.values()].filter(({ bound }) => bound === undefined).length;
    const isFull = this.#connections.size >= this.#limits.connectionsMax || unbound >= this.#limits.unboundMax;
    if (this.#isClosed || isFull) {
      socket.end(
        'HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 10\r\ncontent-length: 0\r\n\r\n',
      );
      return;
    }
    this.#serverOf()
      .then((server) => server.handleUpgrade(request, socket, head, (opened) => this.#take(opened)))
      .catch((error: unknown) => {
        socket.destroy();
        this.#options.onError(error);
      });
  };

  readonly channel: Channel = {
    open: async ({ binding }) => {
      const connection = this.#connections.get(binding ?? '');
      if (connection?.bound === undefined || connection.socket.readyState !== connection.socket.OPEN) {
        throw new ChannelError('the client has gone');
      }
      if (connection.socket.bufferedAmount > bufferedBytesMax) throw new ChannelError('the client does not read');
      return lineOf(connection.socket);
    },
  };

  bindings(): readonly string[] {
    return [...this.#connections.values()].filter(({ bound }) => bound !== undefined).map(({ id }) => id);
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#pinging);
    for (const { socket } of this.#connections.values()) {
      socket.close(closing.goingAway, 'the hub stops');
      // Whoever does not answer is not waited for.
      setTimeout(() => socket.terminate(), 500).unref();
    }
  }

  /** Loaded with the first client. No compression: bodies of one client would tell their lengths to another's guesses. */
  #serverOf(): Promise<WebSocketServer> {
    this.#server ??= import('ws').then(
      ({ WebSocketServer: Server }) =>
        new Server({ noServer: true, maxPayload: messageBytesMax, perMessageDeflate: false, clientTracking: false }),
    );
    return this.#server;
  }

  #take(socket: WebSocket): void {
    const connection: Connection = {
      id: randomUUID(),
      socket,
      bound: undefined,
      binds: 0,
      isAlive: true,
      timer: setTimeout(() => socket.close(closing.policy, 'no token was shown'), this.#limits.unboundMs),
    };
    this.#connections.set(connection.id, connection);
    socket.on('pong', () => {
      connection.isAlive = true;
    });
    socket.on('error', () => socket.terminate());
    socket.on('close', () => this.#forget(connection));
    let binding: Promise<void> = Promise.resolve();
    socket.on('message', (data, isBinary) => {
      // In order, one at a time.
      binding = binding
        .then(() => this.#bind(connection, isBinary ? '' : textOf(data)))
        .catch((error: unknown) => {
          this.#options.onError(error);
          socket.close(closing.tryAgainLater, 'try again later');
        });
    });
  }

  async #bind(connection: Connection, text: string): Promise<void> {
    const { socket, id } = connection;
    const [, token] = /^bind-with-token[: ]+(\S+)\s*$/.exec(text) ?? [];
    if (token === undefined || ++connection.binds > bindsMax) {
      socket.close(closing.policy, 'the hub understands bind-with-token and a token');
      return;
    }
    const bound = await bindSubscriptions(this.#options.database, token, id);
    if (bound === undefined) return socket.close(closing.policy, 'the token is not valid');
    const others = [...this.#connections.values()].filter(
      (one) => one.bound?.creator === bound.creator && one !== connection,
    );
    if (others.length >= this.#limits.perCreatorMax) return socket.close(closing.policy, 'too many connections');
    const until = Math.max(bound.until, connection.bound?.until ?? 0);
    connection.bound = { ...bound, until };
    clearTimeout(connection.timer);
    connection.timer = setTimeout(() => socket.close(closing.policy, 'the token has expired'), until - Date.now());
    // It may have gone meanwhile.
    if (this.#connections.has(id)) this.#options.onBound();
    else this.#release(connection);
  }

  #forget(connection: Connection): void {
    clearTimeout(connection.timer);
    this.#connections.delete(connection.id);
    if (connection.bound !== undefined && !this.#isClosed) this.#release(connection);
  }

  #release({ id }: Connection): void {
    releaseBinding(this.#options.database, id).catch((error: unknown) => this.#options.onError(error));
  }

  #ping(): void {
    for (const connection of this.#connections.values()) {
      if (!connection.isAlive) connection.socket.terminate();
      connection.isAlive = false;
      connection.socket.ping();
    }
  }
}

function textOf(data: RawData): string {
  return Buffer.isBuffer(data) ? data.toString() : '';
}

/** There is no answer on a websocket: what is with the operating system is taken to be told. */
function lineOf(socket: WebSocket): Line {
  return {
    send: (body) => {
      const flushed = new Promise<void>((resolve, reject) => {
        socket.send(body, (error) => {
          if (error) reject(new ChannelError('the connection to the client broke', { cause: error }));
          else resolve();
        });
      });
      return { flushed, answered: flushed };
    },
    destroy: () => socket.terminate(),
    release: () => undefined,
  };
}
