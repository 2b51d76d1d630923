/**
 * `npm run hl7v2-versions`: prunes the dictionary of HL7v2 (3 MB, 1-3 s of processor time to load) to what writing the hub's own
 * messages needs, into the JSON file beside this one. It is committed, so no running process reads the package for it.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dictionaries, type HL7Dictionary } from 'hl7v2-dictionary';
import { messageStructures } from '../build/message.ts';
import type { FieldDefinition, Version } from '../build/version.ts';

export function buildVersions(): Record<string, Version> {
  return mapValues(dictionaries as Readonly<Record<string, HL7Dictionary>>, versionOf);
}

function versionOf({ version, segments, types, messages }: HL7Dictionary): Version {
  const structures = Object.fromEntries(
    messageStructures.flatMap((name) => {
      const { segments: structure } = messages[name] ?? {};
      return structure === undefined ? [] : [[name, [...segmentsOf(structure)]] as const];
    }),
  );
  const names = new Set(Object.values(structures).flat());
  const kept = Object.fromEntries(Object.entries(segments).filter(([name]) => names.has(name)));
  return {
    version,
    messages: structures,
    segments: mapValues(kept, ({ fields }) =>
      mapValues(fields, ({ type, rep, opt }): FieldDefinition => ({
        type,
        ...(rep !== undefined && rep !== 1 && { isRepeating: true }),
        ...(opt === 'R' && { isRequired: true }),
      })),
    ),
    components: Object.fromEntries(
      Object.entries(types).flatMap(([name, { fields }]) =>
        fields === undefined ? [] : [[name, Object.keys(fields).length] as const],
      ),
    ),
  };
}

function mapValues<T, U>(record: Readonly<Record<string, T>>, convert: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, convert(value)]));
}

type Structure = Readonly<Record<string, { readonly segments?: Structure } | undefined>>;

function segmentsOf(structure: Structure): Set<string> {
  const names = new Set<string>();
  for (const [name, part] of Object.entries(structure)) {
    // ORM: one of several segments in a place, as `OBR,RQD,RXO`.
    for (const one of part?.segments === undefined ? name.split(',') : segmentsOf(part.segments)) names.add(one);
  }
  return names;
}

if (import.meta.main) {
  const lines = Object.entries(buildVersions()).map(
    ([name, version]) => `${JSON.stringify(name)}:${JSON.stringify(version)}`,
  );
  writeFileSync(join(import.meta.dirname, 'versions.json'), `{\n${lines.join(',\n')}\n}\n`);
}
