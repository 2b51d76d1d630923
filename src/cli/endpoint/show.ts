/** `hub endpoint list | show | history`. Of secrets the names alone. */
import { Problem } from '../../fhir/problem.ts';
import { findEndpoint, listEndpoints } from '../../ingest/registry/rows.ts';
import { showEndpoint } from '../../ingest/registry/show.ts';
import { listVersions } from '../../ingest/registry/versions.ts';
import { findDestination, listDestinations } from '../../outbound/destination.ts';
import { print, withDatabase } from '../database.ts';
import { outboundKind } from './destination.ts';

/** One line of JSON an endpoint: for people short enough, for scripts exact. */
export async function runEndpointList(environment: NodeJS.ProcessEnv): Promise<void> {
  await withDatabase(environment, async (database) => {
    print(await listEndpoints(database));
    print((await listDestinations(database)).map((destination) => ({ kind: outboundKind, ...destination })));
  });
}

export async function runEndpointShow(name: string, environment: NodeJS.ProcessEnv): Promise<void> {
  await withDatabase(environment, async (database) => {
    const endpoint = await findEndpoint(database, name);
    const shown =
      endpoint === undefined
        ? { kind: outboundKind, ...(await destinationNamed(name)) }
        : await showEndpoint(database, endpoint);
    console.log(JSON.stringify(shown, undefined, 2));

    async function destinationNamed(wanted: string): Promise<object> {
      return findDestination(database, wanted).catch((error: unknown) => {
        if (!(error instanceof Problem && error.code === 'not-found')) throw error;
        throw new Problem('not-found', `there is no endpoint named ${wanted}`, {
          hint: 'List them: hub endpoint list',
        });
      });
    }
  });
}

export async function runEndpointHistory(name: string, environment: NodeJS.ProcessEnv): Promise<void> {
  await withDatabase(environment, async (database) => print(await listVersions(database, name)));
}
