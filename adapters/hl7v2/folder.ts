/**
 * Watched directories: systems that leave files. A file is claimed by renaming it, which only one of several hubs can do, is answered as if
 * its bytes had come over a socket, and ends in `archive` or `error`, with its acknowledgments beside it. Same receive path, same rules.
 *
 *     DIR/name.hl7                    left by the sender
 *     DIR/claimed/<hub>--name.hl7     being read; taken over by another hub when its claim is old
 *     DIR/archive/name.hl7, .ack      every message of it is on disk
 *     DIR/error/name.hl7, .ack        something of it was refused: the .ack says what and why
 */
import { createHash } from 'node:crypto';
import { appendFile, mkdir, open, readdir, rename, stat, utimes, writeFile } from 'node:fs/promises';
import { join, parse } from 'node:path';
import { Problem } from '../../src/fhir/problem.ts';
import { answerFrame } from './answer-batch.ts';
import { answerProblem, type Answer, type AnswerOptions } from './answer.ts';

export interface FolderOptions extends AnswerOptions {
  /** Unique among all processes and starts: whose claim it is. */
  readonly hub: string;
  readonly onEvent: (event: 'archived' | 'refused' | 'failed', error?: unknown) => void;
  readonly checkMs?: number;
  readonly settleMs?: number;
  readonly claimMs?: number;
  readonly fileBytesMax?: number;
}

export interface FolderWatcher {
  /** Looks now; resolves when everything that was found is answered. */
  check(): Promise<void>;
  close(): Promise<void>;
}

const defaults = {
  checkMs: 1_000,
  /** A file that nobody has written to for this long, and that has not grown since the last look, is whole. */
  settleMs: 2_000,
  /** A claim is renewed while its file is read: one that old was made by a hub that is gone. */
  claimMs: 60_000,
  /** A day's messages of a hospital; what is larger is refused and not read. */
  fileBytesMax: 256 * 1024 * 1024,
};
/** Of one directory at one look; the next look takes the next ones. */
const filesMax = 1_000;

/** Names that senders use while they write. */
const partial = /^\.|\.(tmp|part|partial|filepart|writing|crdownload|swp)$|~$/i;

export function watchFolders(options: FolderOptions): FolderWatcher {
  const watcher = new Watcher({ ...defaults, ...options });
  let checking: Promise<void> = Promise.resolve();
  let isClosed = false;
  const check = (): Promise<void> => {
    checking = checking.then(() => (isClosed ? undefined : watcher.check()));
    return checking;
  };
  let isWaiting = false;
  const timer = setInterval(() => {
    if (isWaiting) return;
    isWaiting = true;
    void check().finally(() => (isWaiting = false));
  }, options.checkMs ?? defaults.checkMs).unref();
  return {
    check,
    close: async () => {
      isClosed = true;
      clearInterval(timer);
      await checking;
    },
  };
}

type Settings = FolderOptions & Required<Pick<FolderOptions, keyof typeof defaults>>;

class Watcher {
  readonly #settings: Settings;
  /** Sizes at the last look: a file that still grows is left alone. */
  #sizes = new Map<string, number>();

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  async check(): Promise<void> {
    const seen = new Map<string, number>();
    for (const folder of this.#settings.door.folders()) {
      try {
        await this.#checkFolder(folder, seen);
      } catch (error) {
        this.#settings.onEvent('failed', error);
      }
    }
    this.#sizes = seen;
  }

