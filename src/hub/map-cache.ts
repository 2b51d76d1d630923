/**
 * The shipped tables as they were read the last time. Reading them (YAML with the line of each rule, checked) takes 700 ms and
 * 40 MB of every worker thread and of every command; what comes of it is 600 kB of plain data, there again in 10 ms.
 */
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { loadMaps, type MapLibrary } from '../mapping/table.ts';

const root = join(import.meta.dirname, '..', '..');
/** Beside the compiled code (bin/hub.mjs), and as much to be trusted: whoever writes here writes our modules too. */
const shippedCache = join(root, 'node_modules', '.cache', 'hub', 'maps');
/** What turns tables into the library: another version of it may read the same table otherwise. */
const reader = join(root, 'src', 'mapping');

/** @throws Problem invalid naming file and line, as `loadMaps` does: only tables that were read without one are kept */
export function readLibrary(directory: string, cache = shippedCache): MapLibrary {
  const key = digestOf([directory, reader]);
  const kept = readKept(cache, key);
  if (kept !== undefined) return kept;
  const library = loadMaps(directory);
  keep(cache, key, library);
  return library;
}

/** Over names and contents, so that any edit counts, whatever the clock of a file says. */
function digestOf(directories: readonly string[]): Buffer {
  const digest = createHash('sha256').update(process.version);
  for (const directory of directories) {
    const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const paths = files.map(({ parentPath, name }) => join(parentPath, name));
    for (const path of paths.toSorted()) {
      const content = readFileSync(path);
      digest.update(`\0${path.slice(directory.length)}\0${content.length}\0`).update(content);
    }
  }
  return digest.digest();
}

/** undefined: nothing is kept, or something else, or it is damaged. */
function readKept(cache: string, key: Buffer): MapLibrary | undefined {
  try {
    const bytes = readFileSync(cache);
    if (!bytes.subarray(0, key.length).equals(key)) return undefined;
    return deserialize(bytes.subarray(key.length)) as MapLibrary;
  } catch {
    return undefined;
  }
}

/** Whole or not at all. An installation that nobody may write to reads its tables each time. */
function keep(cache: string, key: Buffer, library: MapLibrary): void {
  const scratch = `${cache}.${randomUUID()}`;
  try {
    mkdirSync(dirname(cache), { recursive: true });
    writeFileSync(scratch, Buffer.concat([key, serialize(library)]), { mode: 0o600 });
    renameSync(scratch, cache);
  } catch {
    if (existsSync(scratch)) rmSync(scratch, { force: true });
  }
}
