/**
 * The grammar of composites: `value$value`, alternatives by commas, prefixes inside the parts.
 *
 * @see https://hl7.org/fhir/R4/search.html#composite
 */
import { compositeSource, elementIndex, resourceParam, wholeIndex } from '../index/composites.ts';
import { searchParam, searchParams } from '../params.ts';
import { Problem } from '../problem.ts';
import type { ElementFilter, Filter, SearchComponent, SearchParam } from '../search-request.ts';
import { splitEscaped } from './values.ts';

/**
 * @param read one value of a parameter as its filter
 * @throws Problem value for other than one part for each component, or a part that cannot be read
 */
export function compositeFilter(
  param: SearchParam,
  texts: readonly string[],
  type: string,
  read: (param: SearchParam, text: string) => Filter,
): Filter {
  const { components = [] } = param;
  const { isOfResource, elements } = compositeSource(param, type);
  const alternatives = texts.flatMap((text) => {
    const parts = splitEscaped(text, '$');
    if (parts.length !== components.length || parts.includes('')) {
      throw new Problem('value', `${param.code} takes ${components.length} values joined by $`, {
        expression: param.code,
        hint: `Write ${components.map((component) => component.param.code).join('$')}.`,
      });
    }
    const ofElements = elements.map((element): ElementFilter => {
      const filters = components.map((component, index) => {
        const asked = { ...component.param, ...targetOf(component, type) };
        return { ...read(asked, parts[index] as string), index: elementIndex(element, component) };
      });
      return { kind: 'element', param, filters: filters as ElementFilter['filters'] };
    });
    if (!isOfResource) return ofElements;
    const filters = components.map((component, index) => read(ownParam(component, type), parts[index] as string));
    return [joined(param, 'and', filters), ...ofElements];
  });
  return joined(param, 'or', alternatives);
}

/** FHIR R4 search.html#missing: a composite is there when an element has a value for each component. */
export function compositeMissing(param: SearchParam, isMissing: boolean, type: string): Filter {
  const { components = [] } = param;
  const { isOfResource, elements } = compositeSource(param, type);
  const present = (of: SearchParam, index: string): Filter => ({ kind: 'missing', param: of, index, isMissing: false });
  const alternatives = elements.map((element) => present(param, wholeIndex(element, components)));
  if (isOfResource) {
    const own = components.map((component) => ownParam(component, type));
    alternatives.push(
      joined(
        param,
        'and',
        own.map((one) => present(one, one.code)),
      ),
    );
  }
  return { kind: 'group', param, join: 'or', isNegated: isMissing, filters: alternatives };
}

/** @param filters at least one */
export function joined(param: SearchParam, join: 'and' | 'or', filters: readonly Filter[]): Filter {
  const [only] = filters;
  return filters.length === 1 && only !== undefined ? only : { kind: 'group', param, join, isNegated: false, filters };
}

function ownParam(component: SearchComponent, type: string): SearchParam {
  const found = resourceParam(component, type, searchParams(type).values());
  if (found === undefined) throw new Problem('not-supported', 'a component of this composite is not indexed');
  return found;
}

function targetOf({ param }: SearchComponent, type: string): { target?: readonly string[] } {
  const target = searchParam(type, param.code)?.target;
  return target === undefined ? {} : { target };
}
