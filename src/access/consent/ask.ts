/**
 * Requests for consent as they are kept. Nothing is looked up of a patient when a service asks: whom a request is for is
 * found when the patient looks, by their own ids and identifiers. So an answer tells a service nothing but what the patient answers.
 */
import { randomUUID } from 'node:crypto';
import type { Tx } from '../../db.ts';
import { sql, textArray } from '../../db/sql.ts';
import { parseJson } from '../../fhir/json.ts';
import { Problem } from '../../fhir/problem.ts';
import type { AnyResource } from '../../fhir/types.ts';
import { lockNames } from '../../store/lock.ts';
import { readRows } from '../../store/read.ts';
import { everything } from '../../store/visibility.ts';
import { copyDaysOf } from './copy.ts';
import { refusal } from './element.ts';
import { identifierTarget, type ConsentRequest } from './request.ts';
import { rulesOf, type Rule } from './rules.ts';
import { isWithin } from './within.ts';

/** Long enough to be found by somebody who looks once a month. */
const openDays = 30;
/** At one time, of one organization to one patient. */
const openMax = 3;
/** In {@link openDays}, answered ones included: who is declined does not ask every day. */
const askedMax = 5;
/** Of one organization in a day. */
const dailyMax = 50_000;

export type RequestState = 'open' | 'granted' | 'declined' | 'expired' | 'ended';

export interface StoredRequest {
  readonly id: string;
  readonly organization: string;
  /** The Consent as it was proposed. */
  readonly consent: AnyResource;
  readonly state: RequestState;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  readonly consentId: string | undefined;
}

interface RequestRow {
  id: string;
  organization: string;
  body: string;
  state: RequestState;
  created_at: Date;
  expires_at: Date;
  consent_id: string | null;
}

/**
 * In a transaction. Asked again in the same words while it is open, it is the same request.
 * @throws Problem throttled when this patient, or everybody, has been asked often enough
 */
export async function storeRequest(tx: Tx, request: ConsentRequest): Promise<{ id: string; isNew: boolean }> {
  const { organization, client, target, body } = request;
  await lockNames(tx, [`consent-request ${organization} ${target}`]);
  const recent = await tx.query<{ id: string; isOpen: boolean; isSame: boolean }>(sql`
    select id, state = 'open' and expires_at > statement_timestamp() as "isOpen", body = ${body} as "isSame"
    from consent_request
    where organization = ${organization} and target = ${target}
      and created_at > statement_timestamp() - make_interval(days => ${openDays}::int)
    order by created_at desc limit ${askedMax + openMax}`);
  const same = recent.find(({ isOpen, isSame }) => isOpen && isSame);
  if (same !== undefined) return { id: same.id, isNew: false };
  const [daily] = await tx.query<{ count: number }>(sql`
    select count(*)::int as count from (
      select from consent_request where organization = ${organization} and created_at > statement_timestamp() - interval '1 day'
      limit ${dailyMax}) asked`);
  const open = recent.filter(({ isOpen }) => isOpen).length;
  if (open >= openMax || recent.length >= askedMax || (daily?.count ?? 0) >= dailyMax) {
    throw new Problem('throttled', 'this has been asked for often enough', {
      hint: `Of one patient at most ${openMax} requests are open, and ${askedMax} in ${openDays} days.`,
    });
  }
  // What was never granted is of no use to anybody after a year.
  await tx.query(sql`
    delete from consent_request where organization = ${organization} and target = ${target} and state <> 'granted'
      and expires_at < statement_timestamp() - interval '1 year'`);
  const id = randomUUID();
  await tx.query(sql`
    insert into consent_request (id, organization, client, target, body, created_at, expires_at)
    values (${id}, ${organization}, ${client}, ${target}, ${body}, statement_timestamp(),
      statement_timestamp() + make_interval(days => ${openDays}::int))`);
  return { id, isNew: true };
}

// Granted, and its Consent has no rule in force or to come: over, or revoked.
const stateOf = sql`case
  when request.state = 'open' and request.expires_at <= statement_timestamp() then 'expired'
  when request.state = 'granted' and not exists (
    select from consent_rule rule where rule.consent_id = request.consent_id and rule.valid_to > statement_timestamp()) then 'ended'
  else request.state end`;

const columns = sql`request.id, request.organization, request.body, ${stateOf} as state, request.created_at, request.expires_at,
  request.consent_id`;

function toRequest(row: RequestRow): StoredRequest {
  return {
    id: row.id,
    organization: row.organization,
    consent: parseJson(row.body) as AnyResource,
    state: row.state,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    consentId: row.consent_id ?? undefined,
  };
}

/** Of the organization that asked; undefined for others' and unknown ones alike. */
export async function requestOf(tx: Tx, organization: string, id: string): Promise<StoredRequest | undefined> {
  const [row] = await tx.query<RequestRow>(sql`
    select ${columns} from consent_request request where request.id = ${id} and request.organization = ${organization}`);
  return row && toRequest(row);
}

