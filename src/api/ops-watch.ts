/** How the sources are doing and what is wrong, over HTTP: what `hub endpoint health` and `hub alert` print and do. */
import type { Database } from '../db.ts';
import { Problem } from '../fhir/problem.ts';
import { acknowledge, alertStates, listAlerts, pageRows } from '../watch/alerts/alert.ts';
import { readProgress } from '../watch/gather.ts';
import { allowSilence, readHealth } from '../watch/health.ts';
import { readRunbook } from '../watch/runbook.ts';
import { parseAllowed } from '../watch/silence.ts';
import { idOf, json, readObject, type OpsRoute } from './ops-route.ts';

export function watchRoutes(database: Database): readonly OpsRoute[] {
  return [
    [
      'get',
      '/health',
      async (_request, query) => {
        only(query, ['endpoint']);
        return json(await readHealth(database, new Date(), query.get('endpoint') ?? undefined));
      },
    ],
    ['get', '/runbook/:kind', async (request) => json(await readRunbook(String(request.params['kind'] ?? '')))],
    [
      'put',
      '/endpoints/:name/silence',
      async (request) => {
        const { allow } = await readObject(request, ['allow']);
        const seconds = parseAllowed(typeof allow === 'string' ? allow : '', 'allow');
        await allowSilence(database, String(request.params['name'] ?? ''), seconds, new Date());
        return json({ endpoint: request.params['name'], silence: allow });
      },
    ],
    ['get', '/alerts', async (_request, query) => json(await alertsPage(database, query))],
    [
      'post',
      '/alerts/:id/ack',
      async (request, _query, principal) => {
        const { note, expected } = await readObject(request, ['note', 'expected']);
        if (note !== undefined && (typeof note !== 'string' || note.length > noteCharsMax))
          throw new Problem('value', `note is no text of ${noteCharsMax} characters at most`, { expression: 'note' });
        if (expected !== undefined && typeof expected !== 'boolean')
          throw new Problem('value', 'expected is true or false', { expression: 'expected' });
        const by = principal.fhirUser ?? principal.subject;
        const alert = await acknowledge(database, idOf(request), {
          by,
          isExpected: expected === true,
          ...(note !== undefined && { note }),
        });
        return json(alert);
      },
      { act: 'mend' },
    ],
  ];
}

/** A sentence or two: who, and until when. */
const noteCharsMax = 2_000;

/** `GET /ops/alerts?all=true&state=&kind=&group=&before=`: newest first, a page of them, and when somebody looked last. */
async function alertsPage(database: Database, query: URLSearchParams): Promise<object> {
  only(query, ['all', 'state', 'kind', 'group', 'before']);
  const [kind, group, before] = [query.get('kind'), query.get('group'), query.get('before')];
  for (const [name, text] of [
    ['group', group],
    ['before', before],
  ] as const) {
    if (text !== null && !/^\d{1,15}$/.test(text))
      throw new Problem('value', `${name} is no number`, { expression: name });
  }
  const state = alertStates.find((one) => one === query.get('state'));
  if (state === undefined && query.has('state'))
    throw new Problem('value', 'there is no such state of alerts', {
      expression: 'state',
      hint: `One of ${alertStates.join(', ')}.`,
    });
  const { evaluatedAt } = await readProgress(database);
  const alerts = await listAlerts(database, {
    isAll: query.get('all') === 'true',
    ...(state !== undefined && { state }),
    ...(kind !== null && { kind }),
    ...(group !== null && { group: Number(group) }),
    ...(before !== null && { before: Number(before) }),
  });
  const next = alerts.length === pageRows ? alerts.at(-1)?.id : undefined;
  return { alerts, evaluatedAt: evaluatedAt?.toISOString() ?? null, ...(next !== undefined && { before: next }) };
}

function only(query: URLSearchParams, names: readonly string[]): void {
  if ([...query.keys()].every((name) => names.includes(name))) return;
  throw new Problem('not-supported', 'unknown parameter', { hint: `The parameters are ${names.join(', ')}.` });
}
