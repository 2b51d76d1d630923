/**
 * $export, the kick-off: of all, of patients, of a group. What is collected, and what of it is sent, is up to the consent that
 * holds for the client at each of these times.
 *
 * @see https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-kick-off-request
 */
import { visibility } from '../../access/predicate/predicate.ts';
import type { Principal } from '../../access/principal/principal.ts';
import { requireScope, scopesFor } from '../../access/principal/scope.ts';
import type { Tx } from '../../db.ts';
import { startExport, type ExportRequest } from '../../feeds/export.ts';
import { startPosition } from '../../feeds/export-run.ts';
import { idPattern } from '../../fhir/ids.ts';
import { parseJson } from '../../fhir/json.ts';
import { Problem } from '../../fhir/problem.ts';
import { localReference } from '../../fhir/reference.ts';
import type { AnyResource } from '../../fhir/types.ts';
import { samePerson, samePersons } from '../../identity/link.ts';
import { readRow } from '../../store/read.ts';
import { cursorBinding } from '../cursor.ts';
import type { Call, Plan } from '../interaction.ts';
import { HttpProblem, issueOf, outcomeOf, type Answer } from '../respond.ts';
import { patientsMax, readExportInput } from './export-input.ts';
import type { OperationInteraction } from './operation.ts';

const definition = (name: string): string => `http://hl7.org/fhir/uv/bulkdata/OperationDefinition/${name}`;

export const systemExport: OperationInteraction = {
  code: 'operation',
  operation: { name: 'export', definition: definition('export'), levels: ['system'] },
  isWrite: false,
  prepare: async (call) => planExport(call, 'system'),
};

export const patientExport: OperationInteraction = {
  code: 'operation',
  operation: { name: 'export', definition: definition('patient-export'), levels: ['type'], types: ['Patient'] },
  isWrite: false,
  prepare: async (call) => planExport(call, 'patient'),
};

export const groupExport: OperationInteraction = {
  code: 'operation',
  operation: { name: 'export', definition: definition('group-export'), levels: ['instance'], types: ['Group'] },
  isWrite: false,
  prepare: async (call) => planExport(call, 'group'),
};

/** Who may poll, download and cancel: the client and on whose behalf, for the same purpose (LEAKS 7). */
export function exportClient(principal: Principal): string {
  return cursorBinding(principal, '$export', []);
}

async function planExport(call: Call, level: ExportRequest['level']): Promise<Plan> {
  const { facade, principal, incoming } = call;
  const { input, request, patients } = await readExportInput(call, level);
  if (level === 'group') requireScope(principal, 'Group', 'r');
  if (scopesFor(principal, 's').length === 0) requireScope(principal, '*', 's');
  return {
    query: input.namesOf('export'),
    run: async (tx) => {
      const named = await namedPatients(tx, call, patients);
      const whole: ExportRequest = { ...request, ...(named && { patients: named }) };
      const kickOff = {
        client: exportClient(principal),
        principal,
        request: whole,
        position: startPosition(whole),
        at: facade.now(),
      };
      const id = await startExport(facade.database, kickOff).catch(asBusy);
      if (typeof id !== 'string') return { answer: id, shown: [] };
      const diagnostics = 'The export has begun. Its Content-Location says how far it is.';
      return {
        answer: {
          status: 202,
          headers: { 'content-location': `${facade.base}/_export/${id}` },
          body: outcomeOf([{ severity: 'information', code: 'informational', diagnostics }]),
        },
        shown: [{ patient: undefined, decidedBy: undefined }],
        ...(incoming.id === '' ? { id } : {}),
      };
    },
  };
}

/** @see https://hl7.org/fhir/uv/bulkdata/STU2/export.html#response---error-status 429 with Retry-After */
function asBusy(error: unknown): Answer {
  if (!(error instanceof Problem) || error.code !== 'throttled') throw error;
  return { status: 429, headers: { 'retry-after': retrySeconds }, body: outcomeOf([issueOf(error)]) };
}
const retrySeconds = '30';

/**
 * The source patients that the export is of; undefined for all whom the client may see. A member of the group, or a patient
 * who is named, means the person; a caller who is bound to one patient gets that one alone.
 */
async function namedPatients(tx: Tx, call: Call, asked: readonly string[] | undefined): Promise<string[] | undefined> {
  const { principal, incoming } = call;
  const context = principal.patient ?? principal.self;
  const [members, own] = await Promise.all([
    incoming.type === 'Group' ? membersOf(tx, call) : undefined,
    context === undefined ? undefined : samePerson(tx, context),
  ]);
  const lists = [members, asked].filter((list) => list !== undefined);
  const [first, ...others] = lists;
  if (first === undefined) return own;
  const both = first.filter((patient) => others.every((list) => list.includes(patient)));
  const all = new Set([...(await samePersons(tx, [...new Set(both)])).values()].flat());
  return [...all].filter((patient) => own?.includes(patient) ?? true).toSorted();
}

/** @throws Problem not-found for a group that the client may not see, as for none */
async function membersOf(tx: Tx, { principal, incoming }: Call): Promise<string[]> {
  const visible = visibility(principal, { interaction: 'r', types: ['Group'] });
  const row = idPattern.test(incoming.id) ? await readRow(tx, visible, 'Group', incoming.id) : undefined;
  if (row === undefined || row.isDeleted) throw new Problem('not-found', 'unknown or hidden');
  const { member = [] } = parseJson(row.body) as AnyResource & {
    member?: { entity?: unknown; inactive?: boolean }[];
  };
  const patients = member
    .filter(({ inactive }) => inactive !== true)
    .map(({ entity }) => localReference(entity))
    .filter((reference) => reference?.type === 'Patient')
    .map((reference) => reference?.id as string);
  if (patients.length > patientsMax) {
    throw new HttpProblem(400, 'too-costly', `a group of more than ${patientsMax} patients is not exported at once`);
  }
  return [...new Set(patients)];
}
