/**
 * A statement as its query blocks, and which rows of `resource` and `resource_history` in it are decided on. The condition of a
 * Visibility begins with a comment that names its alias; an alias is covered
 * - when a condition of its own block, in `from` or `where`, is about it,
 * - when it is the same row as one that is covered (`r.id = k.id`),
 * - as a derived table or CTE, when what it is made of is covered,
 * - inside of one without a limit, when the derived table is covered where it is used.
 *
 * What it reads is our own SQL, not any SQL: keywords in lower case, aliases everywhere.
 */
export interface Uncovered {
  readonly table: string;
  readonly alias: string;
  /** The block, shortened. */
  readonly where: string;
}

interface Item {
  readonly text: string;
  readonly at: number;
  /** Of an opening parenthesis: what stands between it and its end. */
  readonly inner?: readonly Item[];
}

const token = /\s+|\/\*\s*(visible|internal:)?.*?\*\/|--[^\n]*|'(?:[^']|'')*'|[A-Za-z_]\w*|\$?\d+|./gsy;

function itemsOf(text: string): Item[] {
  const stack: Item[][] = [[]];
  for (const { 0: part, index: at } of text.matchAll(token)) {
    const top = stack.at(-1) as Item[];
    if (part === '(') {
      const inner: Item[] = [];
      top.push({ text: part, at, inner });
      stack.push(inner);
    } else if (part === ')') stack.pop();
    else if (!/^(\s|--)/.test(part)) top.push({ text: part, at });
  }
  return stack[0] as Item[];
}

interface Source {
  readonly table: string;
  readonly alias: string;
  readonly block: Block;
  /** Of a derived table: what it is made of; of a CTE: the same block for each of its uses. */
  readonly arms: readonly Block[];
  isCovered: boolean;
}

/** One `select`. */
interface Block {
  readonly at: number;
  readonly parent: Block | undefined;
  readonly sources: Map<string, Source>;
  readonly ctes: Map<string, readonly Block[]>;
  /** Aliases that a condition is about, wherever they are from. */
  readonly marks: string[];
  readonly same: (readonly [string, string])[];
  /** Aliases whose row is selected; `*`: all. */
  readonly selected: Set<string>;
  isLimited: boolean;
}

const clauses = new Set([
  'select',
  'from',
  'where',
  'group',
  'order',
  'limit',
  'offset',
  'for',
  'returning',
  'with',
  'set',
]);

/** `a union b` is two. */
function armsOf(items: readonly Item[], parent: Block | undefined, all: Block[]): Block[] {
  const arms: Item[][] = [[]];
  for (const item of items) {
    if (item.text === 'union') arms.push([]);
    else if (item.text !== 'all' || (arms.at(-1) as Item[]).length > 0) (arms.at(-1) as Item[]).push(item);
  }
  const [first] = items;
  const ctes = first?.text === 'with' ? new Map<string, readonly Block[]>() : undefined;
  return arms.flatMap((arm) => {
    const [only] = arm;
    // `(select ...) union all (select ...)`
    if (arm.length === 1 && only?.inner !== undefined) return armsOf(only.inner, parent, all);
    return [blockOf(arm, parent, all, ctes)];
  });
}

function blockOf(
  items: readonly Item[],
  parent: Block | undefined,
  all: Block[],
  ctes: Map<string, readonly Block[]> = new Map(),
): Block {
  const block: Block = {
    at: items[0]?.at ?? 0,
    parent,
    sources: new Map(),
    ctes,
    marks: [],
    same: [],
    selected: new Set(),
    isLimited: false,
  };
  all.push(block);
  let clause = 'select';
  for (let index = 0; index < items.length; index++) {
    const item = items[index] as Item;
    const { text } = item;
    if (clauses.has(text) && !(text === 'from' && isDistinctFrom(items, index))) {
      clause = text === 'offset' ? clause : text;
      if (text === 'limit') block.isLimited = true;
      if (text === 'update') index++;
    }
    if (clause === 'with' && item.inner !== undefined && items[index - 1]?.text.match(/^(as|materialized)$/)) {
      ctes.set(nameOfCte(items, index), armsOf(item.inner, block, all));
      continue;
    }
    if (['from', 'join', ','].includes(text) && clause === 'from') {
      index = readSource(items, index + 1, block, all);
      continue;
    }
    readExpression([item], items, index, { block, clause, all });
  }
  return block;
}

const isDistinctFrom = (items: readonly Item[], index: number): boolean => items[index - 1]?.text === 'distinct';

function nameOfCte(items: readonly Item[], index: number): string {
  let at = index - 1;
  while (items[at]?.text.match(/^(as|not|materialized)$/)) at--;
  if (items[at]?.inner !== undefined) at--;
  return items[at]?.text ?? '';
}

