/** `hub endpoint export | import`: the registry as a file in git, there and back. */
import { basename } from 'node:path';
import { stringify } from 'yaml';
import { importEndpoints, planImport } from '../../ingest/registry/import.ts';
import { exportEndpoints, openFile, readEntries } from '../../ingest/registry/yaml.ts';
import {
  describeDestinations,
  importDestinations,
  planDestinations,
  readDestinations,
} from '../../outbound/destination-file.ts';
import { canonical } from '../../hub/outbound.ts';
import { print, withDatabase } from '../database.ts';
import type { EndpointOptions } from './options.ts';
import { textOf } from '../files.ts';
import { withRegistrar } from './registry.ts';

export async function runEndpointExport(names: readonly string[], environment: NodeJS.ProcessEnv): Promise<void> {
  await withDatabase(environment, async (database) => {
    process.stdout.write(await exportEndpoints(database, names));
    const destinations = names.length > 0 ? [] : await describeDestinations(database);
    if (destinations.length > 0) process.stdout.write(stringify({ destinations }, { lineWidth: 0 }));
  });
}

export async function runEndpointImport(
  file: string,
  options: EndpointOptions,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  const table = openFile(textOf(file), file === '-' ? 'stdin' : basename(file));
  const [entries, destinations] = [readEntries(table), canonical(readDestinations(table))];
  await withRegistrar(environment, async ({ database, options: signed }) => {
    const change = signed(options);
    // Looked at first: what is wrong with a destination keeps the endpoints from being imported.
    const planned = await planDestinations(database, destinations);
    if (options.dryRun === true) return print([...(await planImport(database, entries, change)), ...planned]);
    print(await importEndpoints(database, entries, change));
    print(await importDestinations(database, destinations));
  });
}
