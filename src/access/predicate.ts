/**
 * The one predicate: who may see a row, as SQL over the columns of `resource`. Every row that is returned, counted, sorted,
 * chained through or tested passes it, so a hidden row and one that never was cannot be told apart.
 *
 * The text depends on the kind of principal and the form of its scopes alone; everything else is bound, so each shape is
 * planned once a connection. Nothing is decided outside of the statement: consent, its clock, links between a person's
 * records and the revocation of the token are read by the statement itself.
 */
import { join, raw, shared, sql, textArray, type Sql } from '../db/sql.ts';
import { containsRecord } from '../fhir/index/entry.ts';
import { resourceTypes, typeCode } from '../fhir/types.ts';
import { publisher } from '../store/terminology/owners.ts';
import { decidedOnce, Visibility } from '../store/visibility.ts';
import { everybody } from './consent-rules.ts';
import { financialTypes, neverByConsent } from './minimum.ts';
import { isPayment, isSource, recipientsOf, type Principal } from './principal.ts';
import { purposeBitsOf } from './purpose.ts';
import { scopesFor, type Interaction, type Scope } from './scope.ts';

/** More than a person has source patients; without the list the check is made row by row. */
const patientsMax = 50;

export interface VisibilityRequest {
  readonly interaction: Interaction;
  /** Types the answer may hold; absent: any. Scopes of other types are left out of the text. */
  readonly types?: readonly string[];
  /**
   * The statement asks for rows of these patients only (a search by patient, with the person's other records). What they
   * consented to is then read once instead of for each row. Rows of other patients are not opened by Consent.
   */
  readonly patients?: readonly string[];
}

/** What this principal may see, in the order the API asks for it: `r` read, `s` search; `u`, `d` for the row to be changed. */
export function visibility(principal: Principal, { interaction, types, patients }: VisibilityRequest): Visibility {
  const scopes = scopesFor(principal, interaction).filter(
    ({ type }) => type === '*' || (types?.includes(type) ?? true),
  );
  // No purpose, no reason to see anything: an operator's token, or one that does not say what for.
  if (scopes.length === 0 || principal.purposes === 0) return nothing();
  const named = patients !== undefined && patients.length <= patientsMax ? patients : undefined;
  // Most statements can only meet records, and are spared the question.
  const isReading = interaction === 'r' || interaction === 's';
  const mayBePublished = isReading && (types?.some((type) => publishedTypes.includes(type)) ?? true);
  return decidedOnce({
    meets: (alias) => {
      const row = raw(alias);
      const parts = [
        scopeCovers(row, scopes),
        inContext(row, principal),
        principal.self === undefined ? undefined : isOwn(row, principal.self),
        isUnrevoked(principal),
      ];
      return join(
        parts.filter((part) => part !== undefined),
        ' and ',
      );
    },
    decidedBy: (alias, known) => {
      const decided = decision(raw(alias), principal, named && { patients: named, known });
      return mayBePublished ? sql`case when ${isPublished(raw(alias))} then 'published' else ${decided} end` : decided;
    },
    ...(named === undefined || principal.self !== undefined ? {} : { once: wholeConsents(principal, named) }),
    past: (alias) => pastIsSeen(raw(alias), principal, scopes),
  });
}

/**
 * LEAKS 8, 52: labels, dates and patients of a row are those of all its versions; codes are the current one's. Of an older
 * version a scope with a query and a permit by code cover nothing, and a deny by code may be about it.
 */
function pastIsSeen(row: Sql, principal: Principal, scopes: readonly Scope[]): Sql {
  const whole = scopes.filter(({ filters }) => filters.length === 0);
  if (whole.length === 0) return raw('false');
  const isCovered = scopeCovers(row, whole) ?? raw('true');
  if (principal.self !== undefined) return isCovered;
  return sql`${isCovered} and (${isPublished(row)} or ${decision(row, principal, undefined, isAboutAnyVersion)} > '')`;
}

