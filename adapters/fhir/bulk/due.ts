/** When a whole export is due, to be compared with what the hub has (compare.ts). */
import type { ExportMark, ManifestMark } from './mark.ts';
import type { Progress } from './progress.ts';

/** Whether the next export is to be a whole one, and compared. The first one has nothing to be compared with. */
export function isCompareDue({ settings: { reconcileEvery }, mark, run }: Progress): boolean {
  if (reconcileEvery === null || mark.tellsDeletions === true || mark.since === undefined) return false;
  const ms = mark.comparedAt === undefined ? Infinity : run.now().getTime() - Date.parse(mark.comparedAt);
  // A clock of ours that was set back.
  return ms >= reconcileEvery || ms < 0;
}

/** What the manifest says of the source, for later. */
export function noteManifest(progress: Progress, taking: ExportMark, { files }: ManifestMark): void {
  const { mark, settings } = progress;
  if (files.some(({ kind }) => kind === 'deleted')) mark.tellsDeletions = true;
  const shown = files.flatMap(({ kind, type }) => (kind === 'output' && type !== '' ? [type] : []));
  mark.types = [...new Set([...(mark.types ?? []), ...shown])].toSorted();
  // What could not be exported is not deleted.
  if (taking.compare === undefined || settings.missing !== 'gone' || !files.some(({ kind }) => kind === 'error'))
    return;
  delete taking.compare;
  progress.note('the export has errors: nothing is taken for deleted');
}
