/**
 * The maps of a running hub: the shipped tables, loaded and checked once, and the overlays that were applied since, which
 * are swapped whole. A message is converted by one compiled map from its first rule to its last.
 */
import { Problem } from '../fhir/problem.ts';
import { compileMap, type CompiledMap } from './compile.ts';
import { Table } from '../fhir/yaml-table.ts';
import { applyChanges, profilesOf, shippedOverlay } from './tables/overlay.ts';
import { readOverlay } from './tables/read-overlay.ts';
import { loadMaps, type MapLibrary, type MapSource, type Partner } from './table.ts';

/** An overlay that somebody applied, as it was written. */
export interface OverlayText {
  /** Of the text: the same text is compiled once, whatever number of endpoints have it. */
  readonly hash: string;
  /** How errors call it. */
  readonly name: string;
  readonly text: string;
}

export interface Maps {
  readonly library: MapLibrary;
  /**
   * The map of an endpoint: with the overlay that was applied to it, else with the shipped one that names it, else the base.
   * @throws Problem invalid when the overlay does not fit the base map of this version of the hub; its messages are to wait
   *   for a repair, not to be read by another map
   */
  forEndpoint(name: string): CompiledMap;
  /** The map it has while none is applied. */
  shipped(endpoint: string): CompiledMap;
  /** What the map of an endpoint is compiled from. */
  sourceFor(name: string): MapSource;
  /** Compiles an overlay that is not applied. @throws Problem invalid */
  compile(overlay: Partner): CompiledMap;
  /** From the next message on these endpoints have these overlays; undefined: what is shipped. */
  assign(overlays: ReadonlyMap<string, OverlayText | undefined>): void;
  /** Overlays that do not fit, by endpoint. */
  problems(): ReadonlyMap<string, Problem>;
}

/**
 * @param directory the repository's `mappings/`
 * @throws Problem invalid naming file and line; all shipped overlays are compiled now, so a bad table never waits for a message
 */
export function openMaps(directory: string): Maps {
  return compileLibrary(loadMaps(directory));
}

/** The same of tables that have been read. @throws Problem invalid when a shipped overlay does not fit */
export function compileLibrary(library: MapLibrary): Maps {
  return new CompiledMaps(library);
}

/** @throws Problem invalid naming file and line */
export function parseOverlay(text: string, name: string): Partner {
  return readOverlay(new Table(text, name));
}

/** @throws Problem invalid when a change names what is not there */
export function sourceOf(library: MapLibrary, overlay: Partner | undefined): MapSource {
  if (overlay === undefined) return library.base;
  const chain = [...profilesOf(library, overlay), overlay];
  return chain.reduce((source, { changes }) => applyChanges(source, changes), library.base);
}

type Loaded = { readonly overlay: Partner; readonly map: CompiledMap } | { readonly problem: Problem };

class CompiledMaps implements Maps {
  readonly library: MapLibrary;
  readonly #base: CompiledMap;
  /** A profile is applied and compiled once for all overlays that build on it. */
  readonly #profiles = new Map<Partner, CompiledMap>();
  readonly #shipped = new Map<string, CompiledMap>();
  /** By the name of the endpoint. */
  readonly #applied = new Map<string, { readonly hash: string; readonly loaded: Loaded }>();

  constructor(library: MapLibrary) {
    this.library = library;
    this.#base = compileMap(library.base);
    for (const partner of library.partners.values()) {
      const map = this.compile(partner);
      for (const endpoint of partner.endpoints) this.#shipped.set(endpoint, map);
    }
  }

  forEndpoint(name: string): CompiledMap {
    const applied = this.#applied.get(name)?.loaded;
    if (applied === undefined) return this.shipped(name);
    if ('problem' in applied) throw applied.problem;
    return applied.map;
  }

  shipped(endpoint: string): CompiledMap {
    return this.#shipped.get(endpoint) ?? this.#base;
  }

  sourceFor(name: string): MapSource {
    const applied = this.#applied.get(name)?.loaded;
    if (applied !== undefined && 'problem' in applied) throw applied.problem;
    return sourceOf(this.library, applied?.overlay ?? shippedOverlay(this.library, name));
  }

  compile(overlay: Partner): CompiledMap {
    const profile = this.#profileOf(profilesOf(this.library, overlay));
    return compileMap(applyChanges(profile.parts.source, overlay.changes), profile);
  }

  assign(overlays: ReadonlyMap<string, OverlayText | undefined>): void {
    const known = new Map([...this.#applied.values()].map(({ hash, loaded }) => [hash, loaded]));
    for (const [endpoint, overlay] of overlays) {
      if (overlay === undefined) {
        this.#applied.delete(endpoint);
        continue;
      }
      const loaded = known.get(overlay.hash) ?? this.#load(overlay);
      known.set(overlay.hash, loaded);
      this.#applied.set(endpoint, { hash: overlay.hash, loaded });
    }
  }

  problems(): ReadonlyMap<string, Problem> {
    const found = new Map<string, Problem>();
    for (const [endpoint, { loaded }] of this.#applied) if ('problem' in loaded) found.set(endpoint, loaded.problem);
    return found;
  }

  #load({ text, name }: OverlayText): Loaded {
    try {
      const overlay = parseOverlay(text, name);
      return { overlay, map: this.compile(overlay) };
    } catch (error) {
      if (error instanceof Problem) return { problem: error };
      throw error;
    }
  }

  #profileOf(profiles: readonly Partner[]): CompiledMap {
    let built = this.#base;
    for (const profile of profiles) {
      let known = this.#profiles.get(profile);
      if (known === undefined) {
        known = compileMap(applyChanges(built.parts.source, profile.changes), built);
        this.#profiles.set(profile, known);
      }
      built = known;
    }
    return built;
  }
}
