/** What the owner of a Task that asks it to delete copies answers: held to the status alone, and kept for the patient to see. */
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { Problem } from '../../fhir/problem.ts';
import type { AnyResource } from '../../fhir/types.ts';
import { financialOnly } from '../predicate/owner.ts';
import { isPayment, type Principal } from '../principal/principal.ts';
import { deletionTask, requireAnswer } from './task.ts';

interface TaskRow {
  patient: string;
  consentId: string;
  owner: string;
  at: Date;
  eraseBy: Date;
  status: string;
}

/**
 * After a Task was written, in its transaction. One that asks for no deletion is its writer's business.
 * @param task as it is stored; undefined: it was deleted
 * @throws Problem forbidden when it is deleted, business-rule when more than its status changed
 */
export async function answerDeletion(
  tx: Tx,
  principal: Principal,
  { id, task, at }: { readonly id: string; readonly task: AnyResource | undefined; readonly at: Date },
): Promise<void> {
  const [row] = await tx.query<TaskRow>(sql`
    select patient, consent_id as "consentId", owner, asked_at as at, erase_by as "eraseBy", status
    from deletion_task where id = ${id} for update`);
  if (row === undefined) {
    if (isPayment(principal)) throw financialOnly();
    return;
  }
  if (task === undefined) throw new Problem('forbidden', 'a Task that asks to delete copies is answered, not deleted');
  requireAnswer({ ...deletionTask(row), status: row.status }, task);
  await tx.query(sql`
    update deletion_task set status = ${String(task['status'])}, answered_at = ${at} where id = ${id}`);
}
