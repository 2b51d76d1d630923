/**
 * Deletions at a source that does not export them: now and then it is asked for a whole export, and what the hub has of the source and the
 * export does not show is gone, if the source says so. The files are read a second time for it, type by type, once all of them are taken: so
 * memory is bounded whatever the size, and a run that ends anywhere is followed by one that begins that type again.
 */
import { Problem } from '../../../src/fhir/problem.ts';
import { LookUp, takeMissing, type Judge } from '../rest/missing.ts';
import { readNow } from '../rest/history.ts';
import { brokenLine, isTaken, openFile, renewAddresses } from './files.ts';
import { readLines } from './lines.ts';
import type { CompareMark, ExportMark, FileMark, ManifestMark } from './mark.ts';
import type { Progress } from './progress.ts';
import { SeenIds, TooManyIds } from './seen.ts';

/** @returns true when the budget was used up before the end */
export async function compareExport(progress: Progress, taking: ExportMark): Promise<boolean> {
  const { mark, settings } = progress;
  if (taking.compare === undefined) return false;
  if (taking.isIncomplete === true) {
    progress.note('the export is incomplete: nothing is taken for deleted');
    delete taking.compare;
    return false;
  }
  const all = new Set([...(mark.types ?? []), ...(settings.types ?? [])]);
  for (const type of all) {
    // Content that a document names beside is no part of an export.
    if (type === 'Binary' || !isTaken(progress, type) || taking.compare.done.includes(type)) continue;
    if (await mayBegin(progress, taking.compare, type)) await compareType(progress, taking, type);
    taking.compare = { parts: 1, part: 0, done: [...taking.compare.done, type] };
    await progress.take();
    if (progress.isSpent) return true;
  }
  delete taking.compare;
  mark.comparedAt = progress.run.now().toISOString();
  await progress.take();
  return false;
}

/** Runs that begin one type; what is not through then takes longer than a run may. */
const beginningsMax = 5;

async function mayBegin(progress: Progress, compare: CompareMark, type: string): Promise<boolean> {
  compare.begun = (compare.begun ?? 0) + 1;
  await progress.take();
  if (compare.begun <= beginningsMax) return true;
  progress.note(`${type}: not compared, as it takes longer than a run: see budget.time`);
  return false;
}

async function compareType(progress: Progress, taking: ExportMark, type: string): Promise<void> {
  const compare = taking.compare as CompareMark;
  const judge = judgeOf(progress, taking, type);
  while (compare.part < compare.parts) {
    const seen = await readSeen(progress, taking, type);
    if (seen === undefined) {
      [compare.parts, compare.part] = [compare.parts * 2, 0];
      continue;
    }
    judge.shown ??= seen.first;
    await takeMissing(progress, type, seen.ids, judge);
    compare.part++;
    compare.begun = 0;
    await progress.take();
  }
  judge.tell();
}

interface Named {
  readonly type: string;
  readonly id: string;
}

interface Shown {
  readonly ids: SeenIds;
  /** Any of them. */
  readonly first: Named | undefined;
}

/** @returns undefined when there are more than may be held @throws Problem transient for a file that is cut or short */
async function readSeen(progress: Progress, taking: ExportMark, type: string): Promise<Shown | undefined> {
  const { part, parts } = taking.compare as CompareMark;
  const ids = new SeenIds({ part, parts, max: progress.settings.compareMax });
  let first: Named | undefined;
  try {
    for (const { place } of passedOf(taking, type)) {
      for await (const { named, brokenId } of namesIn(progress, taking, place)) {
        if (named?.type === type) first ??= named;
        if (named === undefined || named.type === type) ids.add(named?.id ?? brokenId);
      }
    }
    return { ids, first };
  } catch (error) {
    if (error instanceof TooManyIds) return undefined;
    throw error;
  }
}

/** Files that may show the type; one that says none may show any. */
function passedOf({ manifest }: ExportMark, type: string): FileMark[] {
  return (manifest?.passed ?? []).filter((file) => file.type === type || file.type === '');
}

