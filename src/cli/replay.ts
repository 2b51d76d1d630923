/** `hub replay`: puts messages back into the queue, in source order, to be processed under the maps in force. */
import { readConfig } from '../config.ts';
import { Problem } from '../fhir/problem.ts';
import { instantOf } from './database.ts';
import { openStorage } from '../hub/storage.ts';
import { replayMessages } from '../ingest/replay.ts';
import { askReplay } from '../ingest/replay/job.ts';
import { previewReplay } from '../ingest/replay/preview.ts';
import { findUnmapped } from '../ingest/unmapped.ts';
import { parseStatus, type MessageFilter } from '../ingest/status.ts';
import { assertEndpoint } from '../ingest/registry/versions.ts';

export interface ReplayOptions {
  readonly source?: string;
  readonly controlId?: string;
  readonly status?: string;
  readonly type?: string;
  readonly since?: string;
  readonly until?: string;
  readonly all?: true;
  /** The same as `source`: what other commands call it. */
  readonly endpoint?: string;
  /** `ZPI-3`, `PID-8`, `Q`: what of the work list was repaired. */
  readonly unmapped?: string;
  /** Counted, not done. */
  readonly preview?: true;
  /** Messages a second: by a hub, in the background. */
  readonly rate?: string;
}

export async function runReplay(options: ReplayOptions, environment: NodeJS.ProcessEnv): Promise<void> {
  const { unmapped, endpoint, source = endpoint, preview, rate } = options;
  const asked = readFilter({ ...options, source, all: options.all ?? (unmapped === undefined ? undefined : true) });
  const storage = await openStorage(readConfig(environment));
  try {
    await assertEndpoint(storage.database, source);
    const filter =
      unmapped === undefined ? asked : { ...asked, unmapped: await findUnmapped(storage.database, unmapped, source) };
    if (preview === true) {
      console.log(JSON.stringify(await previewReplay(storage.database, filter)));
      return;
    }
    if (rate !== undefined) {
      const asked = { filter, rate: Number(rate), by: 'hub replay', at: new Date() };
      console.log(JSON.stringify(await askReplay(storage.database, asked)));
      return;
    }
    const { matched, queued, lanes } = await replayMessages(storage.database, filter);
    console.log(`${matched} messages match; ${queued} in ${lanes} lanes wait to be processed again.`);
  } finally {
    await storage.close();
  }
}

/** @throws Problem required without any filter: everything again is a thing to say, not to forget to narrow */
export function readFilter({ source, controlId, status, type, since, until, all }: ReplayOptions): MessageFilter {
  const filter: MessageFilter = {
    ...(source === undefined ? {} : { source }),
    ...(controlId === undefined ? {} : { controlId }),
    ...(type === undefined ? {} : { type }),
    ...(status === undefined ? {} : { status: parseStatus(status) }),
    ...(since === undefined ? {} : { since: instantOf(since, '--since') }),
    ...(until === undefined ? {} : { until: instantOf(until, '--until') }),
  };
  if (Object.keys(filter).length === 0 && all !== true) {
    throw new Problem('required', 'replay needs to know which messages', { hint: 'Give a filter, or --all.' });
  }
  return filter;
}
