/** The rules on a person's records at this moment, as the rows that decide have them, and who sees without one. */
import type { Tx } from '../../db.ts';
import { raw, sql, textArray } from '../../db/sql.ts';
import { parseJson } from '../../fhir/json.ts';
import { typeCode, type AnyResource } from '../../fhir/types.ts';
import type { Visibility } from '../../store/visibility.ts';
import type { MinorAges } from '../proxy/minor.ts';
import type { Principal } from '../principal/principal.ts';
import { isKept } from '../erasure/forget.ts';
import { childOf, isInForce, standing, standingOf } from '../proxy/standing.ts';
import type { Coding } from './element.ts';
import { rulesOf, type Rule } from './rules.ts';

export interface RuleInForce {
  readonly rule: Rule;
  readonly consent: { readonly id: string; readonly version: number };
  /** Which of the person's records it is on. */
  readonly patients: readonly string[];
}

interface RuleRow {
  consent_id: string;
  rule: number;
  version: number;
  is_deny: boolean;
  recipient: string;
  purposes: number;
  types: number[] | null;
  codes: string[] | null;
  labels: number;
  data_from: number | null;
  data_to: number | null;
  valid_from: number;
  valid_to: number;
  sources: string[] | null;
  instances: string[] | null;
  patients: string[];
  body: string;
}

/**
 * What counts is the row: the Consent it was compiled from gives the words for its codes and nothing else.
 * @param visible of Consents: rules of one that may not be seen are not there
 */
export async function readRulesInForce(
  tx: Tx,
  visible: Visibility,
  patients: readonly string[],
): Promise<RuleInForce[]> {
  const rows = await tx.query<RuleRow>(sql`
    select rule.consent_id, rule.rule, rule.version, rule.is_deny, rule.recipient, rule.purposes, rule.types,
      rule.codes::text[] as codes, rule.labels, (extract(epoch from rule.data_from) * 1000)::float8 as data_from,
      (extract(epoch from rule.data_to) * 1000)::float8 as data_to,
      (extract(epoch from rule.valid_from) * 1000)::float8 as valid_from,
      (extract(epoch from rule.valid_to) * 1000)::float8 as valid_to, rule.sources, rule.instances, rule.patients, r.body
    from (
      select consent_id, rule, version, origin, is_deny, recipient, purposes, types, codes, labels, data_from, data_to,
        valid_from, valid_to, sources, instances, array_agg(patient order by patient) as patients
      from consent_rule
      where patient = any(${textArray(patients)}::text[]) and statement_timestamp() >= valid_from
        and statement_timestamp() < valid_to
      group by consent_id, rule, version, origin, is_deny, recipient, purposes, types, codes, labels, data_from, data_to,
        valid_from, valid_to, sources, instances) rule
    join resource r on r.patient = rule.origin and r.type = ${typeCode('Consent')} and r.id = rule.consent_id
    where ${visible.where('r')}
    order by rule.recipient, rule.consent_id, rule.rule`);
  const named = namedCodes(rows);
  return rows.map((row) => ({
    rule: toRule(row, named(row)),
    consent: { id: row.consent_id, version: row.version },
    patients: row.patients,
  }));
}

function toRule(row: RuleRow, named: readonly Coding[] | undefined): Rule {
  return {
    isDeny: row.is_deny,
    recipient: row.recipient,
    purposes: row.purposes,
    labels: row.labels,
    valid: { from: row.valid_from, to: row.valid_to },
    ...(row.types === null ? {} : { types: row.types }),
    ...(row.codes === null ? {} : { codes: row.codes.map(BigInt), named: named ?? [] }),
    ...(row.data_from === null || row.data_to === null ? {} : { data: { from: row.data_from, to: row.data_to } }),
    ...(row.sources === null ? {} : { sources: row.sources }),
    ...(row.instances === null ? {} : { instances: row.instances }),
  };
}

