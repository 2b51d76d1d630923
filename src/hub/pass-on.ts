/**
 * What an API thread does not serve itself (pages, health, the console, HL7v2 over HTTP) goes to the main thread through a
 * socket that only this user can open, with the address it came from: endpoints may be bound to one.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, request as open, type IncomingMessage, type RequestListener } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Upgrade } from '../api/server.ts';

export interface Doorway {
  /** Path of the socket. */
  readonly path: string;
  close(): Promise<void>;
}

const addressHeader = 'x-hub-address';

/** The main thread's end. */
export async function openDoorway(handler: RequestListener, upgrade: Upgrade): Promise<Doorway> {
  // Readable by this user alone, and so is what is in it.
  const directory = await mkdtemp(join(tmpdir(), 'hub-'));
  const path = join(directory, 'api.sock');
  const named = (request: IncomingMessage): IncomingMessage => {
    const { [addressHeader]: address } = request.headers;
    delete request.headers[addressHeader];
    // A connection carries one request, so the address is the connection's.
    Object.defineProperty(request.socket, 'remoteAddress', { value: address, configurable: true });
    return request;
  };
  const server = createServer((request, response) => handler(named(request), response));
  server.on('upgrade', (request, socket, head) => upgrade(named(request), socket, head));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(path, resolve);
  });
  return {
    path,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** The API thread's end. */
export function passOn(path: string): RequestListener {
  return (request, response) => {
    const forwarded = open({
      socketPath: path,
      method: request.method,
      path: request.url,
      headers: { ...request.headers, connection: 'close', [addressHeader]: request.socket.remoteAddress ?? '' },
      agent: false,
    });
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      forwarded.once('response', resolve).once('error', reject);
    });
    const sent = pipeline(request, forwarded);
    // An answer may come before all was sent; then what is left has nobody to go to.
    sent.catch(() => undefined);
    answered
      .then((answer) => {
        const { connection: _connection, ...headers } = answer.headers;
        response.writeHead(answer.statusCode ?? 502, headers);
        return pipeline(answer, response);
      })
      .catch(() => {
        if (response.headersSent) response.destroy();
        else response.writeHead(503, { 'retry-after': '1', 'content-length': 0 }).end();
      });
  };
}

/** The same for a websocket: from here on the bytes of the two sockets are one another's. */
export function passUpgradeOn(path: string): Upgrade {
  return (request, socket, head) => {
    const there = connect(path);
    const end = (): void => {
      socket.destroy();
      there.destroy();
    };
    socket.on('error', end).on('close', end);
    there.on('error', end).on('close', end);
    const { [addressHeader]: _claimed, ...headers } = request.headers;
    const lines = Object.entries({ ...headers, [addressHeader]: request.socket.remoteAddress ?? '' }).flatMap(
      ([name, value]) => [value ?? []].flat().map((one) => `${name}: ${one}`),
    );
    there.write(`${request.method} ${request.url} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`, 'latin1');
    there.write(head);
    there.pipe(socket);
    socket.pipe(there);
  };
}