  async #checkFolder(folder: string, seen: Map<string, number>): Promise<void> {
    for (const name of ['claimed', 'archive', 'error']) await mkdir(join(folder, name), { recursive: true });
    if (!(await this.#takeOverOldClaims(folder))) return;
    const entries = await readdir(folder, { withFileTypes: true });
    const names = entries.filter((entry) => entry.isFile() && !partial.test(entry.name)).map(({ name }) => name);
    // By name: senders number their files, and the order of messages is the order of files.
    const whole: boolean[] = [];
    const some = names.sort().slice(0, filesMax);
    for (const name of some) whole.push(await this.#isWhole(join(folder, name), seen));
    for (const [index, name] of some.entries()) {
      // A file that is still being written holds up those after it, so that order is kept.
      if (whole[index] !== true) return;
      const kept = keptName(name);
      const claimed = join(folder, 'claimed', `${this.#settings.hub}--${kept}`);
      // What comes after a file that could not be stored waits behind it; a second file of its name would replace it.
      if ((await moved(join(folder, name), claimed)) && !(await this.#process(folder, kept, claimed))) return;
    }
  }

  async #isWhole(path: string, seen: Map<string, number>): Promise<boolean> {
    // Gone meanwhile: another hub has claimed it.
    const { size, mtimeMs } = await stat(path).catch(() => ({ size: -1, mtimeMs: 0 }));
    seen.set(path, size);
    return this.#sizes.get(path) === size && this.#settings.now().getTime() - mtimeMs >= this.#settings.settleMs;
  }

  /**
   * What a hub that is gone had claimed. Reading it again stores nothing twice: the same bytes are the same message.
   * @returns false when one could not be stored
   */
  async #takeOverOldClaims(folder: string): Promise<boolean> {
    for (const held of (await readdir(join(folder, 'claimed'))).sort()) {
      const path = join(folder, 'claimed', held);
      const end = held.indexOf('--');
      const [owner, name] = [held.slice(0, end), held.slice(end + 2)];
      const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Infinity }));
      const isOld = this.#settings.now().getTime() - mtimeMs >= this.#settings.claimMs;
      // What this hub holds at the beginning of a look could not be stored the last time.
      if (owner !== this.#settings.hub && !isOld) continue;
      const claimed = join(folder, 'claimed', `${this.#settings.hub}--${name}`);
      if ((await moved(path, claimed)) && !(await this.#process(folder, name, claimed))) return false;
    }
    return true;
  }

  /** @returns false when the hub could not store it: it stays claimed, and is tried again at the next look */
  async #process(folder: string, name: string, claimed: string): Promise<boolean> {
    const { now, onEvent, claimMs } = this.#settings;
    const renew = (): Promise<void> => utimes(claimed, now(), now());
    await renew();
    // A claim that cannot be renewed grows old; another hub may then read the file too, which stores nothing twice.
    const timer = setInterval(() => void renew().catch(() => undefined), claimMs / 4);
    const answer = await this.#answer(folder, claimed).finally(() => clearInterval(timer));
    if (answer.isLost) {
      onEvent('failed', answer.problem);
      return false;
    }
    const isRefused = answer.problem !== undefined;
    const end = await freeName(join(folder, isRefused ? 'error' : 'archive'), name);
    if (answer.acks.length > 0) await writeFile(`${end}.ack`, Buffer.concat(answer.acks));
    await rename(claimed, end);
    for (const later of answer.later) this.#follow(later, `${end}.ack`);
    onEvent(isRefused ? 'refused' : 'archived');
    return true;
  }

  /** An application acknowledgment, asked for by MSH-16, joins those that are beside the file. */
  #follow(later: Promise<Buffer | undefined>, path: string): void {
    const write = async (): Promise<void> => {
      const ack = await later;
      if (ack !== undefined) await appendFile(path, ack);
    };
    void write().catch((error: unknown) => this.#settings.onEvent('failed', error));
  }

  async #answer(folder: string, claimed: string): Promise<Answer> {
    const file = await open(claimed);
    try {
      const { size } = await file.stat();
      if (size > this.#settings.fileBytesMax) {
        const problem = new Problem('too-long', `the file is longer than ${this.#settings.fileBytesMax} bytes`, {
          hint: 'Leave smaller files.',
        });
        return answerProblem(Buffer.alloc(0), problem, this.#settings);
      }
      return await answerFrame(await file.readFile(), { kind: 'hl7v2-folder', folder, address: '' }, this.#settings);
    } finally {
      await file.close();
    }
  }
}

/** File systems take 255 bytes: what the hub puts before a name and behind it has room beside these. */
const nameBytesMax = 150;

/** A file whose name leaves no room would stay where it is, and all files after it with it. */
function keptName(name: string): string {
  if (Buffer.byteLength(name) <= nameBytesMax) return name;
  const begin = Buffer.from(name)
    .subarray(0, nameBytesMax / 2)
    .toString('utf8')
    .replace(/\uFFFD+$/, '');
  const { ext } = parse(name);
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 16);
  return `${begin}-${digest}${Buffer.byteLength(ext) <= nameBytesMax / 4 ? ext : ''}`;
}

/** False when another hub was first. */
async function moved(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** The name itself, or with a number when a file of that name has ended there before; kept free from now on by an empty file. */
async function freeName(folder: string, name: string): Promise<string> {
  const { name: stem, ext } = parse(name);
  for (let count = 1; ; count++) {
    const path = join(folder, count === 1 ? name : `${stem}.${count}${ext}`);
    // Made, not looked for: of two hubs that end files of one name, only one gets it.
    if (await isMade(path)) return path;
  }
}

async function isMade(path: string): Promise<boolean> {
  try {
    await writeFile(path, '', { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
