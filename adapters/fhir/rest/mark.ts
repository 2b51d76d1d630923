/**
 * The watermark of a source that is pulled by REST: how far each type is, what was learned of the server, and the window that is open.
 * It moves only with a page that is on disk, so whatever ends a run, the next one goes on from what the hub has.
 */
import type { Expected } from '../contents.ts';
import type { Watermark } from '../../../src/ingest/contract.ts';

/** `full`: everything; `updated` and `history`: what changed since. `missing`: which of what the hub has is gone. */
export type Way = 'full' | 'updated' | 'history';

export interface RestMark {
  server?: ServerMark;
  types: Record<string, TypeMark>;
  /** Content of documents that is yet to be fetched. */
  contents?: Expected[];
}

/** As the CapabilityStatement says. */
export interface ServerMark {
  /** By our clock. */
  readonly askedAt: string;
  readonly fhirVersion?: string;
  /** Types that are searched. */
  readonly types: readonly string[];
  /** Types that have a history of the type. */
  readonly history: readonly string[];
}

export interface TypeMark {
  /** By the server's clock: what changed before it is known. */
  since?: string;
  /** Our clock when `since` was; the two tell when the server's clock was set back. */
  at?: string;
  /** The latest `meta.lastUpdated` that was seen. */
  newest?: string;
  /** How changes are asked for, as the answers have shown; undefined: not tried yet. */
  way?: Way;
  /** Our clock when everything was seen last. */
  passedAt?: string;
  /** Our clock when what is gone was looked for last. */
  reconciledAt?: string;
  /** Our clock when an empty window was last tried for whether the server finds anything at all. */
  probedAt?: string;
  /** Resources a page, where fewer than the endpoint's setting are borne. */
  count?: number;
  /** The server refuses `_sort`. */
  isUnsorted?: boolean;
  open?: OpenWindow;
}

/** A window that is not at its end. */
export interface OpenWindow {
  way: Way;
  /** Whether it ends with a look for what is gone. */
  readonly isReconciling: boolean;
  /** What the window asks from; undefined: from the beginning. */
  from?: string;
  /** The server's time, and ours, when it began: `since` and `at` once it is through. */
  startedAt?: string;
  at?: string;
  /** The next page. */
  link?: string;
  /** `lastUpdated` of the last resource taken, while the server keeps to that order: where to begin again when the link expires. */
  reached?: string;
  /** Resources since the first page, and whether a link led from page to page. */
  passed?: number;
  isLinked?: boolean;
  /** Where the server gives no links and all that is left has one time: how many are passed over. */
  offset?: number;
  /** The server does not keep to the order. */
  isDisordered?: boolean;
  /** All pages are taken; what is gone is being looked for. */
  isPassed?: boolean;
}

/** A watermark of something else, or of a former form, is none: everything is compared anew, and nothing is taken twice. */
export function readMark(watermark: Watermark | undefined): RestMark {
  const { form, types, server, contents } = (watermark ?? {}) as { form?: unknown } & Partial<RestMark>;
  if (form !== formOf || types === undefined) return { types: {} };
  return structuredClone({ types, ...(server && { server }), ...(contents && { contents }) });
}

export function writeMark({ contents = [], ...mark }: RestMark): Watermark {
  const { length } = contents;
  return structuredClone({ form: formOf, ...mark, ...(length > 0 && { contents }) });
}

const formOf = 'rest/1';
