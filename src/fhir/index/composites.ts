/**
 * Composite search parameters: which values belong together. A composite whose element is the resource itself
 * (`Observation.code-value-quantity`) is the conjunction of its components' own parameters, because every code and every value
 * of the resource belong to it alike; it has nothing in the index. One of an element that repeats (`Observation.component`)
 * has each element's values indexed together, once for all composites that read from that element.
 *
 * @see https://hl7.org/fhir/R4/search.html#composite
 */
import { indexLeaf, type IndexContext } from './values.ts';
import { compilePath, parsePath, type Visit } from './path.ts';
import type { SearchComponent, SearchParam } from '../search-request.ts';

/** Where a composite reads from. */
export interface CompositeSource {
  /** The resource itself is one of its elements. */
  readonly isOfResource: boolean;
  /** Paths of its other elements: `Observation.component`. */
  readonly elements: readonly string[];
}

/** `Observation | Observation.component` reads from both. */
export function compositeSource({ expression = '' }: SearchParam, type: string): CompositeSource {
  const paths = expression.split(' | ').map((path) => path.trim());
  return { isOfResource: paths.includes(type), elements: paths.filter((path) => path !== type) };
}

/** Index name of a component's values within their element. */
export function elementIndex(element: string, component: SearchComponent): string {
  return `${element}:${component.expression}`;
}

/** Index name that says that an element has a value for each component. */
export function wholeIndex(element: string, components: readonly SearchComponent[]): string {
  return `${element}:${components.map(({ expression }) => expression).join('$')}`;
}

/**
 * The parameter of the resource that a component of a composite of the whole resource stands for: the narrowest of its type
 * that holds the component's paths. `combo-code` is defined as the component of `combo-code-value-quantity`, but holds the
 * codes of components too; of the Observation itself it is `code`.
 */
export function resourceParam(
  component: SearchComponent,
  type: string,
  params: Iterable<SearchParam>,
): SearchParam | undefined {
  const wanted = pathsOf(`${type}.${component.expression.split(' | ').join(` | ${type}.`)}`, type);
  const candidates = [...params]
    .filter((param) => param.type === component.param.type && param.expression !== undefined)
    .map((param) => ({ param, paths: pathsOf(param.expression as string, type) }))
    .filter(({ paths }) => wanted.length > 0 && wanted.every((path) => paths.includes(path)));
  return candidates.toSorted((one, other) => one.paths.length - other.paths.length)[0]?.param;
}

function pathsOf(expression: string, type: string): string[] {
  return (parsePath(expression, type) ?? []).map(({ steps }) => JSON.stringify(steps));
}

/** A closure for each element that any composite of the type reads from. */
export function* compileComposites(
  params: readonly SearchParam[],
  type: string,
): Generator<Visit<IndexContext> | undefined> {
  const byElement = new Map<string, SearchParam[]>();
  for (const param of params) {
    if (param.type !== 'composite') continue;
    for (const element of compositeSource(param, type).elements) {
      byElement.set(element, [...(byElement.get(element) ?? []), param]);
    }
  }
  for (const [element, composites] of byElement) yield compileElement(element, composites, type);
}

function compileElement(
  element: string,
  composites: readonly SearchParam[],
  resourceType: string,
): Visit<IndexContext> | undefined {
  const lists = composites.map(({ components = [] }) => components);
  const components = new Map(lists.flat().map((component) => [elementIndex(element, component), component]));
  const wholes = new Map(
    lists.map((list) => [wholeIndex(element, list), list.map((component) => elementIndex(element, component))]),
  );
  return compilePath<IndexContext>(element, resourceType, resourceType, (type) => {
    const visits = [...components].map(
      ([name, { param, expression }]) =>
        [
          name,
          compilePath<IndexContext>(expression, type, resourceType, (valueType, valueSet) =>
            indexLeaf(name, param.type, valueType, valueSet),
          ),
        ] as const,
    );
    return (value, { root, entries: all }) => {
      const part = all.part();
      const { entries } = part;
      const present = new Set<string>();
      for (const [name, visit] of visits) {
        const before = entries.length;
        visit?.(value, { root, entries: part });
        if (entries.length > before) present.add(name);
      }
      const whole = [...wholes].filter(([, names]) => names.every((name) => present.has(name))).map(([name]) => name);
      if (whole.length > 0) all.push({ kind: 'composite', param: element, entries, whole });
    };
  });
}
