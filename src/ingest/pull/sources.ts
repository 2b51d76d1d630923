/** The sources that a process can ask, as its registry has them now, and what of them the claim is yet to be told. */
import type { Database } from '../../db.ts';
import { Problem } from '../../fhir/problem.ts';
import type { Endpoint, Puller } from '../contract.ts';
import type { Registry } from '../endpoint.ts';
import type { ReadClock } from './clock.ts';
import { registerPulls } from './register.ts';
import { readPullSettings, type PullSettings } from './settings.ts';

export interface PullSource {
  readonly endpoint: Endpoint;
  readonly puller: Puller;
  readonly settings: PullSettings;
}

export interface SourcesOptions {
  readonly registry: Registry;
  readonly pullers: readonly Puller[];
  /** Told once of settings that cannot be read. */
  readonly onError?: (error: unknown, endpoint?: Endpoint) => void;
}

export class Sources {
  readonly #options: SourcesOptions;
  /** By the endpoint as the registry read it: a change makes a new object. */
  readonly #read = new WeakMap<Endpoint, PullSource | 'none'>();
  readonly #registered = new Map<number, string>();

  constructor(options: SourcesOptions) {
    this.#options = options;
  }

  find(id: number): PullSource | undefined {
    const endpoint = this.#options.registry.byId(id);
    return endpoint === undefined ? undefined : this.#sourceOf(endpoint);
  }

  /** In use, and with settings that can be read. */
  all(): PullSource[] {
    return this.#options.registry.all().flatMap((endpoint) => {
      const source = endpoint.isEnabled ? this.#sourceOf(endpoint) : undefined;
      return source === undefined ? [] : [source];
    });
  }

  /** New ones and changed ones get into the table; what is there already costs no statement. */
  async register(database: Database, sources: readonly PullSource[], readClock: ReadClock): Promise<void> {
    const changed = sources.filter(({ endpoint, settings }) => this.#registered.get(endpoint.id) !== markOf(settings));
    if (changed.length === 0) return;
    await registerPulls(database, changed, await readClock(database));
    for (const { endpoint, settings } of changed) this.#registered.set(endpoint.id, markOf(settings));
  }

  #sourceOf(endpoint: Endpoint): PullSource | undefined {
    let source = this.#read.get(endpoint);
    if (source === undefined) this.#read.set(endpoint, (source = this.#readSource(endpoint) ?? 'none'));
    return source === 'none' ? undefined : source;
  }

  #readSource(endpoint: Endpoint): PullSource | undefined {
    const { pullers, onError } = this.#options;
    const puller = pullers.find(({ kind }) => kind === endpoint.kind);
    if (puller === undefined) return undefined;
    try {
      return { endpoint, puller, settings: readPullSettings(endpoint.config) };
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      onError?.(error, endpoint);
      return undefined;
    }
  }
}

const markOf = ({ everyMs, network, networkMax }: PullSettings): string => `${everyMs} ${networkMax} ${network ?? ''}`;
