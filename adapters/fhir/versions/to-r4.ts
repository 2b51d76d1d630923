/** Resources of DSTU2, STU3 and R5 -> R4. The tables of `mappings/fhir` are read once, each when its release is first met. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { convertByTable, type Converted } from './convert.ts';
import { readVersionTable } from './read-table.ts';
import type { Address } from './rename.ts';
import type { VersionTable } from './table.ts';
import type { Json } from './values.ts';
import type { FhirVersion, OtherVersion } from './version.ts';

const folder = join(import.meta.dirname, '..', '..', '..', 'mappings', 'fhir');

const tables = new Map<OtherVersion, VersionTable>();

export function versionTable(version: OtherVersion): VersionTable {
  let table = tables.get(version);
  if (table === undefined) {
    const name = `${version}.yaml`;
    tables.set(version, (table = readVersionTable(readFileSync(join(folder, name), 'utf8'), `fhir/${name}`)));
  }
  return table;
}

/**
 * @param address what a literal reference becomes; it comes and goes in the type names of the source, which are R4's afterwards
 * @throws Problem not-supported for a type that R4 does not have
 */
export function toR4(resource: Readonly<Json>, version: OtherVersion, address?: Address): Converted {
  return convertByTable(resource, versionTable(version), address);
}

/** What R4 calls a type of another release; the same name where nothing says otherwise. */
export function typeInR4(type: string, version: FhirVersion): string {
  return version === 'r4' ? type : (versionTable(version).types.get(type)?.becomes ?? type);
}
