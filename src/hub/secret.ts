/** Random keys of this installation, one file each in the data directory, made at first use. */
import { createSecretKey, randomBytes, type KeyObject } from 'node:crypto';
import { link, mkdir, readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const keyBytes = 32;
/** Of the marks by which messages are found (ingest/marks.ts). It stays: another one would find none of those that there are. */
export const markKeyName = 'mark-key';

/** Several processes may ask at once: a file appears whole or not at all, and the first one made is the key of all. */
export async function loadSecret(dataDir: string, name: string): Promise<KeyObject> {
  const path = join(dataDir, name);
  const found = await readFile(path).catch(() => undefined);
  if (found?.length === keyBytes) return createSecretKey(found);
  await mkdir(dataDir, { recursive: true });
  const scratch = `${path}.${process.pid}`;
  await writeFile(scratch, randomBytes(keyBytes), { mode: 0o600 });
  try {
    await link(scratch, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await unlink(scratch);
  }
  return createSecretKey(await readFile(path));
}
