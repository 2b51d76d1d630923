/**
 * A first overlay for a hospital, made of its sample messages: the vendor profile under which most of them is understood, and a rule
 * for each field that no rule reads, which keeps it under a name of its own until an analyst gives it a better place. Each rule is tried
 * on the samples before it is written down. What needs a person's decision is written as a comment.
 */
import { Document, isSeq, parseDocument, type YAMLSeq } from 'yaml';
import { Problem } from '../../fhir/problem.ts';
import type { ConversionSource } from '../conversion.ts';
import { contextOf } from '../conversion.ts';
import { explainMessage, type ExplainedField } from '../../mapping/explain.ts';
import { parseOverlay, sourceOf, type Maps } from '../../mapping/maps.ts';
import { nest } from '../../mapping/message/nesting.ts';
import type { Hl7Message } from '../../mapping/message.ts';
import { mapMessage } from '../../mapping/run.ts';
import type { MapSource, Partner } from '../../mapping/table.ts';
import { entriesOf, type UnmappedEntry } from '../../ingest/unmapped.ts';

export interface DraftedOverlay {
  readonly profile?: string;
  /** YAML that `hub map check` accepts. */
  readonly text: string;
  /** Positions it maps that the map in force does not. */
  readonly mapped: readonly string[];
  /** What would be left. */
  readonly left: number;
}

export interface DraftInput {
  readonly source: ConversionSource;
  readonly maps: Maps;
  readonly messages: readonly Hl7Message[];
  /** Text of the overlay in force. */
  readonly inForce?: string;
}

/** Rules that are tried: beyond it a vendor profile is missing, not a rule. */
const triesMax = 200;
/** Fields and their parts that are mapped for it, over all tries: some seconds. */
const mappedMax = 2_000_000;

export function countParts(messages: readonly Hl7Message[]): number {
  return messages.reduce((sum, { segments }) => {
    return sum + segments.reduce((inside, { raw }) => inside + raw.split(/[|~^&]/).length, 0);
  }, 0);
}

/** Undefined when nothing is left to map. @throws Problem invalid when the overlay in force does not fit any more */
export function draftOverlay(input: DraftInput): DraftedOverlay | undefined {
  const { inForce } = input;
  const before = inForce === undefined ? undefined : parseOverlay(inForce, 'overlay');
  const unmapped = leftBy(input, before);
  if (unmapped.entries.size === 0 && unmapped.failures === 0) return undefined;
  const profile = before?.profile ?? bestProfile(input, before);
  const document = openDocument(input, before?.profile === undefined ? profile : undefined);
  const draft = new Draft(input, document);
  draft.addRules();
  const left = draft.left();
  const text = draft.finish(left.entries);
  const mapped = [...unmapped.entries.keys()]
    .filter((key) => !left.entries.has(key))
    .map((key) => key.split(' ')[1] as string);
  return { ...(profile !== undefined && { profile }), text, mapped: [...new Set(mapped)], left: left.entries.size };
}

function openDocument({ source, inForce }: DraftInput, profile: string | undefined): Document {
  const document = inForce === undefined ? new Document({ partner: source.name }) : parseDocument(inForce);
  if (profile !== undefined) {
    document.set('profile', profile);
    document.commentBefore ??= ` Under the profile ${profile} more of the samples is understood.`;
  }
  if (!isSeq(document.get('changes', true))) document.set('changes', document.createNode([]));
  return document;
}

interface Left {
  /** By kind, position and code. */
  readonly entries: ReadonlyMap<string, Counted>;
  readonly failures: number;
}

interface Counted extends UnmappedEntry {
  readonly messages: number;
}

function leftBy({ maps, messages, source }: DraftInput, overlay: Partner | undefined): Left {
  const map = overlay === undefined ? maps.shipped(source.name) : maps.compile(overlay);
  const entries = new Map<string, Counted>();
  let failures = 0;
  for (const message of messages) {
    try {
      for (const entry of entriesOf(mapMessage(map, message, contextOf(source)).unmapped)) {
        const key = `${entry.kind} ${entry.position} ${entry.code}`;
        entries.set(key, { ...entry, messages: (entries.get(key)?.messages ?? 0) + 1 });
      }
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      failures++;
    }
  }
  return { entries, failures };
}

/** A message that cannot be converted weighs as much as many fields that are only kept beside. */
const failureWeight = 20;

function bestProfile(input: DraftInput, before: Partner | undefined): string | undefined {
  const weigh = (profile: string | undefined): number => {
    const partner: Partner = {
      id: input.source.name,
      endpoints: [],
      changes: [],
      at: 'overlay:1',
      ...before,
      ...(profile !== undefined && { profile }),
    };
    const { entries, failures } = leftBy(input, partner);
    return entries.size + failures * failureWeight;
  };
  // A hospital's own overlay, which names endpoints, is no profile.
  const profiles = [...input.maps.library.partners.values()].filter(({ endpoints }) => endpoints.length === 0);
  let [best, least]: [string | undefined, number] = [undefined, weigh(undefined)];
  for (const { id } of profiles) {
    const weight = weigh(id);
    if (weight < least) [best, least] = [id, weight];
  }
  return best;
}

/** The document as it grows, rule by rule. */
class Draft {
  readonly #input: DraftInput;
  readonly #document: Document;
  readonly #changes: YAMLSeq;
  readonly #source: MapSource;
  /** With the rules so far. */
  #left: Left;
  #reasons: ReadonlyMap<string, string> | undefined;

