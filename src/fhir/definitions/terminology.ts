/**
 * The terminology of R4, pruned from the definitions of the package: what the operations read of each CodeSystem, ValueSet and
 * ConceptMap. Run by `npm run definitions`.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

type Source = Record<string, any>; // oxlint-disable-line typescript/no-explicit-any -- definitions as published, read once

/** Elements that are kept, in this order; of each type those it has. */
const kept = (
  'resourceType id url version name title status caseSensitive valueSet hierarchyMeaning content supplements property ' +
  'concept compose sourceUri sourceCanonical targetUri targetCanonical group'
).split(' ');

/** One resource a line, so that a change of the package reads as a change of lines. */
export function renderTerminology(folder: string): string {
  const sources = ['valuesets.json', 'v3-codesystems.json', 'v2-tables.json', 'conceptmaps.json'].flatMap(
    (file): Source[] => JSON.parse(readFileSync(join(folder, file), 'utf8')).entry.map((entry: Source) => entry['resource']),
  );
  const lines = sources.map((source) => JSON.stringify(Object.fromEntries(kept.filter((name) => name in source).map((name) => [name, pruned(name, source[name])]))));
  return `${lines.toSorted().join('\n')}\n`;
}

/** Extensions and the descriptions of properties say nothing to the operations; white space of definitions is that of their sources. */
function pruned(name: string, value: unknown): unknown {
  if (typeof value === 'string') return name === 'definition' ? value.replaceAll(/\s+/g, ' ').trim() : value;
  if (Array.isArray(value)) return value.map((item) => pruned(name, item));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => key !== 'extension' && key !== 'description' && !key.startsWith('_'))
      .map(([key, item]) => [key, pruned(key, item)]),
  );
}
