/**
 * Content of documents that lies at their source, fetched within the run that brings the documents. What is yet to be fetched stands in the
 * watermark, in the transaction that writes the page; so a run that ends anywhere is gone on with, and nothing is fetched for ever.
 */
import { hash } from 'node:crypto';
import { placeOf } from '../../src/fhir/compartment.ts';
import { sourceOf } from '../../src/fhir/ids.ts';
import { Problem } from '../../src/fhir/problem.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import type { Pulled, PullRun } from '../../src/ingest/contract.ts';
import type { FhirSource } from './ask.ts';
import { placedContents, writeContent, type ContentName } from './content.ts';
import { convertResource } from './convert.ts';
import { readFile } from './file.ts';
import { basesOf } from './references.ts';
import { RetryLater } from './retry-after.ts';

/** One content that is yet to be fetched. */
export interface Expected extends ContentName {
  /** As the document says. */
  readonly contentType?: string;
  readonly size?: number;
  /** The hub has some state of it: kept, when the source does not give it any more. */
  readonly isHeld?: boolean;
  /** How often the source failed to give it. */
  tries?: number;
}

export interface ContentsOptions {
  readonly run: PullRun;
  readonly source: FhirSource;
  readonly settings: { readonly attachments: 'taken' | 'left'; readonly attachmentBytesMax: number };
  /** Of the watermark; changed in place. */
  readonly expected: Expected[];
  /** The page and the mark as it is now, in one transaction. */
  readonly write: (page: readonly Pulled[]) => Promise<void>;
  /** Whether the budget is used up. */
  readonly isSpent: () => boolean;
}

/** Type of what is received: a content is known by its document and its address, not by an id of its own. */
const contentType = 'Attachment';
/** One transaction's worth. */
const groupMax = 50;
const groupBytesMax = 4 * 1024 * 1024;
/** Runs in which the source may fail to give one, before it is stated that it does not. */
const triesMax = 5;
/** Contents after each other that fail in a way that passes: the server is going down. */
const failuresMax = 2;
/** Kept in the watermark: some 2 MB. */
const expectedMax = 10_000;

export class Contents {
  readonly #options: ContentsOptions;
  /** What was not fetched, by why. */
  readonly #missing = new Map<string, number>();
  #isDown = false;

  constructor(options: ContentsOptions) {
    this.#options = options;
  }

  /** So many that no more are to be expected before some are fetched. */
  get isFull(): boolean {
    return this.#options.expected.length >= expectedMax;
  }

  get isBehind(): boolean {
    return this.#options.expected.length > 0;
  }

  get notes(): string[] {
    return Array.from(
      this.#missing,
      ([code, count]) => `content of documents not given by the source: ${count} (${code})`,
    );
  }

