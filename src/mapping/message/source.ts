/**
 * What a sender says in message after message: its codes, its staff, its wards. What such a text became is kept, and the
 * next message takes it over instead of reading it again.
 *
 * Kept elements are frozen, for they are in the resources of many patients: whatever would change one must copy it first.
 */
import type { CompiledMap } from '../compile.ts';
import type { Element } from './state.ts';

/** A resource outside any patient that a text names, and what the text says of it. */
export interface Share {
  readonly id: string;
  readonly reference: string;
  readonly element: Element | undefined;
  /** The whole resource, for a message in which nothing else speaks of it. */
  readonly resource: Element;
}

/** What a text became. */
export interface Known {
  readonly text: string;
  readonly value: unknown;
  readonly shares: readonly Share[];
  /** The last message that has these shares. */
  run: number;
}

/** A way of reading texts: a converter with its vocabulary. A number, because it is asked for with every code. */
export type Way = number & { readonly isWay: true };

export function wayNamed(name: string): Way {
  let way = ways.get(name);
  if (way === undefined) ways.set(name, (way = ways.size as Way));
  return way;
}
/** Of the tables that were ever compiled: some dozens. */
const ways = new Map<string, Way>();

/** What was read in one way, by text. */
interface Texts {
  readonly byText: Map<string, Known>;
  /** The one that was asked for last: the results of an order have the same performer, flag and unit. */
  last: Known | undefined;
}

/** Everything that decides, beside the text, what a text of a sender becomes. */
export class Source {
  readonly #ways: (Texts | undefined)[] = [];

  recall(way: Way, text: string): Known | undefined {
    const texts = this.#ways[way];
    if (texts === undefined) return undefined;
    if (texts.last?.text === text) return texts.last;
    const known = texts.byText.get(text);
    if (known !== undefined) texts.last = known;
    return known;
  }

  keep(way: Way, text: string, value: unknown, shares: readonly Share[], run: number): void {
    if (text.length > lengthMax) return;
    if (++count > countMax) {
      forgetAll();
      return;
    }
    const texts = (this.#ways[way] ??= { byText: new Map(), last: undefined });
    const kept = copyText(text);
    texts.byText.set(kept, { text: kept, value: settle(value), shares: settle(shares), run });
  }
}

/** A name with its number and authority; longer ones are sentences, which are not said twice. */
const lengthMax = 200;
/** All senders together: some hundred texts for each of a few hundred that send at a time, about a kilobyte each. */
const countMax = 50_000;
/** Senders are cheap, but their names come from messages. */
const sourcesMax = 10_000;

let sources = new WeakMap<CompiledMap, Map<string, Source>>();
let count = 0;

function forgetAll(): void {
  sources = new WeakMap();
  count = 0;
}

/** @param sender what the messages of a source have in common: owner, facility, separators, zone */
export function sourceOf(map: CompiledMap, sender: string): Source {
  let known = sources.get(map);
  if (known === undefined || known.size > sourcesMax) sources.set(map, (known = new Map()));
  let source = known.get(sender);
  if (source === undefined) known.set(copyText(sender), (source = new Source()));
  return source;
}

/** A slice of a text keeps all of it in memory; a copy does not. V8 copies short ones anyway. */
function copyText(text: string): string {
  return text.length < sliceChars ? text : Buffer.from(text).toString();
}
const sliceChars = 13;

/**
 * Frozen as it stands, in the message that said it first as in all later ones, and without a slice of that message. What
 * is frozen already is a constant of the tables, or was kept before.
 */
function settle<T>(value: T): T {
  if (typeof value === 'string') return copyText(value) as T;
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  const parts = value as Element;
  for (const name in parts) {
    const part = parts[name];
    const settled = settle(part);
    if (settled !== part) parts[name] = settled;
  }
  return Object.freeze(value);
}
