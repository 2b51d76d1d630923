/**
 * Every file of the corpus through parser and mapping, twice: single messages, batches, and files that are listed as malformed.
 *
 * Every message must end as a valid Bundle or with a Problem that names a position. What of its values is kept, and where, is
 * accounted for leaf by leaf (account.ts) and fact by fact (facts.ts). MSH is not counted: it says how the message was sent.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { splitMessages } from '../../adapters/hl7v2/batch.ts';
import { readMessage } from '../../adapters/hl7v2/read.ts';
import { Problem } from '../../src/fhir/problem.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { toBundle } from '../../src/mapping/bundle.ts';
import { openMaps, type Maps } from '../../src/mapping/maps.ts';
import { mapMessage } from '../../src/mapping/run.ts';
import { loadMaps } from '../../src/mapping/table.ts';
import { accountOf } from './account.ts';
import { factKinds, factsOf, type FactKind } from './facts.ts';
import { faultsOf } from './faults.ts';
import { BundleText, forms, translationsOf, type Form } from './kept.ts';
import { listedTypes } from './listed.ts';
import { variantsOf, type Variant } from './variants.ts';

/** Of the leaf values, at least this share must be found in the Bundles. */
export const keptMin = 0.999;

const mappings = resolve(import.meta.dirname, '../../mappings');
/** The corpus comes mostly from the United States; times without a zone take this one. */
const context = { endpoint: 'corpus', owner: 'Organization/corpus', zone: 'America/New_York' };

/** Of the leaf values, at least this share must stand in an element that a rule chose. */
export const typedMin = 0.92;

/** A message that takes longer is a hang: the largest of the corpus converts in a fraction of it. */
const messageMsMax = 5_000;

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
  /** Set ids and types of values (mappings/hl7v2/structural.yaml): restated by order and by `value[x]`. */
  structural: number;
  /** Of these, in an element of their own: the place of a result in its order, the type of a value. */
  structuralTyped: number;
}

export interface FactRow {
  total: number;
  kept: number;
  typed: number;
  /** Where the first lost ones are: file and segment. */
  readonly lost: string[];
}

export interface VariantRow {
  compared: number;
  readonly differing: string[];
}

export interface Hl7v2Report {
  readonly files: number;
  readonly messages: number;
  readonly converted: number;
  readonly types: Record<string, TypeRow>;
  /** Reason -> count. */
  readonly refused: Record<string, number>;
  /** Well-formed messages of the listed types that no map serves. */
  readonly notServed: readonly string[];
  /** Of the listed types and not listed as malformed, yet refused for what they lack; reason -> count. */
  readonly refusedOfListed: Record<string, number>;
  /** Files that threw what is no Problem, were refused without a reason, or took too long. */
  readonly failed: readonly string[];
  readonly slowestMs: number;
  /** Messages whose second conversion, in the opposite order, differed. */
  readonly differing: readonly string[];
  /** Files whose Bundle is not valid, with the first fault. */
  readonly invalid: readonly string[];
  readonly facts: Record<FactKind, FactRow>;
  readonly variants: Record<string, VariantRow>;
  readonly leaves: number;
  readonly structural: number;
  readonly kept: Record<Form, number>;
  readonly keptShare: number;
  /** Of all leaves. */
  readonly typedShareOfAll: number;
  /** Of the leaves that are not structural. */
  readonly typedShare: number;
  readonly segments: Record<string, SegmentRow>;
  /** Position -> lost leaves, most first. */
  readonly lost: Record<string, number>;
  /** Position -> leaves that are only beside, most first. */
  readonly beside: Record<string, number>;
  readonly messagesPerSecond: number;
}

export function runHl7v2(folder: string): Hl7v2Report {
  const inputs = inputsOf(folder);
  const tally = new Tally();
  const outcomes = inputs.map((input) => tally.convert(input));
  // The other way round, with maps opened anew: no message may depend on those before it.
  const again = openMaps(mappings);
  for (const [index, input] of [...inputs.entries()].reverse()) {
    const { bundle } = outcomes[index] as Outcome;
    if (bundle !== undefined && digest(bundle) !== digest(convert(input.bytes, again).bundle)) tally.differ(input);
  }
  for (const [index, { bundle }] of outcomes.entries())
    if (bundle !== undefined) tally.check(inputs[index] as Input, bundle);
  return tally.report(new Set(inputs.map(({ file }) => file)).size);
}

/** A message of the corpus. */
interface Input {
  readonly file: string;
  /** Listed as malformed. */
  readonly isMalformed: boolean;
  readonly bytes: Uint8Array;
}

function inputsOf(folder: string): Input[] {
  return indexOf(folder).flatMap(({ file, malformed }) =>
    splitMessages(readFileSync(join(folder, file))).map((bytes) => ({
      file,
      isMalformed: malformed.length > 0,
      bytes,
    })),
  );
}

