/** A YAML (or JSON, which is YAML) file of rules, read so that every error names file and line. */
import { LineCounter, parseDocument, type Document } from 'yaml';
import { Problem } from '../../fhir/problem.ts';

export function invalid(at: string, what: string): Problem {
  return new Problem('invalid', `${at}: ${what}`, { hint: 'See docs/mapping.md for the rule language.' });
}

/** Names and indexes from the root of a file to a value in it. */
export type Path = readonly (string | number)[];

/** A YAML file whose values are read by path, so that an error names its line. */
export class Table {
  readonly #document: Document.Parsed;
  readonly #lines = new LineCounter();
  readonly #name: string;

  /** @param name how errors call the file */
  constructor(text: string, name: string) {
    this.#name = name;
    this.#document = parseDocument(text, { lineCounter: this.#lines });
    const [error] = this.#document.errors;
    if (error !== undefined)
      throw invalid(`${name}:${error.linePos?.[0].line ?? 1}`, error.message.split('\n')[0] ?? '');
  }

  at(path: Path): string {
    const node = this.#document.getIn(path, true) as { range?: [number, number, number] } | undefined;
    return `${this.#name}:${node?.range ? this.#lines.linePos(node.range[0]).line : 1}`;
  }

  get(path: Path): unknown {
    const node: unknown = this.#document.getIn(path);
    const isNode = typeof node === 'object' && node !== null && 'toJS' in node && typeof node.toJS === 'function';
    return isNode ? (node.toJS as (document: Document) => unknown).call(node, this.#document) : node;
  }

  fail(path: Path, what: string): never {
    throw invalid(this.at(path), what);
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
