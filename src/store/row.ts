/** What goes into the store, and what comes out of it. */
import type { AnyResource } from '../fhir/types.ts';

/**
 * - `create`: a new resource; an id is minted unless the caller minted one (`mintId`), as a transaction Bundle must.
 * - `update`: the resource is the whole new state, or is created under its id.
 * - `draft`: what a message says of a resource; see `mode`, `removed` and `precedence`.
 * - `delete`: the resource is no more; of `resource` only type and id count.
 */
export interface Write {
  readonly kind: 'create' | 'update' | 'draft' | 'delete';
  readonly resource: AnyResource;
  /** Who writes: `Organization/x`, or `Patient/y` for what a patient writes. From the token or the endpoint, never from the body. */
  readonly owner: string;
  /** The version the writer read (`If-Match`). */
  readonly ifVersion?: number;
  /** Of an update: only when there is no such resource (`If-None-Match: *`). */
  readonly isNew?: boolean;
  /**
   * Of a draft. `merge`: top-level elements the draft lacks stay as they are. `delete`: as the kind, but what is not stored
   * needs no deletion: a sender may take back what the hub never heard of. Default `replace`.
   */
  readonly mode?: 'merge' | 'replace' | 'delete';
  /** Elements the sender removed; only for `merge`. */
  readonly removed?: readonly string[];
  /** Elements that hold only while nothing better is stored; only for `merge`. */
  readonly fallback?: readonly string[];
  /** Rank of the status; a lower one than the stored becomes history only. Default 0. */
  readonly precedence?: number;
  /** Ids of the patients whom the writer speaks for: may be referred to whoever owns their Patient. Default none. */
  readonly speaksFor?: readonly string[];
}

export interface Written {
  /**
   * `created`: there was none, or a deleted one that is back.
   * `superseded`: a late older state, kept in history; the current content is restated as the version after it.
   * `absent`: a draft took back what is not stored; nothing was written, and there is no version.
   */
  readonly outcome: 'created' | 'updated' | 'unchanged' | 'superseded' | 'deleted' | 'absent';
  readonly bucket: number;
  readonly type: string;
  readonly id: string;
  readonly version: number;
  readonly lastUpdated: Date;
  readonly isDeleted: boolean;
  /** Current state, as it will be read. */
  readonly body: string;
  readonly patient: string | undefined;
  readonly otherPatients: readonly string[];
  readonly labels: number;
}

/** A version that the caller may see. */
export interface Row {
  readonly bucket: number;
  readonly type: string;
  readonly id: string;
  readonly version: number;
  readonly lastUpdated: Date;
  readonly isDeleted: boolean;
  readonly owner: string;
  readonly patient: string | undefined;
  readonly otherPatients: readonly string[];
  /** As stored; sent as it is. */
  readonly body: string;
  /** What let the row through: `self`, `source`, `published`, `consent:<id>/<version>`, `internal:<reason>`. */
  readonly decidedBy: string;
}
