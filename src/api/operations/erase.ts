/**
 * Patient/[id]/$erase: the person asks that the hub forgets them. The first call says what would go and gives a token; the same call with
 * it (`confirm`) sets a date, until which $erase-cancel takes it back. $erase-lift lets their sources write again. docs/erasure.md.
 *
 * Operations of the hub's own. Nobody else learns of any of it: an erased record is like one that never was.
 */
import { askErasure, cancelErasure, confirmErasure, liftErasure } from '../../access/erasure/erasure.ts';
import { requireWriter } from '../../access/consent/write.ts';
import { requireScope } from '../../access/principal/scope.ts';
import type { Tx } from '../../db.ts';
import { Problem } from '../../fhir/problem.ts';
import { samePerson } from '../../identity/link.ts';
import { hubOperation } from '../../mapping/values/extensions.ts';
import { countRecords } from '../../store/erase.ts';
import { everything } from '../../store/visibility.ts';
import type { Call, Result } from '../interaction.ts';
import { contextOf } from '../pipeline.ts';
import { parametersOf, type Part } from './consent-parts.ts';
import { readInput, type OperationInput } from './input.ts';
import type { OperationInteraction } from './operation.ts';

type Name = 'erase' | 'erase-cancel' | 'erase-lift';

function operation(
  name: Name,
  allowed: readonly string[],
  work: (tx: Tx, call: Call, asked: { patients: readonly string[]; input: OperationInput }) => Promise<Part[]>,
): OperationInteraction {
  const interaction: OperationInteraction = {
    code: 'operation',
    operation: { name, definition: hubOperation(name), levels: ['instance'], types: ['Patient'], affectsState: true },
    isWrite: true,
    recordedAs: name,
    prepare: async (call) => {
      const { principal, incoming } = call;
      if (principal.self === undefined)
        throw new Problem('forbidden', 'the patient decides that, or who acts for them');
      requireScope(principal, 'Patient', 'd');
      const input = await readInput(call, { allowed });
      return {
        isTransaction: true,
        query: input.namesOf(name),
        run: async (tx) => {
          const patients = await samePerson(tx, principal.self as string);
          if (!patients.includes(incoming.id)) throw new Problem('not-found', 'unknown or hidden');
          await requireWriter(tx, principal, patients);
          const parts = await work(tx, call, { patients, input });
          return recorded(interaction, call, parametersOf(parts));
        },
      };
    },
  };
  return interaction;
}

/** In the log of the record that was named; what it answers is no row. */
function recorded(interaction: OperationInteraction, call: Call, body: string): Result {
  const { id } = call.incoming;
  const context = { ...contextOf(interaction, call), id };
  return { answer: { status: 200, body }, shown: [], entries: [{ context, patient: id, rows: 0, outcome: 'success' }] };
}

export const erase = operation('erase', ['confirm'], async (tx, { principal }, { patients, input }) => {
  const confirm = input.text('confirm');
  const records = patients.map((id) => ({ name: 'patient', valueReference: { reference: `Patient/${id}` } }));
  if (confirm !== undefined) {
    const { dueAt } = await confirmErasure(tx, patients, confirm);
    return [{ name: 'state', valueCode: 'waiting' }, { name: 'due', valueInstant: dueAt.toISOString() }, ...records];
  }
  const rows = await countRecords(tx, everything('what an erasure would take'), patients);
  const asked = await askErasure(tx, patients, principal.fhirUser ?? `Patient/${principal.self}`);
  return [
    { name: 'state', valueCode: 'asked' },
    { name: 'confirm', valueString: asked.confirm },
    { name: 'until', valueInstant: asked.until.toISOString() },
    { name: 'records', valueInteger: rows },
    ...records,
  ];
});

export const eraseCancel = operation('erase-cancel', [], async (tx, _call, { patients }) => {
  await cancelErasure(tx, patients);
  return [{ name: 'state', valueCode: 'cancelled' }];
});

export const eraseLift = operation('erase-lift', [], async (tx, _call, { patients }) => {
  const counts = [];
  for (const patient of patients) counts.push(await liftErasure(tx, patient));
  const lifted = counts.reduce((sum, count) => sum + count, 0);
  return [{ name: 'lifted', valueInteger: lifted }];
});
