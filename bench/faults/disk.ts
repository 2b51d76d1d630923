/**
 * The disk is full for a while: the database stands on a small file system, which is filled up under load and made free again. Needs
 * the right to mount a file system in memory (root on Linux); without it nothing is measured, and that is said.
 */
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Result } from '../lib/result.ts';
import type { FaultOptions } from './run.ts';
import { toResult, underLoad } from './lib/watch.ts';
import { addHospitals, openWorld } from './lib/world.ts';

const run = promisify(execFile);
const sizeMb = 1_024;
const fullMs = 10_000;
const fullAfterMs = 10_000;

export async function measure({ seconds, rate }: FaultOptions): Promise<Result[]> {
  const directory = await mkdtemp(join(tmpdir(), 'hub-disk-'));
  const work = `disk full for ${fullMs / 1000} s, ${seconds} s at ${rate} messages/s`;
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeMb}m,mode=755`, 'tmpfs', directory]);
  } catch {
    await rm(directory, { recursive: true });
    return [{ work, figure: Number.NaN, unit: 's', note: 'not measured: no right to mount a file system' }];
  }
  try {
    await chmod(directory, 0o755);
    const world = await openWorld({ dataDir: join(directory, 'data') });
    try {
      await addHospitals(world);
      const outcome = await underLoad(world, { seconds, rate, seed: 64 }, async () => {
        await sleep(fullAfterMs);
        const ballast = join(directory, 'ballast');
        const filled = fill(ballast);
        await sleep(fullMs);
        filled.stop();
        const megabytes = await filled.done;
        await rm(ballast);
        return `full by ${megabytes} MB of another`;
      });
      // While the disk was full, nobody was to be answered: that is no slowness of the hub.
      const recoveryMs = Math.max(outcome.recoveryMs - fullMs, 0);
      return [toResult({ work, ...outcome, recoveryMs })];
    } finally {
      await world.close();
    }
  } finally {
    await run('umount', ['-l', directory]);
    await rm(directory, { recursive: true, force: true });
  }
}

/** Takes all there is, and what becomes free meanwhile. */
function fill(path: string): { stop(): void; readonly done: Promise<number> } {
  const over = new AbortController();
  const work = async (): Promise<number> => {
    const file = await open(path, 'w');
    const block = Buffer.alloc(2 ** 20, 1);
    let [size, length] = [0, block.length];
    while (!over.signal.aborted) {
      const written = await file.write(block, 0, length, size).catch(() => undefined);
      if (written !== undefined) size += written.bytesWritten;
      // The last pages, too: PostgreSQL needs no more than one.
      else if (length > 4_096) length >>= 1;
      else await sleep(5);
    }
    await file.close();
    return Math.round(size / 2 ** 20);
  };
  return { stop: () => over.abort(), done: work() };
}
