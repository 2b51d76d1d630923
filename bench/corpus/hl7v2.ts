/** Every single ADT and ORU message of the corpus through parser and mapping, twice. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { readMessage } from '../../adapters/hl7v2/read.ts';
import { Problem } from '../../src/fhir/problem.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { validate } from '../../src/fhir/validate.ts';
import { toBundle } from '../../src/mapping/bundle.ts';
import { openMaps, type Maps } from '../../src/mapping/maps.ts';
import { mapMessage } from '../../src/mapping/run.ts';
import { loadMaps } from '../../src/mapping/table.ts';
import { BundleText, forms, keptAs, leavesOf, translationsOf, type Form } from './kept.ts';

/** Of the leaf values, at least this share must be found in the Bundles. */
export const keptMin = 0.995;

const mappings = resolve(import.meta.dirname, '../../mappings');
/** The corpus comes mostly from the United States; times without a zone take this one. */
const context = { endpoint: 'corpus', owner: 'Organization/corpus', zone: 'America/New_York' };

interface IndexLine {
  readonly file: string;
  readonly type: string;
  readonly malformed: readonly string[];
}

export interface Hl7v2Report {
  readonly messages: number;
  readonly converted: number;
  /** Reason -> count. */
  readonly refused: Record<string, number>;
  /** Files that threw what is no Problem, or were refused without a reason. */
  readonly failed: readonly string[];
  /** Files whose second conversion differed. */
  readonly differing: readonly string[];
  /** Files whose Bundle is not valid, with the first issue. */
  readonly invalid: readonly string[];
  readonly leaves: number;
  readonly kept: Record<Form, number>;
  readonly keptShare: number;
  /** Position -> lost leaves, most first. */
  readonly lost: Record<string, number>;
  readonly messagesPerSecond: number;
}

export function runHl7v2(folder: string): Hl7v2Report {
  const translations = translationsOf(loadMaps(mappings).base);
  // Opened twice: nothing of the first run is left for the second.
  const [first, second] = [openMaps(mappings), openMaps(mappings)];
  const refused: Record<string, number> = {};
  const lost: Record<string, number> = {};
  const kept = Object.fromEntries(forms.map((form) => [form, 0])) as Record<Form, number>;
  const [failed, differing, invalid]: [string[], string[], string[]] = [[], [], []];
  let [converted, leaves, spentMs] = [0, 0, 0];
  const files = messagesOf(folder);
  for (const file of files) {
    const bytes = readFileSync(join(folder, file));
    const outcome = convert(bytes, first);
    if (outcome.bundle === undefined) {
      if (outcome.reason === undefined) failed.push(`${file}: ${outcome.error}`);
      else refused[outcome.reason] = (refused[outcome.reason] ?? 0) + 1;
      continue;
    }
    converted++;
    const started = performance.now();
    const again = convert(bytes, second);
    spentMs += performance.now() - started;
    if (digest(outcome.bundle) !== digest(again.bundle)) differing.push(file);
    const [issue] = validate(outcome.bundle);
    if (issue !== undefined) invalid.push(`${file}: ${issue.message} at ${issue.expression.join()}`);
    const text = new BundleText(outcome.bundle);
    for (const leaf of leavesOf(readMessage(bytes).message)) {
      leaves++;
      const form = keptAs(leaf, text, translations);
      if (form === undefined) lost[leaf.position] = (lost[leaf.position] ?? 0) + 1;
      else kept[form]++;
    }
  }
  const keptCount = forms.reduce((sum, form) => sum + kept[form], 0);
  return {
    messages: files.length,
    converted,
    refused,
    failed,
    differing,
    invalid,
    leaves,
    kept,
    keptShare: leaves === 0 ? 0 : keptCount / leaves,
    lost: Object.fromEntries(Object.entries(lost).sort(([, a], [, b]) => b - a)),
    messagesPerSecond: Math.round(converted / (spentMs / 1000)),
  };
}

/** Single messages of the two types: no batches, and none that the corpus lists as malformed. */
function messagesOf(folder: string): string[] {
  const lines = readFileSync(join(folder, 'index.jsonl'), 'utf8').trim().split('\n');
  return lines
    .map((line) => JSON.parse(line) as IndexLine)
    .filter(
      ({ file, type, malformed }) =>
        /^(ADT|ORU)(_|$)/.test(type) && malformed.length === 0 && !/\/(batch|malformed)\//.test(file),
    )
    .map(({ file }) => file)
    .sort();
}

interface Outcome {
  readonly bundle?: AnyResource;
  /** Why it was refused; undefined with an error that is ours. */
  readonly reason?: string;
  readonly error?: string;
}

function convert(bytes: Buffer, maps: Maps): Outcome {
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
