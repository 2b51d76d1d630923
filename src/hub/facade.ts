/**
 * The FHIR facade with all it stands on, from what a process or a thread has of its own: a database, an audit trail, a log.
 * The main thread serves it beside the rest of the hub, an API thread (api-thread.ts) alone.
 */
import type { RequestListener } from 'node:http';
import type { Audit } from '../access/audit.ts';
import { loadIssuerKeys, type IssuerKeys } from '../access/keys.ts';
import { openRegistry, type Registry } from '../access/registry.ts';
import { openAuthenticator, type Authenticator } from '../access/token.ts';
import { fhirListener } from '../api/fhir.ts';
import type { Reporter } from '../api/interaction.ts';
import type { Addresses, Config } from '../config.ts';
import type { Database } from '../db.ts';
import type { Profiles } from '../fhir/validate.ts';
import { openGroupCommit } from '../store/group-commit.ts';
import { openDocuments } from './documents.ts';
import type { Logger } from './log.ts';
import { loadSecret } from './secret.ts';

export interface FacadeOptions {
  readonly config: Config;
  readonly addresses: Addresses;
  readonly database: Database;
  readonly audit: Audit;
  readonly log: Logger;
  readonly profiles: Profiles;
  readonly observe: (interaction: string, status: number, seconds: number) => void;
}

export interface OpenFacade {
  readonly listener: RequestListener;
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
  observe,
}: FacadeOptions): Promise<OpenFacade> {
  const keys = await loadIssuerKeys(config.dataDir);
  const registry = openRegistry(database);
  const authenticator = openAuthenticator({
    issuer: addresses.publicUrl,
    audience: addresses.audience,
    keys,
    trustedIssuers: config.trustedIssuers,
    registry,
  });
  const report: Reporter = {
    failed: (error, correlationId) => log.error({ error, correlationId }, 'request failed'),
  };

  const listener = fhirListener({
    database,
    authenticator,
    audit,
    writer: openGroupCommit(database, { clock: () => new Date() }),
    cursorKey: await loadSecret(config.dataDir, 'cursor-key'),
    base: addresses.fhirBase,
    now: Date.now,
    profiles,
    report,
    observe,
    documents: openDocuments(database, addresses, profiles),
  });
  return { listener, authenticator, registry, keys, report };
}
