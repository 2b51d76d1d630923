/** The process: config, listen, hub, stop cleanly. `node src/main.ts` is `hub serve`. */
import { listenHttp, stopGraceMs } from './api/server.ts';
import { addressesOf, readConfig } from './config.ts';
import { openHub } from './hub.ts';
import { apiThreadsBesideMain } from './hub/api-threads.ts';
import { openLog } from './hub/log.ts';

/** The whole stop, database included, stays under the 10 s it promises. */
const stopMs = 9_500;

/** Runs until SIGTERM or SIGINT; resolves when everything is closed. */
export async function serve(environment: NodeJS.ProcessEnv): Promise<void> {
  const config = readConfig(environment);
  const log = openLog(config.logLevel);
  const stopSignal = nextSignal();
  for (const name of config.unknownVariables) log.warn({ name }, 'unknown variable');
  const listener = await listenHttp({ ...config, isShared: apiThreadsBesideMain(config) > 0 && 'first' });
  const addresses = addressesOf(config, listener.port);
  try {
    const hub = await openHub({ config, log, addresses });
    listener.mount(hub.handler, hub.upgrade);
    await hub.share(listener.port);
    log.info(
      { port: listener.port, mllpPort: hub.mllpPort, publicUrl: addresses.publicUrl, roles: [...config.roles] },
      'ready',
    );
    const signal = await stopSignal;
    log.info({ signal }, 'stopping');
    // The promise to be gone within 10 s holds even when something never answers.
    setTimeout(() => process.exit(1), stopMs).unref();
    await Promise.all([hub.beginStop(), listener.close(stopGraceMs)]);
    await hub.stop();
    log.info('stopped');
  } finally {
    await listener.close(0);
  }
}

/** Later signals change nothing: Ctrl-C reaches a launcher and its child both. */
function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => resolve(signal));
  });
}

if (import.meta.main) await serve(process.env);
