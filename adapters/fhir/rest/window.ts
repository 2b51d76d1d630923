/**
 * One type of a source: which window is due, its pages one by one, and what their answers show of the server. That a server heeds
 * `_lastUpdated`, `_since` or `_sort` is seen in what it sends, never assumed.
 *
 * @see https://hl7.org/fhir/R4/search.html#lastUpdated
 */
import type { Pulled } from '../../../src/ingest/contract.ts';
import { matchesOf } from '../bundle.ts';
import { isHeeded, setBackMs } from './heed.ts';
import { changesOf } from './history.ts';
import type { OpenWindow, TypeMark, Way } from './mark.ts';
import { takeMissing } from './missing.ts';
import { askPage, atBase, Trail, type DatedPage } from './pages.ts';
import type { Progress } from './progress.ts';
import { mayBeginAgain } from './restart.ts';
import { countPassed, stride } from './stride.ts';

export type Ended = 'through' | 'spent';

/** Ids kept of a pass, to know what it did not show; of a larger type each is asked for. */
const seenMax = 500_000;

/** @throws Problem of the source; what was taken before stays */
export async function pullType(progress: Progress, type: string): Promise<Ended> {
  const mark = progress.typeMark(type);
  mark.open ??= dueWindow(progress, type);
  if (mark.open === undefined) return 'through';
  const seen = mark.open.isReconciling && mark.open.startedAt === undefined ? new Set<string>() : undefined;
  const walk = new Walk(progress, type, seen);
  for (let restarts = 0; ; restarts++) {
    try {
      return await walk.run();
    } catch (error) {
      if (!(await mayBeginAgain(progress, type, error, { restarts, pages: walk.pages }))) throw error;
    }
  }
}

/** undefined when nothing is due. */
function dueWindow(progress: Progress, type: string): OpenWindow | undefined {
  const { settings } = progress;
  const mark = progress.typeMark(type);
  if (mark.since === undefined) return { way: 'full', isReconciling: false };
  const { reconcileEvery, fullEvery, overlap } = settings;
  const isReconciling = reconcileEvery !== null && progress.since(mark.reconciledAt) >= reconcileEvery;
  if (isReconciling) return { way: 'full', isReconciling };
  const way = wayOf(progress, type);
  if (way === 'full') return progress.since(mark.passedAt) >= fullEvery ? { way, isReconciling } : undefined;
  return { way, isReconciling, from: new Date(Date.parse(mark.since) - overlap).toISOString() };
}

function wayOf({ settings: { mode }, mark }: Progress, type: string): Way {
  const { way } = mark.types[type] ?? {};
  if (mode === 'full' || way !== undefined) return way === undefined || mode === 'full' ? 'full' : way;
  if (mode !== 'auto') return mode;
  return mark.server?.history.includes(type) === true ? 'history' : 'updated';
}

class Walk {
  /** Pages read in this run. */
  pages = 0;
  readonly #progress: Progress;
  readonly #type: string;
  readonly #mark: TypeMark;
  #seen: Set<string> | undefined;
  #found = 0;

  constructor(progress: Progress, type: string, seen: Set<string> | undefined) {
    this.#progress = progress;
    this.#type = type;
    this.#mark = progress.typeMark(type);
    this.#seen = seen;
  }

