/** A YAML (or JSON, which is YAML) file of rules, read so that every error names file and line. */
import { isCollection, isMap, isNode, isSeq, LineCounter, type Document, type YAMLMap } from 'yaml';
import { Problem } from './problem.ts';
import { readDocument, YamlFault, type YamlSize } from './yaml-document.ts';

/** @param guide the page that says how such files are written */
export function invalid(at: string, what: string, guide = 'docs/mapping.md'): Problem {
  return new Problem('invalid', `${at}: ${what}`, { hint: `See ${guide} for how it is written.` });
}

/** Names and indexes from the root of a file to a value in it. */
export type Path = readonly (string | number)[];

/** A YAML file whose values are read by path, so that an error names its line. */
export class Table {
  readonly #document: Document.Parsed;
  readonly #lines = new LineCounter();
  readonly #name: string;
  readonly #guide: string | undefined;
  /** Values of a map by name, once somebody has asked: `YAMLMap.get` looks through all of them each time. */
  readonly #values = new WeakMap<YAMLMap, ReadonlyMap<string, unknown>>();

  /**
   * @param name how errors call the file
   * @param options `guide`: the page that errors lead to, see `invalid`; `size`: when it may have more than a table of rules
   * @throws Problem invalid naming file and line, also beyond the bounds of yaml-document.ts; too-long
   */
  constructor(text: string, name: string, { guide, size }: { guide?: string; size?: YamlSize } = {}) {
    this.#name = name;
    this.#guide = guide;
    try {
      this.#document = readDocument(text, this.#lines, size);
    } catch (error) {
      throw error instanceof YamlFault ? this.#problem(error) : error;
    }
  }

  at(path: Path): string {
    const node = this.#find(path);
    return this.#place(isNode(node) ? (node.range?.[0] ?? 0) : 0);
  }

  get(path: Path): unknown {
    const node = this.#find(path);
    const value: unknown = isNode(node) ? node.toJS(this.#document) : node;
    return value ?? undefined;
  }

  #find(path: Path): unknown {
    let node: unknown = this.#document.contents;
    for (const key of path) {
      if (!isCollection(node)) return undefined;
      node = isMap(node) ? this.#valuesOf(node).get(String(key)) : isSeq(node) ? node.items[Number(key)] : undefined;
    }
    return node;
  }

  #valuesOf(map: YAMLMap): ReadonlyMap<string, unknown> {
    let values = this.#values.get(map);
    if (values === undefined) {
      values = new Map(map.items.map(({ key, value }) => [String((key as { value?: unknown }).value), value]));
      this.#values.set(map, values);
    }
    return values;
  }

  #place(offset: number): string {
    return `${this.#name}:${Math.max(this.#lines.linePos(offset).line, 1)}`;
  }

  #problem({ offset, message }: YamlFault): Problem {
    return invalid(this.#place(offset), message, this.#guide);
  }

  fail(path: Path, what: string): never {
    throw invalid(this.at(path), what, this.#guide);
  }

  string(path: Path): string {
    const value = this.get(path);
    return typeof value === 'string' && value !== ''
      ? value
      : this.fail(path.slice(0, -1), `${path.at(-1)} is missing`);
  }

  optional(path: Path): string | undefined {
    return this.get(path) === undefined ? undefined : this.string(path);
  }

  /** One of these words; the first where nothing is said. */
  oneOf<T extends string>(path: Path, words: readonly [T, ...T[]]): T {
    const value = this.get(path) ?? words[0];
    const found = words.find((word) => word === value);
    return found ?? this.fail(path.slice(0, -1), `${path.at(-1)} is one of ${words.join(', ')}`);
  }

  flag(path: Path): boolean | undefined {
    const value = this.get(path);
    return value === undefined || typeof value === 'boolean'
      ? value
      : this.fail(path.slice(0, -1), `${path.at(-1)} is true or false`);
  }

  strings(path: Path): string[] {
    const value = this.get(path) ?? [];
    const isList = Array.isArray(value) && value.every((item) => typeof item === 'string');
    return isList ? value : this.fail(path, `${path.at(-1)} is a list of texts`);
  }

  record(path: Path): Record<string, unknown> {
    const value = this.get(path) ?? {};
    const isRecord = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isRecord
      ? (value as Record<string, unknown>)
      : this.fail(path, `${path.at(-1)} is a table of names and values`);
  }

  /** The paths to the items of a list, which must be tables with none but these names. */
  list(path: Path, names?: readonly string[]): Path[] {
    const value = this.get(path);
    if (!Array.isArray(value)) this.fail(path.slice(0, -1), `${path.at(-1)} is a list`);
    const paths = (value as unknown[]).map((_, index) => [...path, index]);
    if (names !== undefined) for (const item of paths) this.only(item, names);
    return paths;
  }

  only(path: Path, names: readonly string[]): void {
    const stranger = Object.keys(this.record(path)).find((name) => !names.includes(name));
    if (stranger !== undefined) this.fail(path, `${stranger} is not a word of this table; known: ${names.join(', ')}`);
  }
}
