/**
 * A rule of a Consent (a row of `consent_rule`, alias `rule`) and a row: whom and what it is about, and what it permits or denies of it.
 */
import { raw, shared, sql, textArray, type Sql } from '../../db/sql.ts';
import { ordinaryLabel } from '../../fhir/labels.ts';
import { everybody } from '../consent/rules.ts';
import { recipientsOf, type Principal } from '../principal/principal.ts';
import { containedThen, containsOnly } from './row.ts';

export const consentName = raw(`'consent:' || rule.consent_id || '/' || rule.version`);

/** The rule is about rows without labels, by itself or beside those with the labels it names. */
export const opensOrdinary = raw(`(rule.labels = 0 or rule.labels & ${ordinaryLabel} <> 0)`);

/** LEAKS 14, 8: every label is named, at least one where the rule names any, and all of the row's time lies inside. */
export function permits(row: Sql): Sql {
  return sql`not rule.is_deny and ${row}.labels & ~rule.labels = 0 and (${row}.labels <> 0 or ${opensOrdinary})
    and (rule.data_from is null or (${row}.clinical_from >= rule.data_from and ${row}.clinical_to <= rule.data_to))`;
}

/** A deny is as wide as a permit is narrow: any shared label, any overlap with its period. */
export function denies(row: Sql): Sql {
  return sql`rule.is_deny and (rule.labels = 0 or rule.labels & ${row}.labels <> 0)
    and (rule.data_from is null or (${row}.clinical_from < rule.data_to and ${row}.clinical_to > rule.data_from))`;
}

/** Rules in force for this principal (or for everybody: denies only) and one of its purposes. */
export function isAddressed(principal: Principal): Sql {
  const { recipients, purposes } = boundOf(principal);
  return sql`rule.recipient = any(${recipients}::text[]) and rule.purposes & ${purposes} <> 0 and ${isInForce}`;
}

/** What the text says of a principal several times. Kept with the principal, who is kept as long as the token is in use. */
const bound = new WeakMap<Principal, Record<'recipients' | 'purposes' | 'organization', ReturnType<typeof shared>>>();

export function boundOf(principal: Principal): NonNullable<ReturnType<typeof bound.get>> {
  const known = bound.get(principal);
  if (known !== undefined) return known;
  const made = {
    recipients: shared(textArray([everybody, ...recipientsOf(principal)])),
    purposes: shared(principal.purposes),
    organization: shared(principal.organization),
  };
  bound.set(principal, made);
  return made;
}

// LEAKS 29: ends by the clock. The statement's own time: now() would stand still in a long transaction.
export const isInForce = raw('statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to');

export function isAbout(row: Sql): Sql {
  return sql`${isAboutKind(row)} and (rule.codes is null or rule.codes && ${row}.tokens)`;
}

/** A code that is denied may be in any version, one that is permitted need not be; a class inside is that of this version. */
export function isAboutPast(row: Sql, version: Sql): Sql {
  return sql`((${isAboutKind(row)} and (rule.codes is null or rule.is_deny)
      and (rule.types is null or rule.is_deny or ${containedThen(version)} <@ rule.types::int[]))
    or (rule.is_deny and rule.types::int[] && ${containedThen(version)} and ${isAboutSource(row)}))`;
}

/** LEAKS 15: a class that is denied is denied inside of another too; a class that is permitted opens no other inside of it. */
function isAboutKind(row: Sql): Sql {
  return sql`(rule.types is null
      or (${row}.type = any(rule.types) and (rule.is_deny or ${containsOnly(row, raw('rule.types'))}))
      or (rule.is_deny and rule.types::bigint[] && ${row}.tokens))
    and ${isAboutSource(row)}`;
}

export function isAboutSource(row: Sql): Sql {
  return sql`(rule.sources is null or ${row}.owner = any(rule.sources))
    and (rule.instances is null or ${row}.type::text || '/' || ${row}.id = any(rule.instances))`;
}
