/** The ways a server is away: what whoever asks gets instead of an answer. */
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Habits } from './source.ts';

/** `cut`: the connection ends in the middle of the answer. `hang`: nothing ever comes. `slow`: it comes, a second late. */
export type Absence = 'busy' | 'page' | 'failure' | 'reset' | 'cut' | 'hang' | 'slow';

const ways: readonly Absence[] = ['busy', 'page', 'reset', 'cut', 'failure'];
/** Spreads sources over the day: not all are away at once. Prime. */
const spreadMs = 7_919;
const slowMs = 1_000;

/** @param number of the source */
export function absenceAt({ manner, flapMs }: Habits, number: number, now: number): Absence | undefined {
  if (manner === 'hangs') return 'hang';
  if (manner === 'live') return undefined;
  const window = Math.floor((now + number * spreadMs) / flapMs);
  return window % 2 === 0 ? undefined : ways[Math.floor(window / 2) % ways.length];
}

/** @returns whether the answer is to be given after all */
export async function beAway(absence: Absence, response: ServerResponse, body: string): Promise<boolean> {
  if (absence === 'slow') await sleep(slowMs);
  else away[absence](response, body);
  return absence === 'slow';
}

const away: Readonly<Record<Exclude<Absence, 'slow'>, (response: ServerResponse, body: string) => void>> = {
  hang: () => undefined,
  busy: (response) => response.writeHead(503, { 'retry-after': '1', 'content-type': 'text/plain' }).end('busy'),
  // As a proxy says it: with 200.
  page: (response) =>
    response.writeHead(200, { 'content-type': 'text/html' }).end('<html><body>Maintenance</body></html>'),
  failure: (response) =>
    response
      .writeHead(500, { 'content-type': 'application/fhir+json' })
      .end('{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"exception"}]}'),
  reset: (response) => response.socket?.resetAndDestroy(),
  cut: (response, body) => {
    const bytes = Buffer.from(body);
    response.writeHead(200, { 'content-type': 'application/fhir+json', 'content-length': bytes.length });
    response.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => response.socket?.destroy());
  },
};
