/** Files with keys in the data directory, readable by their owner alone: they appear whole or not at all, whoever asks at once. */
import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rename, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * The file as it is, made by `first` when there is none. Written whole under another name, then linked: link(2) fails when the
 * name exists, so the first process wins.
 */
export async function createOnce(dataDir: string, name: string, first: () => Promise<string>): Promise<string> {
  const path = join(dataDir, name);
  const found = await readFile(path, 'utf8').catch(unlessMissing);
  if (found !== undefined) return found;
  await mkdir(dataDir, { recursive: true });
  const mine = `${path}.${randomUUID()}`;
  await writeFile(mine, await first(), { mode: 0o600, flag: 'wx' });
  try {
    await link(mine, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await unlink(mine);
  }
  return readFile(path, 'utf8');
}

/** Whoever reads sees all of one or all of the other. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const mine = `${path}.${randomUUID()}`;
  await writeFile(mine, text, { mode: 0o600, flag: 'wx' });
  await rename(mine, path);
}

/** What is there and cannot be read is no reason to make another. */
export function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}
