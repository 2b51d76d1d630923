/**
 * What a write brings about beside itself, in the same transaction: a Consent's rules, a person's links, who may act for a patient,
 * and whether a Patient may go. One place for single writes and for transactions.
 */
import { compileConsent, withdrawConsent } from '../../access/consent/write.ts';
import { answerDeletion } from '../../access/erasure/answer.ts';
import type { Principal } from '../../access/principal/principal.ts';
import { isTrustedSource } from '../../access/proxy/record.ts';
import type { Tx } from '../../db.ts';
import { parseJson } from '../../fhir/json.ts';
import { atIndex } from '../../fhir/problem.ts';
import type { AnyResource } from '../../fhir/types.ts';
import { linkPatients } from '../../identity/link.ts';
import { followRelated } from '../../identity/related.ts';
import { hasRecord } from '../../store/dependents.ts';
import type { Written } from '../../store/row.ts';
import { everything } from '../../store/visibility.ts';
import { HttpProblem } from '../respond.ts';
import { applySubscription } from '../subscription/settle.ts';
import type { Writer } from './intent.ts';

/** Types whose write brings about something else. */
const consequential: ReadonlySet<string> = new Set(['Consent', 'Patient', 'RelatedPerson', 'Subscription', 'Task']);

export function hasConsequences(type: string): boolean {
  return consequential.has(type);
}

export interface Happened {
  readonly written: Written;
  /** As sent. */
  readonly resource: AnyResource;
}

/** A grant or its end holds, and a person's records are linked, from the statement after this transaction. */
export async function bringAbout(
  tx: Tx,
  { principal, facade, at }: Writer & { readonly at: Date },
  happened: readonly Happened[],
): Promise<void> {
  const apply = async ({ written, resource }: Happened): Promise<void> => {
    if (written.type === 'Consent') await applyConsent(tx, principal, written, resource);
    if (written.type === 'Task') {
      const { id, isDeleted, body } = written;
      const task = isDeleted ? undefined : (parseJson(body) as AnyResource);
      await answerDeletion(tx, principal, { id, task, at });
    }
    if (written.type === 'Subscription') {
      const { base, subscriptions: policy } = facade;
      await applySubscription(tx, { principal, policy, base, now: at.getTime() }, written, resource);
    }
  };
  for (const [index, one] of happened.entries()) {
    await apply(one).catch((error: unknown) => {
      throw atIndex(index, error);
    });
  }
  const patients = happened.filter(({ written }) => written.type === 'Patient').map(({ written }) => written);
  // A deleted one shows no identifier any more, and so leaves the person it was linked to.
  const shown = patients.map(({ id, body }) => ({ id, resource: parseJson(body) as AnyResource }));
  await linkPatients(tx, shown, at);
  const written = happened.map((one) => one.written);
  await followRelated(tx, written, { isTrusted: isTrustedSource(principal) });
  await requireEmptyRecords(tx, patients);
}

async function applyConsent(tx: Tx, principal: Principal, written: Written, resource: AnyResource): Promise<void> {
  const { id, version, patient } = written;
  if (written.isDeleted) await withdrawConsent(tx, principal, { id, patient: patient as string });
  // Also when nothing changed: writing a Consent again is how a person confirms it for records linked since.
  else await compileConsent(tx, principal, { id, version, resource });
}

/**
 * A record without its Patient could be read by nobody who knows whose it is. Everything in it is the same source's, so the
 * refusal tells of nothing hidden; deleted in one transaction with its record, a Patient goes.
 *
 * @see https://hl7.org/fhir/R4/http.html#delete 409 when the server refuses for reasons of its own, such as referential integrity
 */
async function requireEmptyRecords(tx: Tx, patients: readonly Written[]): Promise<void> {
  const deleted = patients.filter(({ isDeleted }) => isDeleted).map(({ id }) => id);
  if (!(await hasRecord(tx, everything('a record without its Patient'), deleted))) return;
  throw new HttpProblem(409, 'conflict', 'the Patient has a record', {
    expression: 'Patient',
    hint: 'Delete what refers to the Patient first, or in the same transaction.',
  });
}
