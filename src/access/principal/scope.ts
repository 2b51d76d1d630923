/**
 * SMART App Launch 2 scopes: `patient|user|system/Type.cruds?query`. A granular query is compiled to the token hashes that
 * the store keeps, so it runs in the same predicate as everything else. What cannot be evaluated grants nothing.
 *
 * @see https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
 */
import { tokenHash } from '../../fhir/hash.ts';
import { Problem } from '../../fhir/problem.ts';
import { typeCode } from '../../fhir/types.ts';
import type { Principal } from './principal.ts';

export type Interaction = 'c' | 'r' | 'u' | 'd' | 's';

export interface Scope {
  readonly context: 'patient' | 'user' | 'system';
  /** A resource type, or `*`. */
  readonly type: string;
  readonly interactions: ReadonlySet<Interaction>;
  /** All must hold: for each, a row must carry one of the token hashes. Empty: every row of the type. */
  readonly filters: readonly (readonly bigint[])[];
}

/** Enough for one scope per type and context; a longer list is a mistake or an attack. */
const scopesMax = 500;
const filtersMax = 8;

const pattern = /^(patient|user|system)\/(\*|[A-Za-z]+)\.(c?r?u?d?s?)(?:\?(.+))?$/;

/** The scopes of a space-separated claim that grant something; unknown and unevaluable ones are dropped. */
export function parseScopes(claim: string): Scope[] {
  return claim
    .split(' ', scopesMax)
    .map(parseScope)
    .filter((scope) => scope !== undefined);
}

/** One scope; undefined when it is none of ours or cannot be evaluated. */
export function parseScope(text: string): Scope | undefined {
  const [, context, type = '', letters = '', query] = pattern.exec(text) ?? [];
  if (context === undefined || letters === '') return undefined;
  if (type !== '*' && typeCode(type) === undefined) return undefined;
  const filters = query === undefined ? [] : parseFilters(query);
  // SMART 2.2: a granular query needs a type whose parameters it names; on `*` it cannot be evaluated.
  if (filters === undefined || (filters.length > 0 && type === '*')) return undefined;
  return {
    context: context as Scope['context'],
    type,
    interactions: new Set(letters as Iterable<Interaction>),
    filters,
  };
}

/**
 * `category=sys|laboratory&code=a,b` as alternatives of token hashes. A parameter that is no token of the type has no
 * hash in any row, so it grants nothing without a list of parameters here. Modifiers, chains and parameters that
 * shape the answer are refused.
 */
function parseFilters(query: string): bigint[][] | undefined {
  const filters: bigint[][] = [];
  for (const [name, value] of new URLSearchParams(query)) {
    if (!/^_?[a-z][a-z-]*$/.test(name) || value === '' || value.includes('\\')) return undefined;
    const hashes: bigint[] = [];
    for (const one of value.split(',')) {
      const hash = parseToken(name, one);
      if (hash === undefined) return undefined;
      hashes.push(hash);
    }
    filters.push(hashes);
  }
  return filters.length === 0 || filters.length > filtersMax ? undefined : filters;
}

/** FHIR R4 search.html#token: `code`, `system|code`, `|code` (no system), `system|` (any code of it). */
function parseToken(param: string, value: string): bigint | undefined {
  const [system, code, ...rest] = value.includes('|') ? value.split('|') : [undefined, value];
  if (rest.length > 0 || (!system && !code)) return undefined;
  return tokenHash(param, system, code === '' ? undefined : code);
}

/** The scopes that cover an interaction, in a context this principal really has. */
export function scopesFor(principal: Principal, interaction: Interaction): Scope[] {
  return principal.scopes.filter((scope) => scope.interactions.has(interaction) && hasContext(principal, scope));
}

/** `patient/` needs a patient in context, `user/` a user; without it the scope covers nothing. */
function hasContext(principal: Principal, scope: Scope): boolean {
  if (scope.context === 'patient') return principal.patient !== undefined || principal.self !== undefined;
  return scope.context === 'system' || principal.fhirUser !== undefined;
}

/**
 * Whether the token may try at all. Rows are narrowed by the predicate; a write has no predicate, so it needs a scope
 * without a query.
 * @throws Problem forbidden, the same text whatever is missing
 */
export function requireScope(principal: Principal, type: string, interaction: Interaction): void {
  requireScopeOfAny(principal, [type], interaction);
}

/**
 * The same for what is asked of several types at once: those that no scope covers have no rows.
 * @throws Problem forbidden when none is covered
 */
export function requireScopeOfAny(principal: Principal, types: readonly string[], interaction: Interaction): void {
  const isRead = interaction === 'r' || interaction === 's';
  const isCovered = scopesFor(principal, interaction).some(
    (scope) => (scope.type === '*' || types.includes(scope.type)) && (isRead || scope.filters.length === 0),
  );
  if (!isCovered) {
    const [type = '', ...others] = types;
    const context = principal.self === undefined && principal.patient === undefined ? 'system' : 'patient';
    throw new Problem('forbidden', 'the scope of the token does not cover this interaction', {
      hint: `Ask for a scope such as ${context}/${typeCode(type) === undefined || others.length > 0 ? '*' : type}.${interaction}.`,
    });
  }
}

/** Whether every row of the type is covered. */
export function coversWhole(principal: Principal, type: string, interaction: Interaction): boolean {
  const covers = ({ type: covered, filters }: Scope): boolean =>
    (covered === '*' || covered === type) && filters.length === 0;
  return scopesFor(principal, interaction).some(covers);
}

/**
 * What is read without rows has no predicate that could narrow it: a scope with a query does not open it (LEAKS 52).
 * @throws Problem forbidden
 */
export function requireWholeScope(principal: Principal, type: string, interaction: Interaction): void {
  if (coversWhole(principal, type, interaction)) return;
  throw new Problem('forbidden', 'the scope of the token does not cover this interaction', {
    hint: `Ask for a scope such as system/${type}.${interaction}, without a query.`,
  });
}
