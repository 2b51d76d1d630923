/** What a token grants whatever any Consent says: its scopes, its launch context, and that nobody has taken it back. */
import { join, sql, type Sql } from '../../db/sql.ts';
import { typeCode } from '../../fhir/types.ts';
import type { Principal } from '../principal/principal.ts';
import type { Scope } from '../principal/scope.ts';
import { isOfType } from './row.ts';
import { linkedPatients } from './self.ts';

/** LEAKS 52: the scope is part of the predicate, per row, so included rows of another type meet it as well. */
export function scopeCovers(row: Sql, scopes: readonly Scope[]): Sql | undefined {
  const whole = scopes.filter(({ filters }) => filters.length === 0);
  if (whole.some(({ type }) => type === '*')) return undefined;
  const alternatives = scopes
    .filter(({ filters, type }) => filters.length > 0 && !whole.some((other) => other.type === type))
    .map(({ type, filters }) => {
      const tokens = filters.map((hashes) => sql`${row}.tokens && ${`{${hashes.join(',')}}`}::bigint[]`);
      return sql`(${row}.type = ${typeCode(type)} and ${join(tokens, ' and ')})`;
    });
  if (whole.length > 0) alternatives.push(isOfType(row, new Set(whole.map(({ type }) => type))));
  return sql`(${join(alternatives, ' or ')})`;
}

/** LEAKS 51: the launch context is part of the predicate. It means the person: all source patients linked to it. */
export function inContext(row: Sql, principal: Principal): Sql | undefined {
  return principal.patient === undefined ? undefined : sql`${row}.patient = any(${linkedPatients(principal.patient)})`;
}

/** A token that was revoked anywhere sees nothing from the next statement, whatever a process remembers of it. */
export function isUnrevoked({ jti, issuer }: Principal): Sql {
  return sql`not exists (select from revoked_token where jti = ${jti} and issuer = ${issuer})`;
}
