/** A websocket client that keeps what it was told. */
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { until } from '../../until.ts';

export interface Told {
  readonly text: string;
  readonly json: Record<string, any>; // eslint-disable-line typescript/no-explicit-any
  readonly at: number;
}

export interface WebsocketClient {
  readonly told: Told[];
  /** Code and reason, once it is closed. */
  readonly closed: Promise<[number, string]>;
  readonly socket: WebSocket;
  send(text: string): void;
  until(what: (told: readonly Told[]) => boolean): Promise<void>;
  close(): Promise<void>;
}

export async function givenWebsocket(url: string): Promise<WebsocketClient> {
  const socket = new WebSocket(url);
  const told: Told[] = [];
  socket.on('message', (data: Buffer) => {
    const text = data.toString();
    told.push({ text, json: JSON.parse(text) as Told['json'], at: performance.now() });
  });
  const closed = once(socket, 'close').then(([code, reason]): [number, string] => [Number(code), String(reason)]);
  await once(socket, 'open');
  return {
    told,
    closed,
    socket,
    send: (text) => socket.send(text),
    until: (what) =>
      until(
        'what is told',
        () => what(told),
        () => told.map(({ text }) => text).join('\n'),
      ),
    close: async () => {
      socket.terminate();
      await closed;
    },
  };
}
