/** The maps of a running hub: loaded and checked once, compiled per endpoint on first use. */
import { compileMap, type CompiledMap } from './compile.ts';
import { mapSourceOf } from './overlay.ts';
import { loadMaps } from './table.ts';

export interface Maps {
  /** The base map with the overlay of the partner that names this endpoint; the base map for any other. */
  forEndpoint(name: string): CompiledMap;
}

/**
 * @param directory the repository's `mappings/`
 * @throws Problem invalid naming file and line; all overlays are compiled now, so a bad table never waits for a message
 */
export function openMaps(directory: string): Maps {
  const library = loadMaps(directory);
  const base = compileMap(library.base);
  const overlays = new Map<string, CompiledMap>();
  for (const partner of library.partners.values()) {
    for (const endpoint of partner.endpoints) overlays.set(endpoint, compileMap(mapSourceOf(library, endpoint), base));
  }
  return { forEndpoint: (name) => overlays.get(name) ?? base };
}
