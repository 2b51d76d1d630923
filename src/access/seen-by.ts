/** The predicate for rows that an answer meets on its way: each type under the scopes of that type. */
import type { Visibility, VisibilityOf } from '../store/visibility.ts';
import { visibility } from './predicate.ts';
import type { Principal } from './principal.ts';

/**
 * Who may see rows of other types than the one searched: on the way of a chain, or included. A type that no scope covers has
 * none to be seen: the same answer as if there were none (LEAKS 1, 2, 52).
 */
export function seenBy(principal: Principal): VisibilityOf {
  const known = new Map<string, Visibility>();
  return (types) => {
    const key = types.join();
    const visible = known.get(key) ?? visibility(principal, { interaction: 's', types });
    known.set(key, visible);
    return visible;
  };
}
