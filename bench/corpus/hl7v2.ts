/**
 * Every file of the corpus through parser and mapping, twice: single messages, batches, and files that are listed as malformed.
 *
 * Every message must end as a valid Bundle or with a Problem that names a position. Values: a leaf is *beside* when it stands only in the
 * hub's extension for what no rule took, *typed* when a rule took it. MSH is not counted: it says how the message was sent.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { splitMessages } from '../../adapters/hl7v2/batch.ts';
import { readMessage } from '../../adapters/hl7v2/read.ts';
import { Problem } from '../../src/fhir/problem.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { validate } from '../../src/fhir/validate.ts';
import { toBundle } from '../../src/mapping/bundle.ts';
import { unmappedUrl } from '../../src/mapping/extensions.ts';
import { openMaps, type Maps } from '../../src/mapping/maps.ts';
import { mapMessage } from '../../src/mapping/run.ts';
import { loadMaps } from '../../src/mapping/table.ts';
import { BundleText, forms, keptAs, leavesOf, translationsOf, type Form } from './kept.ts';

/** Of the leaf values, at least this share must be found in the Bundles. */
export const keptMin = 0.999;

const mappings = resolve(import.meta.dirname, '../../mappings');
/** The corpus comes mostly from the United States; times without a zone take this one. */
const context = { endpoint: 'corpus', owner: 'Organization/corpus', zone: 'America/New_York' };

/** Of the leaf values, at least this share must stand in an element that a rule chose. */
export const typedMin = 0.92;

/** A file that takes longer is a hang: the largest of the corpus converts in a fraction of it. */
const fileMillisecondsMax = 5_000;

interface IndexLine {
  readonly file: string;
  readonly type: string | null;
  readonly malformed: readonly string[];
}

/** Message type -> what became of its messages. */
export interface TypeRow {
  converted: number;
  refused: number;
  failed: number;
}

export interface SegmentRow {
  leaves: number;
  kept: number;
  typed: number;
}

export interface Hl7v2Report {
  readonly files: number;
  readonly messages: number;
  readonly converted: number;
  readonly types: Record<string, TypeRow>;
  /** Reason -> count. */
  readonly refused: Record<string, number>;
  /** Files that threw what is no Problem, were refused without a reason, or took too long. */
  readonly failed: readonly string[];
  /** Files whose second conversion differed. */
  readonly differing: readonly string[];
  /** Files whose Bundle is not valid, with the first issue. */
  readonly invalid: readonly string[];
  readonly leaves: number;
  readonly kept: Record<Form, number>;
  readonly keptShare: number;
  readonly typedShare: number;
  readonly segments: Record<string, SegmentRow>;
  /** Position -> lost leaves, most first. */
  readonly lost: Record<string, number>;
  /** Position -> leaves that no rule took, most first. */
  readonly beside: Record<string, number>;
  readonly messagesPerSecond: number;
}

export function runHl7v2(folder: string): Hl7v2Report {
  const tally = new Tally();
  for (const { file } of indexOf(folder)) {
    for (const bytes of splitMessages(readFileSync(join(folder, file)))) tally.add(file, bytes);
    tally.files++;
  }
  return tally.report();
}

class Tally {
  readonly #translations = translationsOf(loadMaps(mappings).base);
  // Opened twice: nothing of the first run is left for the second.
  readonly #first = openMaps(mappings);
  readonly #second = openMaps(mappings);
  readonly #types: Record<string, TypeRow> = {};
  readonly #segments: Record<string, SegmentRow> = {};
  readonly #refused: Record<string, number> = {};
  readonly #lost: Record<string, number> = {};
  readonly #beside: Record<string, number> = {};
  readonly #kept = Object.fromEntries(forms.map((form) => [form, 0])) as Record<Form, number>;
  readonly #failed: string[] = [];
  readonly #differing: string[] = [];
  readonly #invalid: string[] = [];
  #spentMs = 0;
  files = 0;