  constructor(input: DraftInput, document: Document) {
    this.#input = input;
    this.#document = document;
    this.#changes = document.get('changes', true) as YAMLSeq;
    this.#changes.flow = false;
    this.#source = sourceOf(input.maps.library, this.#partner());
    this.#left = this.#count();
  }

  #partner(): Partner {
    return parseOverlay(String(this.#document), 'overlay');
  }

  left(): Left {
    return this.#left;
  }

  #count(): Left {
    return leftBy(this.#input, this.#partner());
  }

  addRules(): void {
    let tries = Math.min(triesMax, Math.ceil(mappedMax / (1 + countParts(this.#input.messages))));
    const fields = [...this.#left.entries.values()].filter(({ kind }) => kind === 'field');
    // A whole field before its parts: most of them go with it.
    const byDepth = fields.toSorted((a, b) => a.position.split('.').length - b.position.split('.').length);
    for (const { position, messages } of byDepth) {
      if (!this.#left.entries.has(`field ${position} `)) continue;
      for (const map of this.#mapsFor(position)) {
        if (tries-- <= 0) return;
        if (this.#try(map, position, messages)) break;
      }
    }
  }

  /** Kept when it is right, and takes the field off the list. */
  #try(map: { readonly id: string; readonly target: string }, position: string, messages: number): boolean {
    const url = `${urlBase}/${this.#input.source.name}-${position.toLowerCase().replace('.', '-')}`;
    const change = this.#document.createNode({
      add: map.id,
      rule: { id: position, from: position, each: true, to: `${map.target}.extension[].valueString`, with: { url } },
    }) as { commentBefore?: string | null };
    change.commentBefore = ` ${position}, in ${messages} of ${this.#input.messages.length} messages: no rule reads it. Kept under this name; or write the element it is.`;
    this.#changes.items.push(change);
    if (this.#isTaken(position)) return true;
    this.#changes.items.pop();
    return false;
  }

  #isTaken(position: string): boolean {
    try {
      const left = this.#count();
      if (left.entries.has(`field ${position} `)) return false;
      this.#left = left;
      return true;
    } catch (error) {
      // This map has no such place.
      if (error instanceof Problem) return false;
      throw error;
    }
  }

  /** Maps of its segment; of a Z segment, those of the segments it stands below. */
  #mapsFor(position: string): { readonly id: string; readonly target: string }[] {
    if (this.#isRead(position)) return [];
    const segment = position.split('-')[0] ?? '';
    const names = segment.startsWith('Z') ? this.#around(segment) : [segment];
    const maps = [...this.#source.segments.values()];
    return names.flatMap((name) => maps.filter((map) => map.source === name));
  }

  #isRead(position: string): boolean {
    return [...this.#source.segments.values()].some(({ rules }) =>
      rules.some(({ from = '' }) => from === position || position.startsWith(`${from}.`)),
    );
  }

  #around(segment: string): string[] {
    const names: string[] = [];
    for (const message of this.#input.messages) {
      const node = nest(message).find(({ name }) => name === segment);
      for (let at = node?.parent; at !== undefined; at = at.parent) names.push(at.name);
    }
    return [...new Set([...names.filter((name) => name !== 'MSH'), 'PID'])];
  }

  /** What is left to decide stands at the end, as a comment. */
  finish(left: ReadonlyMap<string, Counted>): string {
    const lines = [...left.values()].flatMap((entry) => this.#explain(entry));
    if (lines.length > 0) this.#document.comment = [' To be decided:', ...lines].join('\n');
    return this.#document.toString({ lineWidth: 0 });
  }

  #explain({ kind, position, code, messages }: Counted): string[] {
    const times = `in ${messages} of ${this.#input.messages.length} messages`;
    if (kind === 'field') return [` ${position}, ${times}: ${this.#whyNot(position)}`];
    const table = position.split(' ')[1] ?? '';
    const vocabulary = [...this.#source.vocabularies.values()].find((one) => one.table === table);
    if (vocabulary === undefined || code === '') return [` ${position}, ${times}: a code without translation`];
    const targets = [...new Set(Object.values(vocabulary.codes).map((one) => one.code))].slice(0, targetsShown);
    return [
      ` ${position}, ${times}: the code has no translation; those there are give ${targets.join(', ')}`,
      ` - vocab: ${vocabulary.id}`,
      `   codes: { '${code}': ... }`,
    ];
  }

  #whyNot(position: string): string {
    this.#reasons ??= this.#explainAll();
    return this.#reasons.get(position) ?? 'no rule takes it';
  }

  /** Each message is explained once, whatever is left of it; the first that has a position says why. */
  #explainAll(): ReadonlyMap<string, string> {
    const reasons = new Map<string, string>();
    for (const message of this.#input.messages) {
      for (const { position, why } of this.#explained(message)) {
        const place = position.replace(/~\d+/, '');
        if (why !== undefined && !reasons.has(place)) reasons.set(place, why);
      }
    }
    return reasons;
  }

  /** None of one that is too long to be, or that cannot be converted: its problem is told beside. */
  #explained(message: Hl7Message): readonly ExplainedField[] {
    try {
      return explainMessage(this.#source, message, contextOf(this.#input.source)).fields;
    } catch (error) {
      if (error instanceof Problem) return [];
      throw error;
    }
  }
}

const urlBase = 'https://health-record-hub.example/fhir/StructureDefinition';
/** Enough to see what kind of code is meant. */
const targetsShown = 12;
