/** What the hub decided and asked by about a person, beside their record: rules, requests, proxies, links, grants of apps. */
import type { Tx } from '../../db.ts';
import { raw, sql, textArray, type Sql } from '../../db/sql.ts';
import { typeCode } from '../../fhir/types.ts';
import { erasedHashes, type OwnedPatient } from '../../store/erased.ts';
import { identifierTarget } from '../consent/request.ts';
import { deletionCode } from './task.ts';

const taskType = raw(String(typeCode('Task')));
const deletionTokens = raw(`'{${deletionCode}}'::bigint[]`);

/** Rows that outlive their record: what asks receivers to delete their copies. */
export function isKept(alias: string): Sql {
  const row = raw(alias);
  return sql`(${row}.type = ${taskType} and ${row}.tokens @> ${deletionTokens})`;
}

/** Nobody sees anything from the next statement on but the person and the sources, and receivers are going to be asked. */
export async function endConsents(tx: Tx, patients: readonly string[]): Promise<void> {
  const ids = sql`${textArray(patients)}::text[]`;
  await tx.query(sql`delete from consent_rule where patient = any(${ids}) or origin = any(${ids})`);
  await tx.query(sql`
    update consent_receiver set ends_at = statement_timestamp()
    where patient = any(${ids}) and ends_at > statement_timestamp()`);
}

/** Whether some receiver has still to be asked: who they were is found by the links of the person. */
export async function isAsking(tx: Tx, patients: readonly string[]): Promise<boolean> {
  const rows = await tx.query(sql`
    select from consent_receiver where patient = any(${textArray(patients)}::text[]) and asked_at is null limit 1`);
  return rows.length > 0;
}

/** From the commit of this on, none of these Patients is written by its source again. */
export async function keepOut(tx: Tx, erasure: string, patients: readonly OwnedPatient[]): Promise<void> {
  await tx.query(sql`
    insert into erased_patient (patient, owner, erasure)
    select id, owner, ${erasure}::uuid
    from unnest(${textArray(patients.map(({ resource }) => resource.id ?? ''))}::text[],
      ${textArray(patients.map(({ owner }) => owner))}::text[]) v (id, owner)
    on conflict (patient) do update set erasure = excluded.erasure`);
  const hashes = [...new Set(patients.flatMap(erasedHashes))];
  await tx.query(sql`
    insert into erased_identifier (hash, erasure)
    select decode(one, 'hex'), ${erasure}::uuid from unnest(${textArray(hashes)}::text[]) as one on conflict do nothing`);
}

/** All that speaks of them in tables of this room. @param patients with the identifiers they showed */
export async function forgetAccess(tx: Tx, patients: readonly OwnedPatient[]): Promise<void> {
  const names = patients.map(({ resource }) => resource.id ?? '');
  const ids = sql`${textArray(names)}::text[]`;
  const identifiers = patients.flatMap(
    ({ resource }) => (resource['identifier'] ?? []) as { system?: unknown; value?: unknown }[],
  );
  const targets = [
    ...names.map((id) => `Patient/${id}`),
    ...identifiers.flatMap(({ system, value }) =>
      typeof system === 'string' && typeof value === 'string' ? [identifierTarget({ system, value })] : [],
    ),
  ];
  await tx.query(sql`delete from consent_request where target = any(${textArray(targets)}::text[])`);
  await tx.query(sql`delete from consent_copy where patient = any(${ids})`);
  await tx.query(sql`delete from consent_receiver where patient = any(${ids})`);
  await tx.query(sql`
    delete from proxy_identifier known using proxy where known.related_person = proxy.related_person and proxy.patient = any(${ids})`);
  await tx.query(sql`delete from proxy where patient = any(${ids})`);
  // That it was opened, by whom and when, stays; in what words is the record's.
  await tx.query(sql`update break_glass set reason = '' where patient = any(${ids})`);
  await tx.query(
    sql`update app_grant set ended_at = statement_timestamp() where patient = any(${ids}) and ended_at is null`,
  );
}
