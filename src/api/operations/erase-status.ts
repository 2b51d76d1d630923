/**
 * Patient/[id]/$erase-status: whether the person is about to be forgotten, from which day on it can no longer be taken back, and, once it is
 * done, what stayed because the law says so and whether sources may write again. For those who may ask for it; docs/erasure.md.
 */
import { requireWriter } from '../../access/consent/write.ts';
import { readNames } from '../../access/consent/names.ts';
import { keptOut, latestErasure, type Erasure } from '../../access/erasure/erasure.ts';
import { heldPatients } from '../../access/erasure/hold.ts';
import { requireScope } from '../../access/principal/scope.ts';
import type { Tx } from '../../db.ts';
import { Problem } from '../../fhir/problem.ts';
import { samePerson } from '../../identity/link.ts';
import { hubOperation } from '../../mapping/values/extensions.ts';
import { readRows } from '../../store/read.ts';
import { everything } from '../../store/visibility.ts';
import { contextOf } from '../pipeline.ts';
import { parametersOf, wordingOf, wordingParameters, type Part, type Wording } from './consent-parts.ts';
import { readInput } from './input.ts';
import type { OperationInteraction } from './operation.ts';

export const eraseStatus: OperationInteraction = {
  code: 'operation',
  operation: {
    name: 'erase-status',
    definition: hubOperation('erase-status'),
    levels: ['instance'],
    types: ['Patient'],
  },
  isWrite: false,
  prepare: async (call) => {
    const { principal, incoming } = call;
    if (principal.self === undefined) throw new Problem('forbidden', 'the patient decides that, or who acts for them');
    requireScope(principal, 'Patient', 'r');
    const input = await readInput(call, { allowed: wordingParameters });
    const wording = wordingOf(call, input);
    return {
      query: input.namesOf('erase-status'),
      run: async (tx) => {
        const patients = await samePerson(tx, principal.self as string);
        if (!patients.includes(incoming.id)) throw new Problem('not-found', 'unknown or hidden');
        await requireWriter(tx, principal, patients);
        const body = parametersOf(await statusParts(tx, patients, wording));
        // The record itself may be gone, so there is no row to show: it is on record as asked.
        const query = input.namesOf('erase-status');
        const context = { ...contextOf(eraseStatus, call), id: incoming.id, query };
        const entries = [{ context, patient: incoming.id, rows: 0, outcome: 'success' as const }];
        return { answer: { status: 200, body }, shown: [], entries };
      },
    };
  },
};

/** `none`; `waiting`: it can be taken back; `begun`; `done`; `cancelled`. */
const stateOf = ({ state }: Erasure): string =>
  state === 'ending' || state === 'erasing' || state === 'settling' ? 'begun' : state;

async function statusParts(tx: Tx, patients: readonly string[], wording: Wording): Promise<Part[]> {
  const heldNow = await heldPatients(tx, patients);
  const erasure = await latestErasure(tx, patients, heldNow);
  // Of a person whose links are gone with the erasure, it knows what was left.
  const held = await heldParts(tx, [...new Set([...heldNow, ...(erasure?.held ?? [])])], wording);
  if (erasure === undefined) return [{ name: 'state', valueCode: 'none' }, ...held];
  const { state, dueAt, doneAt, rows } = erasure;
  return [
    { name: 'state', valueCode: stateOf(erasure) },
    ...(state === 'waiting' ? [{ name: 'due', valueInstant: dueAt.toISOString() }] : []),
    ...(doneAt === null ? [] : [{ name: 'done', valueInstant: doneAt.toISOString() }]),
    ...(state === 'done' ? [{ name: 'records', valueInteger: rows }] : []),
    ...(state === 'done' ? [{ name: 'keptOut', valueBoolean: await keptOut(tx, patients) }] : []),
    ...held,
  ];
}

/** Records that erasure leaves, and by whose duty. */
async function heldParts(tx: Tx, held: readonly string[], { languages: [language = 'en'] }: Wording): Promise<Part[]> {
  const keys = held.map((id) => ({ type: 'Patient', id }));
  const rows = held.length === 0 ? [] : await readRows(tx, everything('who must keep a record by law'), keys);
  const names = await readNames(
    tx,
    [],
    rows.map(({ owner }) => owner),
  );
  return rows.map(({ id, owner }) => ({
    name: 'held',
    part: [
      { name: 'patient', valueReference: { reference: `Patient/${id}` } },
      { name: 'by', valueReference: { reference: owner, display: names.nameOf(owner, language) } },
    ],
  }));
}
