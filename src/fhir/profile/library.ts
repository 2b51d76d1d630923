/**
 * The definitions that are loaded, compiled when first asked for: profiles and extensions by canonical URL, the codes of their
 * value sets, and whether a value follows one of them.
 */
import { readFileSync } from 'node:fs';
import {
  suggestedValueSet,
  terminologyDefinitions,
  typeDefinition,
  typeDefinitions,
  valueSet,
} from '../definitions.ts';
import { notEvaluated } from '../invariants.ts';
import { readReference } from '../reference.ts';
import type { AnyResource } from '../types.ts';
import type { Check, Context, Depth, Finding } from '../validation/finding.ts';
import type { Profiles } from '../validation/profiles.ts';
import { listCodes, type CodeList, type Terminology } from '../terminology/value-set.ts';
import { compileTree } from './check.ts';
import { pruneChildren } from './prune.ts';
import type { Belongs } from './slicing.ts';
import { treeOf, type StructureDefinition, type Tree } from './tree.ts';

/** A StructureDefinition, ValueSet or CodeSystem, in the order in which they were added: of two versions the later counts. */
export type Definition = AnyResource & { readonly url: string; readonly version?: string };

const core = 'http://hl7.org/fhir/StructureDefinition/';

export interface Library extends Profiles {
  /** undefined when it is not loaded, or is no profile. @throws Problem invalid, when it cannot be used */
  tree(canonical: string): Tree | undefined;
  /** The type a profile is on; of R4's own definitions the type itself. */
  typeOf(canonical: string): string | undefined;
  typeOfReference(reference: unknown): string | undefined;
  /** undefined when the codes cannot be listed. */
  codes(valueSetUrl: string): CodeList | undefined;
  membership(valueSetUrl: string): Belongs | undefined;
  /** False also when the profile is not loaded. */
  conforms(value: unknown, type: string, canonical: string, context: Context): boolean;
  /** True also when the profile is not loaded: nothing speaks against it. */
  mayConform(value: unknown, type: string, canonical: string, context: Context): boolean;
  /** What a loaded profile finds wrong with a value; paths from the value. */
  faults(value: unknown, canonical: string, context: Context): readonly Finding[];
  isCoreInvariant(key: string): boolean;
}

export function openLibrary(definitions: readonly Definition[]): Library {
  const byUrl = new Map<string, Definition>();
  for (const definition of definitions) {
    for (const url of [definition.url, `${definition.url}|${definition.version ?? ''}`]) {
      byUrl.set(`${definition.resourceType} ${url}`, definition);
    }
  }
  const findProfile = (canonical: string): StructureDefinition | undefined => {
    const found = byUrl.get(`StructureDefinition ${canonical}`) as unknown as StructureDefinition | undefined;
    // A logical model or a new type constrains no resource.
    return found?.derivation === 'constraint' ? found : undefined;
  };
  const isCore = (canonical: string): boolean => {
    const name = canonical.split('|', 1)[0]?.slice(core.length) ?? '';
    return (
      canonical.startsWith(core) && (typeDefinition(name) !== undefined || /^(Resource|DomainResource)$/.test(name))
    );
  };
  const trees = new Map<string, Tree | undefined>();
  const checks = { errors: new Map<string, Check | undefined>(), all: new Map<string, Check | undefined>() };
  const lists = new Map<string, CodeList | undefined>();
  const memberships = new Map<string, Belongs | undefined>();

  const supported = profilesByType(definitions);

  const library: Library = {
    supported: () => supported,
    tree: (canonical) =>
      remembered(trees, canonical, () => {
        const definition = findProfile(canonical);
        const tree = definition && treeOf(definition, findProfile, isCore);
        if (tree !== undefined) pruneChildren(tree.root, [tree.type], library);
        return tree;
      }),
    check: (canonical, depth: Depth) => {
      // Names come from resources; only what is loaded is kept.
      if (findProfile(canonical) === undefined) return undefined;
      return remembered(checks[depth], canonical, () => {
        const tree = library.tree(canonical);
        return tree && compileTree(tree, library, depth);
      });
    },
    typeOf: (canonical) => {
      if (isCore(canonical)) return (canonical.split('|', 1)[0] as string).slice(core.length);
      return findProfile(canonical)?.type;
    },
    typeOfReference: (reference) => {
      const text = (reference as { reference?: unknown } | undefined)?.reference;
      return typeof text === 'string' ? readReference(text)?.type : undefined;
    },
    codes: (canonical) =>
      remembered(lists, canonical, () => {
        const [url = ''] = canonical.split('|', 1);
        const find = (type: string, name: string): Terminology | undefined =>
          byUrl.get(`${type} ${name}`) ?? baseTerminology(type, name);
        return valueSet(url) ?? suggestedValueSet(url) ?? listCodes(url, find);
      }),
    membership: (canonical) => remembered(memberships, canonical, () => membershipIn(library.codes(canonical))),
    conforms: (value, type, canonical, context) => {
      if (isCore(canonical))
        return (
          /^(Resource|DomainResource)$/.test(library.typeOf(canonical) ?? '') || library.typeOf(canonical) === type
        );
      const check = library.check(canonical, 'errors');
      return check !== undefined && library.typeOf(canonical) === type && passes(check, canonical, value, context);
    },
    mayConform: (value, type, canonical, context) =>
      (!isCore(canonical) && library.check(canonical, 'errors') === undefined) ||
      library.conforms(value, type, canonical, context),
    faults: (value, canonical, context) => {
      const check = library.check(canonical, 'errors');
      const inner = innerContext(value, context);
      check?.(value, inner);
      return inner.findings;
    },
    isCoreInvariant: (key) => coreInvariants().has(key),
  };
  return library;
}

