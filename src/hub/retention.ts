/**
 * What has served is deleted, each hour, in processes with the role `worker`: the table is docs/retention.md. Each sweep is one
 * statement or a few, by an index; several processes that sweep at once find less to do.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { sweepExpired } from '../access/client/assertion.ts';
import { sweepRequests } from '../access/consent/ask.ts';
import { sweepErasures } from '../access/erasure/retention.ts';
import { sweepSessions } from '../access/login/session.ts';
import { sweepAttempts } from '../access/login/throttle.ts';
import { sweepGrants } from '../access/oauth/app-grant.ts';
import type { Database, Tx } from '../db.ts';
import { forgetExpired } from '../feeds/export.ts';
import { sweepOutbox } from '../feeds/outbox.ts';
import { sweepTokens } from '../feeds/subscription/token.ts';
import { sweepReplays } from '../ingest/replay/job.ts';
import { emptyMessagesBatch } from '../ingest/retention.ts';
import { startBackground, type Background, type BackgroundJob } from './background.ts';
import { sweepAlerts } from '../watch/alerts/alert.ts';
import type { Logger } from './log.ts';

/** By name, as docs/retention.md has them. */
export const sweeps: Readonly<Record<string, (db: Tx) => Promise<unknown>>> = {
  assertions: sweepExpired,
  apps: sweepGrants,
  sessions: sweepSessions,
  attempts: sweepAttempts,
  requests: sweepRequests,
  exports: forgetExpired,
  subscriptions: sweepTokens,
  outbox: sweepOutbox,
  erasures: sweepErasures,
  alerts: sweepAlerts,
  replays: sweepReplays,
};

const everyMs = 3_600_000;
/** Not while a hub starts. */
const firstMs = 60_000;

export interface Retention {
  close(): Promise<void>;
}

export function startRetention(options: {
  readonly database: Database;
  readonly log: Pick<Logger, 'error'>;
}): Retention {
  const { database, log } = options;
  const closing = new AbortController();
  const running = (async () => {
    for (let ms = firstMs; ; ms = everyMs) {
      await sleep(ms, undefined, { signal: closing.signal, ref: false }).catch(() => undefined);
      if (closing.signal.aborted) return;
      for (const [name, sweep] of Object.entries(sweeps)) {
        // One that fails is tried again in an hour, and keeps no other from its turn.
        await sweep(database).catch((error: unknown) => log.error({ error, name }, 'a sweep failed'));
      }
    }
  })();
  return {
    close: async () => {
      closing.abort();
      await running;
    },
  };
}

const dayMs = 86_400_000;

/** Content of messages that is older than these days goes, a batch at a time; undefined: it stays. */
export function startEmptying({
  days,
  database,
  log,
  observe,
}: {
  readonly days: number | undefined;
  readonly database: Database;
} & Pick<BackgroundJob, 'log' | 'observe'>): Background[] {
  if (days === undefined) return [];
  const batch = () => emptyMessagesBatch(database, new Date(Date.now() - days * dayMs));
  return [startBackground({ name: 'emptying', batch, log, observe })];
}