  add(file: string, bytes: Uint8Array): void {
    const row = (this.#types[typeOf(bytes)] ??= { converted: 0, refused: 0, failed: 0 });
    const began = performance.now();
    const outcome = convert(bytes, this.#first);
    const isSlow = performance.now() - began > fileMillisecondsMax;
    if (isSlow || outcome.error !== undefined) {
      row.failed++;
      this.#failed.push(`${file}: ${outcome.error ?? 'too slow'}`);
    } else if (outcome.reason !== undefined) {
      row.refused++;
      count(this.#refused, outcome.reason);
    } else {
      row.converted++;
      this.#check(file, bytes, outcome.bundle as AnyResource);
    }
  }

  #check(file: string, bytes: Uint8Array, bundle: AnyResource): void {
    const started = performance.now();
    const again = convert(bytes, this.#second);
    this.#spentMs += performance.now() - started;
    if (digest(bundle) !== digest(again.bundle)) this.#differing.push(file);
    for (const what of faultsOf(bundle).slice(0, 1)) this.#invalid.push(`${file}: ${what}`);
    this.#account(bytes, bundle);
  }

  #account(bytes: Uint8Array, bundle: AnyResource): void {
    const text = new BundleText(bundle);
    for (const leaf of leavesOf(readMessage(bytes).message)) {
      const segment = leaf.position.slice(0, 3);
      if (segment === 'MSH') continue;
      const row = (this.#segments[segment] ??= { leaves: 0, kept: 0, typed: 0 });
      row.leaves++;
      const form = keptAs(leaf, text, this.#translations);
      if (form === undefined) count(this.#lost, leaf.position);
      else {
        row.kept++;
        row.typed++;
        this.#kept[form]++;
      }
    }
    for (const position of besideOf(bundle)) {
      const row = this.#segments[position.slice(0, 3)];
      if (row === undefined) continue;
      row.typed--;
      count(this.#beside, position);
    }
  }

  report(): Hl7v2Report {
    const rows = Object.values(this.#segments);
    const sum = (name: keyof SegmentRow): number => rows.reduce((total, row) => total + row[name], 0);
    const [leaves, kept, typed] = [sum('leaves'), sum('kept'), sum('typed')];
    const types = Object.values(this.#types);
    const converted = types.reduce((total, row) => total + row.converted, 0);
    return {
      files: this.files,
      messages: types.reduce((total, row) => total + row.converted + row.refused + row.failed, 0),
      converted,
      types: sorted(this.#types, (row) => row.converted + row.refused + row.failed),
      refused: sorted(this.#refused, Number),
      failed: this.#failed,
      differing: this.#differing,
      invalid: this.#invalid,
      leaves,
      kept: this.#kept,
      keptShare: leaves === 0 ? 0 : kept / leaves,
      typedShare: leaves === 0 ? 0 : typed / leaves,
      segments: sorted(this.#segments, (row) => row.leaves),
      lost: sorted(this.#lost, Number),
      beside: sorted(this.#beside, Number),
      messagesPerSecond: Math.round(converted / (this.#spentMs / 1000)),
    };
  }
}

function count(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

function sorted<T>(record: Record<string, T>, weight: (value: T) => number): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([, a], [, b]) => weight(b) - weight(a)));
}

function indexOf(folder: string): IndexLine[] {
  const lines = readFileSync(join(folder, 'index.jsonl'), 'utf8').trim().split('\n');
  const files = lines.map((line) => JSON.parse(line) as IndexLine);
  return files.filter(({ file }) => existsSync(join(folder, file))).sort((a, b) => (a.file < b.file ? -1 : 1));
}

/** MSH-9 as sent, or that there is none. */
function typeOf(bytes: Uint8Array): string {
  try {
    const type = readMessage(bytes).message.first('MSH')?.field(9)[0];
    return type === undefined ? '(none)' : `${type.get(1)} ${type.get(2)}`.trim();
  } catch {
    return '(not readable)';
  }
}

/** Positions of the leaves that no rule took. */
function* besideOf(bundle: AnyResource): Generator<string> {
  for (const { resource } of bundle['entry'] as { resource?: AnyResource }[]) {
    for (const extension of (resource?.['extension'] ?? []) as { url: string; extension?: { url: string }[] }[]) {
      if (extension.url === unmappedUrl) for (const { url } of extension.extension ?? []) yield url;
    }
  }
}

/** What is wrong with a Bundle: its structure, ids that occur twice, references to what it does not have. */
function faultsOf(bundle: AnyResource): string[] {
  const faults = validate(bundle).map(({ message, expression }) => `${message} at ${expression.join()}`);
  const entries = bundle['entry'] as { fullUrl: string }[];
  const urls = new Set(entries.map(({ fullUrl }) => fullUrl));
  if (urls.size !== entries.length) faults.push('an id occurs twice');
  const known = new Set(entries.map(({ fullUrl }) => fullUrl.split('/').slice(-2).join('/')));
  known.add(context.owner);
  for (const reference of referencesOf(bundle))
    if (!known.has(reference)) faults.push(`${reference} is not in the Bundle`);
  return faults;
}

function* referencesOf(value: unknown): Generator<string> {
  if (typeof value !== 'object' || value === null) return;
  for (const [name, held] of Object.entries(value)) {
    if (name === 'reference' && typeof held === 'string') yield held;
    else yield* referencesOf(held);
  }
}

interface Outcome {
  readonly bundle?: AnyResource;
  /** Why it was refused; undefined with an error that is ours. */
  readonly reason?: string;
  readonly error?: string;
}

function convert(bytes: Uint8Array, maps: Maps): Outcome {
  try {
    const { message } = readMessage(bytes);
    return { bundle: toBundle(mapMessage(maps.forEndpoint(context.endpoint), message, context)) };
  } catch (error) {
    if (error instanceof Problem && error.message !== '' && error.expression.length > 0) {
      return { reason: `${error.code} at ${error.expression.join()}: ${error.message}` };
    }
    return { error: error instanceof Error ? `${error.name} ${error.message}` : String(error) };
  }
}

function digest(bundle: AnyResource | undefined): string {
  return createHash('sha256').update(JSON.stringify(bundle)).digest('hex');
}
