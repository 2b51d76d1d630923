/**
 * What of some changes is an event for this receiver at this moment: one statement, in which every row passes the visibility of
 * the subscription's creator and one of its filters. Asked when a number is given and again when it is sent; a row that is
 * hidden by then is in neither answer, and cannot be told from one that never matched.
 */
import { isProjected, project } from '../../access/predicate/minimum.ts';
import { visibility } from '../../access/predicate/predicate.ts';
import type { Principal } from '../../access/principal/principal.ts';
import { seenBy } from '../../access/predicate/seen-by.ts';
import type { Tx } from '../../db.ts';
import { join, raw, sql, type Sql } from '../../db/sql.ts';
import type { PayloadContent, SubscriptionRequest } from '../../fhir/subscription/request.ts';
import type { Focus } from '../../fhir/subscription/notification.ts';
import type { Trigger, TriggerOptions } from '../../fhir/subscription/trigger.ts';
import { typeCode, typeName } from '../../fhir/types.ts';
import { samePerson } from '../../identity/link.ts';
import { resolveSearch } from '../../store/search/resolve.ts';
import { compileSearch } from '../../store/search.ts';
import { searchOf } from './interest.ts';

/** A change that waits, or was told. */
export interface Candidate {
  readonly place: number;
  readonly bucket: number;
  /** Its number in the database. */
  readonly type: number;
  readonly id: string;
  readonly version: number;
}

export interface Told {
  readonly place: number;
  readonly focus: Focus;
  readonly patient: string | undefined;
  readonly otherPatients: readonly string[];
  readonly decidedBy: string;
}

interface ToldRow {
  readonly place: number;
  readonly type: number;
  readonly id: string;
  readonly version: number;
  readonly last_updated: Date;
  readonly is_deleted: boolean;
  readonly patient: string | null;
  readonly other_patients: string[] | null;
  readonly body: string;
  readonly decided_by: string;
}

export interface Evaluation extends TriggerOptions {
  readonly principal: Principal;
  readonly request: Pick<SubscriptionRequest, 'triggers' | 'becomes'>;
  readonly content: PayloadContent;
}

/** In the order of the candidates. Content is read for `full-resource` alone. */
export async function evaluate(
  tx: Tx,
  candidates: readonly Candidate[],
  evaluation: Evaluation,
): Promise<ReadonlyMap<number, Told>> {
  if (candidates.length === 0) return new Map();
  const { principal, request, content } = evaluation;
  const isWhole = content === 'full-resource';
  const types = [...new Set(candidates.map(({ type }) => typeName(type)))];
  const found = visibility(principal, { interaction: 's', types });
  const decided = found.decided('r');
  // What is sent whole is read: the scope says both.
  const isRead = isWhole ? sql`and ${visibility(principal, { interaction: 'r', types }).where('r')}` : raw('');
  const wanted = await Promise.all(request.triggers.map((trigger) => covers(tx, trigger, evaluation)));
  // Two versions are compared, so both must be seen (LEAKS 8); of the older one only the status is asked, nothing that it contained.
  const becomes =
    request.becomes === undefined ? raw('') : sql`and ${found.past('r', 'r')} and ${hasBecome(request.becomes)}`;
  const of = <T>(pick: (one: Candidate) => T): T[] => candidates.map(pick);
  const rows = await tx.query<ToldRow>(sql`
    select k.place, r.type, r.id, r.version, r.last_updated, r.is_deleted, r.patient, r.other_patients,
      ${isWhole ? raw('r.body') : raw(`''::text as body`)}, ${decided.decidedBy} as decided_by
    from unnest(${of(({ place }) => place)}::bigint[], ${of(({ bucket }) => bucket)}::int[],
      ${of(({ type }) => type)}::smallint[], ${of(({ id }) => id)}::text[], ${of(({ version }) => version)}::int[])
      k (place, bucket, type, id, version)
    join resource r on r.bucket = k.bucket and r.type = k.type and r.id = k.id ${decided.join}
    where (${join(wanted, ' or ')}) ${becomes} and ${decided.where} ${isRead}
    order by k.place`);
  return new Map(rows.map((row) => [row.place, toTold(row, principal)]));
}

function toTold(row: ToldRow, principal: Principal): Told {
  const type = typeName(row.type);
  return {
    place: row.place,
    patient: row.patient ?? undefined,
    otherPatients: row.other_patients ?? [],
    decidedBy: row.decided_by,
    focus: {
      type,
      id: row.id,
      version: row.version,
      lastUpdated: row.last_updated,
      isDeleted: row.is_deleted,
      body:
        row.body !== '' && !row.is_deleted && isProjected(principal, type) ? project(principal, row.body) : row.body,
    },
  };
}

/** Nothing finds what is deleted, so of a deletion no more is asked than of whom it was. */
async function covers(tx: Tx, trigger: Trigger, options: Evaluation): Promise<Sql> {
  if (trigger.kind === 'record') {
    const { patient, types } = trigger;
    const parts = [
      patient === undefined
        ? raw('r.patient is not null')
        : sql`r.patient = any(${await samePerson(tx, patient)}::text[])`,
      ...(types === undefined ? [] : [sql`r.type = any(${types.map((type) => typeCode(type))}::smallint[])`]),
    ];
    return sql`(${join(parts, ' and ')})`;
  }
  const { request, aliases, patients } = await searchOf(tx, trigger, options);
  const visibilityOf = seenBy(options.principal);
  const resolved = await resolveSearch(tx, request, { visibilityOf });
  const subject = { type: trigger.type, alias: 'r', isFound: true, aliases, visibilityOf };
  const isFound = compileSearch(resolved.filters, subject);
  const isOfPatientAlone = request.filters.length === (patients === undefined ? 0 : 1);
  const isGone =
    patients === undefined ? raw('r.is_deleted') : sql`r.is_deleted and r.patient = any(${patients}::text[])`;
  return sql`(r.type = ${typeCode(trigger.type)} and ${isOfPatientAlone ? sql`(${isFound} or ${isGone})` : isFound})`;
}

/** The version of the change has one of these statuses, and the one before it none of them. */
function hasBecome(statuses: readonly string[]): Sql {
  const statusAt = (version: Sql): Sql => sql`coalesce((
    select h.body::jsonb ->> 'status' from (
      select r.version, r.body where r.version = ${version}
      union all
      select h.version, h.body from resource_history h
      where h.bucket = r.bucket and h.type = r.type and h.id = r.id and h.version = ${version} and h.version <> r.version) h),
    '')`;
  return sql`${statusAt(raw('k.version'))} = any(${statuses}::text[])
    and ${statusAt(raw('k.version - 1'))} <> all(${statuses}::text[])`;
}
