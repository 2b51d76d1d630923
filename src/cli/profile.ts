/** `hub profile add | list | remove`: what resources that name a profile are validated by. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { basename, extname, join } from 'node:path';
import * as tar from 'tar';
import { parseJson } from '../fhir/json.ts';
import { Problem } from '../fhir/problem.ts';
import { definitionTypes, readDefinition } from '../fhir/profile/definition.ts';
import type { Definition } from '../fhir/profile/library.ts';
import type { AnyResource } from '../fhir/types.ts';
import { addPackage, listPackages, removePackage, type Package } from '../store/profiles.ts';
import { print, withDatabase } from './database.ts';
import { assertReadable } from './files.ts';

export interface AddOptions {
  readonly name?: string;
  readonly version?: string;
  readonly by?: string;
}

export async function runProfileAdd(
  source: string,
  options: AddOptions,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  const found = await readSource(source);
  const { name = found.name, version = found.version, by = userInfo().username } = options;
  await withDatabase(environment, async (database) => {
    const outcome = await addPackage(database, { ...found, name, version }, { by, at: new Date() });
    print([{ outcome, name, version, definitions: found.definitions.length }]);
  });
}

export async function runProfileList(isWhole: boolean, environment: NodeJS.ProcessEnv): Promise<void> {
  await withDatabase(environment, async (database) => print(await listPackages(database, isWhole)));
}

export async function runProfileRemove(name: string, environment: NodeJS.ProcessEnv): Promise<void> {
  await withDatabase(environment, async (database) => {
    await removePackage(database, name, new Date());
    print([{ outcome: 'removed', name }]);
  });
}

/** Of one file; the largest published definitions have some megabytes. */
const fileBytesMax = 50_000_000;
/** Of all files together: what a package may unfold to. */
const packageBytesMax = 500_000_000;

interface File {
  readonly name: string;
  readonly text: string;
}

/** A package, a directory of definitions (perhaps with a package.json), or one definition or Bundle of them. */
export async function readSource(source: string): Promise<Package> {
  assertReadable(source);
  const kind = await stat(source);
  const files = kind.isDirectory()
    ? await readDirectory(source)
    : /\.(tgz|tar\.gz|tar)$/i.test(source)
      ? await readArchive(source)
      : [{ name: basename(source), text: await readBounded(source, kind.size) }];
  const definitions: Definition[] = [];
  let [name, version] = [basename(source, extname(source)), '0'];
  for (const file of files) {
    const content = parseFile(file);
    if (file.name === 'package.json') {
      ({ name = name, version = version } = content as unknown as { name?: string; version?: string });
      continue;
    }
    for (const resource of resourcesOf(content)) {
      const definition = readDefinition(resource);
      if (definition === undefined) continue;
      definitions.push(definition);
      if (files.length === 1 && version === '0') version = definition.version ?? version;
    }
  }
  return { name, version, definitions };
}

function parseFile({ name, text }: File): AnyResource {
  try {
    return parseJson(text) as AnyResource;
  } catch (error) {
    throw error instanceof Problem ? new Problem(error.code, `${name}: ${error.message}`) : error;
  }
}

function resourcesOf(content: AnyResource): AnyResource[] {
  if (content.resourceType !== 'Bundle') return [content];
  const entries = (content['entry'] ?? []) as { resource?: AnyResource }[];
  return entries.flatMap(({ resource }) => (resource === undefined ? [] : [resource]));
}

/** Examples stand in a folder of their own, beside the definitions. */
async function readDirectory(folder: string): Promise<File[]> {
  const names = (await readdir(folder)).filter(isWanted).sort();
  const inner = join(folder, 'package');
  if (names.length === 0 && (await readdir(folder)).includes('package')) return readDirectory(inner);
  const files: File[] = [];
  let bytes = 0;
  for (const name of names) {
    const { size } = await stat(join(folder, name));
    bytes += size;
    if (bytes > packageBytesMax) throw tooLarge(folder);
    files.push({ name, text: await readBounded(join(folder, name), size) });
  }
  return files;
}

async function readArchive(file: string): Promise<File[]> {
  const reading: Promise<File>[] = [];
  let bytes = 0;
  await tar.list({
    file,
    strict: true,
    onReadEntry: (entry) => {
      const name = /^(?:\.\/)?package\/([^/]+)$/.exec(entry.path)?.[1];
      bytes += entry.size;
      if (name === undefined || !isWanted(name) || entry.size > fileBytesMax || bytes > packageBytesMax) {
        entry.resume();
        return;
      }
      reading.push(entry.concat().then((text) => ({ name, text: text.toString() })));
    },
  });
  if (bytes > packageBytesMax) throw tooLarge(file);
  const files = await Promise.all(reading);
  return files.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** By the name, as packages have it: `StructureDefinition-x.json`. */
function isWanted(name: string): boolean {
  return name === 'package.json' || (name.endsWith('.json') && definitionTypes.has(name.split(/[-.]/, 1)[0] ?? ''));
}

async function readBounded(file: string, size: number): Promise<string> {
  if (size > fileBytesMax) throw tooLarge(file);
  return readFile(file, 'utf8');
}

function tooLarge(name: string): Problem {
  return new Problem('too-long', `${basename(name)} is larger than what definitions are`);
}
