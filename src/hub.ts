/**
 * The composition root: builds every room once and joins them; with hub/ the only place that names adapters. What a
 * process does is chosen by its roles; where it listens and how it stops is main.ts.
 */
import type { RequestListener } from 'node:http';
import { openAudit } from './access/audit/audit.ts';
import type { Addresses, Config } from './config.ts';
import type { Upgrade } from './api/server.ts';
import { openDatabase } from './db.ts';
import { apiThreadsBesideMain, startApiThreads, type ApiThreads } from './hub/api-threads.ts';
import { openApp } from './hub/app.ts';
import { startSigning } from './hub/audit-statements.ts';
import { startBackground } from './hub/background.ts';
import { startErasure } from './hub/erasure.ts';
import { openSenderCertificates } from './hub/certificates.ts';
import { startExports } from './hub/exports.ts';
import { openIntake } from './hub/intake.ts';
import type { Logger } from './hub/log.ts';
import { openMetrics } from './hub/metrics.ts';
import { startReplays } from './hub/replays.ts';
import { startEmptying, startRetention } from './hub/retention.ts';
import { startNotifying } from './hub/notifications.ts';
import { startOutbound } from './hub/outbound.ts';
import { openDoorway, type Doorway } from './hub/pass-on.ts';
import { loadSecret, markKeyName } from './hub/secret.ts';
import { openPulling } from './hub/pulling.ts';
import { openStorage } from './hub/storage.ts';
import { startWatch } from './hub/watching.ts';
import { startWorkers } from './hub/workers.ts';
import { openRegistry } from './ingest/endpoint.ts';
import { relabelBatch } from './store/labels/relabel.ts';
import { followProfiles } from './store/profiles.ts';
import { reindexBatch } from './store/reindex.ts';

export interface HubOptions {
  readonly config: Config;
  readonly log: Logger;
  readonly addresses: Addresses;
}

export interface Hub {
  readonly handler: RequestListener;
  /** Of websockets, with the role `api`. */
  readonly upgrade: Upgrade | undefined;
  /** The shared MLLP listener's port, with the role `ingest`. */
  readonly mllpPort: number | undefined;
  /** Starts the API threads on the port of the listener that has `handler`. */
  share(port: number): Promise<void>;
  /** From now on /readyz says no and no message is taken; resolves when those that were are answered. */
  beginStop(): Promise<void>;
  /** After the listeners have closed: ends background work, then the database. */
  stop(): Promise<void>;
}

const refuseUpgrade: Upgrade = (_request, socket) => {
  socket.destroy();
};

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
  if (storage.isOwner) log.warn('the hub serves as the owner of its tables; see HUB_DATABASE_OWNER_URL');
  if (storage.sets === 'older')
    log.warn('newer sensitivity sets are in force than the files have; hub relabel puts those in force');
  // What waits for the disk has connections of its own, so that no read stands behind it.
  const [auditDatabase, intakeDatabase] = ['hub-audit', 'hub-intake'].map((applicationName) =>
    openDatabase({ url: storage.url, poolMax: 1, pipelines: 1, applicationName }),
  ) as [ReturnType<typeof openDatabase>, ReturnType<typeof openDatabase>];
  const audit = openAudit(auditDatabase, { observe: metrics.observeAudit });
  const endpoints = await openRegistry(storage.database);
  const profiles = await followProfiles(storage.database, (error) => log.error({ error }, 'profiles not read'));
  const workers = config.roles.has('worker')
    ? startWorkers({
        url: storage.url,
        count: config.workers,
        markKey: await loadSecret(config.dataDir, markKeyName),
        log,
        metrics,
      })
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
        onCertificate: openSenderCertificates({ database: storage.database, endpoints, log }),
      })
    : undefined;
  const sending = config.roles.has('worker')
    ? await startOutbound({ database: storage.database, log, metrics })
    : undefined;
  const exporting = config.roles.has('worker')
    ? await startExports({ database: storage.database, base: addresses.fhirBase, log })
    : undefined;
  const pulling = config.roles.has('scheduler')
    ? await openPulling({
        config,
        url: storage.url,
        registry: endpoints,
        log,
        metrics,
        onStored: () => workers?.wake(),
      })
    : undefined;
  const signing = config.roles.has('scheduler')
    ? await startSigning({ config, database: storage.database, log, observe: metrics.setAuditSigned })
    : undefined;
  const watching = config.roles.has('scheduler')
    ? await startWatch({ config, database: storage.database, endpoints, log, metrics })
    : undefined;
  const notifying = await startNotifying({ config, base: addresses.fhirBase, url: storage.url, audit, log });
  const erasing = config.roles.has('worker') ? startErasure({ database: storage.database, audit, log }) : undefined;
  const sweeping = config.roles.has('worker') ? startRetention({ database: storage.database, log }) : undefined;
  const replaying = config.roles.has('worker')
    ? startReplays({ database: storage.database, log, onQueued: () => workers?.wake() })
    : undefined;
  const observe = metrics.setBackground;
  const background = config.roles.has('worker')
    ? [
        startBackground({ name: 'reindexing', batch: () => reindexBatch(storage.database), log, observe }),
        startBackground({ name: 'relabelling', batch: () => relabelBatch(storage.database), log, observe }),
        ...startEmptying({ days: config.messageDays, database: storage.database, log, observe }),
      ]
    : [];
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
    handler: app.listener,
    upgrade: notifying.upgrade,
    mllpPort: intake?.port,
    share: async (port) => {
      const count = apiThreadsBesideMain(config);
      if (count === 0) return;
      doorway = await openDoorway(app.listener, notifying.upgrade ?? refuseUpgrade);
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
      notifying.beginStop();
      await Promise.all([intake?.close(), pulling?.close(), threads?.close()]);
      await doorway?.close();
    },
    stop: async () => {
      await Promise.all([
        workers?.close(),
        sending?.close(),
        exporting?.close(),
        notifying.close(),
        erasing?.close(),
        sweeping?.close(),
        watching?.close(),
        replaying?.close(),
        ...background.map((job) => job.close()),
      ]);
      endpoints.close();
      profiles.close();
      await app.settled();
      await audit.close();
      // When nothing more is recorded, so that the last statement covers all there is.
      await signing?.close();
      await Promise.all([auditDatabase.close(), intakeDatabase.close()]);
      await storage.close();
    },
  };
}