/**
 * What this principal wrote and its token covers: the rows that a condition of a write is matched against, and the only ones it
 * may change (LEAKS 23, 24). Whether it may read them for its purpose does not matter: it says what it wrote itself.
 * @param owner as `ownerOf` says
 */
export function written(principal: Principal, owner: string, { interaction, types }: VisibilityRequest): Visibility {
  const scopes = scopesFor(principal, interaction).filter(({ type }) => type === '*' || types?.includes(type));
  if (scopes.length === 0) return nothing();
  return new Visibility(
    (alias) => {
      const row = raw(alias);
      const parts = [
        scopeCovers(row, scopes),
        inContext(row, principal),
        sql`${row}.owner = ${owner}`,
        isUnrevoked(principal),
      ];
      return join(
        parts.filter((part) => part !== undefined),
        ' and ',
      );
    },
    () => raw(principal.self === undefined ? `'source'::text` : `'self'::text`),
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
      const tokens = filters.map((hashes) => sql`${row}.tokens && ${`{${hashes.join(',')}}`}::bigint[]`);
      return sql`(${row}.type = ${typeCode(type)} and ${join(tokens, ' and ')})`;
    });
  if (whole.length > 0) alternatives.push(isOfType(row, new Set(whole.map(({ type }) => type))));
  return sql`(${join(alternatives, ' or ')})`;
}

function isOfType(row: Sql, types: Iterable<string>): Sql {
  return sql`${row}.type = any(${typeCodes(types)}::smallint[])`;
}

