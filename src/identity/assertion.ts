/**
 * A source's word on its own records: two are one person's, or are not. Stronger than the absence of a shared identifier,
 * weaker than two different ones. Every assertion keeps its evidence, and its source can take it back.
 */
import { randomUUID } from 'node:crypto';
import type { Tx } from '../db.ts';
import { raw, sql } from '../db/sql.ts';
import { contradiction, lockGroup, membersMax, type LinkOutcome } from './link.ts';
import { connect, leave, log } from './member.ts';

export interface Assertion {
  readonly patient: string;
  readonly other: string;
  /** Who says so: `Organization/x`. Both records are its own. */
  readonly owner: string;
  readonly evidence: object;
  readonly at: Date;
  /** When the source said so: of two words that contradict each other the later holds, whichever is processed first. */
  readonly receivedAt: Date;
}

/** True when the source has said the opposite of the pair in a message that was received later. */
export async function isTakenBack(tx: Tx, assertion: Assertion, isRetraction: boolean): Promise<boolean> {
  const { patient, other, owner, receivedAt } = assertion;
  const [low, high] = pairOf(patient, other);
  const opposite = raw(isRetraction ? 'person_assertion' : 'person_split');
  const rows = await tx.query(sql`
    select from ${opposite}
    where low = ${low} and high = ${high} and owner = ${owner} and at > ${receivedAt.toISOString()}::timestamptz`);
  return rows.length > 0;
}

/** Makes one person of the two records, and of everybody linked to either; a veto is logged and leaves them as they are. */
export async function assertLink(tx: Tx, assertion: Assertion): Promise<LinkOutcome | undefined> {
  const { patient, other, owner, evidence, at, receivedAt } = assertion;
  const group = await lockGroup(tx, [patient, other]);
  const [low, high] = pairOf(patient, other);
  // Its own word against it is taken back; what a person decided stays.
  await tx.query(sql`delete from person_split where low = ${low} and high = ${high} and owner = ${owner}`);
  await tx.query(sql`
    insert into person_assertion (low, high, owner, evidence, at)
    values (${low}, ${high}, ${owner}, ${JSON.stringify(evidence)}::jsonb, ${receivedAt.toISOString()}::timestamptz)
    on conflict (low, high) do update set at = greatest(person_assertion.at, excluded.at)`);
  const others = group.filter((member) => member !== patient);
  const veto = group.length > membersMax ? 'too many records' : await contradiction(tx, group);
  if (veto !== undefined) {
    await log(tx, 'veto', [patient], null, { ...evidence, reason: veto, others }, at);
    return { patient, action: 'veto', with: others };
  }
  const isNew = await connect(tx, group, randomUUID(), evidence, at);
  return isNew ? { patient, action: 'link', with: others } : undefined;
}

/**
 * Separates the two records, and keeps them apart whatever evidence comes. Who is linked to one of them by other evidence
 * goes with that one.
 */
export async function retractLink(tx: Tx, assertion: Assertion): Promise<LinkOutcome | undefined> {
  const { patient, other, owner, evidence, at, receivedAt } = assertion;
  const group = await lockGroup(tx, [patient, other]);
  const [low, high] = pairOf(patient, other);
  await tx.query(sql`delete from person_assertion where low = ${low} and high = ${high} and owner = ${owner}`);
  await tx.query(sql`
    insert into person_split (low, high, at, reason, owner)
    values (${low}, ${high}, ${receivedAt.toISOString()}::timestamptz, ${'separated by its source'}, ${owner})
    on conflict (low, high) do update set at = greatest(person_split.at, excluded.at)`);
  const members = await membersOf(tx, patient);
  if (!members.includes(other)) return undefined;
  const around = await connectedTo(tx, patient, group, other);
  const leaving = around.includes(other) ? [patient] : around;
  const staying = await separate(tx, { leaving, members }, evidence, at);
  return { patient, action: 'unlink', with: staying };
}

/** Takes some of a person's records out, which stay one person. @returns those that are left */
export async function separate(
  tx: Tx,
  { leaving, members }: { readonly leaving: readonly string[]; readonly members: readonly string[] },
  evidence: object,
  at: Date,
): Promise<string[]> {
  const staying = members.filter((member) => !leaving.includes(member));
  for (const member of leaving) await leave(tx, member, staying, evidence, at);
  if (leaving.length > 1) await connect(tx, leaving, randomUUID(), evidence, at);
  return staying;
}

/** The record was linked to the wrong person: it leaves everybody it was linked to, and joins `other`. */
export async function moveLink(tx: Tx, assertion: Assertion): Promise<LinkOutcome | undefined> {
  const { patient, other } = assertion;
  const members = await membersOf(tx, patient);
  if (members.includes(other)) return assertLink(tx, assertion);
  for (const member of members) {
    if (member !== patient) await retractLink(tx, { ...assertion, other: member });
  }
  return assertLink(tx, assertion);
}

export function pairOf(one: string, other: string): readonly [string, string] {
  return one < other ? [one, other] : [other, one];
}

export async function membersOf(tx: Tx, patient: string): Promise<string[]> {
  const rows = await tx.query<{ patient: string }>(sql`
    select other.patient from person_member one join person_member other on other.person = one.person
    where one.patient = ${patient} order by other.patient`);
  return rows.map((row) => row.patient);
}

/** The patient and those of the group that evidence ties to it, not by way of the pair that is being separated (`apart`). */
export async function connectedTo(
  tx: Tx,
  patient: string,
  group: readonly string[],
  apart?: string,
): Promise<string[]> {
  const edges = await tx.query<{ one: string; other: string }>(sql`
    select one.patient as one, other.patient as other
    from person_identifier one join person_identifier other on other.hash = one.hash and other.patient > one.patient
    where one.patient = any(${group}::text[]) and other.patient = any(${group}::text[])
    union select low, high from person_assertion where low = any(${group}::text[]) and high = any(${group}::text[])`);
  const found = new Set([patient]);
  // Bounded by `membersMax` records: each round adds one at least.
  for (let before = 0; before < found.size;) {
    before = found.size;
    for (const { one, other } of edges) {
      const isPair = (one === patient && other === apart) || (other === patient && one === apart);
      if (isPair) continue;
      if (found.has(one)) found.add(other);
      if (found.has(other)) found.add(one);
    }
  }
  return [...found].toSorted();
}
