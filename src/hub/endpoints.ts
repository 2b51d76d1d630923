/** The registry joined with what it leaves to others: what kinds ask for, the keys that seal, and where this hub is reached. */
import { openKeyring } from '../access/secrets/keyring.ts';
import { openSealer } from '../access/secrets/seal.ts';
import type { Config } from '../config.ts';
import type { ChangeOptions } from '../ingest/registry/change.ts';
import { publishEndpoints, type Places } from '../ingest/registry/resources.ts';
import type { Signature } from '../ingest/registry/versions.ts';
import { kindRules } from './kinds.ts';

/** How this installation changes its registry: whoever changes something signs. */
export type Register = (signature: Signature) => ChangeOptions;

export async function openRegistrar(config: Config, publicUrl: string): Promise<Register> {
  const sealer = openSealer(await openKeyring(config.dataDir));
  const places: Places = { publicUrl, mllpPort: config.mllpPort, isMllpTls: config.mllpTls !== undefined };
  return (signature) => ({
    ...signature,
    kinds: kindRules,
    sealer,
    publish: (tx, endpoints, at) => publishEndpoints(tx, endpoints, places, at),
  });
}
