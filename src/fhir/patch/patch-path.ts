/**
 * Where a FHIRPath of a patch leads: places in the resource, not values, because a patch must know what holds the element. The
 * subset is what can name a place: elements, indexes, `where(...)`, `first()`, `last()`, `extension('url')`, `ofType(...)`.
 *
 * @see https://hl7.org/fhir/R4/fhirpatch.html
 */
import { propertiesOf, type Property } from '../definitions.ts';
import { evaluate } from '../fhirpath.ts';
import { Problem } from '../problem.ts';
import type { AnyResource } from '../types.ts';

export type Json = Record<string, unknown>;

/** An element, and what holds it. */
export interface Place {
  readonly holder: Json;
  readonly holderType: string;
  /** In JSON: `valueQuantity`. */
  readonly property: Property;
  /** In a list. */
  readonly index?: number;
  /** Undefined for a primitive that has only an extension. */
  readonly value: unknown;
}

/** An element that others are below: the resource itself, or what a place holds. */
export interface Parent {
  readonly type: string;
  readonly value: Json;
}

type Step =
  | { readonly kind: 'child'; readonly name: string }
  | { readonly kind: 'index'; readonly at: number }
  | { readonly kind: 'where'; readonly criteria: string }
  | { readonly kind: 'ofType'; readonly type: string };

/** A resource that is patched, and how much may still be looked at to find the places that are meant. */
export interface Patched {
  readonly resource: AnyResource;
  left: number;
}

/** Elements that the paths of one patch pass through: some hundred milliseconds, however long a list and however many operations. */
const passedMax = 1_000_000;
/** What asking a condition of an element costs beside passing it. */
const evaluationCost = 100;

export function patchedOf(resource: AnyResource): Patched {
  return { resource, left: passedMax };
}

function spend(patched: Patched, count: number): void {
  patched.left -= count;
  if (patched.left < 0) throw new Problem('too-costly', 'the paths of the patch pass through too many elements');
}

/** Longer than any path to an element with its conditions; bounds the work of matching it. */
const pathLengthMax = 1_000;

const token =
  /\.?(?:(?<call>where|first|last|extension|ofType|as)\(|(?<name>[A-Za-z_]\w*|`[A-Za-z_]\w*`)|\[(?<at>\d{1,6})\])/y;

/** @throws Problem not-supported for what cannot name a place */
export function readPath(text: unknown, type: string): Step[] {
  if (typeof text !== 'string') throw new Problem('required', 'an operation has a path');
  if (text.length > pathLengthMax) throw new Problem('too-long', `a path has at most ${pathLengthMax} characters`);
  const steps: Step[] = [];
  let at = 0;
  while (at < text.length) {
    token.lastIndex = at;
    const found = token.exec(text);
    if (found?.groups === undefined) throw unplaceable();
    at = token.lastIndex;
    const { call, name, at: index } = found.groups;
    if (call !== undefined) {
      const end = closing(text, at);
      steps.push(...stepsOf(call, text.slice(at, end).trim()));
      at = end + 1;
    } else if (index !== undefined) steps.push({ kind: 'index', at: Number(index) });
    else steps.push({ kind: 'child', name: (name as string).replaceAll('`', '') });
  }
  const [root] = steps;
  const isRooted = root?.kind === 'child' && [type, 'Resource', 'DomainResource'].includes(root.name);
  return isRooted ? steps.slice(1) : steps;
}

function unplaceable(): Problem {
  return new Problem('not-supported', 'the path names no place', {
    hint: "Paths are made of elements, [index], where(...), first(), last(), extension('url') and ofType(Type).",
  });
}

/** The parenthesis that closes the one before `from`; quoted text is passed over. */
function closing(text: string, from: number): number {
  let depth = 1;
  for (let at = from; at < text.length; at++) {
    const char = text.charAt(at);
    if (char === "'") at = endOfQuote(text, at);
    else if (char === '(') depth++;
    else if (char === ')' && --depth === 0) return at;
  }
  throw unplaceable();
}

function endOfQuote(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text.charAt(at) === '\\') at++;
    else if (text.charAt(at) === "'") return at;
  }
  throw unplaceable();
}

function stepsOf(call: string, argument: string): Step[] {
  switch (call) {
    case 'where':
      return [{ kind: 'where', criteria: bounded(argument) }];
    case 'extension':
      return [
        { kind: 'child', name: 'extension' },
        { kind: 'where', criteria: bounded(`url = ${argument}`) },
      ];
    case 'ofType':
    case 'as':
      return [{ kind: 'ofType', type: argument.replace(/^(FHIR|System)\./, '') }];
    default:
      if (argument !== '') throw unplaceable();
      return [{ kind: 'index', at: call === 'first' ? 0 : -1 }];
  }
}

