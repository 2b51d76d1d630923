/**
 * identity/ knows which source patients are one person. Clinical rows keep their source patient for ever; a link is a row of
 * person_member, with its evidence, and can be undone. Rights follow by themselves: `self` and searches cover all linked
 * patients, denies spread to them, permits do not.
 *
 * Evidence is a checksummed national identifier that records share, or a source's word that two of its own records are one
 * person's (assertion.ts). Two different national identifiers veto both.
 */
import { randomUUID } from 'node:crypto';
import { lockPatients } from '../access/consent/write.ts';
import { isDatabase, type Database, type Tx } from '../db.ts';
import { Turn } from '../db/turn.ts';
import { sql } from '../db/sql.ts';
import type { AnyResource } from '../fhir/types.ts';
import { lockNames } from '../store/lock.ts';
import { connect, leave, log } from './member.ts';
import { nationalIdsOf, type NationalId } from './national-id.ts';

export interface WrittenPatient {
  readonly id: string;
  /** The Patient as stored, after merging. */
  readonly resource: AnyResource;
}

export interface LinkOutcome {
  readonly patient: string;
  readonly action: 'link' | 'unlink' | 'veto';
  readonly with: readonly string[];
}

/** A number shared by more records than this is a placeholder or a test record, not a person. */
export const membersMax = 50;

/**
 * Brings the links of these Patients up to date with the identifiers they show now. To be called in the transaction that
 * writes them; most messages repeat what is known and cost one statement.
 */
export async function linkPatients(tx: Tx, patients: readonly WrittenPatient[], at: Date): Promise<LinkOutcome[]> {
  if (patients.length === 0) return [];
  const shown = new Map(patients.map(({ id, resource }) => [id, nationalIdsOf(resource)]));
  const known = await knownIdentifiers(tx, [...shown.keys()]);
  const changed = [...shown].filter(([id, ids]) => !hasSameHashes(ids, known.get(id) ?? []));
  if (changed.length === 0) return [];
  await lockIdentifiers(tx, [
    ...changed.flatMap(([, ids]) => ids.map(({ hash }) => hash)),
    ...changed.flatMap(([id]) => known.get(id) ?? []),
  ]);
  await replaceIdentifiers(tx, changed);
  const outcomes: LinkOutcome[] = [];
  for (const [patient, ids] of changed) {
    outcomes.push(...(await leaveUnsupported(tx, patient, at)), ...(await joinPerson(tx, patient, ids, at)));
  }
  return outcomes;
}

/** Every source patient of the same person, this one included. One that was never linked is alone. */
export async function samePerson(db: Tx, patient: string): Promise<string[]> {
  if (isDatabase(db)) return (await turnOf(db).find(patient)) ?? [patient];
  return (await personsOf(db, [patient])).get(patient) ?? [patient];
}

/** The same for several: for each the source patients of their person. */
export async function samePersons(db: Tx, patients: readonly string[]): Promise<Map<string, string[]>> {
  const [only] = patients;
  if (only === undefined) return new Map();
  if (patients.length === 1) return new Map([[only, await samePerson(db, only)]]);
  const found = await personsOf(db, patients);
  return new Map(patients.map((patient) => [patient, found.get(patient) ?? [patient]]));
}

/** Every search by patient asks first whose records it is about. */
const turns = new WeakMap<Database, Turn<string, string[]>>();

function turnOf(db: Database): Turn<string, string[]> {
  const turn = turns.get(db) ?? new Turn((patients) => personsOf(db, patients));
  turns.set(db, turn);
  return turn;
}

/** Of those that are linked. */
async function personsOf(db: Tx, patients: readonly string[]): Promise<Map<string, string[]>> {
  const rows = await db.query<{ patient: string; others: string[] }>(sql`
    select one.patient, array_agg(other.patient order by other.patient) as others
    from person_member one join person_member other on other.person = one.person
    where one.patient = any(${patients}::text[]) group by one.patient`);
  return new Map(rows.map(({ patient, others }) => [patient, others]));
}

/**
 * Takes a patient out of their person for good: evidence alone does not link the pair again.
 * @returns the patients it was separated from
 */
export async function unlink(tx: Tx, patient: string, reason: string, at: Date): Promise<string[]> {
  const group = await lockGroup(tx, [patient]);
  const others = group.filter((other) => other !== patient);
  if (others.length === 0) return [];
  await tx.query(sql`
    insert into person_split (low, high, at, reason)
    select least(${patient}::text, other), greatest(${patient}::text, other), ${at.toISOString()}::timestamptz, ${reason}
    from unnest(${others}::text[]) as other
    on conflict (low, high) do update set at = excluded.at, reason = excluded.reason, owner = null`);
  await tx.query(sql`
    delete from person_assertion
    where (low = ${patient} and high = any(${others}::text[])) or (high = ${patient} and low = any(${others}::text[]))`);
  await leave(tx, patient, others, { reason }, at);
  return others;
}

