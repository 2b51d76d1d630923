/**
 * The one predicate: who may see a row, as SQL over the columns of `resource`. Every row that is returned, counted, sorted,
 * chained through or tested passes it, so a hidden row and one that never was cannot be told apart.
 *
 * The text depends on the kind of principal and the form of its scopes alone; everything else is bound, so each shape is
 * planned once a connection. Nothing is decided outside of the statement: consent, its clock, links between a person's
 * records and the revocation of the token are read by the statement itself.
 */
import { join, raw, sql, type Sql } from '../db/sql.ts';
import { typeCode } from '../fhir/types.ts';
import { Visibility } from '../store/visibility.ts';
import { financialTypes, neverByConsent } from './minimum.ts';
import { isPayment, isSource, recipientsOf, type Principal } from './principal.ts';
import { purposeBitsOf } from './purpose.ts';
import { scopesFor, type Interaction, type Scope } from './scope.ts';

export interface VisibilityRequest {
  readonly interaction: Interaction;
  /** Types the answer may hold; absent: any. Scopes of other types are left out of the text. */
  readonly types?: readonly string[];
}

/** What this principal may see, in the order the API asks for it: `r` read, `s` search; `u`, `d` for the row to be changed. */
export function visibility(principal: Principal, { interaction, types }: VisibilityRequest): Visibility {
  const scopes = scopesFor(principal, interaction).filter(
    ({ type }) => type === '*' || (types?.includes(type) ?? true),
  );
  // No purpose, no reason to see anything: an operator's token, or one that does not say what for.
  if (scopes.length === 0 || principal.purposes === 0) return nothing();
  return new Visibility(
    (alias) => {
      const row = raw(alias);
      const parts = [
        scopeCovers(row, scopes),
        inContext(row, principal),
        isAllowed(row, principal),
        isUnrevoked(principal),
      ];
      return join(
        parts.filter((part) => part !== undefined),
        ' and ',
      );
    },
    (alias) => decision(raw(alias), principal),
  );
}

/** Neither rows nor a hint that there are any. */
export function nothing(): Visibility {
  return new Visibility(
    () => raw('false'),
    () => raw('null::text'),
  );
}

/** LEAKS 52: the scope is part of the predicate, per row, so included rows of another type meet it as well. */
function scopeCovers(row: Sql, scopes: readonly Scope[]): Sql | undefined {
  const whole = scopes.filter(({ filters }) => filters.length === 0);
  if (whole.some(({ type }) => type === '*')) return undefined;
  const alternatives = scopes
    .filter(({ filters, type }) => filters.length > 0 && !whole.some((other) => other.type === type))
    .map(({ type, filters }) => {
      const tokens = filters.map((hashes) => sql`${row}.tokens && ${hashes.map(String)}::bigint[]`);
      return sql`(${row}.type = ${typeCode(type)} and ${join(tokens, ' and ')})`;
    });
  if (whole.length > 0) alternatives.push(isOfType(row, new Set(whole.map(({ type }) => type))));
  return sql`(${join(alternatives, ' or ')})`;
}

function isOfType(row: Sql, types: Iterable<string>): Sql {
  return sql`${row}.type = any(${[...types].map(typeCode)}::smallint[])`;
}

/** LEAKS 51: the launch context is part of the predicate. It means the person: all source patients linked to it. */
function inContext(row: Sql, principal: Principal): Sql | undefined {
  return principal.patient === undefined ? undefined : sql`${row}.patient = any(${linkedPatients(principal.patient)})`;
}

/** The patient and every source patient of the same person, read once a statement. */
function linkedPatients(patient: string): Sql {
  return sql`array(
    select ${patient}::text union all
    select other.patient from person_member one join person_member other on other.person = one.person
    where one.patient = ${patient} and other.patient <> ${patient})`;
}

function isAllowed(row: Sql, principal: Principal): Sql {
  if (principal.self !== undefined) return isOwn(row, principal.self);
  const granted = isGranted(row, principal);
  return isSource(principal) ? sql`(${row}.owner = ${principal.organization} or ${granted})` : granted;
}