  /** Of documents that are new, everything; of others what the hub lacks. To be called before the page is written. */
  async expect(page: readonly Pulled[]): Promise<void> {
    const { run, settings, expected } = this.#options;
    if (settings.attachments === 'left') return;
    const named = page.flatMap((pulled) => this.#namedIn(pulled));
    if (named.length === 0) return;
    const documents = new Set(named.map(({ pulled }) => pulled));
    const news = new Set(await run.news([...documents]));
    const held = await run.held(
      contentType,
      named.map(({ content }) => keyOf(content)),
    );
    const waiting = new Set(expected.map(keyOf));
    for (const { pulled, content } of named) {
      const key = keyOf(content);
      if (waiting.has(key) || (held.has(key) && !news.has(pulled))) continue;
      waiting.add(key);
      expected.push(held.has(key) ? { ...content, isHeld: true } : content);
    }
  }

  /**
   * Fetches what is expected, in groups that are written as they come.
   * @throws RetryLater; Problem transient when the source does not give any more, and too much is expected
   */
  async fetch(): Promise<void> {
    const { expected, write, isSpent } = this.#options;
    let group: Pulled[] = [];
    let [bytes, failures, left] = [0, 0, expected.length];
    const writeGroup = async (): Promise<void> => {
      await write(group);
      [group, bytes] = [[], 0];
    };
    let isChanged = false;
    while (left > 0 && !this.#isDown && !isSpent()) {
      const [next] = expected as [Expected];
      const found = await this.#fetchOne(next);
      left--;
      isChanged = true;
      expected.shift();
      if (found === 'later') {
        expected.push({ ...next, tries: (next.tries ?? 0) + 1 });
        this.#isDown = ++failures >= failuresMax;
        continue;
      }
      failures = 0;
      if (found !== undefined) {
        group.push(found);
        bytes += found.bytes.length;
      }
      if (group.length >= groupMax || bytes >= groupBytesMax) await writeGroup();
    }
    if (isChanged) await writeGroup();
    if (this.#isDown && this.isFull) {
      throw new Problem('transient', 'the source does not give the content of its documents');
    }
  }

  #namedIn(pulled: Pulled): { readonly pulled: Pulled; readonly content: Expected }[] {
    const { type, id, isDeleted, bytes } = pulled;
    const { endpoint } = this.#options.run;
    if (
      type !== 'DocumentReference' ||
      isDeleted === true ||
      !Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes('"url"')
    )
      return [];
    let document: (AnyResource & { id: string }) | undefined;
    let patients: Map<string, string>;
    try {
      const drafts = convertResource(bytes, endpoint).drafts.map(({ resource }) => resource);
      document = drafts.at(-1);
      patients = new Map(drafts.slice(0, -1).map((stub) => [stub.id, namedOf(stub)]));
    } catch (error) {
      // It will be quarantined, and its content with it.
      if (!(error instanceof Problem)) throw error;
      return [];
    }
    if (document === undefined) return [];
    const bases = basesOf(sourceOf(endpoint), endpoint.config);
    const patient = patients.get(placeOf(document).patient ?? '');
    return placedContents(document, bases).map(({ local, attachment }) => ({
      pulled,
      content: { document: id, patient, local, ...aboutOf(attachment) },
    }));
  }

  /** @returns undefined for what is not given, though the hub has it: that stays */
  async #fetchOne(expected: Expected): Promise<Pulled | undefined | 'later'> {
    const { source, settings } = this.#options;
    try {
      const file = await readFile(source, expected, settings.attachmentBytesMax);
      return pulledOf(expected, file.contentType, file.data);
    } catch (error) {
      const isOurs = !(error instanceof Problem) || error instanceof RetryLater || this.#options.run.signal.aborted;
      if (isOurs) throw error;
      const mayPass = ['transient', 'timeout', 'login'].includes(error.code);
      if (mayPass && (expected.tries ?? 0) + 1 < triesMax) return 'later';
      this.#missing.set(error.code, (this.#missing.get(error.code) ?? 0) + 1);
      // Stated where people look for it: a Binary without data, and a line of the work list.
      return expected.isHeld === true ? undefined : pulledOf(expected, expected.contentType ?? anyType);
    }
  }
}

const anyType = 'application/octet-stream';

function pulledOf(name: Expected, type: string, data?: string): Pulled {
  return { type: contentType, id: keyOf(name), patient: name.patient, bytes: writeContent(name, type, data) };
}

/** By which it is remembered: short, and the same for ever. */
function keyOf({ document, local }: ContentName): string {
  return hash('sha256', `${document} ${local}`, 'hex').slice(0, 40);
}

/** The source's id of a Patient that the text alone names. */
function namedOf(stub: AnyResource): string {
  const [{ value = '' } = {}] = (stub['identifier'] ?? []) as { value?: string }[];
  return value;
}

function aboutOf({
  contentType: type,
  size,
}: Readonly<Record<string, unknown>>): Pick<Expected, 'contentType' | 'size'> {
  return {
    ...(typeof type === 'string' && type.length <= typeCharsMax ? { contentType: type } : {}),
    ...(typeof size === 'number' ? { size } : {}),
  };
}
const typeCharsMax = 200;
