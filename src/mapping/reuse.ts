/**
 * What an overlay leaves as it is, is not compiled again: two hundred overlays share the closures of the base map, and
 * each holds only what it changes.
 */
import type { MapSource, RuleMap } from './table.ts';

/** Which tables of a map mean the same as those of another of the same name. */
export interface Unchanged {
  vocabulary(id: string): boolean;
  /** A data type or segment map itself, and all tables it names. */
  rules(kind: 'datatypes' | 'segments', id: string): boolean;
}

/** Compared by identity: applying an overlay copies nothing that it does not change (overlay.ts). */
export function compareTables(source: MapSource, base: MapSource): Unchanged {
  const vocabularies = changedNames(source.vocabularies, base.vocabularies);
  const datatypes = changedNames(source.datatypes, base.datatypes);
  const names = (map: RuleMap): boolean => {
    const { maps, types } = namesIn(map);
    return maps.some((name) => vocabularies.has(name)) || types.some((name) => datatypes.has(name));
  };
  // A data type that names a changed one is changed too, and so on until none is added.
  for (let before = -1; before !== datatypes.size;) {
    before = datatypes.size;
    for (const map of source.datatypes.values()) if (names(map)) datatypes.add(map.id);
  }
  return {
    vocabulary: (id) => !vocabularies.has(id),
    rules: (kind, id) => {
      if (kind === 'datatypes') return !datatypes.has(id);
      const map = source.segments.get(id);
      return map !== undefined && map === base.segments.get(id) && !names(map);
    },
  };
}

function changedNames<T>(tables: ReadonlyMap<string, T>, base: ReadonlyMap<string, T>): Set<string> {
  const changed = new Set<string>();
  if (tables !== base) for (const [id, table] of tables) if (base.get(id) !== table) changed.add(id);
  return changed;
}

interface Names {
  readonly maps: readonly string[];
  readonly types: readonly string[];
}

/** The vocabularies and data types (or functions, which never change) that the rules of a map name. */
function namesIn(map: RuleMap): Names {
  let found = namesOf.get(map);
  if (found === undefined) {
    const texts = (values: (string | undefined)[]): string[] => [
      ...new Set(values.filter((text) => text !== undefined)),
    ];
    found = { maps: texts(map.rules.map((rule) => rule.map)), types: texts(map.rules.map((rule) => rule.as)) };
    namesOf.set(map, found);
  }
  return found;
}
const namesOf = new WeakMap<RuleMap, Names>();
