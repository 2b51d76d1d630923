/** `hub endpoint health | silence`: how sources are doing, and how long one may be silent. */
import { allowSilence, readHealth } from '../../watch/health.ts';
import { parseAllowed } from '../../watch/silence.ts';
import { print, withDatabase } from '../database.ts';

export async function runEndpointHealth(name: string | undefined, environment: NodeJS.ProcessEnv): Promise<void> {
  await withDatabase(environment, async (database) => {
    const { evaluatedAt, endpoints } = await readHealth(database, new Date(), name);
    if (evaluatedAt === null) process.stderr.write('No hub has watched yet: is one running with the role scheduler?\n');
    print(endpoints);
  });
}

export async function runEndpointSilence(
  name: string,
  { allow }: { readonly allow: string },
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  const seconds = parseAllowed(allow, '--allow');
  await withDatabase(environment, (database) => allowSilence(database, name, seconds, new Date()));
  console.log(JSON.stringify({ endpoint: name, silence: allow }));
}
