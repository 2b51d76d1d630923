/**
 * Which codes are sensitive, as data and compiled. The data is what `mappings/sensitivity` says (mapping/sensitivity/read.ts)
 * and what the database keeps of it; compiled, a code is looked up by its own text and by its beginnings: a few look-ups in a
 * table, whatever the number of codes.
 */
import { actCodeSystem, labelBit } from '../labels.ts';

/** How senders name a code system. */
export interface SystemNames {
  readonly id: string;
  readonly uris: readonly string[];
  /** Of a sender's own system: the last segment of `.../coding-system/NAME`, in lower case. */
  readonly names: readonly string[];
  /** What of a code does not count: `icd` dots and case, `code` case alone. */
  readonly spelling: 'icd' | 'code';
  /** A diagnosis without a system is read as one of this. */
  readonly isUnnamed: boolean;
}

/** Codes of one category in one system; ranges are beginnings already. */
export interface CategoryCodes {
  /** A code of v3-ActCode that has a bit (fhir/labels.ts). */
  readonly category: string;
  readonly system: string;
  readonly prefixes: readonly string[];
  readonly list: readonly string[];
  /** Beginnings that do not count though a shorter one does. */
  readonly except: readonly string[];
}

export interface SensitivitySets {
  readonly systems: readonly SystemNames[];
  readonly codes: readonly CategoryCodes[];
}

/** Compiled sets. */
export interface Sensitivity {
  /** Labels of a code; 0 for one that no set has. */
  bitsOf(system: string, code: string): number;
  /** Of a diagnosis that names no system. */
  bitsOfUnnamed(code: string): number;
}

/** No sets: nothing is sensitive. */
export const noSensitivity: Sensitivity = { bitsOf: () => 0, bitsOfUnnamed: () => 0 };

export function compileSets({ systems, codes }: SensitivitySets): Sensitivity {
  const tables = new Map(systems.map((system) => [system.id, compileTable(system, codes)]));
  const byUri = new Map(systems.flatMap(({ id, uris }) => uris.map((uri) => [uri, tables.get(id)])));
  const byName = new Map(systems.flatMap(({ id, names }) => names.map((name) => [name, tables.get(id)])));
  const unnamed = tables.get(systems.find(({ isUnnamed }) => isUnnamed)?.id ?? '');
  const tableOf = (uri: string): Lookup | undefined => byUri.get(uri) ?? byName.get(ownSystemName(uri));
  return {
    bitsOf: (system, code) => tableOf(system)?.(code) ?? 0,
    bitsOfUnnamed: (code) => (unnamed !== undefined && diagnosisShape.test(code) ? unnamed(code) : 0),
  };
}

type Lookup = (code: string) => number;

/** Letter, two digits, and what stands behind them: a code of another kind without a system is none of ICD-10's. */
const diagnosisShape = /^[A-Za-z]\d\d(?:$|[^0-9A-Za-z]|[0-9XxAaBb])/;
const ownSystem = '/coding-system/';

/** '' for a system that is no sender's own. */
function ownSystemName(uri: string): string {
  const at = uri.lastIndexOf(ownSystem);
  if (at < 0) return '';
  const name = uri.slice(at + ownSystem.length);
  try {
    return decodeURIComponent(name).toLowerCase();
  } catch {
    return name.toLowerCase();
  }
}

function compileTable({ id, spelling }: SystemNames, all: readonly CategoryCodes[]): Lookup {
  const spell = spellings[spelling];
  const own = all.filter(({ system }) => system === id);
  const listed = new Map<string, number>();
  const added = new Map<string, number>();
  const excepted = new Map<string, number>();
  // In the order of the files: what an operator's says of a beginning is said after the shipped one.
  for (const { category, prefixes, list, except } of own) {
    const bit = labelBit({ system: actCodeSystem, code: category });
    const out = new Set(except.map(spell));
    for (const text of out) {
      change(excepted, text, bit);
      change(added, text, 0, bit);
      change(listed, text, 0, bit);
    }
    for (const text of list.map(spell)) change(listed, text, bit);
    for (const text of prefixes.map(spell)) {
      if (out.has(text)) continue;
      change(added, text, bit);
      change(excepted, text, 0, bit);
    }
  }
  // Each beginning holds what its shorter ones say too: the longest that is found has the last word.
  const texts = [...new Set([...added.keys(), ...excepted.keys()])].sort((a, b) => a.length - b.length);
  const beginnings = new Map<string, number>();
  const longest = (code: string): number => {
    for (let length = code.length; length > 0; length--) {
      const found = beginnings.get(code.slice(0, length));
      if (found !== undefined) return found;
    }
    return 0;
  };
  for (const text of texts) {
    beginnings.set(text, (longest(text) & ~(excepted.get(text) ?? 0)) | (added.get(text) ?? 0));
  }
  const lengths = [...new Set(texts.map(({ length }) => length))].sort((a, b) => b - a);
  return remembered((code) => {
    const spelled = spell(code);
    let bits = listed.get(spelled) ?? 0;
    for (const length of lengths) {
      const found = length > spelled.length ? undefined : beginnings.get(spelled.slice(0, length));
      if (found === undefined) continue;
      bits |= found;
      break;
    }
    return bits;
  });
}

/** The same few codes come again and again: 0.05 us, where the look-up takes 0.3. */
function remembered(look: Lookup): Lookup {
  const known = new Map<string, number>();
  return (code) => {
    let bits = known.get(code);
    if (bits === undefined) {
      bits = look(code);
      if (known.size >= knownMax) known.clear();
      known.set(code, bits);
    }
    return bits;
  };
}
const knownMax = 20_000;

function change(table: Map<string, number>, key: string, plus: number, minus = 0): void {
  table.set(key, ((table.get(key) ?? 0) | plus) & ~minus);
}

const spellings: Readonly<Record<SystemNames['spelling'], (code: string) => string>> = {
  icd: (code) => code.trim().replaceAll('.', '').toUpperCase(),
  code: (code) => code.trim().toUpperCase(),
};
