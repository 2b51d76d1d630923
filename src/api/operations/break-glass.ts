/**
 * Patient/$break-glass: emergency access, and Patient/$break-glass-end, which gives it back early. The caller names the patient by
 * id, or by an identifier they carry with them; the answer says from when to when the record is open to this caller.
 *
 * An operation of the hub's own: R4 has none. docs/break-glass.md says who may, what opens and who is told.
 */
import {
  closeWindows,
  minutesDefault,
  minutesMax,
  openWindowFor,
  reasonChars,
  reasonCodes,
  requireEmergency,
  type Window,
} from '../../access/break-glass/window.ts';
import { requireScope } from '../../access/principal/scope.ts';
import type { Tx } from '../../db.ts';
import { idPattern } from '../../fhir/ids.ts';
import { actCodeSystem, labelBit } from '../../fhir/labels.ts';
import { Problem } from '../../fhir/problem.ts';
import { hubOperation } from '../../mapping/values/extensions.ts';
import { samePerson } from '../../identity/link.ts';
import { findByIdentifier } from '../../store/identifier.ts';
import { readRow } from '../../store/read.ts';
import { everything } from '../../store/visibility.ts';
import type { Call, Operation, Plan, Result } from '../interaction.ts';
import { readInput, type OperationInput } from './input.ts';
import type { OperationInteraction } from './operation.ts';

const operationOf = (name: string): Operation => ({
  name,
  definition: hubOperation(name),
  levels: ['type', 'instance'],
  types: ['Patient'],
  affectsState: true,
});

export const breakGlass: OperationInteraction = {
  code: 'operation',
  operation: operationOf('break-glass'),
  isWrite: true,
  recordedAs: 'break-glass',
  prepare: async (call) => {
    requireAllowed(call);
    return planOpening(
      call,
      await readInput(call, { allowed: ['identifier', 'reason-code', 'reason', 'minutes', 'security-label'] }),
    );
  },
};

export const endBreakGlass: OperationInteraction = {
  code: 'operation',
  operation: operationOf('break-glass-end'),
  isWrite: true,
  recordedAs: 'break-glass-end',
  prepare: async (call) => {
    requireAllowed(call);
    const find = patientOf(call, await readInput(call, { allowed: ['identifier'] }));
    return {
      isTransaction: true,
      run: async (tx) => {
        const patient = await find(tx);
        const closed = await closeWindows(tx, call.principal, await samePerson(tx, patient));
        if (closed.length === 0) throw unknown();
        return resultOf(patient, closed);
      },
    };
  },
};

/** Before anything is read, and the same for every patient. */
function requireAllowed({ principal }: Call): void {
  requireEmergency(principal);
  requireScope(principal, 'Patient', 'r');
}

function planOpening(call: Call, input: OperationInput): Plan {
  const reasonCode = reasonCodes.find((code) => code === input.text('reason-code'));
  if (reasonCode === undefined) {
    throw new Problem('code-invalid', 'reason-code says what the emergency is', {
      expression: 'reason-code',
      hint: `One of ${reasonCodes.join(', ')}.`,
    });
  }
  const reason = input.text('reason')?.trim() ?? '';
  if (reason.length < reasonChars.min || reason.length > reasonChars.max) {
    throw new Problem('required', 'reason says in words why, for the patient to read', {
      expression: 'reason',
      hint: `${reasonChars.min} to ${reasonChars.max} characters.`,
    });
  }
  const minutes = input.number('minutes', { min: 1, max: minutesMax }) ?? minutesDefault;
  const labels = labelsOf(input.list('security-label'));
  const find = patientOf(call, input);
  return {
    isTransaction: true,
    query: input.namesOf('break-glass'),
    run: async (tx) => {
      const patient = await find(tx);
      const window = await openWindowFor(tx, call.principal, { patient, reasonCode, reason, minutes, labels });
      return resultOf(patient, [window]);
    },
  };
}

/** Codes of v3-ActCode: each is asked for by name, and said to the patient. */
function labelsOf(codes: readonly string[]): number {
  return codes.reduce((bits, code) => {
    const bit = labelBit({ system: actCodeSystem, code });
    // A code without a bit of its own stands for all that have none.
    if (labelBit({ system: actCodeSystem, code: '' }) !== bit) return bits | bit;
    throw new Problem('code-invalid', 'security-label is none that records are marked with', {
      expression: 'security-label',
      hint: 'A code of http://terminology.hl7.org/CodeSystem/v3-ActCode, such as PSY or HIV.',
    });
  }, 0);
}

/** @returns finds the patient in the transaction. @throws Problem not-found, the same whatever there is not */
function patientOf({ incoming }: Call, input: OperationInput): (tx: Tx) => Promise<string> {
  const reason = 'whose record an emergency is about';
  const identifier = input.text('identifier');
  if ((incoming.id === '') === (identifier === undefined)) {
    throw new Problem('required', 'one patient is named, by id or by identifier', {
      expression: 'identifier',
      hint: 'POST Patient/[id]/$break-glass, or POST Patient/$break-glass with identifier=system|value.',
    });
  }
  if (identifier === undefined) {
    return async (tx) => {
      const row = idPattern.test(incoming.id)
        ? await readRow(tx, everything(reason), 'Patient', incoming.id)
        : undefined;
      if (row === undefined || row.isDeleted) throw unknown();
      return row.id;
    };
  }
  const [, system = '', value = ''] = /^([^|]+)\|([^|]+)$/.exec(identifier) ?? [];
  if (value === '') {
    throw new Problem('value', 'an identifier is named with its system', {
      expression: 'identifier',
      hint: 'system|value',
    });
  }
  return async (tx) => {
    const [first, ...others] = await findByIdentifier(tx, everything(reason), { type: 'Patient', system, value });
    if (first === undefined) throw unknown();
    const person = new Set(await samePerson(tx, first.id));
    if (others.every(({ id }) => person.has(id))) return first.id;
    throw new Problem('multiple-matches', 'several persons have this identifier', { expression: 'identifier' });
  };
}

function unknown(): Problem {
  return new Problem('not-found', 'unknown or hidden');
}

function resultOf(patient: string, windows: readonly Window[]): Result {
  const parameter = windows.map(({ id, patient: of, openedAt, closesAt }) => ({
    name: 'window',
    part: [
      { name: 'id', valueId: id },
      { name: 'patient', valueReference: { reference: `Patient/${of}` } },
      { name: 'opened', valueInstant: instant(openedAt) },
      { name: 'closes', valueInstant: instant(closesAt) },
    ],
  }));
  return {
    answer: { status: 200, body: JSON.stringify({ resourceType: 'Parameters', parameter }) },
    id: patient,
    shown: windows.map(({ id, patient: of }) => ({ patient: of, decidedBy: `break-glass:${id}` })),
  };
}

function instant(text: string): string {
  return new Date(text).toISOString();
}
