/**
 * DocumentReference/$docref: which documents there are of a patient. Without a time the newest of each type, with one all whose
 * care lies in it.
 *
 * @see https://hl7.org/fhir/uv/ipa/STU1/OperationDefinition-docref.html
 */
import { visibility } from '../../access/predicate/predicate.ts';
import { requireScope } from '../../access/principal/scope.ts';
import { seenBy } from '../../access/predicate/seen-by.ts';
import { idPattern } from '../../fhir/ids.ts';
import { Problem } from '../../fhir/problem.ts';
import { parseSearch } from '../../fhir/search.ts';
import { samePerson } from '../../identity/link.ts';
import { lastRowsMax, selectLast } from '../../store/lastn.ts';
import { searchUrl, toSearchset } from '../bundle.ts';
import type { Call, Plan } from '../interaction.ts';
import { bodyFor } from '../read.ts';
import { HttpProblem } from '../respond.ts';
import { dateOf, readInput, type OperationInput } from './input.ts';
import type { OperationInteraction } from './operation.ts';

const type = 'DocumentReference';

export const docref: OperationInteraction = {
  code: 'operation',
  operation: {
    name: 'docref',
    definition: 'http://hl7.org/fhir/uv/ipa/OperationDefinition/docref',
    levels: ['type'],
    types: [type],
  },
  isWrite: false,
  prepare: async (call) =>
    planDocuments(
      call,
      await readInput(call, { allowed: ['patient', 'start', 'end', 'type', 'on-demand', 'profile'] }),
    ),
};

function planDocuments({ facade, principal }: Call, input: OperationInput): Plan {
  requireScope(principal, type, 's');
  const { base, now } = facade;
  const patient = patientOf(input, principal.self ?? principal.patient);
  const isTimed = input.text('start') !== undefined || input.text('end') !== undefined;
  const request = parseSearch(type, new URLSearchParams(searchOf(input)), { handling: 'strict', base, now: now() });
  const issues = input.flag('on-demand') === true ? [onDemand()] : [];
  return {
    askedFor: [patient],
    query: input.namesOf('docref'),
    run: async (tx) => {
      const patients = await samePerson(tx, patient);
      const visible = visibility(principal, { interaction: 's', types: [type], patients });
      const rows = await selectLast(tx, visible, request, {
        patients,
        element: 'type',
        max: isTimed ? lastRowsMax : 1,
        aliases: new Map(),
        visibilityOf: seenBy(principal),
      });
      const body = toSearchset({
        base,
        entries: rows.map((row) => ({ ...row, body: bodyFor(principal, row) })),
        total: rows.length,
        self: searchUrl(base, `${type}/$docref`, input.pairs()),
        issues,
      });
      return { answer: { status: 200, body }, shown: rows };
    },
  };
}

function patientOf(input: OperationInput, context: string | undefined): string {
  const patient = input.text('patient')?.replace(/^Patient\//, '') ?? context;
  if (patient === undefined) {
    throw new HttpProblem(400, 'required', '$docref needs a patient', {
      expression: 'patient',
      hint: 'Add patient=[id].',
    });
  }
  if (idPattern.test(patient)) return patient;
  throw new Problem('value', 'patient is the id of a Patient', { expression: 'patient' });
}

/** As a search: current documents, of a type, of a profile, of a time. */
function searchOf(input: OperationInput): [string, string][] {
  const pairs: [string, string][] = [['status', 'current']];
  const code = input.text('type');
  if (code !== undefined) pairs.push(['type', code]);
  for (const profile of input.list('profile')) pairs.push(['_profile', profile]);
  const bounds = [boundOf(input, 'start', 'ge'), boundOf(input, 'end', 'le')].filter((bound) => bound !== undefined);
  if (bounds.length > 0) {
    // The date of care; of a document that does not say it, the date of the document.
    const within = (param: string): string => bounds.map((bound) => `${param} ${bound}`).join(' and ');
    pairs.push(['_filter', `(period pr true and ${within('period')}) or (period pr false and ${within('date')})`]);
  }
  return pairs;
}

function boundOf(input: OperationInput, name: 'start' | 'end', operator: 'ge' | 'le'): string | undefined {
  // Checked before it becomes part of an expression.
  return dateOf(input, name) === undefined ? undefined : `${operator} ${input.text(name)?.replace(' ', '+')}`;
}

/** The guide: documents that would be made on request are optional; a client learns that there are none. */
function onDemand(): Problem {
  return new Problem('not-supported', 'documents are not made on demand: those that are kept are listed', {
    expression: 'on-demand',
    hint: 'Patient/[id]/$everything has the whole record.',
  });
}