/** @returns the place of the last item that belongs to the source */
function readSource(items: readonly Item[], start: number, block: Block, all: Block[]): number {
  let at = start;
  if (items[at]?.text === 'lateral') at++;
  const item = items[at];
  if (item === undefined) return at;
  let table = item.text;
  let arms: readonly Block[] = [];
  if (item.inner !== undefined) {
    table = '()';
    arms = armsOf(item.inner, block, all);
  } else if (items[at + 1]?.inner !== undefined) {
    readExpression([items[at + 1] as Item], items, at + 1, { block, clause: 'select', all });
    table = 'function';
    at++;
    // `with ordinality`
    while (/^(with|ordinality)$/.test(items[at + 1]?.text ?? '')) at++;
  } else arms = cteOf(block, table) ?? [];
  const next = items[at + 1]?.text === 'as' ? at + 2 : at + 1;
  const named = items[next]?.text ?? '';
  const hasAlias =
    /^[a-z_]\w*$/i.test(named) &&
    !/^(where|join|left|cross|inner|on|order|limit|for|group|union|offset|set)$/.test(named);
  const alias = hasAlias ? named : table;
  block.sources.set(alias, { table, alias, block, arms, isCovered: false });
  let last = hasAlias ? next : at;
  // Names of columns: `c (bucket, patient)`.
  if (hasAlias && items[last + 1]?.inner !== undefined && table !== '()') last++;
  else if (hasAlias && table === '()' && items[last + 1]?.inner !== undefined) last++;
  return last;
}

function cteOf(block: Block | undefined, name: string): readonly Block[] | undefined {
  return block === undefined ? undefined : (block.ctes.get(name) ?? cteOf(block.parent, name));
}

interface Reading {
  readonly block: Block;
  readonly clause: string;
  readonly all: Block[];
}

function readExpression(some: readonly Item[], items: readonly Item[], index: number, reading: Reading): void {
  const { block, clause, all } = reading;
  for (const item of some) {
    const mark = /^\/\* visible (\w+) \*\/$/.exec(item.text)?.[1];
    if (mark !== undefined && (clause === 'where' || clause === 'from')) block.marks.push(mark);
    if (clause === 'select' && item.text === '*' && items[index - 1]?.text !== '.') block.selected.add('*');
    if (item.text === '.' && clause === 'select' && /^(id|\*)$/.test(items[index + 1]?.text ?? '')) {
      block.selected.add(items[index - 1]?.text ?? '');
    }
    // Without an alias: of a block with one source.
    const before = items[index - 1]?.text ?? '';
    if (item.text === 'id' && clause === 'select' && !/^(\.|as)$/.test(before)) block.selected.add('*');
    if (item.text === '=' && items[index - 1]?.text === 'id' && items[index - 2]?.text === '.') {
      const one = items[index - 3]?.text ?? '';
      const [other, dot, name] = [items[index + 1]?.text ?? '', items[index + 2]?.text, items[index + 3]?.text];
      if (dot === '.' && name === 'id') block.same.push([one, other]);
    }
    if (item.inner === undefined) continue;
    const isQuery = /^(select|with)$/.test(item.inner[0]?.text ?? '') || item.inner[0]?.inner?.[0]?.text === 'select';
    if (isQuery) armsOf(item.inner, block, all);
    else item.inner.forEach((inner, at) => readExpression([inner], item.inner as readonly Item[], at, reading));
  }
}

function find(block: Block | undefined, alias: string): Source | undefined {
  return block === undefined ? undefined : (block.sources.get(alias) ?? find(block.parent, alias));
}

/** The rows of a block that leave it. */
function selectedOf({ selected, sources }: Block): Source[] {
  return [...sources.values()].filter(({ alias }) => selected.has('*') || selected.has(alias));
}

/** Rows of the store in this statement that nobody has decided on. */
export function uncoveredIn(text: string): Uncovered[] {
  const all: Block[] = [];
  armsOf(itemsOf(text), undefined, all);
  const sources = all.flatMap((block) => [...block.sources.values()]);
  for (const block of all) for (const alias of block.marks) cover(find(block, alias));
  for (let count = -1; count !== coveredOf(sources);) {
    count = coveredOf(sources);
    for (const block of all) {
      for (const [one, other] of block.same) {
        const [a, b] = [find(block, one), find(block, other)];
        if (a?.isCovered === true) cover(b);
        if (b?.isCovered === true) cover(a);
      }
    }
    for (const source of sources) {
      const leaving = source.arms.map(selectedOf);
      if (leaving.length > 0 && leaving.every(isDecided)) cover(source);
      if (!source.isCovered) continue;
      source.arms.forEach((arm, at) => {
        if (!arm.isLimited) for (const inner of leaving[at] ?? []) cover(inner);
      });
    }
  }
  return sources
    .filter(({ table, isCovered }) => /^resource(_history)?$/.test(table) && !isCovered)
    .map(({ table, alias, block }) => ({
      table,
      alias,
      where: text.slice(block.at, block.at + 400).replace(/\s+/g, ' '),
    }));
}

/** What a function gives (`unnest` of keys) is nobody's row. */
function isDecided(leaving: readonly Source[]): boolean {
  const rows = leaving.filter(({ table }) => table !== 'function');
  return rows.length > 0 && rows.every(({ isCovered }) => isCovered);
}

function cover(source: Source | undefined): void {
  if (source !== undefined) source.isCovered = true;
}

const coveredOf = (sources: readonly Source[]): number => sources.filter(({ isCovered }) => isCovered).length;
