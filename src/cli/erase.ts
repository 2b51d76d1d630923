/** `hub erase` and `hub hold`: the operator's doors to erasure, for who asks by letter, and for who must keep records by law. */
import { openAudit } from '../access/audit/audit.ts';
import { askForDeletion } from '../access/erasure/ask.ts';
import { dueErasure, orderErasure } from '../access/erasure/erasure.ts';
import { liftHold, listHolds, placeHold } from '../access/erasure/hold.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Tx } from '../db.ts';
import { sql } from '../db/sql.ts';
import { idPattern } from '../fhir/ids.ts';
import { Problem } from '../fhir/problem.ts';
import { eraseStep } from '../hub/erase.ts';
import { samePerson } from '../identity/link.ts';
import { countRecords } from '../store/erase.ts';
import { readRows } from '../store/read.ts';
import { everything } from '../store/visibility.ts';
import { operatorHere, print, withDatabase } from './database.ts';

const pauseMs = 500;

/** Done when it ends. Killed in the middle, a running hub goes on, or the same command does. */
export async function runErase(reference: string, reason: string, environment: NodeJS.ProcessEnv): Promise<void> {
  const patient = reference.replace(/^Patient\//, '');
  if (!idPattern.test(patient)) throw new Problem('value', 'this is no Patient', { hint: 'hub erase Patient/ID' });
  if (reason.trim() === '') throw new Problem('required', '--reason says why', { expression: '--reason' });
  await withDatabase(environment, async (database) => {
    const audit = openAudit(database);
    const principal = operatorHere();
    try {
      const id = await audit.inTransaction(database, async (tx) => {
        const patients = await samePerson(tx, patient);
        const begun = await dueErasure(tx, patients);
        if (begun !== undefined) return { value: begun, entries: [] };
        await requireRecord(tx, patients);
        const value = await orderErasure(tx, patients, { by: principal.subject, reason });
        const context = { principal, interaction: 'erase-order', type: 'Patient', id: patient, reason, at: Date.now() };
        return { value, entries: [{ context, patient, rows: 0, outcome: 'success' as const }] };
      });
      for (;;) {
        const [{ state } = { state: 'done' }] = await database.query<{ state: string }>(sql`
          select state from erasure where id = ${id}::uuid`);
        if (state === 'done') break;
        const asked = await askForDeletion(database, audit);
        const step = await eraseStep(database, audit, id);
        if (asked === 0 && step !== 'busy') await sleep(pauseMs);
      }
      print(
        await database.query(sql`
          select id, patients, held, rows_erased::int as rows, messages_erased::int as messages, done_at as "doneAt"
          from erasure where id = ${id}::uuid`),
      );
    } finally {
      await audit.close();
    }
  });
}

/** A mistyped id is not reported as done. What was deleted has its versions still. @throws Problem not-found */
async function requireRecord(tx: Tx, patients: readonly string[]): Promise<void> {
  const visible = everything('whether there is anything to erase');
  const keys = patients.map((id) => ({ type: 'Patient', id }));
  if ((await readRows(tx, visible, keys)).length > 0 || (await countRecords(tx, visible, patients)) > 0) return;
  throw new Problem('not-found', 'the hub holds nothing of this Patient', {
    hint: 'Give the id that the hub has for them: Patient?identifier=SYSTEM|VALUE finds it.',
  });
}

export async function runHoldAdd(
  organization: string,
  { reason, by }: { readonly reason: string; readonly by: string },
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  await withDatabase(environment, (database) => placeHold(database, { organization, reason, placedBy: by }));
  console.log(JSON.stringify({ organization, reason, placedBy: by }));
}

export async function runHoldRemove(organization: string, environment: NodeJS.ProcessEnv): Promise<void> {
  await withDatabase(environment, async (database) => {
    const erasures = await database.inTransaction((tx) => liftHold(tx, organization));
    console.log(JSON.stringify({ organization, erasures }));
  });
}

export async function runHoldList(environment: NodeJS.ProcessEnv): Promise<void> {
  await withDatabase(environment, async (database) => print(await listHolds(database)));
}