function typeCodes(types: Iterable<string>): string {
  return `{${Array.from(types, typeCode).join(',')}}`;
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

/** What defines and is of no patient. A token bound to a patient sees their record alone, and asks by the operations. */
const publishedTypes = (
  'CapabilityStatement CodeSystem CompartmentDefinition ConceptMap ImplementationGuide NamingSystem OperationDefinition ' +
  'SearchParameter StructureDefinition StructureMap ValueSet'
).split(' ');

/** What the operator loads is read by everybody whose scope covers it; no token names its owner (token.ts: `Organization/x`). */
function isPublished(row: Sql): Sql {
  return sql`(${row}.owner = ${publisher} and ${row}.patient is null and not ${row}.is_deleted
    and ${row}.type = any(${publishedCodes}))`;
}

/** The patient sees everything of their own, and no deny locks them out; of a row about others too, only if all are them. */
function isOwn(row: Sql, self: string): Sql {
  const own = linkedPatients(self);
  return sql`${row}.patient = any(${own}) and (${row}.other_patients is null or ${row}.other_patients <@ ${own})`;
}

/**
 * What lets the row through, as the audit trail and the patient's own log name it; null or empty: nothing does. LEAKS 14: a
 * row of no patient is its source's alone; so is a deleted one, and the patient's.
 */
function decision(row: Sql, principal: Principal, among: Among | undefined, about = isAbout): Sql {
  if (principal.self !== undefined) return raw(`'self'::text`);
  const ofRow = consentOfRow(row, principal, about);
  const consent = among === undefined ? ofRow : consentAmong(row, among, ofRow);
  const byConsent = sql`case when ${row}.patient is not null and not ${row}.is_deleted and ${isGrantable(row, principal)}
    then ${consent} end`;
  return isSource(principal)
    ? sql`case when ${row}.owner = ${boundOf(principal).organization} then 'source' else ${byConsent} end`
    : byConsent;
}

/**
 * The Consent that permits the row: of each of its patients a rule for each purpose that covers the row in every dimension,
 * and no rule of any of them that denies it. Named is the row's own patient's; empty, which comes before every name: denied.
 *
 * One aggregation for patients, permits, denies and the name: PostgreSQL makes ready what a statement may need at each
 * execution, and with a subquery for each question a read took 64 us, now 49 (bare 14).
 */
function consentOfRow(row: Sql, principal: Principal, about: (row: Sql) => Sql): Sql {
  const everyone = sql`(${row}.other_patients || ${row}.patient)`;
  const bits = purposeBitsOf(principal.purposes);
  const covered = bits.map((bit) => {
    // isAddressed has asked for an only purpose already.
    const isForIt = bits.length === 1 ? raw('') : sql`and rule.purposes & ${bit}::int <> 0`;
    return sql`array_agg(rule.patient) filter (where rule.permits ${isForIt}) @> ${everyone}`;
  });
  return sql`(
    select case when ${join(covered, ' and ')}
      then min(case when rule.denies then '' when rule.permits and rule.patient = ${row}.patient then ${consentName} end) end
    from (
      select rule.patient, rule.purposes, rule.consent_id, rule.version, ${permits(row)} as permits, ${denies(row)} as denies
      from consent_rule rule where rule.patient = any(${everyone}) and ${isAddressed(principal)} and ${about(row)}
      offset 0) rule)`;
}

/** The patients whose rows are asked for, and the name of their {@link wholeConsents} in the statement. */
interface Among {
  readonly patients: readonly string[];
  readonly known: Sql;
}

/**
 * The same for rows of a few known patients. What does not depend on the row is read once a statement: who permits anything
 * (others are out at once), and which Consent permits without a condition where nothing is denied (ordinary rows are in at
 * once).
 *
 * Measured on 100,000 resources, 31 rules a patient, 235 rows asked for and refused: 3.8 ms row by row, 0.3 ms so.
 */
function consentAmong(row: Sql, { patients, known }: Among, ofRow: Sql): Sql {
  const whole =
    patients.length === 1
      ? sql`case when ${row}.patient = ${shared(patients[0])} then ${known}.whole end`
      : sql`${known}.whole ->> ${row}.patient`;
  return sql`case when ${isOrdinary(row)} and ${whole} > '' then ${whole} when ${whole} is not null then ${ofRow} end`;
}

/** {@link wholeConsent} of the only patient; of several a table, as JSON. */
function wholeConsents(principal: Principal, patients: readonly string[]): Sql {
  const rules = (those: Sql): Sql => sql`from consent_rule rule where ${those} and ${isAddressed(principal)}`;
  const whole = wholeConsent(principal);
  // Most searches are of one patient, and need no table (30 us).
  const value =
    patients.length === 1
      ? sql`select ${whole} ${rules(sql`rule.patient = ${patients[0]}`)}`
      : sql`select jsonb_object_agg(patient, whole) from (
          select rule.patient, ${whole} as whole ${rules(sql`rule.patient = any(${textArray(patients)}::text[])`)}
          group by rule.patient) of_patient`;
  return sql`(select (${value}) as whole offset 0)`;
}

/**
 * Over the rules of one patient: the Consent whose permits without condition cover every purpose while nothing is denied;
 * empty: the rules decide row by row; null: nothing is permitted.
 */
function wholeConsent(principal: Principal): Sql {
  const name = sql`min(case when rule.is_deny then '' when ${isUnconditional} then ${consentName} end)`;
  const { purposes } = boundOf(principal);
  const isEach =
    purposeBitsOf(principal.purposes).length === 1
      ? name
      : sql`case when bit_or(case when ${isUnconditional} then rule.purposes else 0 end) & ${purposes} = ${purposes} then ${name} end`;
  return sql`case when bool_or(not rule.is_deny) then coalesce(${isEach}, '') end`;
}

function isOrdinary(row: Sql): Sql {
  return sql`${row}.labels = 0 and ${row}.other_patients is null`;
}

// No condition on the row beside being ordinary.
const isUnconditional = raw(
  `not rule.is_deny and rule.labels = 0 and num_nonnulls(rule.types, rule.codes, rule.data_from, rule.sources, rule.instances) = 0`,
);

const consentName = raw(`'consent:' || rule.consent_id || '/' || rule.version`);

const typesMax = raw(String(Math.max(...resourceTypes.map((type) => typeCode(type) as number))));

/** What the row contains of a patient's record is of these types. */
function containsOnly(row: Sql, types: Sql): Sql {
  return sql`(not ${raw(String(containsRecord))} = any(${row}.tokens) or not exists (
    select from unnest(${row}.tokens) part (type) where part.type between 1 and ${typesMax} and part.type <> all(${types}::bigint[])))`;
}

/** Types no Consent opens, and the minimum of payment. */
function isGrantable(row: Sql, principal: Principal): Sql {
  // A Patient inside of another resource is not trimmed.
  return isPayment(principal)
    ? sql`${row}.type = any(${paymentTypes}) and ${containsOnly(row, financialCodes)}`
    : sql`${row}.type <> all(${neverTypes})`;
}
const publishedCodes = raw(`'${typeCodes(publishedTypes)}'::smallint[]`);
const paymentTypes = raw(`'${typeCodes(['Patient', ...financialTypes])}'::smallint[]`);
const financialCodes = raw(`'${typeCodes(financialTypes)}'::smallint[]`);
const neverTypes = raw(`'${typeCodes(neverByConsent)}'::smallint[]`);

/** LEAKS 14, 8: every label is named, and all of the row's time lies inside. */
function permits(row: Sql): Sql {
  return sql`not rule.is_deny and rule.labels = ${row}.labels
    and (rule.data_from is null or (${row}.clinical_from >= rule.data_from and ${row}.clinical_to <= rule.data_to))`;
}

/** A deny is as wide as a permit is narrow: any shared label, any overlap with its period. */
function denies(row: Sql): Sql {
  return sql`rule.is_deny and (rule.labels = 0 or rule.labels & ${row}.labels <> 0)
    and (rule.data_from is null or (${row}.clinical_from < rule.data_to and ${row}.clinical_to > rule.data_from))`;
}

/** Rules in force for this principal (or for everybody: denies only) and one of its purposes. */
function isAddressed(principal: Principal): Sql {
  const { recipients, purposes } = boundOf(principal);
  return sql`rule.recipient = any(${recipients}::text[]) and rule.purposes & ${purposes} <> 0 and ${isInForce}`;
}

/** What the text says of a principal several times. Kept with the principal, who is kept as long as the token is in use. */
const bound = new WeakMap<Principal, Record<'recipients' | 'purposes' | 'organization', ReturnType<typeof shared>>>();

function boundOf(principal: Principal): NonNullable<ReturnType<typeof bound.get>> {
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
const isInForce = raw('statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to');

function isAbout(row: Sql): Sql {
  return sql`${isAboutKind(row)} and (rule.codes is null or rule.codes && ${row}.tokens)`;
}

/** A code that is denied may be in any version, one that is permitted need not be. */
function isAboutAnyVersion(row: Sql): Sql {
  return sql`${isAboutKind(row)} and (rule.codes is null or rule.is_deny)`;
}

/** LEAKS 15: a class that is denied is denied inside of another too; a class that is permitted opens no other inside of it. */
function isAboutKind(row: Sql): Sql {
  return sql`(rule.types is null
      or (${row}.type = any(rule.types) and (rule.is_deny or ${containsOnly(row, raw('rule.types'))}))
      or (rule.is_deny and rule.types::bigint[] && ${row}.tokens))
    and (rule.sources is null or ${row}.owner = any(rule.sources))
    and (rule.instances is null or ${row}.type::text || '/' || ${row}.id = any(rule.instances))`;
}

/** A token that was revoked anywhere sees nothing from the next statement, whatever a process remembers of it. */
function isUnrevoked({ jti, issuer }: Principal): Sql {
  return sql`not exists (select from revoked_token where jti = ${jti} and issuer = ${issuer})`;
}
