/**
 * A parsed search: what the store compiles to SQL. Modifiers are already resolved into `index` (the name in the index, see
 * index-entry.ts) and the filter's own fields, so the store never reads a query string.
 */
import type { Problem } from './problem.ts';
import type { TextQuery } from './search/text.ts';

export type SearchParamType =
  | 'number'
  | 'date'
  | 'string'
  | 'token'
  | 'reference'
  | 'composite'
  | 'quantity'
  | 'uri'
  | 'special';

/** A search parameter of one resource type. @see https://hl7.org/fhir/R4/searchparameter.html */
export interface SearchParam {
  readonly code: string;
  readonly type: SearchParamType;
  /** Canonical URL of the definition. */
  readonly url: string;
  /** FHIRPath of this resource type alone; undefined for `_text`, `_content` and other specials. */
  readonly expression?: string;
  /** Resource types a reference may point to. */
  readonly target?: readonly string[];
  readonly components?: readonly SearchComponent[];
  /** Not every stored resource is indexed by it yet. */
  readonly isPartial?: boolean;
}

export interface SearchComponent {
  readonly param: SearchParam;
  /** FHIRPath from the composite's element. */
  readonly expression: string;
}

/** @see https://hl7.org/fhir/R4/search.html#prefix */
export type Prefix = 'eq' | 'ne' | 'gt' | 'lt' | 'ge' | 'le' | 'sa' | 'eb' | 'ap';

export interface SearchRequest {
  /** '' for a search over several types: then `branches` say what is searched. */
  readonly type: string;
  /** All must hold. */
  readonly filters: readonly Filter[];
  /** A row of the answer meets the one of its type. Each type is in one of them. */
  readonly branches?: readonly Branch[];
  /** References that lead to further resources of the answer. */
  readonly includes: readonly Include[];
  /** Empty: the server's order. */
  readonly sort: readonly SortKey[];
  /** Page size, already bounded; 0 asks for the total alone. */
  readonly count: number;
  readonly total: 'none' | 'estimate' | 'accurate';
  readonly summary?: 'true' | 'text' | 'data' | 'count' | 'false';
  readonly elements?: readonly string[];
  /** The opaque keyset cursor of a `next` link. */
  readonly cursor?: string;
  /** Names and values in effect, in order, without the cursor: the `self` link says what was really searched. */
  readonly parameters: readonly (readonly [string, string])[];
  /** What lenient handling ignored; goes into the searchset as an outcome entry. */
  readonly issues: readonly Problem[];
}

/** A search over several types is one for each, or one for all when it names nothing but parameters of every type. */
export interface Branch {
  readonly types: readonly string[];
  readonly filters: readonly Filter[];
  readonly sort: readonly SortKey[];
}

/** `_include` or `_revinclude`: references by any of `params`, from resources of type `source`. */
export interface Include {
  /** Followed against their direction: to the resources that hold them. */
  readonly isReverse: boolean;
  /** Followed from what was included as well, not from the matches alone. */
  readonly isIterated: boolean;
  readonly source: string;
  readonly params: readonly SearchParam[];
  /** `*`: `params` are all there are. */
  readonly isWildcard: boolean;
  /** Only to resources of this type. */
  readonly target?: string;
}

export interface SortKey {
  readonly param: SearchParam;
  readonly isDescending: boolean;
}

/** Values of one filter are alternatives (OR). */
export type Filter =
  | CompartmentFilter
  | ChainFilter
  | HasFilter
  | GroupFilter
  | ElementFilter
  | CodesFilter
  | HierarchyFilter
  | NearFilter
  | TextFilter
  | TokenFilter
  | ReferenceFilter
  | StringFilter
  | DateFilter
  | NumberFilter
  | QuantityFilter
  | UriFilter
  | MissingFilter;

/** `Patient/x/Observation`: the resource is in the compartment, by one of the parameters of its type. */
export interface CompartmentFilter {
  readonly kind: 'compartment';
  /** No parameter of R4: its code is the type of the compartment, its URL the definition. */
  readonly param: SearchParam;
  readonly id: string;
  /** Types with the same parameters together. */
  readonly members: readonly CompartmentMember[];
  /** The resource that the compartment is of is a member of its own. */
  readonly includesFocus: boolean;
}

export interface CompartmentMember {
  readonly types: readonly string[];
  readonly params: readonly string[];
}

/** `subject:Patient.name=x`: the resource refers by `param` to one that meets the rest. */
export interface ChainFilter {
  readonly kind: 'chain';
  readonly param: SearchParam;
  readonly index: string;
  /** Alternatives: one for each type the reference may lead to. */
  readonly targets: readonly ChainTarget[];
}

export interface ChainTarget {
  readonly type: string;
  readonly filter: Filter;
}

/** `_has:Observation:patient:code=x`: a resource of `type` that meets the rest refers by its `param` to this one. */
export interface HasFilter {
  readonly kind: 'has';
  readonly param: SearchParam;
  readonly index: string;
  readonly type: string;
  readonly filter: Filter;
}