/** Extensions and profiles on data types are part of these. */
function profilesByType(definitions: readonly Definition[]): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, Set<string>>();
  for (const { resourceType, url, version, kind, type } of definitions) {
    if (resourceType !== 'StructureDefinition' || kind !== 'resource' || typeof type !== 'string') continue;
    const urls = found.get(type) ?? new Set();
    found.set(type, urls.add(version === undefined ? url : `${url}|${version}`));
  }
  return new Map([...found].map(([type, urls]) => [type, [...urls].sort()]));
}

function remembered<K, T>(known: Map<K, T>, key: K, make: () => T): T {
  if (known.has(key)) return known.get(key) as T;
  const made = make();
  known.set(key, made);
  return made;
}

/** Asked of the same value again and again by slices, and of itself by circles of references: the first answer stands. */
function passes(check: Check, canonical: string, value: unknown, context: Context): boolean {
  if (typeof value !== 'object' || value === null) return false;
  context.conformance ??= new Map();
  const known = remembered(context.conformance, value, () => new Map<string, boolean>());
  const found = known.get(canonical);
  if (found !== undefined) return found;
  // Until it is known, it holds: two resources that follow a profile if the other does follow it both.
  known.set(canonical, true);
  const inner = innerContext(value, context);
  check(value, inner);
  known.set(canonical, inner.errors === 0);
  return inner.errors === 0;
}

/** A context of its own: what is found in it is not said. */
function innerContext(value: unknown, context: Context): Context {
  const { contained } = context.root;
  const isContained = Array.isArray(contained) && contained.includes(value);
  const resource = value as AnyResource;
  return {
    ...context,
    ...(typeof resource.resourceType === 'string' ? { resource, root: isContained ? context.root : resource } : {}),
    containedIds: undefined,
    findings: [],
    errors: 0,
    notes: 0,
  };
}

function membershipIn(codes: CodeList | undefined): Belongs | undefined {
  if (codes === undefined) return undefined;
  const sets = new Map(Object.entries(codes).map(([system, list]) => [system, new Set(list)]));
  const all = new Set(Object.values(codes).flat());
  const isBound = (coding: unknown): boolean => {
    const { system, code } = (coding ?? {}) as { system?: string; code?: string };
    return sets.get(system ?? '')?.has(code ?? '') ?? false;
  };
  return ({ value }) => {
    if (typeof value === 'string') return all.has(value);
    const { coding } = (value ?? {}) as { coding?: unknown };
    return Array.isArray(coding) ? coding.some(isBound) : isBound(value);
  };
}

let coreKeys: Set<string> | undefined;

/** A snapshot repeats R4's own rules, which every resource was checked by. */
function coreInvariants(): Set<string> {
  coreKeys ??= new Set([
    ...Object.keys(notEvaluated),
    ...typeDefinitions().flatMap(({ invariants, elements }) =>
      [...invariants, ...Object.values(elements).flatMap((element) => element.invariants ?? [])].map(({ key }) => key),
    ),
  ]);
  return coreKeys;
}

let lines: Map<string, string> | undefined;

/** R4's own code systems and value sets, a line each; parsed one by one, when a value set needs them. */
function baseTerminology(type: string, url: string): Terminology | undefined {
  lines ??= new Map(
    readFileSync(terminologyDefinitions, 'utf8')
      .split('\n')
      .flatMap((line) => {
        const head = /^\{"resourceType":"(\w+)","id":"[^"]*","url":"([^"]*)"/.exec(line);
        return head === null ? [] : [[`${head[1]} ${head[2]}`, line] as const];
      }),
  );
  const line = lines.get(`${type} ${url}`);
  return line === undefined ? undefined : (JSON.parse(line) as Terminology);
}
