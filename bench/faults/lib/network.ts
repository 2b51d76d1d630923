/** A network between senders and a hub that breaks off in the middle of answers. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface Network {
  readonly port: number;
  /** Answers that broke off. */
  readonly cuts: number;
  close(): void;
}

/** @param every of so many chunks of answers one ends in its middle, and with it the connection */
export async function breakingNetwork(target: number, every: number): Promise<Network> {
  let [chunks, cuts] = [0, 0];
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const hub = connect({ port: target, host: '127.0.0.1', noDelay: true });
    client.setNoDelay(true);
    for (const [one, other] of [
      [client, hub],
      [hub, client],
    ] as const) {
      open.add(one);
      one.on('error', () => undefined);
      one.once('close', () => {
        open.delete(one);
        other.destroy();
      });
    }
    client.pipe(hub);
    hub.on('data', (chunk: Buffer) => {
      if (++chunks % every !== 0) {
        client.write(chunk);
        return;
      }
      cuts++;
      client.write(chunk.subarray(0, chunk.length >> 1), () => client.destroy());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    get cuts() {
      return cuts;
    },
    close: () => {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}