interface Line {
  /** undefined for a line that is no resource. */
  readonly named: Named | undefined;
  /** By which such a line is known. */
  readonly brokenId: string;
}

/** @throws Problem transient for a file that is cut, short or gone */
async function* namesIn(progress: Progress, taking: ExportMark, place: number): AsyncGenerator<Line> {
  const manifest = taking.manifest as ManifestMark;
  const find = (): FileMark => manifest.passed?.find((one) => one.place === place) as FileMark;
  let answer = await openFile(progress, manifest, find());
  if (answer === undefined) {
    await renewAddresses(progress, taking, manifest, find());
    answer = await openFile(progress, manifest, find());
  }
  if (answer === undefined) throw new Problem('transient', 'a file of the export is not there any more');
  const file = find();
  let [lines, resources] = [0, 0];
  for await (const { bytes, isEnded } of readLines(answer.body, progress.settings.lineBytesMax)) {
    const text = bytes.toString('utf8').trim();
    lines++;
    if (text === '') continue;
    resources++;
    const named = nameIn(text);
    if (named === undefined && !isEnded) throw new Problem('transient', 'a file of the export ends within a line');
    yield { named, brokenId: named === undefined ? brokenLine(file, text, lines).id : '' };
  }
  if (file.count !== undefined && resources < file.count) {
    throw new Problem('transient', `a file of the export is short: ${resources} resources of ${file.count}`);
  }
}

function nameIn(text: string): Named | undefined {
  try {
    const { resourceType: type, id } = JSON.parse(text) as { resourceType?: unknown; id?: unknown };
    return typeof type === 'string' && typeof id === 'string' && id !== '' ? { type, id } : undefined;
  } catch {
    return undefined;
  }
}

interface ExportJudge extends Judge {
  /** A resource that is certainly there. */
  shown: Named | undefined;
  /** What was not decided, in the notes of the run. */
  tell(): void;
}

function judgeOf(progress: Progress, taking: ExportMark, type: string): ExportJudge {
  const manifest = taking.manifest as ManifestMark;
  if (progress.settings.missing === 'gone') {
    return {
      shown: undefined,
      goneAt: new Date(manifest.transactionTime),
      goneOf: (ids) => Promise.resolve(ids),
      tell: () => undefined,
    };
  }
  const lookUp = new LookUp(progress, type);
  let isAnswering: Promise<boolean> | undefined;
  let undecided = 0;
  const judge: ExportJudge = {
    shown: undefined,
    goneOf: async (ids) => {
      // A server that says 404 to everything says nothing by it.
      isAnswering ??= answersReads(progress, taking, judge.shown);
      if (await isAnswering) return lookUp.goneOf(ids);
      undecided += ids.length;
      return [];
    },
    tell: () => {
      if (undecided === 0) return;
      progress.note(
        `${type}: ${undecided} are not exported any more, and kept, as the source answers no reads: see missing`,
      );
    },
  };
  return judge;
}

/** By a resource that it has just exported: of the type, or of any other where it exports none of it. */
async function answersReads(progress: Progress, taking: ExportMark, own: Named | undefined): Promise<boolean> {
  const shown = own ?? (await findShown(progress, taking));
  if (shown === undefined) return false;
  try {
    const now = await readNow(progress.source, shown.type, shown.id);
    return now !== undefined && now.isDeleted !== true;
  } catch (error) {
    const isRefused = error instanceof Problem && refusals.has(error.code);
    if (!isRefused) throw error;
    return false;
  }
}
const refusals: ReadonlySet<string> = new Set(['forbidden', 'invalid', 'login', 'not-supported']);

async function findShown(progress: Progress, taking: ExportMark): Promise<Named | undefined> {
  for (const { place } of taking.manifest?.passed ?? []) {
    for await (const { named } of namesIn(progress, taking, place)) if (named !== undefined) return named;
  }
  return undefined;
}
