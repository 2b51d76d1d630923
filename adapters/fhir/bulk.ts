/**
 * A FHIR server that exports in bulk: asked for an export, waited for, its files taken line by line, and told to forget it. Each step
 * stands in the watermark when it is done, so a run that ends anywhere is gone on with, and one export is made for one.
 *
 * @see https://hl7.org/fhir/uv/bulkdata/STU2/export.html
 */
import type { PullEnd, Puller, PullRun } from '../../src/ingest/contract.ts';
import { openSource, type FhirSource } from './ask.ts';
import { endExport, forget, kickOff, pollExport } from './bulk/ask-export.ts';
import { checkExport } from './bulk/check.ts';
import { compareExport } from './bulk/compare.ts';
import { takeFiles } from './bulk/files.ts';
import type { ExportMark } from './bulk/mark.ts';
import { Progress } from './bulk/progress.ts';
import { keptBulkSettings, readBulkSettings, type BulkSettings } from './bulk/settings.ts';
import { RetryLater } from './retry-after.ts';
import { secretsOf } from './settings.ts';

export const fhirBulk: Puller = {
  kind: 'fhir-bulk',
  readConfig: (config) => keptBulkSettings(config),
  secrets: (config) => secretsOf(readBulkSettings(config)),
  test: (run) => withSource(run, checkExport),
  run: (run) => withSource(run, (source, settings) => pull(new Progress(run, source, settings))),
};

async function withSource<Result>(
  { endpoint, secrets, signal, now }: Pick<PullRun, 'endpoint' | 'secrets' | 'signal' | 'now'>,
  work: (source: FhirSource, settings: BulkSettings) => Promise<Result>,
): Promise<Result> {
  const settings = readBulkSettings(endpoint.config);
  const source = openSource({ settings, secrets, signal, now });
  try {
    return await work(source, settings);
  } finally {
    await source.close();
  }
}

async function pull(progress: Progress): Promise<PullEnd> {
  try {
    const notBefore = await advance(progress);
    const { notes } = progress;
    return notBefore === 'done' ? { notes } : { isMore: true, notes, ...(notBefore !== 'spent' && { notBefore }) };
  } catch (error) {
    // Not a failure: the export goes on there, and the next run here.
    if (!(error instanceof RetryLater)) throw error;
    return { isMore: true, notBefore: error.notBefore, notes: [...progress.notes, error.message] };
  }
}

/** From wherever the last run left it. @returns when to go on, where it cannot now */
async function advance(progress: Progress): Promise<Date | 'spent' | 'done'> {
  const { mark } = progress;
  await progress.contents.fetch();
  if (progress.isSpent) return 'spent';
  if (mark.export === undefined) await kickOff(progress);
  const taking = mark.export as ExportMark;
  if (taking.manifest === undefined) {
    const notBefore = await pollExport(progress, taking);
    if (notBefore !== undefined) return notBefore;
  }
  if (taking.isTaken !== true) {
    // A file that is open has the one connection; so content is fetched between files, or when it is too much.
    while (await takeFiles(progress, taking)) {
      if (progress.isSpent) return 'spent';
      await progress.contents.fetch();
      if (progress.isSpent) return 'spent';
    }
    if (taking.isIncomplete !== true) mark.since = taking.manifest?.transactionTime as string;
    // The first export is whole, and there is nothing to compare it with.
    mark.comparedAt ??= progress.run.now().toISOString();
    taking.isTaken = true;
    await progress.take();
  }
  if (await compareExport(progress, taking)) return 'spent';
  await progress.contents.fetch();
  if (progress.isSpent && progress.contents.isBehind) return 'spent';
  await endExport(progress);
  await forget(progress);
  return 'done';
}
