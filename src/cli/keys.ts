/** `hub keys list | rotate | revoke`: the signing keys of the hub's own issuer, in its data directory. */
import { listIssuerKeys, removeIssuerKey, rotateIssuerKeys } from '../access/token/keys.ts';
import { revokeIssuerKey } from '../access/client/registry.ts';
import { tokenAgeSecondsMax } from '../access/token/token.ts';
import { addressesOf, readConfig } from '../config.ts';
import { Problem } from '../fhir/problem.ts';
import { print, withDatabase } from './database.ts';

export async function runKeysList(environment: NodeJS.ProcessEnv): Promise<void> {
  print(await listIssuerKeys(readConfig(environment).dataDir));
}

export async function runKeysRotate(environment: NodeJS.ProcessEnv): Promise<void> {
  const now = new Date();
  const { dataDir } = readConfig(environment);
  // An hour more than a token lives: clocks differ.
  await rotateIssuerKeys(dataDir, now, new Date(now.getTime() - (tokenAgeSecondsMax + 3_600) * 1000));
  print(await listIssuerKeys(dataDir));
}

/** In the database first: from then on nobody believes it, whatever becomes of the file. */
export async function runKeysRevoke(kid: string, environment: NodeJS.ProcessEnv): Promise<void> {
  const config = readConfig(environment);
  if (!(await listIssuerKeys(config.dataDir)).some((key) => key.kid === kid)) {
    throw new Problem('not-found', 'there is no such key', { hint: 'hub keys list names them.' });
  }
  await withDatabase(environment, (database) => revokeIssuerKey(database, addressesOf(config).publicUrl, kid));
  await removeIssuerKey(config.dataDir, kid, new Date());
  print(await listIssuerKeys(config.dataDir));
}
