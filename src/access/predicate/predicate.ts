/**
 * The one predicate: who may see a row, as SQL over the columns of `resource`. Every row that is returned, counted, sorted,
 * chained through or tested passes it, so a hidden row and one that never was cannot be told apart.
 *
 * The text depends on the kind of principal and the form of its scopes alone; everything else is bound, so each shape is
 * planned once a connection. Nothing is decided outside of the statement: consent, its clock, links between a person's
 * records and the revocation of the token are read by the statement itself.
 *
 * Composed here of what a token grants (grant.ts), the patient's own rows (self.ts), what lets others in (decision.ts: a Consent's
 * rules, asked for each row or among known patients) and rows that are their creator's (created.ts).
 */
import { join, raw, sql, type Sql } from '../../db/sql.ts';
import { decidedOnce, Visibility } from '../../store/visibility.ts';
import { isPayment, type Principal } from '../principal/principal.ts';
import { mayConsent } from '../proxy/standing.ts';
import { scopesFor, type Interaction, type Scope } from '../principal/scope.ts';
import { nameOf, patientsMax, wholeConsents } from './consent-among.ts';
import { created, isOfCreated } from './created.ts';
import { basis, decision } from './decision.ts';
import { inContext, isUnrevoked, scopeCovers } from './grant.ts';
import { containedThen, financialCodes, isPublished, publishedTypes } from './row.ts';
import { isAbout, isAboutPast } from './rule.ts';
import { isOwn, linkedPatients, ofProxy } from './self.ts';

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
export function visibility(principal: Principal, request: VisibilityRequest): Visibility {
  if (request.patients !== undefined) return compose(principal, request);
  const known = composed.get(principal) ?? new Map<string, Visibility>();
  composed.set(principal, known);
  const key = `${request.interaction} ${request.types?.join() ?? '*'}`;
  const visible = known.get(key) ?? compose(principal, request);
  if (known.size < composedMax) known.set(key, visible);
  return visible;
}

/** One for each caller and kind of request, so that reads of one caller can be one statement (store/read-together.ts). */
const composed = new WeakMap<Principal, Map<string, Visibility>>();

/** A caller asks for some types again and again; lists of types have no end. */
const composedMax = 200;

function compose(principal: Principal, { interaction, types, patients }: VisibilityRequest): Visibility {
  const scopes = scopesFor(principal, interaction).filter(
    ({ type }) => type === '*' || (types?.includes(type) ?? true),
  );
  // No purpose, no reason to see anything: an operator's token, or one that does not say what for.
  if (scopes.length === 0 || principal.purposes === 0) return nothing();
  if (isOfCreated(types)) return created(principal, scopes);
  const named = patients !== undefined && patients.length <= patientsMax ? nameOf(patients) : undefined;
  // Most statements can only meet records, and are spared the question.
  const isReading = interaction === 'r' || interaction === 's';
  const isOfTasks = types?.length === 1 && types[0] === 'Task';
  const mayBePublished = isReading && (types?.some((type) => publishedTypes.includes(type)) ?? true);
  return decidedOnce({
    meets: (alias) => {
      const row = raw(alias);
      const parts = [
        scopeCovers(row, scopes),
        inContext(row, principal),
        principal.self === undefined ? undefined : isOwn(row, principal.self),
        ofProxy(row, principal, isAbout),
        isUnrevoked(principal),
      ];
      return join(
        parts.filter((part) => part !== undefined),
        ' and ',
      );
    },
    decidedBy: (alias, known) => {
      const decided = decision(raw(alias), principal, {
        among: named && { ...named, types, known },
        isOfTasks,
      });
      return mayBePublished ? sql`case when ${isPublished(raw(alias))} then 'published' else ${decided} end` : decided;
    },
    ...(named === undefined || principal.self !== undefined ? {} : { once: wholeConsents(principal, named, types) }),
    past: (alias, version) => pastIsSeen(raw(alias), raw(version), principal, scopes),
  });
}

/**
 * LEAKS 8, 15, 52: labels, dates and patients of a row are those of all its versions; codes and what is contained are the current
 * one's. Of an older version a scope with a query and a permit by code cover nothing, a deny by code may be about it, and what it
 * contained itself is asked of its text.
 */
function pastIsSeen(row: Sql, version: Sql, principal: Principal, scopes: readonly Scope[]): Sql {
  const whole = scopes.filter(({ filters }) => filters.length === 0);
  if (whole.length === 0) return raw('false');
  const isCovered = scopeCovers(row, whole) ?? raw('true');
  const about = (of: Sql): Sql => isAboutPast(of, version);
  if (principal.self !== undefined) {
    const isSeen = ofProxy(row, principal, about);
    return isSeen === undefined ? isCovered : sql`${isCovered} and ${isSeen}`;
  }
  const isMinimum = isPayment(principal) ? sql`and ${containedThen(version)} <@ ${financialCodes}::int[]` : raw('');
  return sql`${isCovered} and (${isPublished(row)} or ${decision(row, principal, {}, about)} > '' ${isMinimum})`;
}

/**
 * What this principal wrote and its token covers: the rows that a condition of a write is matched against, and the only ones it
 * may change (LEAKS 23, 24). Whether it may read them for its purpose does not matter: it says what it wrote itself.
 * @param owner as `ownerOf` says
 */
export function written(principal: Principal, owner: string, { interaction, types }: VisibilityRequest): Visibility {
  const scopes = scopesFor(principal, interaction).filter(({ type }) => type === '*' || types?.includes(type));
  if (scopes.length === 0) return nothing();
  if (isOfCreated(types)) return created(principal, scopes);
  return new Visibility(
    (alias) => {
      const row = raw(alias);
      const parts = [
        scopeCovers(row, scopes),
        inContext(row, principal),
        sql`${row}.owner = ${owner}`,
        principal.proxy && mayConsent(principal.proxy, linkedPatients(principal.self as string)),
        isUnrevoked(principal),
      ];
      return join(
        parts.filter((part) => part !== undefined),
        ' and ',
      );
    },
    () => basis(principal),
  );
}

/** Neither rows nor a hint that there are any. */
export function nothing(): Visibility {
  return new Visibility(
    () => raw('false'),
    () => raw('null::text'),
  );
}
