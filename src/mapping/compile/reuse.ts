/**
 * What an overlay leaves as it is, is not compiled again: two hundred overlays share the closures of the base map, and
 * each holds only what it changes.
 */
import type { MapSource, RuleMap } from '../table.ts';

/** Which tables of a map mean the same as those of another of the same name. */
export interface Unchanged {
  vocabulary(id: string): boolean;
  /** A data type or segment map, and the vocabularies it names. Data types are found by name when a rule runs. */
  rules(kind: 'datatypes' | 'segments', id: string): boolean;
}

/** Compared by identity: applying an overlay copies nothing that it does not change (overlay.ts). */
export function compareTables(source: MapSource, base: MapSource): Unchanged {
  const vocabularies = changedNames(source.vocabularies, base.vocabularies);
  return {
    vocabulary: (id) => !vocabularies.has(id),
    rules: (kind, id) => {
      const map = source[kind].get(id);
      if (map === undefined || map !== base[kind].get(id)) return false;
      return vocabularies.size === 0 || !vocabulariesIn(map).some((name) => vocabularies.has(name));
    },
  };
}

function changedNames<T>(tables: ReadonlyMap<string, T>, base: ReadonlyMap<string, T>): Set<string> {
  const changed = new Set<string>();
  if (tables !== base) for (const [id, table] of tables) if (base.get(id) !== table) changed.add(id);
  return changed;
}

function vocabulariesIn(map: RuleMap): readonly string[] {
  let found = namesOf.get(map);
  if (found === undefined) {
    found = [...new Set(map.rules.map((rule) => rule.map).filter((name) => name !== undefined))];
    namesOf.set(map, found);
  }
  return found;
}
const namesOf = new WeakMap<RuleMap, readonly string[]>();
