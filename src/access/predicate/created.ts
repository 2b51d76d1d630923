/** Rows of whoever made them: Subscriptions. */
import { raw, sql } from '../../db/sql.ts';
import { typeCode } from '../../fhir/types.ts';
import { Visibility } from '../../store/visibility.ts';
import type { Principal } from '../principal/principal.ts';
import type { Scope } from '../principal/scope.ts';
import { createdType, creatorOf } from './creator.ts';
import { isUnrevoked, scopeCovers } from './grant.ts';

/**
 * A Subscription is seen by whoever made it alone, and is in no patient's record: neither a launch context nor a Consent has a
 * say. Rows of it are met only where they are asked for by themselves; any other statement finds an owner that is nobody's.
 */
export function created(principal: Principal, scopes: readonly Scope[]): Visibility {
  return new Visibility(
    (alias) => {
      const row = raw(alias);
      const isOwn = sql`${row}.type = ${typeCode(createdType)} and ${row}.owner = ${creatorOf(principal)}`;
      const covers = scopeCovers(row, scopes);
      return sql`${isOwn} and ${isUnrevoked(principal)} ${covers === undefined ? raw('') : sql`and ${covers}`}`;
    },
    () => raw(`'source'::text`),
  );
}

export const isOfCreated = (types: readonly string[] | undefined): boolean =>
  types?.length === 1 && types[0] === createdType;
