/**
 * The composition root: builds every room once and joins them; with hub/ the only place that names adapters. What a
 * process does is chosen by its roles; where it listens and how it stops is main.ts.
 */
import type { RequestListener } from 'node:http';
import { openAudit } from './access/audit.ts';
import type { Addresses, Config } from './config.ts';
import { openDatabase } from './db.ts';
import { apiThreadsBesideMain, startApiThreads, type ApiThreads } from './hub/api-threads.ts';
import { openApp } from './hub/app.ts';
import { startExports } from './hub/exports.ts';
import { openIntake } from './hub/intake.ts';
import type { Logger } from './hub/log.ts';
import { openMetrics } from './hub/metrics.ts';
import { startOutbound } from './hub/outbound.ts';
import { openDoorway, type Doorway } from './hub/pass-on.ts';
import { startReindexing } from './hub/reindex.ts';
import { openStorage } from './hub/storage.ts';
import { startWorkers } from './hub/workers.ts';
import { openRegistry } from './ingest/endpoint.ts';
import { followProfiles } from './store/profiles.ts';

export interface HubOptions {
  readonly config: Config;
  readonly log: Logger;
  readonly addresses: Addresses;
}

export interface Hub {
  readonly handler: RequestListener;
  /** The shared MLLP listener's port, with the role `ingest`. */
  readonly mllpPort: number | undefined;
  /** Starts the API threads on the port of the listener that has `handler`. */
  share(port: number): Promise<void>;
  /** From now on /readyz says no and no message is taken; resolves when those that were are answered. */
  beginStop(): Promise<void>;
  /** After the listeners have closed: ends background work, then the database. */
  stop(): Promise<void>;
}

export async function openHub({ config, log, addresses }: HubOptions): Promise<Hub> {
  const metrics = openMetrics();
  const storage = await openStorage(config, {
    onEvent: (event, detail) => {
      metrics.setDatabase(event === 'started' || event === 'attached');
      log[event === 'lost' || event === 'restart-failed' ? 'warn' : 'info']({ detail }, `database ${event}`);
    },
  });
  metrics.setDatabase(true);
  for (const name of storage.migrated) log.info({ name }, 'migration applied');
  // What waits for the disk has connections of its own, so that no read stands behind it.
  const [auditDatabase, intakeDatabase] = ['hub-audit', 'hub-intake'].map((applicationName) =>
    openDatabase({ url: storage.url, poolMax: 1, pipelines: 1, applicationName }),
  ) as [ReturnType<typeof openDatabase>, ReturnType<typeof openDatabase>];
  const audit = openAudit(auditDatabase);
  const endpoints = await openRegistry(storage.database);
  const profiles = await followProfiles(storage.database, (error) => log.error({ error }, 'profiles not read'));
  const workers = config.roles.has('worker')
    ? startWorkers({ url: storage.url, count: config.workers, log, metrics })
    : undefined;
  const intake = config.roles.has('ingest')
    ? await openIntake({
        registry: endpoints,
        database: intakeDatabase,
        host: config.host,
        port: config.mllpPort,
        tls: config.mllpTls,
        log,
        metrics,
        onStored: () => workers?.wake(),
      })
    : undefined;
  const sending = config.roles.has('worker')
    ? await startOutbound({ database: storage.database, log, metrics })
    : undefined;
  const exporting = config.roles.has('worker')
    ? await startExports({ database: storage.database, base: addresses.fhirBase, log })
    : undefined;
  const reindexing = config.roles.has('worker') ? startReindexing(storage.database, log) : undefined;
  let isAccepting = true;
  const app = await openApp({
    config,
    addresses,
    database: storage.database,
    audit,
    endpoints,
    intake,
    metrics,
    log,
    profiles,
    isAccepting: () => isAccepting,
  });

  let threads: ApiThreads | undefined;
  let doorway: Doorway | undefined;
  return {
    handler: app,
    mllpPort: intake?.port,
    share: async (port) => {
      const count = apiThreadsBesideMain(config);
      if (count === 0) return;
      doorway = await openDoorway(app);
      threads = await startApiThreads({
        count,
        config,
        addresses,
        url: storage.url,
        port,
        doorway: doorway.path,
        log,
        metrics,
      });
    },
    beginStop: async () => {
      isAccepting = false;
      await Promise.all([intake?.close(), threads?.close()]);
      await doorway?.close();
    },
    stop: async () => {
      await Promise.all([workers?.close(), sending?.close(), exporting?.close(), reindexing?.close()]);
      endpoints.close();
      profiles.close();
      await audit.close();
      await Promise.all([auditDatabase.close(), intakeDatabase.close()]);
      await storage.close();
    },
  };
}
