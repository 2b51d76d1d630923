/**
 * A RelatedPerson becomes a row of `proxy` when it is written, in the writer's transaction. It gives rights when somebody
 * vouches for it: its source, if that is a hospital or a token the operator made (LEAKS 31: nobody makes themselves a proxy),
 * or an operator, who confirms one version of it.
 */
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { ownBucket } from '../../fhir/ids.ts';
import { Problem } from '../../fhir/problem.ts';
import type { AnyResource } from '../../fhir/types.ts';
import type { Principal } from '../principal/principal.ts';
import { relationOf } from './relation.ts';

/** A RelatedPerson as it stands after a write. */
export interface WrittenRelated {
  readonly id: string;
  readonly version: number;
  readonly resource: AnyResource;
  /** Of the checksummed national identifiers it shows, in hex. */
  readonly identifiers: readonly string[];
}

/** Registered hospitals, and tokens that the operator made for an organization without registering it (`hub token`). */
const trustedKinds: ReadonlySet<string | undefined> = new Set(['hospital', 'local']);

/** True when a RelatedPerson that this principal writes needs nobody else's word. */
export function isTrustedSource({ kind, organization, self }: Principal): boolean {
  return trustedKinds.has(kind) && organization !== undefined && self === undefined;
}

/** Brings `proxy` up to date. A row that was there stays, empty, so that what an operator refused stays refused. */
export async function recordProxies(
  tx: Tx,
  people: readonly WrittenRelated[],
  { isTrusted }: { readonly isTrusted: boolean },
): Promise<void> {
  if (people.length === 0) return;
  const ids = people.map(({ id }) => id);
  await tx.query(sql`delete from proxy_identifier where related_person = any(${ids}::text[])`);
  await tx.query(sql`
    update proxy set relationship = 'none', may_consent = false, trusted_by = null where related_person = any(${ids}::text[])`);
  const rows = people.flatMap(({ id, version, resource }) => {
    const relation = relationOf(resource);
    if (relation === undefined) return [];
    const { patient, relationship, mayConsent, valid } = relation;
    return {
      related_person: id,
      patient,
      bucket: ownBucket(patient),
      relationship,
      may_consent: mayConsent,
      valid_from: timestamp(valid.from),
      valid_to: timestamp(valid.to),
      version,
      trusted_by: isTrusted ? 'source' : null,
    };
  });
  if (rows.length === 0) return;
  await tx.query(sql`
    insert into proxy select * from jsonb_populate_recordset(null::proxy, ${JSON.stringify(rows)}::jsonb)
    on conflict (related_person) do update set patient = excluded.patient, bucket = excluded.bucket,
      relationship = excluded.relationship, may_consent = excluded.may_consent, valid_from = excluded.valid_from,
      valid_to = excluded.valid_to, version = excluded.version, trusted_by = excluded.trusted_by`);
  const acting = new Set(rows.map((row) => row.related_person));
  const shown = people.flatMap(({ id, identifiers }) =>
    acting.has(id) ? identifiers.map((hash) => ({ hash: String.raw`\x${hash}`, related_person: id })) : [],
  );
  await tx.query(sql`
    insert into proxy_identifier select * from jsonb_populate_recordset(null::proxy_identifier, ${JSON.stringify(shown)}::jsonb)
    on conflict do nothing`);
}

function timestamp(epochMs: number): string {
  if (epochMs === Number.POSITIVE_INFINITY) return 'infinity';
  return epochMs === Number.NEGATIVE_INFINITY ? '-infinity' : new Date(epochMs).toISOString();
}

/** An operator's word on a RelatedPerson, until it is written again. @throws Problem not-found when it is no such relation */
export async function confirmProxy(db: Tx, id: string, operator: string, at: Date): Promise<void> {
  await decide(db, id, sql`trusted_by = ${`operator:${operator}`}, refused_by = null`, at);
}

/** It gives nothing from the next statement on, whatever its source writes later. @throws Problem not-found */
export async function refuseProxy(db: Tx, id: string, operator: string, at: Date): Promise<void> {
  await decide(db, id, sql`refused_by = ${`operator:${operator}`}`, at);
}

async function decide(db: Tx, id: string, change: ReturnType<typeof sql>, at: Date): Promise<void> {
  const rows = await db.query(sql`
    update proxy set ${change}, decided_at = ${at.toISOString()}::timestamptz
    where related_person = ${id} and relationship <> 'none' returning related_person`);
  if (rows.length > 0) return;
  throw new Problem('not-found', 'there is no RelatedPerson of this id that could act for a patient', {
    hint: 'hub proxy list --patient ID names those there are.',
  });
}

/** What the operator sees: no name, no identifier. */
export interface ProxyRow {
  readonly relatedPerson: string;
  readonly patient: string;
  readonly relationship: string;
  readonly mayConsent: boolean;
  readonly validFrom: string;
  readonly validTo: string;
  readonly trustedBy: string | null;
  readonly refusedBy: string | null;
}

const proxiesMax = 1000;

export async function listProxies(db: Tx, { patient }: { readonly patient?: string | undefined }): Promise<ProxyRow[]> {
  return db.query<ProxyRow>(sql`
    select related_person as "relatedPerson", patient, relationship, may_consent as "mayConsent",
      valid_from::text as "validFrom", valid_to::text as "validTo", trusted_by as "trustedBy", refused_by as "refusedBy"
    from proxy where relationship <> 'none' and (${patient ?? null}::text is null or patient = ${patient ?? null})
    order by patient, related_person limit ${proxiesMax}`);
}
