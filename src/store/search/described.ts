/** Searches asked of resources that are not stored yet, by the same index values that would be stored of them. */
import { limitedTo } from '../../fhir/params.ts';
import { atIndex } from '../../fhir/problem.ts';
import type { SearchRequest, TokenFilter } from '../../fhir/search.ts';
import type { AnyResource } from '../../fhir/types.ts';
import { valuesMaxDefault } from '../commit.ts';
import { indexColumns } from '../index-columns.ts';
import { tokenHashes } from '../params/token.ts';

/** Resources of one type by each of their tokens. */
type ByToken = ReadonlyMap<bigint, ReadonlySet<number>>;

export class Drafts {
  readonly #resources: readonly (AnyResource | undefined)[];
  readonly #indexed = new Map<string, ByToken>();

  constructor(resources: readonly (AnyResource | undefined)[]) {
    this.#resources = resources;
  }

  /**
   * Places in the list of what the search describes. Only conditions by token can be asked so (an identifier, nearly always);
   * by anything else it describes nothing.
   * @throws Problem too-long with the `index` of a resource that has more values than may be stored
   */
  describedBy({ type, filters }: SearchRequest): number[] {
    const [first, ...others] = filters.map((filter) =>
      filter.kind === 'token' && !filter.isNegated ? this.#having(type, filter) : new Set<number>(),
    );
    return [...(first ?? [])].filter((at) => others.every((places) => places.has(at)));
  }

  #having(type: string, filter: TokenFilter): Set<number> {
    const places = new Set<number>();
    if (filter.index === '_id') {
      const ids = new Set(filter.values.map(({ code }) => code));
      for (const [at, resource] of this.#resources.entries()) {
        if (resource?.resourceType === type && resource.id !== undefined && ids.has(resource.id)) places.add(at);
      }
      return places;
    }
    const byToken = this.#index(type);
    for (const hash of tokenHashes(filter)) for (const at of byToken.get(hash) ?? []) places.add(at);
    return places;
  }

  #index(type: string): ByToken {
    const known = this.#indexed.get(type);
    if (known !== undefined) return known;
    const byToken = new Map<bigint, Set<number>>();
    for (const [at, resource] of this.#resources.entries()) {
      if (resource?.resourceType !== type) continue;
      for (const token of tokensOf(resource, at)) {
        const places = byToken.get(token);
        if (places === undefined) byToken.set(token, new Set([at]));
        else places.add(at);
      }
    }
    this.#indexed.set(type, byToken);
    return byToken;
  }
}

function tokensOf(resource: AnyResource, at: number): ReadonlySet<bigint> {
  try {
    return indexColumns(resource, limitedTo(valuesMaxDefault, resource.resourceType)).tokens;
  } catch (error) {
    throw atIndex(at, error);
  }
}
