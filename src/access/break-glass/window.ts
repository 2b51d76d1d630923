/**
 * Opening and closing of emergency access. A window is for one patient, for minutes, with a reason; the patient finds it in
 * their log, with every use of it, and the operator in a report.
 */
import type { Tx } from '../../db.ts';
import { raw, sql, type Sql } from '../../db/sql.ts';
import { Problem } from '../../fhir/problem.ts';
import { isOfPatients } from '../audit/entries.ts';
import type { Principal } from '../principal/principal.ts';
import { mayBreakGlass } from './predicate.ts';

export const minutesDefault = 60;
/** An emergency that lasts longer has time to ask the patient, or who acts for them. */
export const minutesMax = 240;
/** Enough to say what happened, and not a clinical note. */
export const reasonChars = { min: 10, max: 500 };

/**
 * Why, as a code. v3-ActReason has ETREAT and below it BTG alone; these say what a reviewer sorts by.
 * @see https://terminology.hl7.org/CodeSystem-v3-ActReason.html
 */
export const reasonCodes = ['unconscious', 'life-threatening', 'incapable', 'minor-alone', 'other'] as const;
export type ReasonCode = (typeof reasonCodes)[number];

/** Patients a user of a client opens in an hour. Mass casualties have more users; whoever empties a hub has one. */
const perHourMax = 30;

export interface WindowRequest {
  readonly patient: string;
  readonly reasonCode: ReasonCode;
  readonly reason: string;
  readonly minutes: number;
  /** Bits of fhir/labels.ts. */
  readonly labels: number;
}

export interface Window {
  readonly id: string;
  readonly patient: string;
  /** ISO instants. */
  readonly openedAt: string;
  readonly closesAt: string;
}

/** @throws Problem forbidden, the same for every patient, unless the principal is a registered hospital in an emergency */
export function requireEmergency(principal: Principal): void {
  if (mayBreakGlass(principal)) return;
  throw new Problem('forbidden', 'emergency access is for registered hospitals', {
    hint: 'Register the client with --kind hospital --purpose ETREAT, and ask for a token with purpose_of_use ETREAT alone.',
  });
}

const columns = sql`id, patient, to_json(opened_at) #>> '{}' as "openedAt", to_json(closes_at) #>> '{}' as "closesAt"`;

/**
 * One statement: any number at once, in any number of processes, stays within the hour's limit but for those that are under way.
 * @throws Problem throttled
 */
export async function openWindowFor(db: Tx, principal: Principal, request: WindowRequest): Promise<Window> {
  requireEmergency(principal);
  const { issuer, clientId, subject, organization } = principal;
  const { patient, reasonCode, reason, minutes, labels } = request;
  const [window] = await db.query<Window>(sql`
    insert into break_glass (id, issuer, client, subject, organization, patient, reason_code, reason, labels, opened_at, closes_at)
    select ${crypto.randomUUID()}::uuid, ${issuer}, ${clientId}, ${subject}, ${organization}, ${patient}, ${reasonCode}, ${reason},
      ${labels}::int, statement_timestamp(), statement_timestamp() + make_interval(mins => ${minutes}::int)
    where (
      select count(*) from break_glass glass
      where glass.client = ${clientId} and glass.issuer = ${issuer} and glass.subject = ${subject}
        and glass.opened_at > statement_timestamp() - interval '1 hour') < ${perHourMax}
    returning ${columns}`);
  if (window !== undefined) return window;
  throw new Problem('throttled', `a user opens at most ${perHourMax} records in an hour`, {
    hint: 'Another user of the hospital may open more; the operator is told of each.',
  });
}

/** Every window of the caller on the patient is closed from the next statement on. @returns those that were open */
export async function closeWindows(db: Tx, principal: Principal, patients: readonly string[]): Promise<Window[]> {
  const { issuer, clientId, subject } = principal;
  return db.query<Window>(sql`
    update break_glass set closes_at = statement_timestamp(), closed_by = ${subject}
    where client = ${clientId} and issuer = ${issuer} and subject = ${subject} and patient = any(${patients}::text[])
      and closes_at > statement_timestamp()
    returning ${columns}`);
}

/** By the operator. @throws Problem not-found unless it is open */
export async function closeWindow(db: Tx, id: string, operator: string): Promise<void> {
  const rows = await db.query(sql`
    update break_glass set closes_at = statement_timestamp(), closed_by = ${`operator:${operator}`}
    where id::text = ${id} and closes_at > statement_timestamp() returning id`);
  if (rows.length > 0) return;
  throw new Problem('not-found', 'there is no open window of this id', { hint: 'hub break-glass list --open' });
}

/** A line of the report. */
export interface ReportedWindow extends Window {
  readonly client: string;
  readonly subject: string;
  readonly organization: string;
  readonly reasonCode: string;
  /** Free text: for the operator's command, not for the console. */
  readonly reason?: string;
  readonly labels: number;
  readonly closedBy: string | null;
  /** Accesses on record that it allowed. */
  readonly uses: number;
}

const reportRowsMax = 1000;

export interface ReportFilter {
  readonly isOpen?: boolean;
  /** ISO. */
  readonly since?: string;
  readonly hasReasons?: boolean;
}

/** The trail knows milliseconds. */
const opened = raw("date_trunc('milliseconds', glass.opened_at)");

/** Newest first. */
export async function reportWindows(
  db: Tx,
  { isOpen = false, since, hasReasons = false }: ReportFilter,
): Promise<ReportedWindow[]> {
  const withReason: Sql = hasReasons ? sql`, reason` : sql``;
  return db.query<ReportedWindow>(sql`
    select ${columns}, client, subject, organization, reason_code as "reasonCode", labels, closed_by as "closedBy", (
      select count(*)::int from audit_entry used
      where ${isOfPatients(
        raw(`array(
          select glass.patient union all
          select other.patient from person_member one join person_member other on other.person = one.person
          where one.patient = glass.patient)`),
        'used',
      )}
        and used.at_to >= ${opened} and used.at_from <= glass.closes_at + interval '1 minute'
        and used.at >= ${opened} and used.at <= glass.closes_at + interval '1 minute'
        and used.decided_by = 'break-glass:' || glass.id and used.interaction <> 'break-glass') as uses ${withReason}
    from break_glass glass
    where (not ${isOpen}::bool or closes_at > statement_timestamp())
      and opened_at >= coalesce(${since ?? null}::timestamptz, '-infinity')
    order by opened_at desc, id limit ${reportRowsMax}`);
}
