/** Systems that send FHIR by themselves: the adapter that reads what they send, and the memory of their source, which pulls share. */
import { hash, timingSafeEqual } from 'node:crypto';
import { pullOf, readPush } from '../../adapters/fhir/push.ts';
import { openKeyring } from '../access/secrets/keyring.ts';
import { openSealer } from '../access/secrets/seal.ts';
import type { PushOptions } from '../api/push.ts';
import type { Database } from '../db.ts';
import { Problem } from '../fhir/problem.ts';
import type { Endpoint } from '../ingest/contract.ts';
import type { Registry } from '../ingest/endpoint.ts';
import { askPull } from '../ingest/pull/register.ts';
import { takePushed } from '../ingest/pull/take.ts';
import { readSecrets } from '../ingest/registry/secrets.ts';

export interface PushingOptions {
  readonly dataDir: string;
  readonly database: Database;
  readonly registry: Pick<Registry, 'byName' | 'refresh'>;
  readonly onStored: () => void;
}

/** A shorter one could be guessed: `openssl rand -hex 32` gives 64. */
const secretCharsMin = 32;

export async function openPushing(
  options: PushingOptions,
): Promise<Pick<PushOptions, 'endpoint' | 'isSecret' | 'receive'>> {
  const { dataDir, database, registry, onStored } = options;
  const sealer = openSealer(await openKeyring(dataDir));
  return {
    endpoint: async (name) => {
      const endpoint = await named(registry, name);
      return endpoint?.kind === 'fhir-push' && endpoint.isEnabled ? endpoint : undefined;
    },
    isSecret: async ({ id }, authorization) => {
      const [, sent = ''] = /^Bearer (\S+)$/i.exec(authorization) ?? [];
      // A JWT has dots; what is no secret needs no look.
      if (sent.length < secretCharsMin || sent.includes('.')) return false;
      const secret = (await readSecrets(database, sealer, id))['push-token'] ?? '';
      return secret.length >= secretCharsMin && isEqual(sent, secret);
    },
    receive: async (endpoint, push) => {
      const { page, isAsked } = readPush(push);
      const pulling = isAsked ? await sourceToAsk(registry, endpoint) : undefined;
      const at = new Date();
      const taken = await takePushed({ database, endpoint, at }, page);
      if (taken.received > 0) onStored();
      if (pulling !== undefined) await askPull(database, pulling, at);
      return { ...taken, asked: pulling?.name };
    },
  };
}

/** Hashes are of one length: their comparison tells nothing of the secret. */
function isEqual(one: string, other: string): boolean {
  return timingSafeEqual(hash('sha256', one, 'buffer'), hash('sha256', other, 'buffer'));
}

/** One that was added a moment ago is looked for. */
async function named(registry: PushingOptions['registry'], name: string): Promise<Endpoint | undefined> {
  if (registry.byName(name) === undefined) await registry.refresh();
  return registry.byName(name);
}

/** @throws Problem business-rule when nothing can be asked for what was only named */
async function sourceToAsk(
  registry: PushingOptions['registry'],
  { config, organization }: Endpoint,
): Promise<Endpoint> {
  const name = pullOf(config);
  const found = name === undefined ? undefined : await named(registry, name);
  const isOwn = found?.organization === organization && (found.kind === 'fhir-rest' || found.kind === 'fhir-bulk');
  if (found !== undefined && isOwn) return found;
  throw new Problem('business-rule', 'the notification brings no resources, and the endpoint names none that pulls', {
    expression: 'pull',
    hint: 'Ask for full-resource, or set `pull` to an endpoint of the same organization that pulls this source.',
  });
}
