/**
 * Asking for an export, for how far it is, and that it be forgotten.
 *
 * @see https://hl7.org/fhir/uv/bulkdata/STU2/export.html
 */
import { setTimeout as wait } from 'node:timers/promises';
import { Problem } from '../../../src/fhir/problem.ts';
import { explainStatus } from '../ask.ts';
import type { Answer } from '../http.ts';
import { readRetryAfter } from '../retry-after.ts';
import { checkRelease } from '../versions/agree.ts';
import { isCompareDue, noteManifest } from './due.ts';
import { joinManifests, readManifest } from './manifest.ts';
import type { ExportMark, ManifestMark } from './mark.ts';
import type { Progress } from './progress.ts';
import type { BulkSettings } from './settings.ts';

const json = { accept: 'application/json' };

/** Where it will be told how far it is stands in the watermark before anybody looks there. @throws Problem of the source */
export async function kickOff(progress: Progress): Promise<void> {
  const { source, settings, mark, run } = progress;
  checkRelease(await readRelease(progress), settings.version);
  const isCompared = isCompareDue(progress);
  const answer = await source.send({
    url: `${source.base}/${exportPath(settings)}?${exportQuery(settings, isCompared ? undefined : mark.since)}`,
    headers: { accept: 'application/fhir+json', prefer: 'respond-async' },
  });
  const location = answer.headers['content-location'];
  if (answer.status === 202 && location !== undefined) {
    mark.export = { status: new URL(location, `${source.base}/`).href, askedAt: run.now().toISOString() };
    if (isCompared) mark.export.compare = { done: [], parts: 1, part: 0 };
    return progress.take();
  }
  if (answer.status >= 400) throw explainStatus(answer);
  throw new Problem('transient', `the source answers ${answer.status} and begins no export`, {
    hint: 'The setting `base` may lead to a server without Bulk Data export, or to a proxy that does not wait.',
  });
}

/** As the source says of itself. @throws Problem of the source */
export async function readRelease({ source }: Pick<Progress, 'source'>): Promise<string | undefined> {
  const { text } = await source.read('metadata');
  const { fhirVersion } = JSON.parse(text) as { fhirVersion?: unknown };
  return typeof fhirVersion === 'string' ? fhirVersion : undefined;
}

function exportPath({ level, group }: BulkSettings): string {
  if (level === 'system') return '$export';
  return level === 'patient' ? 'Patient/$export' : `Group/${group}/$export`;
}

function exportQuery(settings: BulkSettings, since: string | undefined): string {
  const { types, typeFilter, incremental, overlapSeconds } = settings;
  const query = new URLSearchParams({ _outputFormat: 'application/fhir+ndjson' });
  if (types !== undefined) query.set('_type', types.join(','));
  for (const filter of typeFilter ?? []) query.append('_typeFilter', filter);
  if (incremental && since !== undefined) {
    query.set('_since', new Date(Date.parse(since) - overlapSeconds * 1_000).toISOString());
  }
  return query.toString();
}

/** Where a server names no wait: at first soon, then less and less often. */
const waitMsMin = 1_000;
const waitMsMax = 60_000;
/** A longer wait ends the run, which others may need. */
const waitHereMsMax = 10_000;
const waitsMax = 6;

/** @returns undefined when it is ready and in the mark; else when to ask again. @throws Problem when it is gone, or given up */
export async function pollExport(progress: Progress, mark: ExportMark): Promise<Date | undefined> {
  const { source, run } = progress;
  let ms = waitMsMin;
  for (let waits = 0; ; waits++) {
    await giveUpWhenLate(progress, mark);
    const answer = await source.send({ url: mark.status, headers: json });
    if (answer.status === 200) {
      mark.manifest = await readWholeManifest(progress, answer);
      noteManifest(progress, mark, mark.manifest);
      await progress.take();
      return undefined;
    }
    if (answer.status !== 202) return refuseStatus(progress, answer);
    const said = readRetryAfter(answer.headers['retry-after'], answer.date ?? run.now());
    ms = said ?? Math.min(ms * 2, waitMsMax);
    if (ms > waitHereMsMax || waits >= waitsMax) {
      progress.note('the export is being made');
      return new Date(run.now().getTime() + ms);
    }
    await wait(ms, undefined, { signal: run.signal }).catch(() => {
      throw run.signal.reason;
    });
  }
}

/** Manifests in parts beyond this are a loop. */
const partsMax = 100;

export async function readWholeManifest({ source }: Progress, answer: Answer): Promise<ManifestMark> {
  let { manifest, next } = readManifest(answer.body.toString('utf8'), source.base);
  for (let parts = 1; next !== undefined; parts++) {
    if (parts >= partsMax) throw new Problem('too-long', `the manifest has more than ${partsMax} parts`);
    const more = await source.send({ url: next, headers: json });
    if (more.status !== 200) throw explainStatus(more);
    const page = readManifest(more.body.toString('utf8'), source.base);
    manifest = joinManifests(manifest, page.manifest);
    ({ next } = page);
  }
  return manifest;
}

/** @throws Problem timeout */
async function giveUpWhenLate(progress: Progress, { askedAt }: ExportMark): Promise<void> {
  const hours = progress.settings.exportHours;
  const age = progress.run.now().getTime() - Date.parse(askedAt);
  if (age < hours * 3_600_000) return;
  await endExport(progress);
  await forget(progress);
  throw new Problem('timeout', `the export was not ready in ${hours} hours, and is asked for anew`, {
    hint: 'Raise the setting `exportHours`, or ask for fewer types.',
  });
}

/** @throws Problem always; the export stays asked for where it may still come */
async function refuseStatus(progress: Progress, answer: Answer): Promise<never> {
  const { status } = answer;
  const mayCome = status >= 500 || [401, 403, 408].includes(status);
  if (mayCome) throw explainStatus(answer);
  await forget(progress);
  throw new Problem('transient', `the source answers ${status} about its export, which is asked for anew`);
}

export async function forget(progress: Progress): Promise<void> {
  delete progress.mark.export;
  await progress.take();
}

/** What a source does not know any more, or does not forget by being asked, is ended as well. */
const isEnded = new Set([200, 202, 204, 404, 405, 410, 501]);

/** Tells the source that it may forget the export. Never fails on what it answers: everything is on disk. */
export async function endExport(progress: Progress): Promise<void> {
  const { status } = progress.mark.export as ExportMark;
  try {
    const answer = await progress.source.send({ method: 'DELETE', url: status, headers: json });
    if (!isEnded.has(answer.status))
      progress.note(`the source answers ${answer.status} when told to forget the export`);
  } catch (error) {
    if (!(error instanceof Problem) || progress.run.signal.aborted) throw error;
    progress.note(`the source was not told to forget the export: ${error.message}`);
  }
}