async function knownIdentifiers(tx: Tx, patients: readonly string[]): Promise<Map<string, string[]>> {
  const rows = await tx.query<{ patient: string; hashes: string[] }>(sql`
    select patient, array_agg(encode(hash, 'hex')) as hashes from person_identifier
    where patient = any(${patients}::text[]) group by patient`);
  return new Map(rows.map((row) => [row.patient, row.hashes]));
}

function hasSameHashes(ids: readonly NationalId[], hashes: readonly string[]): boolean {
  return ids.length === hashes.length && ids.every(({ hash }) => hashes.includes(hash));
}

/** Two transactions that show the same number wait for each other here, so that the second sees both patients. */
async function lockIdentifiers(tx: Tx, hashes: readonly string[]): Promise<void> {
  await lockNames(
    tx,
    hashes.map((hash) => `identifier ${hash}`),
  );
}

async function replaceIdentifiers(
  tx: Tx,
  changed: readonly (readonly [string, readonly NationalId[]])[],
): Promise<void> {
  const rows = JSON.stringify(
    changed.flatMap(([patient, ids]) => ids.map(({ system, hash }) => ({ patient, system, hash }))),
  );
  const patients = changed.map(([patient]) => patient);
  await tx.query(sql`
    delete from person_identifier known
    where known.patient = any(${patients}::text[]) and not exists (
      select from jsonb_to_recordset(${rows}::jsonb) as shown (hash text, patient text)
      where shown.patient = known.patient and decode(shown.hash, 'hex') = known.hash)`);
  await tx.query(sql`
    insert into person_identifier (hash, patient, system)
    select decode(hash, 'hex'), patient, system
    from jsonb_to_recordset(${rows}::jsonb) as shown (hash text, patient text, system text)
    on conflict (hash, patient) do nothing`);
}

/**
 * A corrected number takes its evidence away: a patient that shares none with any other member, or contradicts one, is on
 * its own again. The next message may link it anew.
 */
async function leaveUnsupported(tx: Tx, patient: string, at: Date): Promise<LinkOutcome[]> {
  if ((await samePerson(tx, patient)).length === 1) return [];
  const members = await lockGroup(tx, [patient]);
  const others = members.filter((member) => member !== patient);
  const supporting = await tx.query(sql`
    select from person_identifier one join person_identifier other using (hash)
    where one.patient = ${patient} and other.patient = any(${others}::text[])
    union all
    select from person_assertion
    where (low = ${patient} and high = any(${others}::text[])) or (high = ${patient} and low = any(${others}::text[]))
    limit 1`);
  const reason =
    supporting.length === 0 ? 'the identifier that linked it is no longer shown' : await contradiction(tx, members);
  if (reason === undefined) return [];
  await leave(tx, patient, others, { reason }, at);
  return [{ patient, action: 'unlink', with: others }];
}

async function joinPerson(tx: Tx, patient: string, ids: readonly NationalId[], at: Date): Promise<LinkOutcome[]> {
  const hashes = ids.map(({ hash }) => hash);
  const sharing = await tx.query<{ patient: string }>(sql`
    select patient from person_identifier
    where hash = any(array(select decode(one, 'hex') from unnest(${hashes}::text[]) as one)) and patient <> ${patient}
    union select high from person_assertion where low = ${patient}
    union select low from person_assertion where high = ${patient}
    limit ${membersMax}`);
  const group = await lockGroup(tx, [patient, ...sharing.map((row) => row.patient)]);
  const others = group.filter((other) => other !== patient);
  if (others.length === 0) return [];
  const veto = group.length > membersMax ? 'too many records' : await contradiction(tx, group);
  if (veto !== undefined) {
    await log(tx, 'veto', [patient], null, { reason: veto, hashes, others }, at);
    return [{ patient, action: 'veto', with: others }];
  }
  const isNew = await connect(tx, group, randomUUID(), { identifiers: hashes }, at);
  return isNew ? [{ patient, action: 'link', with: others }] : [];
}

/** The patients and everybody already linked to one of them, locked; read again until nobody joined in between. */
export async function lockGroup(tx: Tx, patients: readonly string[]): Promise<string[]> {
  let group = [...new Set(patients)];
  for (;;) {
    await lockPatients(tx, group);
    const rows = await tx.query<{ patient: string }>(sql`
      select distinct other.patient from person_member one join person_member other on other.person = one.person
      where one.patient = any(${group}::text[])`);
    const grown = [...new Set([...group, ...rows.map((row) => row.patient)])];
    if (grown.length === group.length) return group.toSorted();
    group = grown;
  }
}

/** Why these cannot be one person: two different numbers of one kind among them, or a pair that was separated by hand. */
export async function contradiction(tx: Tx, group: readonly string[]): Promise<string | undefined> {
  const [found] = await tx.query<{ ids: boolean; split: boolean }>(sql`
    select
      exists (select from person_identifier where patient = any(${group}::text[])
        group by system having count(distinct hash) > 1) as ids,
      exists (select from person_split where low = any(${group}::text[]) and high = any(${group}::text[])) as split`);
  if (found?.ids) return 'two different national identifiers';
  return found?.split ? 'separated before' : undefined;
}
