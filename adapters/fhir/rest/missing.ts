/**
 * What the hub has and a pass over everything did not show is gone at the source, if the source says so when it is asked for each: a
 * resource that moved from one page to another while the pages were read is not.
 */
import { Problem } from '../../../src/fhir/problem.ts';
import type { Pulled, PullRun } from '../../../src/ingest/contract.ts';
import type { FhirSource } from '../ask.ts';
import { deletionOf, matchesOf } from '../bundle.ts';
import { readNow } from './history.ts';
import { askPage } from './pages.ts';

/** Ids in one address: 50 of 64 characters stay below what proxies take. */
const idsMax = 50;
/** Deletions in one page of the hub's. */
const deletionsMax = 500;
/** Half of a few is nothing unusual. */
const massMin = 100;
const massShare = 0.5;

/** What a comparison needs of a run. */
export interface Comparing {
  readonly run: Pick<PullRun, 'known'>;
  readonly source: FhirSource;
  readonly settings: { readonly massDeletion: 'refused' | 'allowed' };
  take(page: readonly Pulled[]): Promise<void>;
  note(text: string): void;
}

/** Ids that a pass has shown. */
export interface Seen {
  has(id: string): boolean;
  /** False for an id of another pass of several. */
  covers?(id: string): boolean;
}

/** Who tells of ids that were not shown which are gone. */
export interface Judge {
  goneOf(ids: readonly string[]): Promise<readonly string[]>;
  /** Since when they are; default: now, by the source's clock. */
  readonly goneAt?: Date;
}

/** @param seen undefined when the pass was not read in one run, then all are asked for */
export async function takeMissing(
  progress: Comparing,
  type: string,
  seen: Seen | undefined,
  judge: Judge = new LookUp(progress, type),
): Promise<void> {
  const gone: string[] = [];
  let known = 0;
  let batch: string[] = [];
  for await (const { id } of progress.run.known(type)) {
    if (seen?.covers?.(id) === false) continue;
    known++;
    if (seen?.has(id) === true) continue;
    batch.push(id);
    if (batch.length < idsMax) continue;
    gone.push(...(await judge.goneOf(batch)));
    batch = [];
  }
  if (batch.length > 0) gone.push(...(await judge.goneOf(batch)));
  const isMass = gone.length > massMin && gone.length > known * massShare;
  if (isMass && progress.settings.massDeletion === 'refused') {
    // A source restored from an empty backup, or a permission withdrawn, looks the same.
    progress.note(`${type}: ${gone.length} of ${known} are not shown any more, and kept: see massDeletion`);
    return;
  }
  for (let at = 0; at < gone.length; at += deletionsMax) {
    const updatedAt = judge.goneAt ?? progress.source.serverNow();
    await progress.take(gone.slice(at, at + deletionsMax).map((id) => deletionOf(type, id, { updatedAt })));
  }
}

/** The source itself, for each. */
export class LookUp implements Judge {
  readonly #progress: Comparing;
  readonly #type: string;
  #isSearched = true;

  constructor(progress: Comparing, type: string) {
    this.#progress = progress;
    this.#type = type;
  }

  /** Takes what is found, as it is now. @returns ids of which the source says that they are gone */
  async goneOf(ids: readonly string[]): Promise<string[]> {
    const found = this.#isSearched ? await this.#search(ids) : [];
    const foundIds = new Set(found.map(({ id }) => id));
    const gone: string[] = [];
    for (const id of ids) {
      if (foundIds.has(id)) continue;
      const now = await readNow(this.#progress.source, this.#type, id);
      if (now?.isDeleted === true) gone.push(id);
      else if (now !== undefined) found.push(now);
    }
    if (found.length > 0) await this.#progress.take(found);
    return gone;
  }

  async #search(ids: readonly string[]): Promise<Pulled[]> {
    const wanted = new Set(ids);
    const { source } = this.#progress;
    try {
      const page = await askPage(source, `${this.#type}?_id=${ids.join(',')}&_count=${ids.length}`, false);
      const matches = matchesOf(page, this.#type);
      const found = matches.filter(({ id }) => wanted.has(id));
      // What was not asked for shows that the source does not read `_id`.
      this.#isSearched = found.length === matches.length;
      return found;
    } catch (error) {
      const isRefused =
        error instanceof Problem && ['invalid', 'not-supported', 'not-found', 'too-long'].includes(error.code);
      if (!isRefused) throw error;
      this.#isSearched = false;
      return [];
    }
  }
}
