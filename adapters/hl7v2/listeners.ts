/** All MLLP listeners of a hub: the shared one, and one for each endpoint with a port of its own, as they come and go. */
import type { Listener } from '../../src/ingest/contract.ts';
import { listenMllp, type MllpOptions } from './mllp.ts';

export interface MllpListeners {
  /** Of the shared listener. */
  readonly port: number;
  /** Ports of endpoints that are listened on now. */
  endpointPorts(): readonly number[];
  close(): Promise<void>;
}

export interface MllpListenersOptions extends MllpOptions {
  /** A port of an endpoint that cannot be opened: told once, tried again until it can. */
  readonly onPortError?: (port: number, error: unknown) => void;
}

/** How late a new endpoint's port opens; the registry itself is as late. */
const checkMs = 1_000;

/** @throws when the shared port cannot be opened; a port of one endpoint must not keep the others out */
export async function openMllpListeners(options: MllpListenersOptions): Promise<MllpListeners> {
  const shared = await listenMllp(options);
  const own = new Map<number, Listener>();
  const failing = new Set<number>();
  let checking: Promise<void> = Promise.resolve();

  const check = async (): Promise<void> => {
    const wanted = options.door.ports();
    for (const [port, listener] of own) {
      if (wanted.includes(port)) continue;
      own.delete(port);
      await listener.close();
    }
    for (const port of wanted) {
      if (own.has(port) || port === shared.port) continue;
      try {
        own.set(port, await listenMllp({ ...options, port, endpointPort: port }));
        failing.delete(port);
      } catch (error) {
        if (!failing.has(port)) options.onPortError?.(port, error);
        failing.add(port);
      }
    }
  };
  await check();
  const timer = setInterval(() => {
    checking = checking.then(check);
  }, checkMs).unref();

  return {
    port: shared.port,
    endpointPorts: () => [...own.keys()],
    close: async () => {
      clearInterval(timer);
      await checking;
      await Promise.all([shared, ...own.values()].map((listener) => listener.close()));
    },
  };
}
