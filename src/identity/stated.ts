/**
 * Links that the Patients of a FHIR source state of each other (`Patient.link`): evidence as a command of HL7v2 is, of who is one person. Each
 * record speaks for itself, so a link holds while one of the two states it, and what is stated no more is taken back; then who else shows
 * evidence decides. The Patients themselves stay as their source has them.
 *
 * @see https://hl7.org/fhir/R4/patient.html#links
 */
import { randomUUID } from 'node:crypto';
import type { Tx } from '../db.ts';
import { sql } from '../db/sql.ts';
import { ownBucket } from '../fhir/ids.ts';
import { localReference } from '../fhir/reference.ts';
import type { AnyResource } from '../fhir/types.ts';
import { readRows } from '../store/rows.ts';
import { connectedTo, membersOf, pairOf, separate } from './assertion.ts';
import { contradiction, lockGroup, membersMax, type LinkOutcome } from './link.ts';
import { connect, log } from './member.ts';

/** A Patient as it is stored now. */
export interface StatingPatient {
  readonly id: string;
  /** `Organization/x`. Its links name Patients of its source alone, which are the same owner's. */
  readonly owner: string;
  readonly resource: AnyResource;
  /** It was not there before: what others state of it waited for it. */
  readonly isNew: boolean;
}

interface Pair {
  readonly low: string;
  readonly high: string;
  /** Ids of those of the two that state it. */
  readonly by: readonly string[];
}

/** To be called in the transaction that writes them. */
export async function followStated(tx: Tx, patients: readonly StatingPatient[], at: Date): Promise<LinkOutcome[]> {
  if (patients.length === 0) return [];
  const pairs = await readPairs(
    tx,
    patients.map(({ id }) => id),
  );
  const outcomes: (LinkOutcome | undefined)[] = [];
  for (const patient of patients) {
    const { id, isNew } = patient;
    const others = statedBy(patient);
    const own = pairs.filter(({ low, high }) => low === id || high === id);
    const known = own.filter(({ by }) => by.includes(id)).map((pair) => otherOf(pair, id));
    for (const other of others) if (!known.includes(other)) outcomes.push(await state(tx, patient, other, at));
    for (const other of known) if (!others.includes(other)) outcomes.push(await takeBack(tx, patient, other, at));
    if (!isNew) continue;
    for (const pair of own) if (!others.includes(otherOf(pair, id))) outcomes.push(await join(tx, pair, patient, at));
  }
  return outcomes.filter((outcome) => outcome !== undefined);
}

/** All types of a link say that the two are records of one person. RelatedPersons are somebody else. */
function statedBy({ id, resource }: StatingPatient): string[] {
  const links = resource['link'];
  if (!Array.isArray(links)) return [];
  const named = (links as ({ readonly other?: unknown } | null)[]).flatMap((link) => {
    const other = localReference(link?.other ?? {});
    return other?.type === 'Patient' && other.id !== id ? [other.id] : [];
  });
  return [...new Set(named)].slice(0, membersMax);
}

async function readPairs(tx: Tx, ids: readonly string[]): Promise<Pair[]> {
  return tx.query<{ low: string; high: string; by: string[] }>(sql`
    select low, high, array(select jsonb_array_elements_text(evidence -> 'statedBy')) as by from person_assertion
    where (low = any(${ids}::text[]) or high = any(${ids}::text[])) and evidence ? 'statedBy'`);
}

function otherOf({ low, high }: Pick<Pair, 'low' | 'high'>, id: string): string {
  return low === id ? high : low;
}

/** Kept also before the other one has come: it is linked when it does. */
async function state(tx: Tx, patient: StatingPatient, other: string, at: Date): Promise<LinkOutcome | undefined> {
  const { id, owner } = patient;
  const [low, high] = pairOf(id, other);
  await lockGroup(tx, [id, other]);
  const evidence = JSON.stringify({ statedBy: [id], owner });
  await tx.query(sql`
    insert into person_assertion (low, high, owner, evidence, at)
    values (${low}, ${high}, ${owner}, ${evidence}::jsonb, ${at.toISOString()}::timestamptz)
    on conflict (low, high) do update set at = excluded.at, evidence = person_assertion.evidence || jsonb_build_object(
      'statedBy', coalesce(person_assertion.evidence -> 'statedBy', '[]') || to_jsonb(${id}::text))`);
  return join(tx, { low, high }, patient, at);
}

/** Makes one person of the two and of everybody linked to either, once both are there; a veto is logged and leaves them as they are. */
async function join(
  tx: Tx,
  { low, high }: Pick<Pair, 'low' | 'high'>,
  { id, owner }: StatingPatient,
  at: Date,
): Promise<LinkOutcome | undefined> {
  if (!(await areThere(tx, [low, high]))) return undefined;
  const evidence = { stated: [low, high], owner };
  const group = await lockGroup(tx, [low, high]);
  const others = group.filter((member) => member !== id);
  const veto = group.length > membersMax ? 'too many records' : await contradiction(tx, group);
  if (veto !== undefined) {
    await log(tx, 'veto', [id], null, { ...evidence, reason: veto, others }, at);
    return { patient: id, action: 'veto', with: others };
  }
  const isNew = await connect(tx, group, randomUUID(), evidence, at);
  return isNew ? { patient: id, action: 'link', with: others } : undefined;
}

async function areThere(tx: Tx, ids: readonly string[]): Promise<boolean> {
  const rows = await readRows(
    tx,
    ids.map((id) => ({ bucket: ownBucket(id), type: 'Patient', id })),
  );
  return rows.filter(({ isDeleted }) => !isDeleted).length === ids.length;
}

/** Not a word against it: other evidence may link the two still, or again. */
async function takeBack(
  tx: Tx,
  { id, owner }: StatingPatient,
  other: string,
  at: Date,
): Promise<LinkOutcome | undefined> {
  const [low, high] = pairOf(id, other);
  const group = await lockGroup(tx, [id, other]);
  // Read again under the lock: the other one may state it by now.
  await tx.query(sql`
    update person_assertion set evidence = jsonb_set(evidence, '{statedBy}', (evidence -> 'statedBy') - ${id}::text)
    where low = ${low} and high = ${high}`);
  await tx.query(sql`
    delete from person_assertion where low = ${low} and high = ${high} and evidence -> 'statedBy' = '[]'::jsonb`);
  const members = await membersOf(tx, id);
  if (!members.includes(other)) return undefined;
  const around = await connectedTo(tx, id, group);
  if (around.includes(other)) return undefined;
  const evidence = { reason: 'its source does not state the link any more', other, owner };
  const staying = await separate(tx, { leaving: around, members }, evidence, at);
  return { patient: id, action: 'unlink', with: staying };
}
