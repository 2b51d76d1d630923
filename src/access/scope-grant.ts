/**
 * What a client is granted of what it asks for: the intersection with what it is registered for, scope by scope. Never a
 * token without a scope, and never one that says less than the client believes because it misspelt something.
 *
 * @see https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html#scopes
 */
import { OAuthProblem } from './oauth.ts';
import { parseScope, type Interaction } from './scope.ts';

/** Far more than there are types a service reads. */
export const scopesMax = 100;
/** The token is a header: it must fit into the 16 kB that all headers together may have. */
const grantedCharsMax = 4_000;

interface Parts {
  readonly type: string;
  readonly interactions: ReadonlySet<Interaction>;
  readonly query?: string;
}

/**
 * The parts of a `system/` scope that the hub can evaluate, undefined for every other text: a service has no user and no
 * patient in context, so their scopes would cover nothing.
 */
export function systemScope(text: string): Parts | undefined {
  const scope = parseScope(text);
  if (scope?.context !== 'system') return undefined;
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
export function grantScopes(requested: string | undefined, allowed: readonly string[]): string {
  const texts = [...new Set((requested ?? '').split(' ').filter((text) => text !== ''))];
  if (texts.length === 0) throw invalid('the parameter scope is missing');
  if (texts.length > scopesMax) throw invalid(`at most ${scopesMax} scopes may be asked for at once`);
  const wanted = texts.map((text) => {
    const parts = systemScope(text);
    if (parts !== undefined) return parts;
    throw invalid('a scope is none that the hub can evaluate for a service, such as system/Observation.rs');
  });
  const permitted = allowed.map(systemScope).filter((parts) => parts !== undefined);
  const granted = new Set(wanted.flatMap((one) => permitted.map((other) => intersect(one, other))));
  granted.delete(undefined);
  const claim = [...granted].join(' ');
  if (claim === '') throw invalid('the client is not registered for any of these scopes');
  if (claim.length > grantedCharsMax) throw invalid('these are too many scopes for one token');
  return claim;
}

/** The scope that covers what both cover; undefined when that is nothing. */
function intersect(one: Parts, other: Parts): string | undefined {
  if (one.type !== '*' && other.type !== '*' && one.type !== other.type) return undefined;
  const type = one.type === '*' ? other.type : one.type;
  const letters = [...one.interactions.intersection(other.interactions)].join('');
  // Filters of a scope must all hold, so those of both together are the intersection.
  const queries = [...new Set([one.query, other.query].filter((query) => query !== undefined))];
  const text = `system/${type}.${letters}${queries.length === 0 ? '' : `?${queries.join('&')}`}`;
  return systemScope(text) === undefined ? undefined : text;
}

function invalid(description: string): OAuthProblem {
  return new OAuthProblem('invalid_scope', description);
}
