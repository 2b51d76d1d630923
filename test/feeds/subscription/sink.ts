/** A receiver of notifications: a real HTTP server that keeps what it was sent, and answers as it is told. */
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { until } from '../../until.ts';

export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly json: Record<string, any>; // eslint-disable-line typescript/no-explicit-any
  /** `performance.now()` when the last byte was here. */
  readonly at: number;
}

export interface Sink {
  readonly url: string;
  readonly received: Received[];
  /** Connections that were opened, used or not. */
  readonly connections: () => number;
  /** By path: the status of the next answers, or who answers. Otherwise 200. */
  readonly answers: Map<string, number | RequestListener>;
  until(what: (received: readonly Received[]) => boolean): Promise<void>;
  close(): Promise<void>;
}

export async function givenSink(): Promise<Sink> {
  const received: Received[] = [];
  let connections = 0;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      received.push({
        path: request.url ?? '',
        headers: request.headers,
        text,
        json: JSON.parse(text) as Received['json'],
        at: performance.now(),
      });
      const answer = sink.answers.get(request.url ?? '') ?? 200;
      if (typeof answer === 'function') answer(request, response);
      else response.writeHead(answer, { location: '/elsewhere' }).end();
    });
  });
  server.on('connection', () => connections++);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const sink: Sink = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    connections: () => connections,
    answers: new Map(),
    until: (what) =>
      until(
        'what is received',
        () => what(received),
        () => received.map(({ text }) => text).join('\n'),
      ),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return sink;
}