/** Of a row the codings that have just these hashes. */
function namedCodes(rows: readonly RuleRow[]): (row: RuleRow) => readonly Coding[] | undefined {
  const compiled = new Map<string, readonly Rule[]>();
  for (const { consent_id: id, codes, body } of rows) {
    if (codes !== null && !compiled.has(id)) compiled.set(id, rulesOf(parseJson(body) as AnyResource));
  }
  return ({ consent_id: id, rule: ordinal, codes }) => {
    const rule = compiled.get(id)?.[ordinal];
    return rule?.codes?.map(String).join() === codes?.join() ? rule?.named : undefined;
  };
}

export interface Source {
  readonly owner: string;
  readonly records: number;
  readonly last: Date;
}

/** More than write to one person; those who wrote last come first. */
const sourcesMax = 200;

/** Who wrote what the caller sees of these records. What asks a receiver to delete its copies is the receiver's to answer, and nothing it wrote. */
export async function readSources(tx: Tx, visible: Visibility, patients: readonly string[]): Promise<Source[]> {
  return tx.query<Source>(sql`
    select r.owner, count(*)::int as records, max(r.last_updated) as last from resource r
    where r.patient = any(${textArray(patients)}::text[]) and r.owner like 'Organization/%' and not r.is_deleted
      and not ${isKept('r')}
      and ${visible.where('r')}
    group by r.owner order by last desc, r.owner limit ${sourcesMax}`);
}

export interface Proxy {
  readonly relatedPerson: string;
  readonly relationship: 'parent' | 'guardian' | 'caregiver';
  readonly isWhole: boolean;
  /** Epoch milliseconds, or infinite. */
  readonly until: number;
}

const proxiesMax = 100;

/** Who acts for the patient at this moment. */
export async function readProxies(tx: Tx, patients: readonly string[], ages: MinorAges): Promise<Proxy[]> {
  const now = sql`statement_timestamp()`;
  return tx.query<Proxy>(sql`
    select related_person as "relatedPerson", relationship, standing = 'whole' as "isWhole", until from (
      select related.related_person, related.relationship, ${standingOf(now, ages)} as standing,
        (extract(epoch from related.valid_to) * 1000)::float8 as until
      from proxy related ${childOf}
      where related.patient = any(${textArray(patients)}::text[]) and ${isInForce(now)}) related
    where standing is not null order by related_person limit ${proxiesMax}`);
}

export interface EmergencyWindow {
  readonly organization: string;
  readonly reason: string;
  readonly openedAt: Date;
  readonly closesAt: Date;
}

const windowsMax = 50;

/** Emergency access that is open at this moment. A minor's is theirs to know: as their Consents and their log. */
export async function readWindows(
  tx: Tx,
  { proxy }: Principal,
  patients: readonly string[],
): Promise<EmergencyWindow[]> {
  const own = sql`${textArray(patients)}::text[]`;
  return tx.query<EmergencyWindow>(sql`
    select organization, reason, opened_at as "openedAt", closes_at as "closesAt" from break_glass
    where patient = any(${own}) and statement_timestamp() >= opened_at and statement_timestamp() < closes_at
      and ${proxy === undefined ? raw('true') : sql`${standing(proxy, own)} = 'whole'`}
    order by opened_at desc limit ${windowsMax}`);
}

export interface AskedDeletion {
  readonly task: string;
  readonly owner: string;
  readonly consentId: string;
  /** Task.status. */
  readonly status: string;
  readonly eraseBy: Date;
  readonly answeredAt: Date | null;
}

const deletionsMax = 100;

/** Who was asked to delete copies, those asked last first. As a minor's Consents, theirs to know. */
export async function readDeletions(
  tx: Tx,
  { proxy }: Principal,
  patients: readonly string[],
): Promise<AskedDeletion[]> {
  const own = sql`${textArray(patients)}::text[]`;
  return tx.query<AskedDeletion>(sql`
    select id as task, owner, consent_id as "consentId", status, erase_by as "eraseBy", answered_at as "answeredAt"
    from deletion_task
    where patient = any(${own}) and status <> 'cancelled'
      and ${proxy === undefined ? raw('true') : sql`${standing(proxy, own)} = 'whole'`}
    order by asked_at desc, id limit ${deletionsMax}`);
}
