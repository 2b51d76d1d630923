/**
 * Observation/$lastn: the newest observations of each code of a patient, by the search parameters of Observation.
 *
 * @see https://hl7.org/fhir/R4/observation-operation-lastn.html
 */
import { visibility } from '../../access/predicate/predicate.ts';
import { requireScope } from '../../access/principal/scope.ts';
import { seenBy } from '../../access/predicate/seen-by.ts';
import { Problem } from '../../fhir/problem.ts';
import { parseSearch, type SearchRequest } from '../../fhir/search.ts';
import { samePerson, samePersons } from '../../identity/link.ts';
import { selectLast } from '../../store/lastn.ts';
import { compartmentsOf, patientsNamed } from '../../store/search.ts';
import { searchUrl, toSearchset } from '../bundle.ts';
import { preferencesOf } from '../incoming.ts';
import type { Call, Plan } from '../interaction.ts';
import { bodyFor } from '../read.ts';
import { HttpProblem } from '../respond.ts';
import { requireParams } from '../search-rights.ts';
import { subsetOf } from '../subset.ts';
import { readInput, type OperationInput } from './input.ts';
import type { OperationInteraction } from './operation.ts';

export const lastn: OperationInteraction = {
  code: 'operation',
  operation: {
    name: 'lastn',
    definition: 'http://hl7.org/fhir/OperationDefinition/Observation-lastn',
    levels: ['type'],
    types: ['Observation'],
  },
  isWrite: false,
  prepare: async (call) => planLast(call, await readInput(call)),
};

/** Enough to draw a trend; whoever wants all of a code searches for it. */
const lastMax = 100;

/** The operation has an order and an end of its own. */
const unserved = new Set(['_sort', '_count', '_cursor', '_total', '_include', '_revinclude']);

function planLast({ facade, principal, incoming }: Call, input: OperationInput): Plan {
  requireScope(principal, 'Observation', 's');
  const max = input.number('max', { min: 1, max: lastMax }) ?? 1;
  const pairs = input.pairs().filter(([name]) => name !== 'max');
  const refused = pairs.find(([name]) => unserved.has(name.split(':', 1)[0] as string));
  if (refused !== undefined) {
    throw new Problem('not-supported', '$lastn has an order and a length of its own', {
      expression: refused[0].split(':', 1)[0] as string,
      hint: 'max says how many of each code; search Observation for anything else.',
    });
  }
  const { base, now } = facade;
  const { handling } = preferencesOf(incoming.headers);
  const request = parseSearch('Observation', new URLSearchParams(pairs), { handling, base, now: now() });
  requireParams(principal, request);
  requireCode(request);
  const named = patientsNamed(request);
  const context = principal.patient ?? principal.self;
  return {
    askedFor: named,
    query: input.namesOf('lastn'),
    run: async (tx) => {
      const [aliases, within] = await Promise.all([
        samePersons(tx, named),
        context === undefined ? undefined : samePerson(tx, context),
      ]);
      const patients = compartmentsOf(request, aliases, within);
      if (patients === undefined) throw withoutPatient();
      const visible = visibility(principal, { interaction: 's', types: ['Observation'], patients });
      const rows = await selectLast(tx, visible, request, {
        patients,
        max,
        element: 'code',
        aliases,
        visibilityOf: seenBy(principal),
        organization: principal.organization,
      });
      const body = toSearchset({
        base,
        entries: rows.map((row) => ({ ...row, body: subsetOf(request, bodyFor(principal, row)) })),
        total: rows.length,
        self: searchUrl(base, 'Observation/$lastn', [...request.parameters, ['max', String(max)]]),
        issues: request.issues,
      });
      return { answer: { status: 200, body }, shown: rows };
    },
  };
}

/** R4: "A `category` parameter and/or a search parameter that contains a code element in its FHIRpath expression." */
function requireCode({ filters }: SearchRequest): void {
  if (filters.some(({ param }) => param.code === 'category' || /(^|-)code(-|$)/.test(param.code))) return;
  throw new HttpProblem(400, 'required', '$lastn needs a category or a code', {
    expression: 'category',
    hint: 'Add category=laboratory, or code=http://loinc.org|718-7.',
  });
}

/** R4: "If there is no nominated patient and the context is not associated with a single patient record" an error. */
function withoutPatient(): Problem {
  return new HttpProblem(400, 'required', '$lastn needs a patient', {
    expression: 'patient',
    hint: 'Add patient=[id] or subject=Patient/[id].',
  });
}