/** The patient sees everything of their own, and no deny locks them out; of a row about others too, only if all are them. */
function isOwn(row: Sql, self: string): Sql {
  const own = linkedPatients(self);
  return sql`${row}.patient = any(${own}) and (${row}.other_patients is null or ${row}.other_patients <@ ${own})`;
}

/**
 * By Consent: for each purpose a rule that covers the row in every dimension, and none that denies it; the same for every
 * further patient the row refers to. LEAKS 14: a row of no patient is its source's alone.
 */
function isGranted(row: Sql, principal: Principal): Sql {
  return sql`(
    ${row}.patient is not null and ${isGrantable(row, principal)}
    and ${consents(row, principal, sql`rule.bucket = ${row}.bucket and rule.patient = ${row}.patient`)}
    and (${row}.other_patients is null or not exists (
      select from unnest(${row}.other_patients) as other (patient)
      where not (${consents(row, principal, raw('rule.patient = other.patient'))}))))`;
}

/** Types no Consent opens, and the minimum of payment. */
function isGrantable(row: Sql, principal: Principal): Sql {
  return isPayment(principal)
    ? isOfType(row, ['Patient', ...financialTypes])
    : sql`${row}.type <> all(${neverByConsent.map(typeCode)}::smallint[])`;
}

function consents(row: Sql, principal: Principal, ofPatient: Sql): Sql {
  const permits = purposeBitsOf(principal.purposes).map((bit) => {
    return sql`exists (select from consent_rule rule where ${ofPatient} and ${permit(row, principal, bit)})`;
  });
  return sql`${join(permits, ' and ')}
    and not exists (select from consent_rule rule where ${ofPatient} and ${deny(row, principal)})`;
}

/** LEAKS 30: one rule covers every dimension; elements of two rules are never combined. */
function permit(row: Sql, principal: Principal, purposeBit: number): Sql {
  return sql`not rule.is_deny and rule.recipient = any(${recipientsOf(principal)}::text[])
    and rule.purposes & ${purposeBit} <> 0 and ${isInForce}
    and rule.labels = ${row}.labels
    and (rule.data_from is null or (${row}.clinical_from >= rule.data_from and ${row}.clinical_to <= rule.data_to))
    and ${isAbout(row)}`;
}

/** A deny is as wide as a permit is narrow: everybody, any shared label, any overlap with its period. */
function deny(row: Sql, principal: Principal): Sql {
  return sql`rule.is_deny and (rule.recipient is null or rule.recipient = any(${recipientsOf(principal)}::text[]))
    and rule.purposes & ${principal.purposes} <> 0 and ${isInForce}
    and (rule.labels = 0 or rule.labels & ${row}.labels <> 0)
    and (rule.data_from is null or (${row}.clinical_from < rule.data_to and ${row}.clinical_to > rule.data_from))
    and ${isAbout(row)}`;
}

// LEAKS 29: ends by the clock. The statement's own time: now() would stand still in a long transaction.
const isInForce = raw('statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to');

function isAbout(row: Sql): Sql {
  return sql`(rule.types is null or ${row}.type = any(rule.types))
    and (rule.codes is null or rule.codes && ${row}.tokens)
    and (rule.sources is null or ${row}.owner = any(rule.sources))
    and (rule.instances is null or ${row}.type::text || '/' || ${row}.id = any(rule.instances))`;
}

/** A token that was revoked anywhere sees nothing from the next statement, whatever a process remembers of it. */
function isUnrevoked({ jti, issuer }: Principal): Sql {
  return sql`not exists (select from revoked_token where jti = ${jti} and issuer = ${issuer})`;
}

/** What the audit trail and the patient's own log name as the reason. Evaluated for rows of the page only. */
function decision(row: Sql, principal: Principal): Sql {
  if (principal.self !== undefined) return raw(`'self'::text`);
  const [bit = 0] = purposeBitsOf(principal.purposes);
  const consent = sql`(
    select 'consent:' || rule.consent_id || '/' || rule.version from consent_rule rule
    where rule.bucket = ${row}.bucket and rule.patient = ${row}.patient and ${permit(row, principal, bit)}
    order by rule.consent_id, rule.rule limit 1)`;
  return isSource(principal)
    ? sql`case when ${row}.owner = ${principal.organization} then 'source' else ${consent} end`
    : consent;
}
