/**
 * What a client is granted of what it asks for: the intersection with what it is registered for, scope by scope. Never a
 * token without a scope, and never one that says less than the client believes because it misspelt something.
 *
 * @see https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html#scopes
 */
import { OAuthProblem } from '../oauth/oauth.ts';
import { parseScope, type Interaction, type Scope } from '../principal/scope.ts';

/** Far more than there are types a service reads. */
export const scopesMax = 100;
/** The token is a header: it must fit into the 16 kB that all headers together may have. */
const grantedCharsMax = 4_000;

interface Parts {
  readonly type: string;
  readonly interactions: ReadonlySet<Interaction>;
  readonly query?: string;
}

/** `system` for a service: it has no user and no patient, so their scopes would cover nothing. `patient` for an app of one. */
export type GrantedContext = 'system' | 'patient';

/** The parts of a scope of this context that the hub can evaluate, undefined for every other text. */
export function scopeParts(text: string, context: GrantedContext): Parts | undefined {
  const scope = parseScope(text);
  if (scope?.context !== context) return undefined;
  const [, query] = text.split('?', 2);
  return {
    type: scope.type,
    interactions: scope.interactions,
    ...(query === undefined ? {} : { query }),
  };
}

/**
 * @param requested the parameter `scope`
 * @param allowed scopes of the registration
 * @throws OAuthProblem invalid_scope
 */
export function grantScopes(
  requested: string | undefined,
  allowed: readonly string[],
  context: GrantedContext = 'system',
): string {
  const texts = [...new Set((requested ?? '').split(' ').filter((text) => text !== ''))];
  if (texts.length === 0) throw invalid('the parameter scope is missing');
  if (texts.length > scopesMax) throw invalid(`at most ${scopesMax} scopes may be asked for at once`);
  const wanted = texts.map((text) => {
    const parts = scopeParts(text, context);
    if (parts !== undefined) return parts;
    throw invalid(`a scope is none that the hub can evaluate here, such as ${context}/Observation.rs`);
  });
  const permitted = allowed.map((text) => scopeParts(text, context)).filter((parts) => parts !== undefined);
  const granted = new Set(wanted.flatMap((one) => permitted.map((other) => intersect(one, other, context))));
  granted.delete(undefined);
  const claim = [...granted].join(' ');
  if (claim === '') throw invalid('the client is not registered for any of these scopes');
  if (claim.length > grantedCharsMax) throw invalid('these are too many scopes for one token');
  return claim;
}

/** The scope that covers what both cover; undefined when that is nothing. */
function intersect(one: Parts, other: Parts, context: GrantedContext): string | undefined {
  if (one.type !== '*' && other.type !== '*' && one.type !== other.type) return undefined;
  const type = one.type === '*' ? other.type : one.type;
  const letters = [...one.interactions.intersection(other.interactions)].join('');
  // Filters of a scope must all hold, so those of both together are the intersection.
  const queries = [...new Set([one.query, other.query].filter((query) => query !== undefined))];
  const text = `${context}/${type}.${letters}${queries.length === 0 ? '' : `?${queries.join('&')}`}`;
  return scopeParts(text, context) === undefined ? undefined : text;
}

function invalid(description: string): OAuthProblem {
  return new OAuthProblem('invalid_scope', description);
}

/**
 * Scopes that were granted once, as far as the registration still has them. A client that is registered without scopes is
 * granted none here: what it may ask its issuer says.
 */
export function narrowScopes(scopes: readonly Scope[], allowed: readonly string[]): Scope[] {
  if (allowed.length === 0) return [...scopes];
  const permitted = allowed.map(parseScope).filter((scope) => scope?.context === 'system');
  return scopes.flatMap((one) =>
    one.context === 'system' ? permitted.flatMap((other) => overlap(one, other as Scope) ?? []) : [one],
  );
}

function overlap(one: Scope, other: Scope): Scope | undefined {
  if (one.type !== '*' && other.type !== '*' && one.type !== other.type) return undefined;
  const interactions = one.interactions.intersection(other.interactions);
  if (interactions.size === 0) return undefined;
  return {
    context: 'system',
    type: one.type === '*' ? other.type : one.type,
    interactions,
    filters: [...one.filters, ...other.filters],
  };
}
