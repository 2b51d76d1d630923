/** What the commands of `hub endpoint` share: the database, and who changes something by them. */
import { userInfo } from 'node:os';
import { addressesOf, readConfig } from '../../config.ts';
import type { Database } from '../../db.ts';
import { openRegistrar, type Register } from '../../hub/endpoints.ts';
import { openStorage } from '../../hub/storage.ts';
import type { ChangeOptions } from '../../ingest/registry/change.ts';
import type { EndpointOptions } from './options.ts';

export interface Registrar {
  readonly database: Database;
  readonly register: Register;
  /** How a change is made here; `by` is whoever runs the command unless the options say so. */
  readonly options: (signed: Pick<EndpointOptions, 'by' | 'note'>) => ChangeOptions;
}

export async function withRegistrar(
  environment: NodeJS.ProcessEnv,
  work: (registrar: Registrar) => Promise<void>,
): Promise<void> {
  const config = readConfig(environment);
  const storage = await openStorage(config);
  try {
    const register = await openRegistrar(config, addressesOf(config).publicUrl);
    await work({
      database: storage.database,
      register,
      options: ({ by = userInfo().username, note }) =>
        register({ by, at: new Date(), ...(note !== undefined && { note }) }),
    });
  } finally {
    await storage.close();
  }
}
