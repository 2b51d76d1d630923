/** Processing again, over HTTP: counted first, then at once or in the background at a rate, where it can be watched and stopped. */
import { Problem } from '../fhir/problem.ts';
import type { Database } from '../db.ts';
import type { Principal } from '../access/principal/principal.ts';
import { replayMessages } from '../ingest/replay.ts';
import { askReplay, findReplay, listReplays, stopReplay } from '../ingest/replay/job.ts';
import { previewReplay } from '../ingest/replay/preview.ts';
import type { MessageFilter } from '../ingest/status.ts';
import { findUnmapped } from '../ingest/unmapped.ts';
import { numberOf, readFilter } from './ops-filter.ts';
import { idOf, json, type OpsRoute } from './ops-route.ts';
import type { Answer } from './respond.ts';

const mend = { act: 'mend' } as const;

export function replayRoutes(database: Database): readonly OpsRoute[] {
  return [
    ['post', '/replay', (_request, query, principal) => replay(database, query, principal), mend],
    ['get', '/replays', async () => json({ replays: await listReplays(database) })],
    ['get', '/replays/:id', async (request) => json(await findReplay(database, idOf(request)))],
    ['post', '/replays/:id/stop', async (request) => json(await stopReplay(database, idOf(request), new Date())), mend],
  ];
}

/**
 * `preview=true`: only counted. `rate=N`: in the background, N messages a second at most. Without either: at once.
 * @throws Problem required without any filter: everything again is a thing to say, not to forget to narrow
 */
async function replay(
  database: Database,
  query: URLSearchParams,
  { clientId, fhirUser, subject }: Principal,
): Promise<Answer> {
  const filter = await readReplay(database, query);
  if (query.get('preview') === 'true') return json(await previewReplay(database, filter));
  if (!query.has('rate')) return json(await replayMessages(database, filter));
  const by = fhirUser ?? (subject === clientId ? clientId : subject);
  return json(await askReplay(database, { filter, rate: numberOf(query, 'rate', 0), by, at: new Date() }), 202);
}

async function readReplay(database: Database, query: URLSearchParams): Promise<MessageFilter> {
  const filter = await readFilter(database, query, ['unmapped', 'all', 'preview', 'rate']);
  const name = query.get('unmapped') ?? undefined;
  const isEmpty = Object.values(filter).every((value) => value === undefined);
  if (isEmpty && name === undefined && query.get('all') !== 'true') {
    throw new Problem('required', 'replay needs to know which messages', { hint: 'Give a filter, or all=true.' });
  }
  return name === undefined ? filter : { ...filter, unmapped: await findUnmapped(database, name, filter.source) };
}
