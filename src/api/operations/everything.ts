/**
 * $everything of a patient and of an encounter: the record, and what it refers to beyond it, as one searchset Bundle that is
 * sent while it is read, or in pages with `_count`. Of each row the caller's visibility decides, in the statement.
 *
 * @see https://hl7.org/fhir/R4/patient-operation-everything.html
 * @see https://hl7.org/fhir/R4/encounter-operation-everything.html
 */
import { visibility } from '../../access/predicate/predicate.ts';
import { requireScope } from '../../access/principal/scope.ts';
import type { Tx } from '../../db.ts';
import { idPattern } from '../../fhir/ids.ts';
import { Problem } from '../../fhir/problem.ts';
import { countMax } from '../../fhir/search.ts';
import { typeCode } from '../../fhir/types.ts';
import { samePerson } from '../../identity/link.ts';
import { openCursor } from '../../store/search/cursor.ts';
import { everythingKeys, type EverythingRequest } from '../../store/everything.ts';
import { readRow } from '../../store/read.ts';
import { cursorBinding } from '../cursor.ts';
import type { Call, Plan } from '../interaction.ts';
import { HttpProblem } from '../respond.ts';
import { bundleParts, type Everything } from './everything-bundle.ts';
import { dateOf, readInput, type OperationInput } from './input.ts';
import type { OperationInteraction } from './operation.ts';

const definition = (type: string): string => `http://hl7.org/fhir/OperationDefinition/${type}-everything`;

export const patientEverything: OperationInteraction = {
  code: 'operation',
  operation: {
    name: 'everything',
    definition: definition('Patient'),
    levels: ['type', 'instance'],
    types: ['Patient'],
  },
  isWrite: false,
  prepare: async (call) => {
    const input = await readInput(call, { allowed: ['start', 'end', ...common] });
    const { id } = call.incoming;
    const patient = id === '' ? ownPatient(call) : id;
    return planEverything(call, input, patient, async (tx) => {
      if (!idPattern.test(patient)) throw unknown();
      return { patients: await samePerson(tx, patient) };
    });
  },
};

export const encounterEverything: OperationInteraction = {
  code: 'operation',
  operation: { name: 'everything', definition: definition('Encounter'), levels: ['instance'], types: ['Encounter'] },
  isWrite: false,
  prepare: async (call) => {
    const input = await readInput(call, { allowed: common });
    const { principal, incoming } = call;
    const { id } = incoming;
    return planEverything(call, input, undefined, async (tx) => {
      const visible = visibility(principal, { interaction: 'r', types: ['Encounter'] });
      const row = idPattern.test(id) ? await readRow(tx, visible, 'Encounter', id) : undefined;
      if (row === undefined || row.isDeleted || row.patient === undefined) throw unknown();
      return { patients: [row.patient], encounter: id };
    });
  },
};

const common = ['_since', '_type', '_count', '_cursor'];

/**
 * R4: "the server may choose to return an error rather than all the records" of a caller who is not bound to one patient.
 * @throws Problem too-costly
 */
function ownPatient({ principal }: Call): string {
  const patient = principal.self ?? principal.patient;
  if (patient !== undefined) return patient;
  throw new HttpProblem(400, 'too-costly', 'the token is not for one patient', {
    hint: 'Name the patient: Patient/[id]/$everything. For many patients there is Patient/$export.',
  });
}

type Whose = Pick<EverythingRequest, 'patients' | 'encounter'>;

function planEverything(
  call: Call,
  input: OperationInput,
  patient: string | undefined,
  findWhose: (tx: Tx) => Promise<Whose>,
): Plan {
  const { facade, principal, incoming } = call;
  const type = incoming.type as 'Patient' | 'Encounter';
  requireScope(principal, type, 'r');
  const filters = filtersOf(input);
  const cursor = input.text('_cursor');
  const count = input.number('_count', { min: 1, max: countMax });
  const path = incoming.id === '' ? `${type}/$everything` : `${type}/${incoming.id}/$everything`;
  const parameters = input.pairs().filter(([name]) => name !== '_cursor');
  const seal = { key: facade.cursorKey, boundTo: cursorBinding(principal, path, parameters) };
  const after = cursor === undefined ? undefined : openCursor(cursor, everythingKeys, seal);
  return {
    query: input.namesOf('everything'),
    ...(patient !== undefined && idPattern.test(patient) ? { askedFor: [patient] } : {}),
    run: async (tx) => {
      const whose = await findWhose(tx);
      const everything: Everything = {
        principal,
        base: facade.base,
        path,
        parameters,
        seal,
        request: { ...whose, ...filters },
        after,
        count,
        requireKnown: async () => requirePatient(tx, call, whose.patients),
      };
      return { answer: { status: 200 }, shown: [], parts: bundleParts(tx, everything) };
    },
  };
}

/** Asked when nothing was found: an empty record of somebody who may be seen differs from one who may not. */
async function requirePatient(tx: Tx, { principal }: Call, patients: readonly string[]): Promise<void> {
  const visible = visibility(principal, { interaction: 'r', types: ['Patient'] });
  const rows = await Promise.all(patients.map(async (id) => readRow(tx, visible, 'Patient', id)));
  if (rows.every((row) => row === undefined || row.isDeleted)) throw unknown();
}

function unknown(): Problem {
  return new Problem('not-found', 'unknown or hidden');
}

/** @throws Problem value */
function filtersOf(input: OperationInput): Pick<EverythingRequest, 'types' | 'since' | 'care'> {
  const types = input.list('_type');
  const foreign = types.find((type) => typeCode(type) === undefined);
  if (foreign !== undefined) {
    throw new HttpProblem(400, 'value', 'R4 has no such resource type', { expression: '_type' });
  }
  const since = dateOf(input, '_since');
  const [start, end] = [dateOf(input, 'start'), dateOf(input, 'end')];
  return {
    ...(types.length === 0 ? {} : { types }),
    ...(since === undefined ? {} : { since: since.low }),
    ...(start === undefined && end === undefined
      ? {}
      : { care: { from: start?.low ?? Number.NEGATIVE_INFINITY, to: end?.high ?? Number.POSITIVE_INFINITY } }),
  };
}
