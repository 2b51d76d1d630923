/**
 * The FHIR facade with all it stands on, from what a process or a thread has of its own: a database, an audit trail, a log.
 * The main thread serves it beside the rest of the hub, an API thread (api-thread.ts) alone.
 */
import type { RequestListener } from 'node:http';
import type { Audit, AuditEntry } from '../access/audit/audit.ts';
import { openStrangers, type Strangers } from '../access/audit/strangers.ts';
import { loadIssuerKeys, type IssuerKeys } from '../access/token/keys.ts';
import { proveKey } from '../access/oauth/dpop.ts';
import { openRates } from '../access/rate/rates.ts';
import { openRegistry, type Registry } from '../access/client/registry.ts';
import { openAuthenticator, type Authenticator } from '../access/token/token.ts';
import { fhirListener } from '../api/fhir.ts';
import type { Reporter } from '../api/interaction.ts';
import type { Addresses, Config } from '../config.ts';
import type { Database } from '../db.ts';
import type { Profiles } from '../fhir/validate.ts';
import { openGroupCommit } from '../store/group-commit.ts';
import { openDocuments } from './documents.ts';
import type { Logger } from './log.ts';
import type { RequestMetrics } from './metrics.ts';
import { openPolicy } from './notifications.ts';
import { loadSecret } from './secret.ts';

export interface FacadeOptions {
  readonly config: Config;
  readonly addresses: Addresses;
  readonly database: Database;
  readonly audit: Audit;
  readonly log: Logger;
  readonly profiles: Profiles;
  readonly metrics: RequestMetrics;
}

export interface OpenFacade {
  readonly listener: RequestListener;
  readonly strangers: Strangers;
  readonly authenticator: Authenticator;
  readonly registry: Registry;
  readonly keys: IssuerKeys;
  readonly report: Reporter;
}

export async function openFacade({
  config,
  addresses,
  database,
  audit,
  log,
  profiles,
  metrics: { observeRequest: observe, countThrottled, countEnumeration },
}: FacadeOptions): Promise<OpenFacade> {
  const keys = await loadIssuerKeys(config.dataDir);
  const registry = openRegistry(database, Date.now, () => keys.refresh());
  const authenticator = openAuthenticator({
    issuer: addresses.publicUrl,
    audience: addresses.audience,
    keys,
    trustedIssuers: config.trustedIssuers,
    registry,
    minorAges: config.minorAges,
    trustedProxies: config.trustedProxies,
    prove: (proof, proven) => proveKey(database, proof, { ...proven, now: Date.now() }),
  });
  const report: Reporter = {
    failed: (error, correlationId) => log.error({ error, correlationId }, 'request failed'),
    throttled: countThrottled,
    enumerating: (clientId) => {
      countEnumeration();
      log.warn({ clientId }, 'a client asks for much that it is not shown: refused for a while');
    },
  };

  const strangers = openStrangers({
    audit,
    now: Date.now,
    failed: (error) => log.error({ error }, 'a refusal could not be recorded'),
  });
  const listener = fhirListener({
    database,
    authenticator,
    audit,
    strangers,
    writer: openGroupCommit<AuditEntry>((work) => audit.inTransaction(database, work), { clock: () => new Date() }),
    cursorKey: await loadSecret(config.dataDir, 'cursor-key'),
    base: addresses.fhirBase,
    now: Date.now,
    profiles,
    subscriptions: await openPolicy(config),
    report,
    rates: openRates(config.rates),
    minorAges: config.minorAges,
    observe,
    documents: openDocuments(database, addresses, profiles),
  });
  return { listener, strangers, authenticator, registry, keys, report };
}
