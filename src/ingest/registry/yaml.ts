/**
 * The registry as a file that people keep in git: `hub endpoint export` writes it, `hub endpoint import` makes the registry so. Of
 * secrets it has the names. What is in the file is as the file says, whole; what is not in it stays as it is.
 */
import { stringify } from 'yaml';
import { Problem } from '../../fhir/problem.ts';
import type { YamlSize } from '../../fhir/yaml-document.ts';
import { Table, type Path } from '../../fhir/yaml-table.ts';
import type { Tx } from '../../db.ts';
import type { Endpoint } from '../contract.ts';
import { describe, type NewEndpoint } from './description.ts';
import { isObject } from './difference.ts';
import { parseDescription } from './parse.ts';
import { listEndpoints } from './rows.ts';
import { allSecretNames } from './secrets.ts';
import { unknownEndpoint } from './versions.ts';

/** All hospitals of a country: 3,600 with ten lines each have a third of the tokens and an eighth of the bytes. */
export const registryFileMax: YamlSize = { chars: 8 * 1024 * 1024, tokens: 1_000_000 };
export const importBytesMax = registryFileMax.chars;

const guide = 'docs/operations.md';

/** @param names only these; empty: all @throws Problem not-found */
export async function exportEndpoints(db: Tx, names: readonly string[] = []): Promise<string> {
  const all = await listEndpoints(db);
  const missing = names.find((name) => !all.some((endpoint) => endpoint.name === name));
  if (missing !== undefined) throw unknownEndpoint(missing);
  const wanted = all.filter(({ name }) => names.length === 0 || names.includes(name));
  const secrets = await allSecretNames(
    db,
    wanted.map(({ id }) => id),
  );
  return toYaml(wanted, secrets);
}

function toYaml(endpoints: readonly Endpoint[], secrets: ReadonlyMap<number, readonly string[]>): string {
  const described = endpoints.map((endpoint) => {
    const names = secrets.get(endpoint.id) ?? [];
    return { ...describe(endpoint), ...(names.length > 0 && { secrets: names }) };
  });
  return stringify({ endpoints: described }, { lineWidth: 0 });
}

export interface FileEntry {
  /** `registry.yaml:12` */
  readonly at: string;
  readonly wanted: NewEndpoint;
}

/** Of endpoints, and of destinations (outbound/destination-file.ts). @throws Problem invalid naming file and line, too-long */
export function openFile(text: string, name: string): Table {
  return new Table(text, name, { guide, size: registryFileMax });
}

/** @throws Problem as `openFile` */
export function readYaml(text: string, name: string): FileEntry[] {
  return readEntries(openFile(text, name));
}

/** @throws Problem invalid naming file and line */
export function readEntries(table: Table): FileEntry[] {
  const seen = new Set<string>();
  return table.list(['endpoints']).map((path) => {
    const wanted = readEntry(table, path);
    if (seen.has(wanted.name)) table.fail(path, `a second endpoint is named ${wanted.name}`);
    seen.add(wanted.name);
    return { at: table.at(path), wanted };
  });
}

function readEntry(table: Table, path: Path): NewEndpoint {
  const value = table.get(path);
  const { secrets: _, ...description } = isObject(value) ? value : table.fail(path, 'an endpoint is a table of names');
  try {
    return parseDescription(description);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return table.fail([...path, ...(error.expression[0]?.split('.') ?? [])], `${error.message}. ${error.hint ?? ''}`);
  }
}