/** What a condition may call: nothing that walks the whole resource, or reads a regular expression. */
const functions: ReadonlySet<string | undefined> = new Set(
  'exists empty not hasValue count first last startsWith endsWith contains lower upper length where extension ofType is as'.split(
    ' ',
  ),
);

function bounded(criteria: string): string {
  const code = criteria.replace(/'(?:[^'\\]|\\.)*'/g, "''");
  const called = Array.from(code.matchAll(/([A-Za-z_]\w*)\s*\(/g), ([, name]) => name);
  if (!code.includes('%') && called.every((name) => functions.has(name) || operators.has(name))) return criteria;
  throw new Problem('not-supported', 'the condition in the path calls what a patch does not evaluate', {
    hint: `It may compare elements and call ${[...functions].join(', ')}.`,
  });
}
/** Words before a parenthesis that are no call. */
const operators: ReadonlySet<string | undefined> = new Set(['and', 'or', 'xor', 'implies', 'in', 'div', 'mod']);

/** Every element the steps lead to, in order. */
export function locate(patched: Patched, steps: readonly Step[]): Place[] {
  let places: Place[] | undefined;
  for (const step of steps) {
    if (step.kind === 'child') {
      const parents = places === undefined ? [rootOf(patched)] : places.flatMap(parentOf);
      places = parents.flatMap((parent) => childrenOf(parent, step.name));
      spend(patched, places.length);
    } else if (places === undefined) throw unplaceable();
    else places = narrow(places, step, patched);
  }
  return places ?? [];
}

/** The one element that children are added to. @throws Problem value when there is none, or several */
export function locateParent(patched: Patched, steps: readonly Step[]): Parent {
  if (steps.length === 0) return rootOf(patched);
  const parents = locate(patched, steps).flatMap(parentOf);
  const [parent, ...more] = parents;
  if (parent === undefined) throw new Problem('value', 'there is nothing at this path');
  if (more.length > 0) throw new Problem('multiple-matches', 'the path leads to several elements');
  return parent;
}

/** The list that the last step names. @throws Problem */
export function locateList(patched: Patched, steps: readonly Step[]): { parent: Parent; name: string } {
  const last = steps.at(-1);
  if (last?.kind !== 'child') throw new Problem('value', 'the path leads to no list');
  return { parent: locateParent(patched, steps.slice(0, -1)), name: last.name };
}

function rootOf({ resource }: Patched): Parent {
  return { type: resource.resourceType, value: resource };
}

function parentOf({ value, property }: Place): Parent[] {
  if (typeof value !== 'object' || value === null) return [];
  const { resourceType } = value as { resourceType?: unknown };
  return [{ type: typeof resourceType === 'string' ? resourceType : property.type, value: value as Json }];
}

/** The properties an element name stands for: one, or each type of a choice. */
export function propertiesNamed(type: string, name: string): Property[] {
  return [...(propertiesOf(type)?.values() ?? [])].filter(
    (property) => property.name === name || property.elementName === `${name}[x]`,
  );
}

function childrenOf({ type, value: holder }: Parent, name: string): Place[] {
  const properties = propertiesNamed(type, name);
  if (properties.length === 0) throw new Problem('value', 'R4 has no such element here');
  return properties.flatMap((property): Place[] => {
    const value = holder[property.name];
    const extra = holder[`_${property.name}`];
    const at = { holder, holderType: type, property };
    if (Array.isArray(value)) return value.map((item: unknown, index) => ({ ...at, index, value: item }));
    return value === undefined && extra === undefined ? [] : [{ ...at, value }];
  });
}

function narrow(places: readonly Place[], step: Exclude<Step, { kind: 'child' }>, patched: Patched): Place[] {
  switch (step.kind) {
    case 'index': {
      const place = places.at(step.at);
      return place === undefined ? [] : [place];
    }
    case 'ofType':
      return places.filter(({ property }) => property.type.toLowerCase() === step.type.toLowerCase());
    default:
      return places.filter(({ property, value }) => holds(step.criteria, property.type, value, patched));
  }
}

function holds(criteria: string, type: string, value: unknown, patched: Patched): boolean {
  spend(patched, evaluationCost);
  try {
    // What a condition may say looks at the element alone.
    const results = evaluate(criteria, type, value, { resourceType: patched.resource.resourceType });
    return results.length === 1 && results[0]?.value === true;
  } catch (cause) {
    throw new Problem('value', 'the condition in the path cannot be evaluated', { cause });
  }
}
