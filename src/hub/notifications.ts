/** Subscriptions of this process: where they may send, what they are sent by, and the connections to the database they take. */
import type { Audit } from '../access/audit/audit.ts';
import { openKeyring } from '../access/secrets/keyring.ts';
import { openSealer } from '../access/secrets/seal.ts';
import type { Upgrade } from '../api/server.ts';
import type { SubscriptionPolicy } from '../api/subscription/settle.ts';
import { openWebsockets } from '../api/subscription/websocket.ts';
import type { Config } from '../config.ts';
import { openDatabase } from '../db.ts';
import { readAllowList } from '../feeds/subscription/allow.ts';
import { startDispatching } from '../feeds/subscription/dispatch.ts';
import { openRestHook } from '../feeds/subscription/rest-hook.ts';
import type { Logger } from './log.ts';

export async function openPolicy({ dataDir, subscriptionAllow }: Config): Promise<SubscriptionPolicy> {
  return { allow: readAllowList(subscriptionAllow), sealer: openSealer(await openKeyring(dataDir)) };
}

export interface NotifyingOptions {
  readonly config: Config;
  /** FHIR base URL. */
  readonly base: string;
  /** Of the database. */
  readonly url: string;
  readonly audit: Audit;
  readonly log: Logger;
}

export interface Notifying {
  /** With the role `api`. */
  readonly upgrade: Upgrade | undefined;
  /** Websockets are told to go. */
  beginStop(): void;
  /** Finishes what is being told. */
  close(): Promise<void>;
}

/** Those that are told at a time, one to look, one spare. */
const connections = 10;

export async function startNotifying({ config, base, url, audit, log }: NotifyingOptions): Promise<Notifying> {
  const policy = await openPolicy(config);
  // A message on its way holds a transaction: not one of those that answers wait for.
  const database = openDatabase({
    url,
    poolMax: connections,
    pipelines: 1,
    snapshotsMax: 1,
    applicationName: 'hub-notify',
  });
  const onError = (error: unknown): void => log.error({ error }, 'a subscription could not be told');
  const websockets = config.roles.has('api')
    ? openWebsockets({ database, onBound: () => dispatching.wake(), onError })
    : undefined;
  const dispatching = startDispatching({
    database,
    audit,
    base,
    channels: { 'rest-hook': openRestHook(policy), ...(websockets && { websocket: websockets.channel }) },
    isWorker: config.roles.has('worker'),
    bindings: () => websockets?.bindings() ?? [],
    onError,
  });
  return {
    upgrade: websockets?.upgrade,
    beginStop: () => websockets?.close(),
    close: async () => {
      await dispatching.close();
      await database.close();
    },
  };
}
