/**
 * Who is kept out. A person whose copies were erased would come back with the next message of the same source; so a new Patient of a
 * source is asked for here first, by its id (which follows from the source's own number) and by the numbers that are one person's
 * alone. Other sources are not concerned and learn nothing: each marker is of one owner.
 */
import { createHash } from 'node:crypto';
import type { Tx } from '../db.ts';
import { sql, textArray } from '../db/sql.ts';
import { checkNationalId, identifierTypeSystem, nationalIdSystem } from '../fhir/identifiers.ts';
import { Problem } from '../fhir/problem.ts';
import type { AnyResource } from '../fhir/types.ts';

export interface OwnedPatient {
  readonly owner: string;
  readonly resource: AnyResource;
}

interface Identifier {
  readonly system?: unknown;
  readonly value?: unknown;
  readonly type?: { readonly coding?: readonly { readonly system?: unknown; readonly code?: unknown }[] };
}

/** HL70203: record numbers. An insurance number may be a family's, and would keep out others than the person. */
const recordNumbers = new Set<unknown>(['MR', 'PI', 'PT', 'PN']);

/** SHA-256, hex, of the numbers by which a source would register the same person again. */
export function erasedHashes({ owner, resource }: OwnedPatient): string[] {
  const identifiers: unknown = resource['identifier'];
  if (!Array.isArray(identifiers)) return [];
  return (identifiers as Identifier[]).flatMap(({ system, value, type }) => {
    if (typeof system !== 'string' || typeof value !== 'string') return [];
    const national = system === nationalIdSystem ? checkNationalId(value) : undefined;
    const isRecord = type?.coding?.some((one) => one.system === identifierTypeSystem && recordNumbers.has(one.code));
    if (national === undefined && isRecord !== true) return [];
    return [
      createHash('sha256')
        .update(JSON.stringify([owner, system, national ?? value]))
        .digest('hex'),
    ];
  });
}

/** @returns which of these, by their place, are kept out: known to their owner, or the id of another's */
export async function findErased(tx: Tx, patients: readonly OwnedPatient[]): Promise<Map<number, 'own' | 'other'>> {
  if (patients.length === 0) return new Map();
  const ids = patients.map(({ resource }) => resource.id ?? '');
  const hashes = patients.map(erasedHashes);
  const [found] = await tx.query<{ ids: { patient: string; owner: string }[] | null; hashes: string[] }>(sql`
    select
      (select jsonb_agg(jsonb_build_object('patient', patient, 'owner', owner))
        from erased_patient where patient = any(${textArray(ids)}::text[])) as ids,
      array(select encode(hash, 'hex') from erased_identifier
        where hash = any(array(select decode(one, 'hex') from unnest(${textArray(hashes.flat())}::text[]) as one))) as hashes`);
  const owners = new Map(found?.ids?.map(({ patient, owner }) => [patient, owner]));
  const numbers = new Set(found?.hashes);
  const erased = new Map<number, 'own' | 'other'>();
  for (const [at, { owner }] of patients.entries()) {
    const holder = owners.get(ids[at] as string);
    if (holder !== undefined && holder !== owner) erased.set(at, 'other');
    else if (holder === owner || hashes[at]?.some((hash) => numbers.has(hash))) erased.set(at, 'own');
  }
  return erased;
}

/** To its source, which knows the person: nobody else meets it. */
export function keptOut(): Problem {
  return new Problem('business-rule', 'this person has had their record erased here, and is kept out', {
    expression: 'Patient',
    hint: 'The person can lift that: Patient/[id]/$erase-lift.',
  });
}
