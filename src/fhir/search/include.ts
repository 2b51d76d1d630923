/**
 * `_include` and `_revinclude`: which references lead from the matches to further resources of the answer.
 *
 *     _include=Observation:subject:Patient    source type, reference parameter, target type (optional)
 *     _revinclude=Provenance:target           resources that refer to a match
 *     _include:iterate=Patient:link           over what was included as well
 *     _include=*  _include=Observation:*      every reference parameter
 *
 * @see https://hl7.org/fhir/R4/search.html#revinclude
 */
import { searchParams } from '../params.ts';
import { Problem } from '../problem.ts';
import { details, ignore, type SearchContext } from './context.ts';
import { printable } from './filters.ts';
import type { Include, SearchParam, SearchRequest } from '../search-request.ts';
import { resourceTypes, typeCode } from '../types.ts';

/** More than any real query has; each is followed from every match. */
const includesMax = 32;

/** `:recurse` is what STU3 called it. */
const iterating = new Set(['iterate', 'recurse']);

/** @returns false for another parameter */
export function takeInclude(name: string, value: string, includes: Include[], context: SearchContext): boolean {
  const [code = '', modifier, ...more] = name.split(':');
  if (code !== '_include' && code !== '_revinclude') return false;
  if (more.length > 0 || (modifier !== undefined && !iterating.has(modifier))) {
    throw new Problem('not-supported', `${code} takes :iterate and no other modifier`, { expression: printable(name) });
  }
  if (includes.length === includesMax) {
    throw new Problem('too-costly', `a search takes at most ${includesMax} includes`, { expression: code });
  }
  const include = readInclude(
    { name: code, value, isReverse: code === '_revinclude', isIterated: modifier !== undefined },
    context,
  );
  if (include === undefined) return true;
  includes.push(include);
  context.parameters.push([name, value]);
  return true;
}

interface Written {
  readonly name: string;
  readonly value: string;
  readonly isReverse: boolean;
  readonly isIterated: boolean;
}

function readInclude({ name, value, isReverse, isIterated }: Written, context: SearchContext): Include | undefined {
  const expression = name;
  const parts = value === '*' ? [isReverse ? '' : context.type, '*'] : value.split(':');
  const [source = '', code = '', target, ...more] = parts;
  if (value === '*' && isReverse) {
    throw new Problem('too-costly', 'any reference of any type may lead to a match', {
      expression,
      hint: 'Name the type that refers: _revinclude=Provenance:*.',
    });
  }
  if (more.length > 0 || code === '') {
    throw new Problem('invalid', `${name} has two or three parts`, {
      expression,
      hint: `Write ${name}=Observation:subject or ${name}=Observation:subject:Patient.`,
    });
  }
  if (typeCode(source) === undefined || (target !== undefined && typeCode(target) === undefined)) {
    throw new Problem('invalid', `${name} names no resource type of R4`, { expression });
  }
  const params = code === '*' ? referencesOf(source) : [searchParams(source).get(code)];
  if (params.includes(undefined)) {
    const problem = new Problem(
      'not-supported',
      `${name} names no search parameter`,
      details(name, { ...context, type: source }),
    );
    return ignore(problem, context);
  }
  const references = params.filter((param) => param?.type === 'reference') as SearchParam[];
  if (code !== '*' && references.length === 0)
    throw new Problem('invalid', `${name} follows references alone`, { expression });
  return {
    isReverse,
    isIterated,
    source,
    isWildcard: code === '*',
    params: references.filter((param) => target === undefined || (param.target?.includes(target) ?? true)),
    ...(target === undefined ? {} : { target }),
  };
}

/** FHIR R4 search.html#summary: includes cannot be mixed with `_summary=text`. @throws Problem invalid */
export function requireWhole(includes: readonly Include[], summary: SearchRequest['summary']): void {
  if (summary !== 'text' || includes.length === 0) return;
  throw new Problem('invalid', '_summary=text goes without _include and _revinclude', { expression: '_summary' });
}

/** What `*` stands for. */
function referencesOf(type: string): SearchParam[] {
  return [...searchParams(type).values()].filter(
    ({ type: kind, expression }) => kind === 'reference' && expression !== undefined,
  );
}

/** Values of `_include` for a type, as the CapabilityStatement lists them. */
export function includesOf(type: string): string[] {
  return ['*', `${type}:*`, ...referencesOf(type).map(({ code }) => `${type}:${code}`)];
}

/**
 * Values of `_revinclude` for a type: references that name it among their targets. Those to any type at all are served too,
 * but 80 of them for each of 146 types would be most of the statement; one of them is what clients look for.
 */
export function revIncludesOf(type: string): string[] {
  return [...(namedBy().get(type) ?? []), 'Provenance:target'];
}

let named: Map<string, string[]> | undefined;

function namedBy(): Map<string, string[]> {
  if (named !== undefined) return named;
  named = new Map(resourceTypes.map((type) => [type, []]));
  for (const source of resourceTypes) {
    for (const { code, target = resourceTypes } of referencesOf(source)) {
      if (target.length < targetsOfAny) for (const type of target) named.get(type)?.push(`${source}:${code}`);
    }
  }
  return named;
}

/** R4 lists all its types as the targets of a reference to anything; the next widest names 20. */
const targetsOfAny = 100;
