/**
 * The watermark of a source that exports in bulk: which export is under way and how far it is taken. It moves only with what is on disk,
 * so a run that is killed anywhere is gone on with, and the source is not asked for a second export.
 */
import type { Expected } from '../contents.ts';
import type { Watermark } from '../../../src/ingest/contract.ts';

export interface BulkMark {
  /** `transactionTime` of the last export that was taken whole. */
  since?: string;
  export?: ExportMark;
  /** Types that exports have had. */
  types?: string[];
  /** The source tells deletions. */
  tellsDeletions?: boolean;
  /** Our clock when a whole export was compared last. */
  comparedAt?: string;
  /** Content of documents that is yet to be fetched. */
  contents?: Expected[];
}

/** - without `manifest`: being made; with one: being taken; `isTaken`: all is on disk, and the source may forget it. */
export interface ExportMark {
  /** Where its state is told. */
  readonly status: string;
  /** Our clock. */
  readonly askedAt: string;
  manifest?: ManifestMark;
  isTaken?: boolean;
  /** A file stayed shorter than the manifest says: the next export begins where this one did. */
  isIncomplete?: boolean;
  /** A whole export, which is to be compared once it is taken. */
  compare?: CompareMark;
}

/** How far the comparison is. */
export interface CompareMark {
  /** Types that are through. */
  readonly done: readonly string[];
  /** Of the type under way: in how many parts its ids are looked at, and which is next. */
  parts: number;
  part: number;
  /** Runs that have begun it. */
  begun?: number;
}

export interface ManifestMark {
  readonly transactionTime: string;
  readonly withToken: boolean;
  /** Those that are not taken to their end; the first is under way. */
  files: FileMark[];
  /** Of an export that is to be compared: those with resources that are taken. */
  passed?: FileMark[];
  /** How often addresses that had expired were asked for anew. */
  renewals: number;
}

export interface FileMark {
  readonly kind: 'output' | 'deleted' | 'error';
  /** Its place in the manifest: by which it is found again in one that was asked for anew. */
  readonly place: number;
  readonly type: string;
  readonly url: string;
  /** Resources, as the manifest says. */
  readonly count?: number;
  /** Lines that are on disk. */
  line: number;
  /** How often it ended before its count. */
  short?: number;
}

/** A watermark of something else, or of a former form, is none: everything is compared anew, and nothing is taken twice. */
export function readMark(watermark: Watermark | undefined): BulkMark {
  const { form, aheadSeconds: _ahead, ...mark } = (watermark ?? {}) as Watermark & { form?: unknown } & BulkMark;
  return form === formOf ? structuredClone(mark) : {};
}

export function writeMark({ contents = [], ...mark }: BulkMark): Watermark {
  const { length } = contents;
  return structuredClone({ form: formOf, ...mark, ...(length > 0 && { contents }) });
}

const formOf = 'bulk/1';
