/** The console's view of emergency access: who opened which record, why by its code, and how often it was used. No free text. */
import { reportWindows } from '../access/break-glass/window.ts';
import type { Database } from '../db.ts';
import { Problem } from '../fhir/problem.ts';
import type { Handle } from './ops-maps.ts';

/** Method and path below /ops -> what answers. */
export function accessRoutes(database: Database): readonly (readonly ['get', string, Handle])[] {
  return [['get', '/break-glass', (_request, query) => answerWindows(database, query)]];
}

/** `GET /ops/break-glass?open=true&since=`: newest first. */
async function answerWindows(database: Database, query: URLSearchParams): ReturnType<Handle> {
  for (const name of query.keys()) {
    if (name !== 'open' && name !== 'since') {
      throw new Problem('not-supported', `the parameter ${name} is not known here`, { expression: name });
    }
  }
  const since = query.get('since') ?? undefined;
  if (since !== undefined && Number.isNaN(Date.parse(since))) {
    throw new Problem('value', 'since is no time', { expression: 'since', hint: 'For example 2026-01-31T08:00:00Z.' });
  }
  const windows = await reportWindows(database, { isOpen: query.get('open') === 'true', ...(since && { since }) });
  return { status: 200, contentType: 'application/json; charset=utf-8', body: JSON.stringify(windows) };
}
