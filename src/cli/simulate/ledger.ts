/**
 * The simulator's own book: what was sent and how it was answered, what a simulated source has. One line of JSON each, in the order of
 * things, appended; the hub is compared with it afterwards (check.ts).
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Problem } from '../../fhir/problem.ts';
import type { Statement } from './statement.ts';

export type LedgerLine = MessageEntry | ResourceEntry | DayEntry;

/** A message that was sent; written when its answer came. A message that is sent again has a line for each answer. */
export interface MessageEntry {
  readonly what: 'message';
  /** MSH-4. */
  readonly facility: string;
  readonly controlId: string;
  /** SHA-256 of the bytes, hex. */
  readonly digest: string;
  /** MSA-1; of a file that was left, `AA`: whoever leaves it counts on it. */
  readonly answer: string;
  readonly mrn: string;
  readonly statement?: Statement;
  readonly isBroken?: boolean;
}

/** A version of a resource that a simulated source came to have. */
export interface ResourceEntry {
  readonly what: 'resource';
  /** Base URL of the source. */
  readonly base: string;
  readonly type: string;
  readonly id: string;
  readonly version: number;
  /** Of its content, as content.ts says; none of what is deleted. */
  readonly digest?: string;
  readonly isDeleted?: boolean;
}

/** What a day of a watch adds up to, with all that was sent of it so far. */
export interface DayEntry {
  readonly what: 'day';
  /** Id of the Patient. */
  readonly patient: string;
  readonly metric: 'heart-rate' | 'steps';
  readonly date: string;
  readonly count: number;
  readonly low: number;
  readonly high: number;
  readonly sum: number;
}

export interface Ledger {
  write(line: LedgerLine): void;
  /** Resolves when all is on disk. @throws Problem when the file could not be written */
  close(): Promise<void>;
}

/** Lines gathered for one write; a line is some 200 bytes. */
const gatheredMax = 500;

export function openLedger(path: string): Ledger {
  const file = createWriteStream(path, { flags: 'a' });
  let failure: unknown;
  file.on('error', (error) => (failure = error));
  let gathered: string[] = [];
  const flush = (): void => {
    if (gathered.length > 0) file.write(`${gathered.join('\n')}\n`);
    gathered = [];
  };
  return {
    write: (line) => {
      if (gathered.push(JSON.stringify(line)) >= gatheredMax) flush();
    },
    close: async () => {
      flush();
      file.end();
      if (failure === undefined) await once(file, 'close').catch((error: unknown) => (failure = error));
      if (failure !== undefined) throw new Problem('exception', 'the ledger could not be written', { cause: failure });
    },
  };
}

/** @throws Problem not-found, structure with the number of the line */
export async function* readLedger(path: string): AsyncGenerator<LedgerLine> {
  const file = createReadStream(path);
  await once(file, 'open').catch((cause: unknown) => {
    throw new Problem('not-found', 'there is no such ledger', {
      hint: 'hub simulate --ledger FILE writes one.',
      cause,
    });
  });
  let number = 0;
  for await (const text of createInterface({ input: file, crlfDelay: Infinity })) {
    number++;
    if (text === '') continue;
    const line = parse(text);
    if (line === undefined || !kinds.includes(line.what)) {
      throw new Problem('structure', `line ${number} is no line of a ledger`);
    }
    yield line;
  }
}

const kinds: readonly string[] = ['message', 'resource', 'day'];

function parse(text: string): LedgerLine | undefined {
  try {
    return JSON.parse(text) as LedgerLine;
  } catch {
    return undefined;
  }
}