class Tally {
  readonly #library = loadMaps(mappings);
  readonly #translations = translationsOf(this.#library.base);
  readonly #structural = new Set(this.#library.base.structural);
  readonly #maps = openMaps(mappings);
  readonly #types: Record<string, TypeRow> = {};
  readonly #segments: Record<string, SegmentRow> = {};
  readonly #refused: Record<string, number> = {};
  readonly #refusedOfListed: Record<string, number> = {};
  readonly #lost: Record<string, number> = {};
  readonly #beside: Record<string, number> = {};
  readonly #kept = Object.fromEntries(forms.map((form) => [form, 0])) as Record<Form, number>;
  readonly #facts = Object.fromEntries(
    factKinds.map((kind) => [kind, { total: 0, kept: 0, typed: 0, lost: [] as string[] }]),
  ) as Record<FactKind, FactRow>;
  readonly #variants: Record<string, VariantRow> = {};
  readonly #notServed: string[] = [];
  readonly #failed: string[] = [];
  readonly #differing: string[] = [];
  readonly #invalid: string[] = [];
  #spentMs = 0;
  #slowestMs = 0;

  convert({ file, isMalformed, bytes }: Input): Outcome {
    const type = typeOf(bytes);
    const row = (this.#types[type] ??= { converted: 0, refused: 0, failed: 0 });
    const began = performance.now();
    const outcome = convert(bytes, this.#maps);
    const spentMs = performance.now() - began;
    this.#slowestMs = Math.max(this.#slowestMs, spentMs);
    if (spentMs > messageMsMax || outcome.error !== undefined) {
      row.failed++;
      this.#failed.push(`${file}: ${outcome.error ?? 'too slow'}`);
      return {};
    }
    if (outcome.reason === undefined) {
      row.converted++;
      this.#spentMs += spentMs;
      return outcome;
    }
    row.refused++;
    count(this.#refused, outcome.reason);
    if (!isMalformed && listedTypes.has(type)) {
      if (outcome.reason.startsWith('not-supported')) this.#notServed.push(`${type} ${file}: ${outcome.reason}`);
      else count(this.#refusedOfListed, outcome.reason);
    }
    return outcome;
  }

  differ({ file }: Input): void {
    this.#differing.push(file);
  }

  check({ file, bytes }: Input, bundle: AnyResource): void {
    for (const what of faultsOf(bundle, [context.owner]).slice(0, 1)) this.#invalid.push(`${file}: ${what}`);
    const { message } = readMessage(bytes);
    const whole = new BundleText(bundle);
    for (const { leaf, form, isTyped } of accountOf(message, bundle, whole, this.#translations)) {
      const position = withoutSubcomponents(leaf.position);
      const isStructural = this.#structural.has(position.split('.')[0] as string);
      const row = (this.#segments[leaf.segment] ??= {
        leaves: 0,
        kept: 0,
        typed: 0,
        structural: 0,
        structuralTyped: 0,
      });
      row.leaves++;
      if (isStructural) row.structural++;
      if (form === undefined) count(this.#lost, position);
      else {
        row.kept++;
        this.#kept[form]++;
        if (isTyped) row.typed++;
        if (isTyped && isStructural) row.structuralTyped++;
        if (!isStructural && !isTyped) count(this.#beside, position);
      }
    }
    for (const { kind, position, isKept, isTyped } of factsOf(message, bundle, this.#translations)) {
      const row = this.#facts[kind];
      row.total++;
      if (isKept) row.kept++;
      else if (row.lost.length < shownMax) row.lost.push(`${file} ${position}`);
      if (isTyped) row.typed++;
    }
    this.#compareVariants(file, bytes);
  }

  #compareVariants(file: string, bytes: Uint8Array): void {
    const facts = ({ bytes: other, charset }: Variant): string => {
      const { bundle, reason, error } = convert(other, this.#maps);
      return bundle === undefined ? (reason ?? error ?? '') : JSON.stringify(bundle).replaceAll(charset, '');
    };
    const [base, ...others] = variantsOf(bytes);
    if (base === undefined) return;
    const expected = facts(base);
    for (const other of others) {
      const row = (this.#variants[other.name] ??= { compared: 0, differing: [] });
      row.compared++;
      if (facts(other) !== expected) row.differing.push(file);
    }
  }

  report(files: number): Hl7v2Report {
    const rows = Object.values(this.#segments);
    const sum = (name: keyof SegmentRow): number => rows.reduce((total, row) => total + row[name], 0);
    const [leaves, kept, typed, structural] = [sum('leaves'), sum('kept'), sum('typed'), sum('structural')];
    const others = typed - sum('structuralTyped');
    const types = Object.values(this.#types);
    const converted = types.reduce((total, row) => total + row.converted, 0);
    return {
      files,
      messages: types.reduce((total, row) => total + row.converted + row.refused + row.failed, 0),
      converted,
      types: sorted(this.#types, (row) => row.converted + row.refused + row.failed),
      refused: sorted(this.#refused, Number),
      notServed: this.#notServed,
      refusedOfListed: sorted(this.#refusedOfListed, Number),
      failed: this.#failed,
      slowestMs: Math.round(this.#slowestMs),
      differing: this.#differing,
      invalid: this.#invalid,
      facts: this.#facts,
      variants: this.#variants,
      leaves,
      structural,
      kept: this.#kept,
      keptShare: leaves === 0 ? 0 : kept / leaves,
      typedShareOfAll: leaves === 0 ? 0 : typed / leaves,
      typedShare: leaves === structural ? 0 : others / (leaves - structural),
      segments: sorted(this.#segments, (row) => row.leaves),
      lost: sorted(this.#lost, Number),
      beside: sorted(this.#beside, Number),
      messagesPerSecond: Math.round(converted / (this.#spentMs / 1000)),
    };
  }
}

/** Of each kind of lost fact, so many are named. */
const shownMax = 20;

function withoutSubcomponents(position: string): string {
  return position.split('.').slice(0, 2).join('.');
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
    return type === undefined ? '(none)' : [type.get(1), type.get(2)].filter((part) => part !== '').join('^');
  } catch {
    return '(not readable)';
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
