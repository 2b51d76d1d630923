/**
 * What can be helped by asking in another way: a link that has expired, a page that is too large or takes too long, a parameter that is
 * refused. The window is begun again where it is, not where it was.
 */
import { Problem } from '../../../src/fhir/problem.ts';
import type { OpenWindow, TypeMark } from './mark.ts';
import { LinkExpired } from './pages.ts';
import type { Progress } from './progress.ts';

/** Of one window in one run. Halving a page of 1,000 down to one takes ten. */
const restartsMax = 16;
/** Links of a server whose searches live for less than a page takes. */
const expiriesMax = 5;

export interface Walked {
  readonly restarts: number;
  /** Pages that were read in this run. */
  readonly pages: number;
}

/** Changes the window in place. @returns false when the error stands */
export async function mayBeginAgain(
  progress: Progress,
  type: string,
  error: unknown,
  { restarts, pages }: Walked,
): Promise<boolean> {
  const mark = progress.typeMark(type);
  const { open } = mark;
  if (!(error instanceof Problem) || open === undefined || restarts >= restartsMax) return false;
  if (error instanceof LinkExpired) return restarts < expiriesMax && beginAgain(open);
  if (error.code === 'too-long') return shrink(progress, mark) && beginAgain(open);
  if (error.code === 'timeout') {
    if (!shrink(progress, mark)) return false;
    beginAgain(open);
    // Of a server that has not answered at all in this run nothing is known: the next run asks for less.
    if (pages > 0) return true;
    await progress.take([]);
    return false;
  }
  if (['invalid', 'not-supported', 'not-found'].includes(error.code)) return askOtherwise(progress, type, mark, open);
  return false;
}

/** At the last resource that was taken, where the answers were in order of time; else from the beginning of the window. */
function beginAgain(open: OpenWindow): true {
  delete open.link;
  delete open.offset;
  if (open.reached !== undefined) open.from = open.reached;
  return true;
}

function shrink({ settings }: Progress, mark: TypeMark): boolean {
  const count = mark.count ?? settings.count;
  if (count <= 1) return false;
  mark.count = Math.floor(count / 2);
  return true;
}

/** The first question of a window was refused: it is asked with less, before the type is given up. */
function askOtherwise({ notes }: Progress, type: string, mark: TypeMark, open: OpenWindow): boolean {
  if (open.link !== undefined) return false;
  if (open.way === 'history') {
    mark.way = 'updated';
    open.way = 'updated';
    notes.add(`${type}: no history of the type; asked by _lastUpdated`);
    return true;
  }
  if (mark.isUnsorted !== true) {
    mark.isUnsorted = true;
    return true;
  }
  if (open.from === undefined) return false;
  delete open.from;
  if (open.way === 'updated') {
    mark.way = 'full';
    open.way = 'full';
    notes.add(`${type}: _lastUpdated is refused; everything is compared`);
  }
  return true;
}
