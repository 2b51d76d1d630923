/** The predicate for rows that an answer meets on its way: each type under the scopes of that type. */
import type { VisibilityOf } from '../../store/visibility.ts';
import { visibility } from './predicate.ts';
import type { Principal } from '../principal/principal.ts';

/**
 * Who may see rows of other types than the one searched: on the way of a chain, or included. A type that no scope covers has
 * none to be seen: the same answer as if there were none (LEAKS 1, 2, 52).
 */
export function seenBy(principal: Principal): VisibilityOf {
  return (types) => visibility(principal, { interaction: 's', types });
}
