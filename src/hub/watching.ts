/** The watch of this process: rounds under its lease, with the role `scheduler`. */
import { randomUUID } from 'node:crypto';
import { statfs } from 'node:fs/promises';
import type { AlertConfig, Config } from '../config.ts';
import type { Database } from '../db.ts';
import { Problem } from '../fhir/problem.ts';
import type { Registry } from '../ingest/endpoint.ts';
import type { Disk } from '../watch/alerts/surroundings.ts';
import { emailTarget } from '../watch/tell/email.ts';
import type { Target } from '../watch/tell/target.ts';
import { webhookTarget } from '../watch/tell/webhook.ts';
import { startWatching } from '../watch/watch.ts';
import { watchCertificates } from './certificates.ts';
import { readClock } from './clock.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';

export interface WatchingOptions {
  readonly config: Config;
  readonly database: Database;
  readonly endpoints: Registry;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export async function startWatch(options: WatchingOptions): Promise<{ close(): Promise<void> }> {
  const { config, database, endpoints, log, metrics } = options;
  const watch = await startWatching({
    database,
    endpoints: () => endpoints.all(),
    worker: `hub-watch-${randomUUID()}`,
    targets: openTargets(config.alerts),
    readClock,
    disks: () => disksOf(config.dataDir),
    observe: metrics.watch.observe,
    observeDelivery: metrics.watch.countDelivery,
    onError: (error) => {
      // Another process has taken over, as it should when this one was busy for too long.
      if (error instanceof Problem && error.code === 'lock-error') log.info({ error }, 'another process watches now');
      else log.error({ error }, 'a round of the watch failed');
    },
  });
  const certificates = watchCertificates(options);
  return {
    close: async () => {
      await Promise.all([watch.close(), certificates.close()]);
    },
  };
}

export function openTargets({ webhooks, webhookSecret, emails, from, smtpUrl }: AlertConfig): readonly Target[] {
  return [
    ...webhooks.map((url) => webhookTarget({ url, ...(webhookSecret !== undefined && { secret: webhookSecret }) })),
    ...(smtpUrl === undefined ? [] : emails.map((to) => emailTarget({ smtpUrl, from, to }))),
  ];
}

/** Where the hub keeps its files, and the embedded PostgreSQL. Of another database its own administrators know. */
async function disksOf(dataDir: string): Promise<Disk[]> {
  const { bavail, blocks, bsize } = await statfs(dataDir);
  return [{ name: 'data directory', freeBytes: bavail * bsize, totalBytes: blocks * bsize }];
}
