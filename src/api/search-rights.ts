/**
 * What of a search this caller may ask: every parameter it reads, on every type on the way, tells as much as the element it
 * stands on. Which rows come of it is the predicate's.
 */
import { mayFilter } from '../access/predicate/minimum.ts';
import type { Principal } from '../access/principal/principal.ts';
import { Problem } from '../fhir/problem.ts';
import { paramsRead, type Branch, type Filter, type Include, type SearchRequest } from '../fhir/search.ts';

/**
 * A filter or a sort tells as much as the element it reads, at every step of a chain; so does a reference that is followed.
 * @throws Problem forbidden
 */
export function requireParams(principal: Principal, { type, filters, sort, branches, includes }: SearchRequest): void {
  const searched = branches ?? [{ types: [type], filters, sort }];
  const read = [
    ...searched.flatMap(paramsAsked),
    ...includes.filter(({ isWildcard }) => !isWildcard).flatMap(paramsFollowed),
  ];
  for (const { type: owner, code } of read) {
    if (!mayFilter(principal, owner, code)) {
      throw new Problem('forbidden', 'the token does not allow to search by this parameter', { expression: code });
    }
  }
}

interface Asked {
  readonly type: string;
  readonly code: string;
}

function paramsAsked({ types, filters, sort }: Branch): Asked[] {
  return types.flatMap((type) => [
    ...filters.flatMap((filter) => [...paramsRead(type, filter)]),
    ...sort.map(({ param }) => ({ type, code: param.code })),
  ]);
}

function paramsFollowed({ source, params }: Include): Asked[] {
  return params.map(({ code }) => ({ type: source, code }));
}

/** Wildcards stand for what this caller may follow: the references of `*`, the members of a whole compartment. */
export function narrowWildcards(principal: Principal, request: SearchRequest): SearchRequest {
  const { branches, includes } = request;
  return {
    ...request,
    includes: includes.map((include) =>
      include.isWildcard
        ? { ...include, params: include.params.filter(({ code }) => mayFilter(principal, include.source, code)) }
        : include,
    ),
    ...(branches === undefined
      ? {}
      : {
          branches: branches.map((branch) => ({
            ...branch,
            filters: branch.filters.map((filter) => narrowMembers(principal, filter)),
          })),
        }),
  };
}

function narrowMembers(principal: Principal, filter: Filter): Filter {
  if (filter.kind !== 'compartment') return filter;
  const members = filter.members.map(({ types, params }) => ({
    types: types.filter((type) => params.every((code) => mayFilter(principal, type, code))),
    params,
  }));
  return { ...filter, members };
}
