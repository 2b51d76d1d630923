/**
 * The composition root: builds every room once and joins them; the only file (with hub/) that names adapters. What a
 * process does is chosen by its roles; where it listens and how it stops is main.ts.
 */
import type { RequestListener } from 'node:http';
import express from 'express';
import type { Config } from './config.ts';
import { mountHealth } from './api/health.ts';
import type { Logger } from './hub/log.ts';
import { openMetrics } from './hub/metrics.ts';
import { openStorage } from './hub/storage.ts';

export interface HubOptions {
  readonly config: Config;
  readonly log: Logger;
  /** Under which callers reach the hub; without a trailing slash. */
  readonly publicUrl: string;
}

export interface Hub {
  readonly handler: RequestListener;
  /** From now on /readyz says no; call before the listener closes. */
  beginStop(): void;
  /** After the listener has closed: ends background work, then the database. */
  stop(): Promise<void>;
}

export async function openHub({ config, log }: HubOptions): Promise<Hub> {
  const metrics = openMetrics();
  const storage = await openStorage(config, {
    onEvent: (event, detail) => {
      metrics.setDatabase(event === 'started' || event === 'attached');
      log[event === 'lost' || event === 'restart-failed' ? 'warn' : 'info']({ detail }, `database ${event}`);
    },
  });
  metrics.setDatabase(true);
  for (const name of storage.migrated) log.info({ name }, 'migration applied');
  let isAccepting = true;

  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  mountHealth(app, {
    database: storage.database,
    isAccepting: () => isAccepting,
    metrics: async () => ({ contentType: metrics.contentType, text: await metrics.render() }),
  });

  return {
    handler: app,
    beginStop: () => {
      isAccepting = false;
    },
    stop: () => storage.close(),
  };
}
