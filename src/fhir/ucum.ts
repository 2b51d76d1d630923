/**
 * UCUM units in their canonical form: a dimension and what a value is in its base units, so that 5400 mg and 5.4 g are one
 * quantity. The library is loaded with the first unit (25 ms, 10 MB) and each unit is asked of it once: a hospital uses a few
 * hundred.
 *
 * @see https://ucum.org/ucum
 * @see https://hl7.org/fhir/R4/search.html#quantity "the search processor may choose to perform a search based on canonical units"
 */
import { createRequire } from 'node:module';

export const ucum = 'http://unitsofmeasure.org';

export interface CanonicalUnit {
  /** Equal for units that convert to each other. */
  readonly dimension: string;
  readonly factor: number;
  readonly offset: number;
}

/** What of the library is read; it has no types. */
interface Library {
  readonly UcumLhcUtils: {
    getInstance(): { getSpecifiedUnit(code: string, purpose: 'validate'): { readonly unit?: Unit | null } };
  };
}
interface Unit {
  getProperty(name: string): unknown;
}

/** The longest unit of the published tables has 35 characters; the parser's time grows with the length. */
const codeCharsMax = 80;
/** The library keeps units in a plain object: these it would find there, and log the unit it was asked for. */
const inherited = new RegExp(Object.getOwnPropertyNames(Object.prototype).join('|'));
/** Callers choose what they search for: what is kept of it is bounded. */
const unitsMax = 5_000;
const known = new Map<string, CanonicalUnit | undefined>();
let library: ReturnType<Library['UcumLhcUtils']['getInstance']> | undefined;

/** undefined for what is no UCUM unit, and for scales that are no multiple of their base (pH, bel): those compare as they are. */
export function canonicalUnit(code: string): CanonicalUnit | undefined {
  if (code.length > codeCharsMax) return undefined;
  if (known.has(code)) return known.get(code);
  const found = temperatures[code] ?? (inherited.test(code) ? undefined : read(code));
  if (known.size >= unitsMax) known.clear();
  known.set(code, found);
  return found;
}

/** In base units, without the noise of binary fractions: 5400 mg and 5.4 g are the same number. */
export function toCanonical({ factor, offset }: CanonicalUnit, value: number): number {
  return Number.isFinite(value) ? Number((value * factor + offset).toPrecision(12)) : value;
}

const kelvin = dimensionOf([0, 0, 0, 0, 1, 0, 0]);
/** The scales with a zero of their own that conversions are asked for. */
const temperatures: Readonly<Record<string, CanonicalUnit>> = {
  __proto__: null as never,
  Cel: { dimension: kelvin, factor: 1, offset: 273.15 },
  '[degF]': { dimension: kelvin, factor: 5 / 9, offset: (459.67 * 5) / 9 },
};

function read(code: string): CanonicalUnit | undefined {
  const unit = parse(code);
  if (unit === null || unit === undefined) return undefined;
  const property = (name: string): unknown => unit.getProperty(name);
  const factor = property('magnitude_');
  if (typeof factor !== 'number' || factor <= 0 || property('isSpecial_') === true) return undefined;
  // UCUM 3.2 §24: an arbitrary unit is commensurable with nothing but itself.
  const arbitrary = property('isArbitrary_') === true ? (code.match(/\[[^\]]*\]/g) ?? []).sort().join('') : '';
  const { dimVec_: exponents } = (property('dim_') ?? {}) as { dimVec_?: readonly number[] | null };
  return { dimension: dimensionOf(exponents ?? []) + arbitrary, factor, offset: 0 };
}

function parse(code: string): Unit | null | undefined {
  library ??= (createRequire(import.meta.url)('@lhncbc/ucum-lhc') as Library).UcumLhcUtils.getInstance();
  try {
    return library.getSpecifiedUnit(code, 'validate').unit;
  } catch {
    // A text that is no unit and trips the parser is still no unit.
    return undefined;
  }
}

function dimensionOf(exponents: readonly number[]): string {
  return exponents.some((exponent) => exponent !== 0) ? exponents.join() : '';
}
