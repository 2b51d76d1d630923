/** The versions of HL7v2 that the hub can write, as pruned by `npm run hl7v2-versions`; read with the first message. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Problem } from '../fhir/problem.ts';
import type { Version } from './build/version.ts';

let versions: ReadonlyMap<string, Version> | undefined;

function all(): ReadonlyMap<string, Version> {
  if (versions === undefined) {
    const text = readFileSync(join(import.meta.dirname, 'versions', 'versions.json'), 'utf8');
    versions = new Map(Object.entries(JSON.parse(text) as Record<string, Version>));
  }
  return versions;
}

/** @throws Problem not-supported for a version that the dictionary does not have */
export function versionOf(name: string): Version {
  const version = all().get(name);
  if (version !== undefined) return version;
  throw new Problem('not-supported', 'no dictionary has this version of HL7v2', {
    expression: 'MSH-12',
    hint: `Choose one of ${[...all().keys()].join(', ')}.`,
  });
}
