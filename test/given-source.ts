/** Servers on loopback that answer what a test says: the other side of a pull, however badly it behaves. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { readSettings, connectionShape } from '../adapters/fhir/settings.ts';
import { openSource, type FhirSource, type SourceOptions } from '../adapters/fhir/ask.ts';

export interface Asked {
  readonly method: string;
  /** With the query, below the base. */
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface GivenServer {
  /** Without a slash at the end. */
  readonly base: string;
  readonly asked: readonly Asked[];
  close(): Promise<void>;
}

export type Serve = (asked: Asked, response: ServerResponse) => void;

export async function givenServer(serve: Serve, tls?: ServerOptions): Promise<GivenServer> {
  const asked: Asked[] = [];
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const one = {
        method: request.method ?? '',
        url: (request.url ?? '').replace(/^\/fhir\/?/, ''),
        headers: request.headers,
        body: Buffer.concat(chunks).toString(),
      };
      asked.push(one);
      serve(one, response);
    });
  };
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    base: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}/fhir`,
    asked,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** A FHIR answer. */
export function answer(
  response: ServerResponse,
  resource: unknown,
  headers: Record<string, string> = {},
  status = 200,
): void {
  response.writeHead(status, { 'content-type': 'application/fhir+json;charset=utf-8', ...headers });
  response.end(typeof resource === 'string' ? resource : JSON.stringify(resource));
}

/** One source, asked as a run asks it. */
export function givenSource(
  config: Readonly<Record<string, unknown>>,
  options: Partial<Omit<SourceOptions, 'settings'>> = {},
): FhirSource {
  return openSource({
    settings: readSettings(connectionShape, config),
    secrets: {},
    signal: new AbortController().signal,
    now: () => new Date(),
    ...options,
  });
}
