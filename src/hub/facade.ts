/**
 * The FHIR facade with all it stands on, from what a process or a thread has of its own: a database, an audit trail, a log.
 * The main thread serves it beside the rest of the hub, an API thread (api-thread.ts) alone.
 */
import { readFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import type { Audit } from '../access/audit.ts';
import { loadIssuerKeys, type IssuerKeys } from '../access/keys.ts';
import { openRegistry } from '../access/registry.ts';
import { openAuthenticator, type Authenticator } from '../access/token.ts';
import { fhirListener } from '../api/fhir.ts';
import type { Reporter } from '../api/interaction.ts';
import { patchFormats } from '../api/patch.ts';
import { fixedTypes, interactionsOf, isConditional, operationsOf, systemInteractions } from '../api/routes.ts';
import { smartConfiguration } from '../api/smart.ts';
import type { Addresses, Config } from '../config.ts';
import type { Database } from '../db.ts';
import { buildCapability } from '../fhir/capability.ts';
import { customParams } from '../fhir/params.ts';
import type { Profiles } from '../fhir/validate.ts';
import { openGroupCommit } from '../store/group-commit.ts';
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
  const authenticator = openAuthenticator({
    issuer: addresses.publicUrl,
    audience: addresses.audience,
    keys,
    trustedIssuers: config.trustedIssuers,
    registry: openRegistry(database),
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
    documents: {
      '/metadata': capabilityDocument(addresses),
      '/.well-known/smart-configuration': {
        contentType: 'application/json; charset=utf-8',
        body: smartConfiguration({ issuer: addresses.publicUrl }),
      },
    },
  });
  return { listener, authenticator, keys, report };
}

const root = join(import.meta.dirname, '..', '..');

/** Written anew when the search parameters in force have changed. */
function capabilityDocument(addresses: Addresses): { readonly body: string } {
  let params = customParams();
  let text = JSON.stringify(capabilityOf(addresses));
  return {
    get body() {
      if (params !== customParams()) [params, text] = [customParams(), JSON.stringify(capabilityOf(addresses))];
      return text;
    },
  };
}

function capabilityOf({ fhirBase }: Addresses): object {
  const manifest = readFileSync(join(root, 'package.json'), 'utf8');
  const { name, version } = JSON.parse(manifest) as { name: string; version: string };
  return buildCapability({
    base: fhirBase,
    software: { name, version },
    date: new Date().toISOString(),
    types: (type) => {
      const interactions = interactionsOf(type);
      const conditional = interactions.filter((code) => isConditional(type, code));
      // Types with routes of their own answer the questions of those routes alone.
      return { interactions, conditional, operations: operationsOf(type), includes: !fixedTypes.has(type) };
    },
    system: systemInteractions(),
    patchFormats,
    operations: operationsOf(),
  });
}