  async run(): Promise<Ended> {
    const trail = new Trail();
    for (let open = this.#open; open !== undefined && open.isPassed !== true; open = this.#open) {
      const isLink = open.link !== undefined;
      const url = open.link ?? firstUrl(this.#progress, this.#type);
      const page = await askPage(this.#progress.source, url, isLink);
      this.pages++;
      if (!isLink && !this.#begin(open, page)) continue;
      const entries = await this.#read(open, page);
      if (entries === undefined) continue;
      countPassed(open, page, isLink);
      this.#note(open, entries);
      open.link = page.next === undefined ? undefined : this.#linkOf(page.next);
      const isMore = open.link !== undefined || stride(open, page, entries);
      const ids = entries.map(({ id, version = '' }) => `${id}/${version}`);
      if (isMore) trail.follow(open.link ?? `${open.from} ${open.offset}`, ids);
      else await this.#passed(open);
      await this.#progress.take(entries);
      if (isMore && this.#progress.isSpent) return 'spent';
    }
    if (this.#open === undefined) return 'through';
    await takeMissing(this.#progress, this.#type, this.#seen);
    this.#finish(this.#open);
    await this.#progress.take([]);
    return 'through';
  }

  get #open(): OpenWindow | undefined {
    return this.#mark.open;
  }

  #linkOf(link: string): string {
    return atBase(link, this.#progress.source.base, this.#progress.settings.aliases);
  }

  /** The server's time is that of the window from its first page on. @returns false when it has to be asked from earlier on */
  #begin(open: OpenWindow, { serverTime }: DatedPage): boolean {
    if (open.startedAt !== undefined) return true;
    const now = this.#progress.run.now();
    const back = serverTime === undefined ? 0 : setBackMs(this.#mark, serverTime, now);
    open.startedAt = (serverTime ?? now).toISOString();
    open.at = now.toISOString();
    if (back === 0 || open.from === undefined) return true;
    // What was written since has times that were known already.
    open.from = new Date(Date.parse(open.from) - back).toISOString();
    this.#progress.notes.add('the clock of the source was set back');
    return false;
  }

  /** @returns undefined when the page does not answer what was asked: the window has another way from now on */
  async #read(open: OpenWindow, page: DatedPage): Promise<Pulled[] | undefined> {
    const { source } = this.#progress;
    const entries = open.way === 'history' ? await changesOf(source, page, this.#type) : matchesOf(page, this.#type);
    if (open.from === undefined) return entries;
    const isEmpty = entries.length === 0 && open.link === undefined && page.next === undefined;
    if (isEmpty && open.way === 'full') {
      // Begun again at a resource that is there: an empty answer shows that the time is not understood.
      forgetTime(open);
      return undefined;
    }
    if (isHeeded(entries, page, open)) return entries;
    if (open.way === 'history') {
      this.#giveUp('updated', '_since');
      open.way = 'updated';
      delete open.link;
      return undefined;
    }
    // A search that did not heed it is the first page of everything.
    this.#giveUp('full', '_lastUpdated');
    open.way = 'full';
    forgetTime(open);
    return entries;
  }

  #giveUp(way: Way, name: string): void {
    this.#mark.way = way;
    this.#progress.notes.add(`${this.#type}: ${name} is not heeded; ${wayWords[way]}`);
  }

  /** What a page shows: how late it is, and whether in order. */
  #note(open: OpenWindow, entries: readonly Pulled[]): void {
    this.#found += entries.length;
    for (const { id, updatedAt } of entries) {
      this.#seen?.add(id);
      if (updatedAt === undefined) open.isDisordered = true;
      else {
        const time = updatedAt.toISOString();
        if (this.#mark.newest === undefined || time > this.#mark.newest) this.#mark.newest = time;
        if (open.reached !== undefined && time < open.reached) open.isDisordered = true;
        open.reached = time;
      }
    }
    if (open.isDisordered === true || open.way === 'history') delete open.reached;
    if ((this.#seen?.size ?? 0) > seenMax) this.#seen = undefined;
  }

  /** After the last page. */
  async #passed(open: OpenWindow): Promise<void> {
    if (open.isReconciling) {
      open.isPassed = true;
      return;
    }
    if (open.way === 'updated' && this.#found === 0) await this.#probe(open);
    this.#finish(open);
  }

  #finish({ way, isReconciling, startedAt, at }: OpenWindow): void {
    const mark = this.#mark;
    delete mark.open;
    [mark.since, mark.at] = [startedAt, at];
    if (way === 'full') {
      mark.passedAt = this.#progress.now();
      // The first pass leaves nothing to look for.
      if (isReconciling || mark.reconciledAt === undefined) mark.reconciledAt = mark.passedAt;
    }
    // What was given up is tried again now and then: servers are updated.
    if (isReconciling) delete mark.way;
    grow(mark, this.#progress.settings.count);
  }

  /** An empty answer proves nothing: a server that finds nothing by time would look as if nothing ever changed. */
  async #probe(open: OpenWindow): Promise<void> {
    const { newest, probedAt } = this.#mark;
    const { from = '' } = open;
    if (newest === undefined || newest >= from || this.#progress.since(probedAt) < probeEveryMs) return;
    const url = `${this.#type}?_lastUpdated=ge${newest}&_count=1`;
    const page = await askPage(this.#progress.source, url, false);
    this.#mark.probedAt = this.#progress.now();
    if (matchesOf(page, this.#type).length > 0) return;
    this.#mark.way = 'full';
    delete this.#mark.passedAt;
    this.#progress.notes.add(`${this.#type}: _lastUpdated finds nothing that is there; ${wayWords.full}`);
  }
}

/** From the beginning, in whatever order. */
function forgetTime(open: OpenWindow): void {
  delete open.from;
  delete open.reached;
  open.isDisordered = true;
}

/** A day: the resource that was seen last may have been deleted, then a pass over everything is made in vain. */
const probeEveryMs = 24 * 60 * 60 * 1_000;

const wayWords: Readonly<Record<Way, string>> = {
  full: 'everything is compared',
  updated: 'asked by _lastUpdated',
  history: 'asked by history',
};

function firstUrl({ settings, mark: { types } }: Progress, type: string): string {
  const mark = types[type] as TypeMark;
  const { way, from, offset } = mark.open as OpenWindow;
  const count = `_count=${mark.count ?? settings.count}${offset === undefined ? '' : `&_offset=${offset}`}`;
  if (way === 'history') return `${type}/_history?_since=${from}&${count}`;
  const filter = settings.filters[type];
  const parts = [
    ...(filter === undefined ? [] : [filter]),
    ...(from === undefined ? [] : [`_lastUpdated=ge${from}`]),
    ...(mark.isUnsorted === true ? [] : ['_sort=_lastUpdated']),
    count,
  ];
  return `${type}?${parts.join('&')}`;
}

/** After a window that was borne: back towards the endpoint's setting. */
function grow(mark: TypeMark, countMax: number): void {
  if (mark.count === undefined) return;
  mark.count *= 2;
  if (mark.count >= countMax) delete mark.count;
}
