/**
 * Which slice a value belongs to: the discriminators of R4 (value, pattern, exists, type, profile) on paths with `resolve()`,
 * `extension(url)` and `ofType(T)`, as predicates compiled from what each slice says at the end of the path.
 *
 * @see https://hl7.org/fhir/R4/profiling.html#discriminator
 */
import { isSame } from '../expression/items.ts';
import type { Context } from '../validation/finding.ts';
import type { Library } from './library.ts';
import type { Node, Slicing } from './tree.ts';
import { itemsOf, matchesPattern, elementsNamed, resolve, type Typed } from './values.ts';

export type Belongs = (value: Typed, context: Context) => boolean;

/** Why a value is not of a slice that it was probably meant for: what its profile finds, with the way there. */
export type Explain = (value: Typed, context: Context) => { message: string; path: string }[];

export interface Membership {
  readonly belongs: Belongs;
  /** Of slices told by a profile. */
  readonly explain: Explain | undefined;
}

/** undefined when a discriminator finds nothing in the slice to tell it by. */
export function compileSlice(slice: Node, { discriminators }: Slicing, library: Library): Membership | undefined {
  const tests = discriminators.map(({ type, path }) => compileDiscriminator(type, segmentsOf(path), slice, library));
  if (tests.length === 0 || tests.includes(undefined)) return undefined;
  const profile = discriminators.find(({ type }) => type === 'profile');
  return {
    belongs: (value, context) => tests.every((test) => (test as Belongs)(value, context)),
    explain: profile && explainProfile(segmentsOf(profile.path), slice, library),
  };
}

const pathOf = (segments: readonly string[]): string => segments.map((segment) => `.${segment}`).join('');

function explainProfile(segments: readonly string[], slice: Node, library: Library): Explain {
  const canonicals = profilesAt(segments, slice, library);
  const isResolved = segments.at(-1) === 'resolve()';
  return (from, context) =>
    valuesAt([from], segments, context).flatMap(({ value, type }) =>
      canonicals
        .filter((canonical) => library.typeOf(canonical) === type)
        .flatMap((canonical) => library.faults(value, canonical, context))
        .map(({ message, path }) =>
          isResolved
            ? {
                message: `what it refers to: ${message} (${type}${path})`,
                path: `${pathOf(segments.slice(0, -1))}.reference`,
              }
            : { message, path: `${pathOf(segments)}${path}` },
        ),
    );
}