/** Filters joined by and/or: what a composite of a whole resource means, and what `_filter` says. */
export interface GroupFilter {
  readonly kind: 'group';
  /** The parameter that stands in the query: who may search by it may search by what it is made of. */
  readonly param: SearchParam;
  readonly join: 'and' | 'or';
  readonly isNegated: boolean;
  /** At least one. */
  readonly filters: readonly Filter[];
}

/** One element of the resource meets all of these: each speaks of the element's own values, under names of their own. */
export interface ElementFilter {
  readonly kind: 'element';
  readonly param: SearchParam;
  readonly filters: readonly (TokenFilter | ReferenceFilter | UriFilter | DateFilter | NumberFilter | QuantityFilter)[];
}

/**
 * Tokens that a value set or a hierarchy of codes stands for. Whoever knows the terminology makes it a {@link TokenFilter}
 * before it is compiled.
 */
export interface CodesFilter {
  readonly kind: 'codes';
  readonly param: SearchParam;
  readonly index: string;
  readonly relation: 'in' | 'below' | 'above';
  /** `:not-in`: resources without any of the codes, those without a value included. */
  readonly isNegated: boolean;
  /** Canonical URLs or ids of ValueSets for `in`, else `system|code`. */
  readonly values: readonly CodesValue[];
}

export type CodesValue = { readonly valueSet: string } | { readonly system: string; readonly code: string };

/** References to resources at or below (above) some in a hierarchy such as Location.partOf; becomes a {@link ReferenceFilter}. */
export interface HierarchyFilter {
  readonly kind: 'hierarchy';
  readonly param: SearchParam;
  readonly index: string;
  readonly relation: 'below' | 'above';
  readonly type: string;
  /** The reference by which a resource of the type names what it is part of. */
  readonly parent: SearchParam;
  readonly ids: readonly string[];
}

/** `_text` and `_content`. @see https://hl7.org/fhir/R4/search.html#content */
export interface TextFilter {
  readonly kind: 'text';
  readonly param: SearchParam;
  readonly index: string;
  readonly source: 'narrative' | 'content';
  readonly query: TextQuery;
}

/** @see https://hl7.org/fhir/R4/location.html#search */
export interface NearFilter {
  readonly kind: 'near';
  readonly param: SearchParam;
  readonly index: string;
  readonly values: readonly NearValue[];
}

/** Degrees and metres. */
export interface NearValue {
  readonly latitude: number;
  readonly longitude: number;
  readonly distance: number;
}

export interface TokenFilter {
  readonly kind: 'token';
  readonly param: SearchParam;
  readonly index: string;
  /** `:not`: resources without any of the values, those without a value included. */
  readonly isNegated: boolean;
  readonly values: readonly TokenValue[];
}

/** system undefined = any, '' = none; code undefined = any. Never both undefined. */
export interface TokenValue {
  readonly system?: string;
  readonly code?: string;
}

export interface ReferenceFilter {
  readonly kind: 'reference';
  readonly param: SearchParam;
  readonly index: string;
  readonly values: readonly ReferenceValue[];
}

/** `23` has id alone, `Patient/23` type and id, an absolute URL of another server or a canonical has url. */
export interface ReferenceValue {
  readonly type?: string;
  readonly id?: string;
  readonly url?: string;
  readonly version?: string;
}

export interface StringFilter {
  readonly kind: 'string';
  readonly param: SearchParam;
  readonly index: string;
  /** `equals` and `ends` are those of `_filter`: folded, as all but `exact` are. */
  readonly match: 'starts' | 'exact' | 'contains' | 'equals' | 'ends';
  /** Folded by `foldString`, except for `exact`. */
  readonly values: readonly string[];
}

export interface DateFilter {
  readonly kind: 'date';
  readonly param: SearchParam;
  readonly index: string;
  readonly values: readonly RangeValue[];
}

/**
 * The searched interval [low, high), in epoch milliseconds for dates. For numbers and quantities `gt lt ge le sa eb` take
 * the value as exact (low = high); `eq ne` have the interval of its precision. `ap` is already widened. How each prefix
 * compares with a stored interval is said once, in range.ts.
 */
export interface RangeValue {
  readonly prefix: Prefix;
  readonly low: number;
  readonly high: number;
}

export interface NumberFilter {
  readonly kind: 'number';
  readonly param: SearchParam;
  readonly index: string;
  readonly values: readonly RangeValue[];
}

export interface QuantityFilter {
  readonly kind: 'quantity';
  readonly param: SearchParam;
  readonly index: string;
  readonly values: readonly QuantityValue[];
}

/** With `system`: system and code must be equal. With code alone: the stored code or unit must be equal. */
export interface QuantityValue extends RangeValue {
  readonly system?: string;
  readonly code?: string;
}

export interface UriFilter {
  readonly kind: 'uri';
  readonly param: SearchParam;
  readonly index: string;
  /** `above` and `below`: by whole segments of the path. */
  readonly relation: 'equal' | 'above' | 'below';
  readonly values: readonly string[];
}

/** `:missing`. The index names are `param.code` alone: a resource without any entry of that name lacks the value. */
export interface MissingFilter {
  readonly kind: 'missing';
  readonly param: SearchParam;
  readonly index: string;
  readonly isMissing: boolean;
}
