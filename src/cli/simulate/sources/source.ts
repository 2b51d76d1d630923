/** One simulated FHIR source: what it has, when each version of it came, and its habits. Grows and changes as it is told. */
import { contentDigest, bodyAt, idAt, patientIndexOf, resourcesOfPatient, typeAt } from './content.ts';
import type { ResourceEntry } from '../ledger.ts';

export interface Habits {
  /** `hangs`: accepts connections and never answers. `flaps`: is away for half of each `flapMs`, in one of the ways servers are away. */
  readonly manner: 'live' | 'hangs' | 'flaps';
  readonly flapMs: number;
  /** Its clock is so far ahead of the right time. */
  readonly clockMs: number;
  /** Serves `_history`, and says so. */
  readonly hasHistory: boolean;
  /** Answers a search by `_lastUpdated` with everything, as servers do that do not know the parameter. */
  readonly isDeafToLastUpdated: boolean;
  /** How long what has been stored stays unseen: a transaction that commits late. */
  readonly lateMs: number;
  readonly auth: 'none' | 'basic' | 'client-secret';
  /** Results on one page at most. */
  readonly pageMax: number;
}

/** One version of a resource: when, by the source's clock, and when it can be seen, by the right one. */
export interface Version {
  readonly updatedAt: number;
  readonly visibleAt: number;
  readonly isDeleted: boolean;
}

export interface Stored {
  readonly index: number;
  readonly type: string;
  readonly id: string;
  /** The first is version 1. */
  readonly versions: Version[];
}

/** A version as it is served. */
export interface Served {
  readonly stored: Stored;
  readonly version: number;
  readonly updatedAt: number;
  readonly isDeleted: boolean;
}

export interface SourceOptions {
  readonly seed: number;
  readonly number: number;
  readonly name: string;
  /** FHIR base URL, without a slash at the end. */
  readonly base: string;
  readonly habits: Habits;
  /** Told of each version that comes to be. */
  readonly onVersion?: (entry: ResourceEntry) => void;
}

export class Source {
  readonly options: SourceOptions;
  readonly resources: Stored[] = [];
  readonly #byName = new Map<string, Stored>();
  /** One that flaps does so no longer. */
  isHealed = false;

  constructor(options: SourceOptions) {
    this.options = options;
  }

  /** By its own clock. */
  clock(now: number): number {
    return now + this.options.habits.clockMs;
  }

  /** Whole records of further patients. @param updatedAt instead of now: what was there before */
  addPatients(count: number, now: number, updatedAt = this.clock(now)): void {
    for (let n = 0; n < count * resourcesOfPatient; n++) {
      const index = this.resources.length;
      const stored: Stored = { index, type: typeAt(index), id: idAt(index), versions: [] };
      this.resources.push(stored);
      this.#byName.set(`${stored.type}/${stored.id}`, stored);
      this.#enter(stored, { updatedAt, visibleAt: now, isDeleted: false });
    }
  }

  /** Another version of it; of one that was deleted, it is there again. */
  change(index: number, now: number): void {
    this.#enterNow(index, now, false);
  }

  /** Results alone: what others refer to stays. @returns false for anything else */
  remove(index: number, now: number): boolean {
    const stored = this.resources[index];
    if (stored?.type !== 'Observation' || stored.versions.at(-1)?.isDeleted) return false;
    this.#enterNow(index, now, true);
    return true;
  }

  find(type: string, id: string): Stored | undefined {
    return this.#byName.get(`${type}/${id}`);
  }

  /** Of one resource; undefined while it cannot be seen. */
  current(stored: Stored, now: number): Served | undefined {
    for (let version = stored.versions.length; version > 0; version--) {
      const { visibleAt, updatedAt, isDeleted } = stored.versions[version - 1] as Version;
      if (visibleAt <= now) return { stored, version, updatedAt, isDeleted };
    }
    return undefined;
  }

  /** Every version that can be seen. */
  *history(now: number): Generator<Served> {
    for (const stored of this.resources) {
      for (const [before, { updatedAt, visibleAt, isDeleted }] of stored.versions.entries()) {
        if (visibleAt <= now) yield { stored, version: before + 1, updatedAt, isDeleted };
      }
    }
  }

  body({ stored, version, updatedAt }: Served): string {
    const { seed, number } = this.options;
    return bodyAt({ seed, source: number, index: stored.index }, version, new Date(updatedAt).toISOString());
  }

  /** Of a version that there is. */
  bodyOf({ type, id, version }: Pick<ResourceEntry, 'type' | 'id' | 'version'>): string {
    const stored = this.find(type, id) as Stored;
    return this.body({ stored, version, ...(stored.versions[version - 1] as Version) });
  }

  patientOf({ index }: Stored): string {
    return idAt(patientIndexOf(index));
  }

  #enterNow(index: number, now: number, isDeleted: boolean): void {
    const stored = this.resources[index];
    if (stored === undefined) return;
    // Two versions in one millisecond would have no order.
    const updatedAt = Math.max(this.clock(now), (stored.versions.at(-1)?.updatedAt ?? 0) + 1);
    this.#enter(stored, { updatedAt, visibleAt: now + this.options.habits.lateMs, isDeleted });
  }

  #enter(stored: Stored, version: Version): void {
    stored.versions.push(version);
    const { base, onVersion, habits } = this.options;
    // What nobody can get is nobody's loss.
    if (onVersion === undefined || habits.manner === 'hangs') return;
    const { type, id, versions } = stored;
    const number = versions.length;
    const entry = { what: 'resource', base, type, id, version: number } as const;
    const body = (): string => this.body({ stored, version: number, ...version });
    onVersion({
      ...entry,
      ...(version.isDeleted ? { isDeleted: true } : { digest: contentDigest(body(), '', (reference) => reference) }),
    });
  }
}
