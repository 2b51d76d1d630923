/**
 * The comparison operators of `_filter`, each as the filter that a search parameter with a modifier or a prefix is.
 *
 * @see https://hl7.org/fhir/R4/search_filter.html
 */
import { Problem } from '../problem.ts';
import { filterOf, printable, type FilterContext } from './filters.ts';
import type { Filter, SearchParam, StringFilter } from '../search-request.ts';
import { readDateValue, readStringValue } from './values.ts';

export const operators = [
  ...(['eq', 'ne', 'co', 'sw', 'ew', 'gt', 'lt', 'ge', 'le', 'ap', 'sa', 'eb'] as const),
  ...(['pr', 'po', 'ss', 'sb', 'in', 'ni', 're'] as const),
] as const;
export type Operator = (typeof operators)[number];

const ordered = new Set<SearchParam['type']>(['date', 'number', 'quantity']);

/** @throws Problem not-supported for an operator that says nothing of values of this type; value */
export function operatorFilter(param: SearchParam, operator: Operator, text: string, context: FilterContext): Filter {
  // Values have no escapes here; whoever reads them takes them out once.
  const value = text.replaceAll('\\', '\\\\');
  const plain = (modifier?: string): Filter => filterOf(param, modifier, [value], context);
  const { type } = param;
  switch (operator) {
    case 'eq':
      return type === 'string' ? stringFilter(param, 'equals', value) : plain();
    case 'ne':
      return ordered.has(type) ? filterOf(param, undefined, [`ne${value}`], context) : differs(param, value, plain);
    case 'co':
    case 'sw':
    case 'ew':
      if (type === 'string') return stringFilter(param, stringMatches[operator], value);
      break;
    case 'pr':
      return not(filterOf(param, 'missing', [value], context), param);
    case 'po':
      if (type === 'date') return overlap(param, value, context);
      break;
    case 'ss':
      // "True if the value subsumes a concept in the set"
      if (type === 'token') return plain('below');
      break;
    case 'sb':
      if (type === 'token') return plain('above');
      break;
    case 'in':
      if (type === 'token') return plain('in');
      break;
    case 'ni':
      if (type === 'token') return plain('not-in');
      break;
    case 're':
      if (type === 'reference') return plain();
      break;
    default:
      if (ordered.has(type)) return filterOf(param, undefined, [`${operator}${value}`], context);
  }
  throw new Problem('not-supported', `the operator ${operator} says nothing of ${type} values`, {
    expression: printable(`_filter:${param.code}`),
    hint: 'See https://hl7.org/fhir/R4/search_filter.html for the operators.',
  });
}

const stringMatches = { co: 'contains', sw: 'starts', ew: 'ends' } as const;

function stringFilter(param: SearchParam, match: StringFilter['match'], value: string): Filter {
  return { kind: 'string', param, index: param.code, match, values: [readStringValue(value, false)] };
}

/**
 * "An item in the set has an unequal value": there is a value, and it is not this one. Of several values the index does not
 * say which differs, so none may be equal.
 */
function differs(param: SearchParam, value: string, plain: () => Filter): Filter {
  const equal = param.type === 'string' ? stringFilter(param, 'equals', value) : plain();
  const present: Filter = { kind: 'missing', param, index: param.code, isMissing: false };
  return { kind: 'group', param, join: 'and', isNegated: false, filters: [present, not(equal, param)] };
}

function not(filter: Filter, param: SearchParam): Filter {
  return { kind: 'group', param, join: 'and', isNegated: true, filters: [filter] };
}

/** "True if a (implied) date period in the set overlaps with the implied period in the value" */
function overlap(param: SearchParam, value: string, context: FilterContext): Filter {
  const { low, high } = readDateValue(value, param, context.now);
  return { kind: 'date', param, index: param.code, values: [{ prefix: 'ap', low, high }] };
}
