/**
 * Text -> a YAML document, within bounds: whoever may upload a file of rules must not hold a thread with it. The parser of `yaml` is
 * called without what is quadratic in it (each error quotes its line, each key is compared with all before it), and ends at a depth
 * that nobody writes by hand.
 */
import {
  Composer,
  isAlias,
  isCollection,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  Parser,
  type Alias,
  type Document,
  type LineCounter,
  type Node,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import { Problem } from './problem.ts';

/** How much there may be to read: about 3 us a token, a token each for a word, a colon, a space, the end of a line. */
export interface YamlSize {
  readonly chars: number;
  readonly tokens: number;
}

/** A table of rules, an overlay, 24,000 codes. The largest shipped table has 11,000 tokens. */
export const ruleFileMax: YamlSize = { chars: 1_048_576, tokens: 200_000 };
/** The deepest shipped table has 9 levels; at some hundreds the composer of `yaml` exhausts the stack. */
export const yamlDepthMax = 64;
/** Aliases of aliases grow by powers. The shipped tables repeat a condition, once. */
export const yamlRepeatedMax = 10_000;

const tooDeep = `Nested more than ${yamlDepthMax} levels deep`;

/** What is wrong, and where: an offset into the text. */
export class YamlFault extends Error {
  readonly offset: number;

  constructor(offset: number, message: string) {
    super(message);
    this.offset = offset;
  }
}

/**
 * @param lines is told where lines begin, also before a fault
 * @throws YamlFault for what is no YAML, or beyond a bound
 * @throws Problem too-long
 */
export function readDocument(text: string, lines: LineCounter, size = ruleFileMax): Document.Parsed {
  if (text.length > size.chars) throw new Problem('too-long', `such a file has at most ${size.chars} characters`);
  const document = composeOne(text, new BoundedParser(lines, size.tokens));
  const [error] = document.errors;
  if (error !== undefined) throw new YamlFault(error.pos[0], error.message);
  if (document.contents !== null) new Settling().settle(document.contents, 1);
  return document;
}

function composeOne(text: string, parser: Parser): Document.Parsed {
  const { stackTraceLimit } = Error;
  // Thousands of errors, of which one is told, without the stack of each: as quick as what has none.
  Error.stackTraceLimit = 0;
  try {
    let document: Document.Parsed | undefined;
    for (const found of new Composer({ uniqueKeys: false }).compose(parser.parse(text), true, text.length)) {
      if (document !== undefined) throw new YamlFault(found.range[0], 'A second document begins; a file has one');
      document = found;
    }
    return document as Document.Parsed;
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

class BoundedParser extends Parser {
  readonly #tokensMax: number;
  #tokens = 0;

  constructor(lines: LineCounter, tokensMax: number) {
    super(lines.addNewLine);
    this.#tokensMax = tokensMax;
  }

  override *next(source: string): ReturnType<Parser['next']> {
    this.#tokens += 1;
    if (this.#tokens > this.#tokensMax)
      throw new YamlFault(this.offset, `More than ${this.#tokensMax} words and signs`);
    for (const token of super.next(source)) {
      if (token.type === 'error') throw new YamlFault(token.offset, token.message);
      yield token;
    }
    // The document itself is in the stack as well.
    if (this.stack.length > yamlDepthMax + 1) throw new YamlFault(this.offset, tooDeep);
  }
}

interface Extent {
  readonly nodes: number;
  readonly levels: number;
}

/**
 * Keys are texts, each there once; an alias becomes what it stands for, as if it were written there. Left to `yaml`, each alias is looked
 * for in the whole document, each time a value that has it is read.
 */
class Settling {
  /** The latest of each name, once it is whole: an alias within its own anchor is of nothing. */
  readonly #anchors = new Map<string, { readonly node: Node; readonly extent: Extent }>();
  #repeated = 0;

  settle(node: Node, level: number): Extent {
    const children = isMap(node) ? this.#pairs(node) : isSeq(node) ? this.#items(node) : [];
    let [nodes, levels] = [1, 1];
    for (const [child, replace] of children) {
      const extent = isAlias(child) ? this.#repeat(child, level + 1, replace) : this.settle(child, level + 1);
      nodes += extent.nodes;
      levels = Math.max(levels, extent.levels + 1);
    }
    const extent = { nodes, levels };
    if ((isScalar(node) || isCollection(node)) && node.anchor !== undefined)
      this.#anchors.set(node.anchor, { node, extent });
    return extent;
  }

  #repeat(alias: Alias, level: number, replace: (node: Node) => void): Extent {
    const found = this.#anchors.get(alias.source);
    if (found === undefined) throw faultAt(alias, 'An alias of no anchor before it');
    this.#repeated += found.extent.nodes;
    if (this.#repeated > yamlRepeatedMax) throw faultAt(alias, `Aliases repeat more than ${yamlRepeatedMax} values`);
    if (level + found.extent.levels > yamlDepthMax) throw faultAt(alias, tooDeep);
    replace(found.node);
    return found.extent;
  }

  *#pairs({ items }: YAMLMap): Generator<Child> {
    const seen = new Set<string>();
    for (const pair of items) {
      if (!isScalar(pair.key)) throw faultAt(pair.key, 'A key is a text, not a table or a list');
      const name = String(pair.key.value);
      if (seen.has(name)) throw faultAt(pair.key, 'Map keys must be unique');
      seen.add(name);
      if (isNode(pair.value)) yield [pair.value, (node) => (pair.value = node)];
    }
  }

  *#items({ items }: YAMLSeq): Generator<Child> {
    for (const [index, item] of items.entries()) {
      if (isNode(item)) yield [item, (node) => (items[index] = node)];
      // Of YAML 1.1.
      else throw faultAt(isPair(item) ? item.key : item, 'A list has values, not pairs');
    }
  }
}

/** A value of a map or a list, and what puts another in its place. */
type Child = readonly [Node, (node: Node) => void];

function faultAt(node: unknown, message: string): YamlFault {
  return new YamlFault(isNode(node) ? (node.range?.[0] ?? 0) : 0, message);
}
