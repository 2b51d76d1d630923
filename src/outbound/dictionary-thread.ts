/** A thread that reads the package `hl7v2-dictionary`, says what each version has, and ends. */
import { parentPort } from 'node:worker_threads';
import { dictionaries, type HL7Dictionary } from 'hl7v2-dictionary';
import type { FieldDefinition, Version } from './build/version.ts';

const versions: Version[] = Object.values(dictionaries as Readonly<Record<string, HL7Dictionary>>).map(tableOf);
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
parentPort?.postMessage(versions);

function tableOf({ version, segments, types, messages }: HL7Dictionary): Version {
  return {
    version,
    segments: mapValues(segments, ({ fields }) =>
      mapValues(fields, ({ type, rep, opt, desc }): FieldDefinition => ({
        type,
        isRepeating: rep !== undefined && rep !== 1,
        isRequired: opt === 'R',
        name: desc ?? '',
      })),
    ),
    components: mapValues(types, ({ fields }) => (fields === undefined ? undefined : Object.keys(fields).length)),
    messages: mapValues(messages, (message) => [...segmentsOf(message.segments ?? {})]),
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
