/** A hospital's receiver on a real socket: remembers what came, and answers as a test wants. */
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { frame, FrameReader } from '../../adapters/hl7v2/frames.ts';
import { parseMessage } from '../../adapters/hl7v2/message.ts';

export interface Received {
  /** 1-based, over all connections. */
  readonly count: number;
  readonly controlId: string;
  readonly bytes: Buffer;
}

/** The acknowledgment to send; undefined: none, as when it is lost on the way. */
export type Reply = (received: Received) => string | undefined;

export interface Sink {
  readonly port: number;
  readonly received: Received[];
  readonly connections: () => number;
  reply: Reply;
  close(): Promise<void>;
}

export function ack(controlId: string, code = 'AA', ...segments: string[]): string {
  return [
    `MSH|^~\\&|HIS|H|HUB|R|20260301||ACK|a${controlId}|P|2.5.1`,
    `MSA|${code}|${controlId}`,
    ...segments,
    '',
  ].join('\r');
}

export async function givenSink(reply: Reply = ({ controlId }) => ack(controlId), port = 0): Promise<Sink> {
  const received: Received[] = [];
  const open = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    const reader = new FrameReader(1024 * 1024);
    connections++;
    open.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => open.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      for (const { bytes } of reader.push(chunk)) {
        const controlId = parseMessage(bytes.toString('latin1')).first('MSH')?.text(10) ?? '';
        const one = { count: received.length + 1, controlId, bytes: Buffer.from(bytes) };
        received.push(one);
        const answer = sink.reply(one);
        if (answer !== undefined) socket.write(frame(Buffer.from(answer, 'latin1')));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const sink: Sink = {
    port: (server.address() as AddressInfo).port,
    received,
    connections: () => connections,
    reply,
    close: async () => {
      for (const socket of open) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
  return sink;
}