/** More than are open at a time; those that came last come first. */
const listedMax = 100;

/** What is asked of a person: open requests, newest first. */
export async function openRequestsTo(tx: Tx, patients: readonly string[]): Promise<StoredRequest[]> {
  const targets = await targetsOf(tx, patients);
  const rows = await tx.query<RequestRow>(sql`
    select ${columns} from consent_request request
    where request.target = any(${textArray(targets)}::text[]) and request.state = 'open'
      and request.expires_at > statement_timestamp()
    order by request.created_at desc, request.id limit ${listedMax}`);
  return rows.map(toRequest);
}

/** The ids of a person's records, and the identifiers those show. */
async function targetsOf(tx: Tx, patients: readonly string[]): Promise<string[]> {
  const keys = patients.map((id) => ({ type: 'Patient', id }));
  const rows = await readRows(tx, everything('whom a request for consent names'), keys);
  const identifiers = rows
    .filter(({ isDeleted }) => !isDeleted)
    .flatMap(
      ({ body }) => ((parseJson(body) as AnyResource)['identifier'] ?? []) as { system?: unknown; value?: unknown }[],
    )
    .flatMap(({ system, value }) =>
      typeof system === 'string' && typeof value === 'string' ? [identifierTarget({ system, value })] : [],
    );
  return [...patients.map((id) => `Patient/${id}`), ...new Set(identifiers)];
}

/** For the transaction: of two answers at once the second waits. */
async function requestTo(tx: Tx, patients: readonly string[], id: string): Promise<StoredRequest | undefined> {
  const targets = await targetsOf(tx, patients);
  await tx.query(sql`
    select from consent_request where id = ${id} and target = any(${textArray(targets)}::text[]) for update`);
  const [row] = await tx.query<RequestRow>(sql`
    select ${columns} from consent_request request
    where request.id = ${id} and request.target = any(${textArray(targets)}::text[])`);
  return row && toRequest(row);
}

/** @throws Problem not-found for one that is not of this person, conflict for one that is answered or over */
export async function declineRequest(tx: Tx, patients: readonly string[], id: string): Promise<StoredRequest> {
  const request = await requestTo(tx, patients, id);
  if (request === undefined) throw new Problem('not-found', 'unknown or hidden');
  if (request.state !== 'open') throw new Problem('conflict', 'the request is not open any more');
  await tx.query(sql`
    update consent_request set state = 'declined', answered_at = statement_timestamp() where id = ${id}`);
  return request;
}

/**
 * A Consent whose source is a request answers it. It may be narrower than what was asked, never wider, as long as it names the
 * request. A source that is no request of this person is what it says, and no business of the hub's.
 * @throws Problem business-rule (422)
 */
export async function answerRequest(
  tx: Tx,
  {
    id,
    resource,
    rules,
    patients,
  }: {
    readonly id: string;
    readonly resource: AnyResource;
    readonly rules: readonly Rule[];
    readonly patients: readonly string[];
  },
): Promise<void> {
  const reference = (resource['sourceReference'] as { reference?: unknown } | undefined)?.reference;
  const source = typeof reference === 'string' ? /^Consent\/([^/]+)$/.exec(reference)?.[1] : undefined;
  if (source === undefined || rules.length === 0) return;
  const request = await requestTo(tx, patients, source);
  if (request === undefined) return;
  const at = 'Consent.sourceReference';
  if (request.consentId === undefined && request.state !== 'open')
    throw refusal(at, 'the request is not open any more');
  if (request.consentId !== undefined && request.consentId !== id) {
    throw refusal(at, 'the request was granted by another Consent', 'Change that one.');
  }
  if (!isWithin(rules, rulesOf(request.consent))) {
    throw refusal('Consent.provision', 'a Consent that answers a request permits no more than was asked for');
  }
  if ((copyDaysOf(resource) ?? Number.POSITIVE_INFINITY) > (copyDaysOf(request.consent) ?? 0)) {
    throw refusal(
      'Consent.extension',
      'copies are kept no longer than was asked for',
      'Take over the extension of the request.',
    );
  }
  await tx.query(sql`
    update consent_request set state = 'granted', consent_id = ${id}, answered_at = coalesce(answered_at, statement_timestamp())
    where id = ${source}`);
}

/** Requests that came to nothing, or whose Consent is over: a year later. */
export async function sweepRequests(db: Tx): Promise<void> {
  await db.query(sql`
    delete from consent_request request
    where greatest(request.expires_at, request.answered_at) < statement_timestamp() - interval '1 year'
      and (request.state <> 'granted' or not exists (
        select from consent_rule rule where rule.consent_id = request.consent_id and rule.valid_to > statement_timestamp()))`);
}
