/** `hub endpoint set | pause | resume | retire`: each change is a version of the endpoint, in force within a second. */
import type { Database } from '../../db.ts';
import { changeEndpoint, stateBeforePause } from '../../ingest/registry/change.ts';
import { planOneChange, type EndpointPatch } from '../../ingest/registry/plan.ts';
import { askEndpoint } from '../../ingest/pull/ask.ts';
import { isDestination, setDestinationEnabled } from '../../outbound/destination.ts';
import { print } from '../database.ts';
import { outboundKind } from './destination.ts';
import { readPatch, readSecretOptions, type EndpointOptions } from './options.ts';
import { withRegistrar, type Registrar } from './registry.ts';

export async function runEndpointSet(
  name: string,
  options: EndpointOptions,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  const patch = readPatch(options);
  const secrets = readSecretOptions(options);
  await withRegistrar(environment, (registrar) => apply(registrar, name, patch, { ...options, secrets }));
}

type Step = 'pause' | 'resume' | 'retire';

export async function runEndpointStep(
  name: string,
  step: Step,
  options: EndpointOptions,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  await withRegistrar(environment, async (registrar) => {
    const { database } = registrar;
    if (step !== 'retire' && (await isDestination(database, name))) return switchDestination(database, name, step);
    const state = step === 'pause' ? 'paused' : step === 'retire' ? 'retired' : await stateBeforePause(database, name);
    await apply(registrar, name, { state }, { ...options, secrets: {} });
  });
}

async function switchDestination(database: Database, name: string, step: Step): Promise<void> {
  print([{ kind: outboundKind, ...(await setDestinationEnabled(database, name, step === 'resume')) }]);
}

async function apply(
  { database, options }: Registrar,
  name: string,
  patch: EndpointPatch,
  given: EndpointOptions & { readonly secrets: Record<string, string | null> },
): Promise<void> {
  const change = { ...options(given), secrets: given.secrets };
  if (given.dryRun !== true) return print([await changeEndpoint(database, name, patch, change)]);
  const { changes } = await planOneChange(database, { name, patch }, change);
  if (changes.length === 0) process.stderr.write('Nothing would change.\n');
  print(changes);
}

/** `hub endpoint run`: asked now, by whichever process with the role scheduler is first. */
export async function runEndpointRun(name: string, environment: NodeJS.ProcessEnv): Promise<void> {
  await withRegistrar(environment, ({ database }) => askEndpoint(database, name));
}
