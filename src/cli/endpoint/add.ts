/** `hub endpoint add`: sources and destinations. A running hub knows a new one within a second. */
import { registerDestination } from '../../hub/outbound.ts';
import { addEndpoint } from '../../ingest/registry/change.ts';
import { planOneNew } from '../../ingest/registry/plan.ts';
import { print } from '../database.ts';
import { outboundKind, readDestination } from './destination.ts';
import { readNew, readSecretOptions, type EndpointOptions } from './options.ts';
import { withRegistrar } from './registry.ts';

export async function runEndpointAdd(
  name: string,
  options: EndpointOptions,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  if (options.kind === outboundKind) {
    const wanted = readDestination(name, options);
    return withRegistrar(environment, async ({ database }) =>
      print([{ kind: outboundKind, ...(await registerDestination(database, wanted)) }]),
    );
  }
  const wanted = readNew(name, options);
  const secrets = readSecretOptions(options);
  await withRegistrar(environment, async ({ database, options: signed }) => {
    const change = { ...signed(options), secrets };
    if (options.dryRun === true) print((await planOneNew(database, wanted, change)).changes);
    else print([await addEndpoint(database, wanted, change)]);
  });
}