/** `extension('http://x.y').value` -> two segments. */
function segmentsOf(path: string): string[] {
  return (path.match(/(?:[^.('"]|\([^)]*\))+/g) ?? []).filter((segment) => segment !== '$this');
}

const argumentOf = (segment: string): string => /\(\s*['"]?([^'")]*)/.exec(segment)?.[1] ?? '';

function compileDiscriminator(
  type: string,
  segments: readonly string[],
  slice: Node,
  library: Library,
): Belongs | undefined {
  switch (type) {
    case 'exists':
      return compileExists(segments, slice, library);
    case 'type':
      return compileType(segments, slice, library);
    case 'profile':
      return compileProfile(segments, slice, library);
    default:
      return compileValue(segments, slice, library);
  }
}

/** The first node on the path that says what its values are decides; mostly it is the last. */
function compileValue(segments: readonly string[], slice: Node, library: Library): Belongs | undefined {
  let node: Node | undefined = slice;
  for (let length = 0; length <= segments.length && node !== undefined; length++) {
    const isEnd = length === segments.length;
    const own = isEnd ? expectationOf(node, library) : ownExpectation(node, library);
    if (own !== undefined) return someAt(segments.slice(0, length), own);
    const segment = segments[length];
    if (segment === undefined) break;
    // The definition of an extension says its URL.
    const canonical: string | undefined = segment === 'url' ? node.types?.[0]?.profiles[0] : undefined;
    const next: Node | undefined = childOf(node, segment, library);
    if (next === undefined && canonical !== undefined) {
      const url = canonical.split('|', 1)[0];
      return someAt(segments, ({ value }) => value === url);
    }
    node = next;
  }
  return undefined;
}

function someAt(segments: readonly string[], test: Belongs): Belongs {
  if (segments.length === 0) return test;
  return (value, context) => valuesAt([value], segments, context).some((found) => test(found, context));
}

function compileExists(segments: readonly string[], slice: Node, library: Library): Belongs | undefined {
  const node = nodeAt(slice, segments, library);
  if (node === undefined || (node.max !== 0 && (node.min ?? 0) === 0)) return undefined;
  const isWanted = node.max !== 0;
  return (value, context) => valuesAt([value], segments, context).length > 0 === isWanted;
}

function compileType(segments: readonly string[], slice: Node, library: Library): Belongs | undefined {
  const types = nodeAt(slice, segments, library)?.types;
  if (types === undefined || types.length === 0) return undefined;
  const isResolved = segments.at(-1) === 'resolve()';
  const names = types.flatMap(({ code, targets }) => (isResolved ? targets.map((url) => library.typeOf(url)) : [code]));
  if (names.length === 0 || names.includes(undefined)) return undefined;
  return someAt(segments, ({ type }) => names.includes(type) || names.includes('Resource'));
}

function compileProfile(segments: readonly string[], slice: Node, library: Library): Belongs | undefined {
  const canonicals = profilesAt(segments, slice, library);
  if (canonicals.length === 0) return undefined;
  return someAt(segments, ({ value, type }, context) =>
    canonicals.some((canonical) => library.conforms(value, type, canonical, context)),
  );
}

function profilesAt(segments: readonly string[], slice: Node, library: Library): string[] {
  const types = nodeAt(slice, segments, library)?.types ?? [];
  return types.flatMap(({ profiles, targets }) => [...(segments.at(-1) === 'resolve()' ? targets : profiles)]);
}

/** Where a path leads in the slice: through children, slices and the definitions its types name. */
function nodeAt(slice: Node, segments: readonly string[], library: Library): Node | undefined {
  let node: Node | undefined = slice;
  for (const segment of segments) {
    if (node === undefined) return undefined;
    node = childOf(node, segment, library);
  }
  return node;
}

function childOf(node: Node, segment: string, library: Library): Node | undefined {
  if (segment === 'resolve()') return node;
  if (segment.startsWith('ofType(')) {
    const type = argumentOf(segment);
    return [...node.slices.values()].find(({ types }) => types?.some(({ code }) => code === type)) ?? node;
  }
  if (segment.startsWith('extension(')) {
    const url = argumentOf(segment);
    const slices = node.children.get('extension')?.slices.values() ?? [];
    return [...slices].find(
      (slice) =>
        slice.types?.some(({ profiles }) => profiles.some((profile) => profile.split('|', 1)[0] === url)) ||
        slice.children.get('url')?.fixed === url,
    );
  }
  const own = node.children.get(segment) ?? node.children.get(`${segment}[x]`);
  if (own !== undefined) return own;
  for (const canonical of node.types?.flatMap(({ profiles }) => profiles) ?? []) {
    const root = library.tree(canonical)?.root;
    const found = root?.children.get(segment) ?? root?.children.get(`${segment}[x]`);
    if (found !== undefined) return found;
  }
  return undefined;
}

function ownExpectation(node: Node, library: Library): Belongs | undefined {
  const { fixed, pattern, binding } = node;
  if (fixed !== undefined) return ({ value }) => isSame(value, fixed);
  if (pattern !== undefined) return ({ value }) => matchesPattern(value, pattern);
  return binding?.strength === 'required' ? library.membership(binding.valueSet) : undefined;
}

/** What a node says of its values, itself or by its children: a code whose coding has a fixed system and code. */
function expectationOf(node: Node, library: Library): Belongs | undefined {
  const own = ownExpectation(node, library);
  if (own !== undefined) return own;
  const tests: Belongs[] = [];
  for (const [name, child] of node.children) {
    for (const part of [child, ...[...child.slices.values()].filter(({ min = 0 }) => min > 0)]) {
      const test = expectationOf(part, library);
      if (test !== undefined) tests.push(someAt([name.replace('[x]', '')], test));
    }
  }
  return tests.length === 0 ? undefined : (value, context) => tests.every((test) => test(value, context));
}

function valuesAt(values: readonly Typed[], segments: readonly string[], context: Context): readonly Typed[] {
  let found = values;
  for (const segment of segments) {
    if (found.length === 0) return found;
    found = found.flatMap((value) => step(value, segment, context));
  }
  return found;
}

function step(from: Typed, segment: string, context: Context): Typed[] {
  if (segment === 'resolve()') {
    const target = resolve(from.value, context);
    return target === undefined ? [] : [{ type: target.resourceType, value: target }];
  }
  if (segment.startsWith('ofType(')) return from.type === argumentOf(segment) ? [from] : [];
  if (segment.startsWith('extension(')) {
    const url = argumentOf(segment);
    return itemsOf(from.value ?? from.extra, elementsNamed(from.type, 'extension')).filter(
      ({ value }) => (value as { url?: unknown } | undefined)?.url === url,
    );
  }
  return itemsOf(from.value, elementsNamed(from.type, segment));
}
