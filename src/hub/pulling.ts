/** The sources that the hub asks: the scheduler of ingest/, joined with the adapters that ask and the secrets they need. */
import { randomUUID } from 'node:crypto';
import { openKeyring } from '../access/secrets/keyring.ts';
import { openSealer } from '../access/secrets/seal.ts';
import type { Config } from '../config.ts';
import { openDatabase } from '../db.ts';
import type { Registry } from '../ingest/endpoint.ts';
import { startPulling } from '../ingest/pull/schedule.ts';
import { readSecrets } from '../ingest/registry/secrets.ts';
import { pullers } from './kinds.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';

export interface PullingHub {
  /** Ends what is under way and gives the rest back to other processes. */
  close(): Promise<void>;
}

export async function openPulling(options: {
  readonly config: Pick<Config, 'dataDir'>;
  readonly url: string;
  readonly registry: Registry;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly onStored: () => void;
}): Promise<PullingHub> {
  const { config, url, registry, log, onStored } = options;
  const metrics = options.metrics.pull;
  const sealer = openSealer(await openKeyring(config.dataDir));
  // Connections of its own: a page that is written holds one, and the claim must not stand behind pages or searches.
  const database = openDatabase({ url, poolMax: 4, pipelines: 1, applicationName: 'hub-pull' });
  const pulling = startPulling({
    database,
    registry,
    pullers,
    worker: `hub-pull-${randomUUID()}`,
    secretsOf: (endpoint) => readSecrets(database, sealer, endpoint.id),
    onStarted: (_endpoint, lagSeconds) => metrics.observeStart(lagSeconds),
    onTaken: ({ name }, { received, unchanged }) => {
      metrics.countTaken(name, received, unchanged);
      if (received > 0) onStored();
    },
    onEnded: ({ endpoint: { name }, outcome, reason, seconds }) => {
      metrics.observeEnd(name, outcome, seconds);
      if (outcome === 'failed') log.warn({ endpoint: name, reason }, 'a source could not be asked');
    },
    onError: (error, endpoint) => log.error({ endpoint: endpoint?.name, error }, 'asking sources failed'),
  });
  metrics.watchRunning(() => pulling.running());
  return {
    close: async () => {
      await pulling.close();
      await database.close();
    },
  };
}
