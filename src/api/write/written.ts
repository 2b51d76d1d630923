/** How a write is answered. @see https://hl7.org/fhir/R4/http.html#ops Prefer: return=minimal, representation, OperationOutcome */
import { basisOf, type Principal } from '../../access/principal/principal.ts';
import { coversWhole } from '../../access/principal/scope.ts';
import type { Written } from '../../store/row.ts';
import { preferencesOf } from '../incoming.ts';
import type { Existing, Intent, Outcome } from './intent.ts';
import type { Call, Result, Shown } from '../interaction.ts';
import { versionHeaders } from '../read.ts';
import { outcomeOf, type Answer } from '../respond.ts';

type Asked = Pick<Call, 'facade' | 'principal' | 'incoming'>;

export function resultOf(call: Asked, intent: Intent, outcome: Outcome): Result {
  const rows = outcome.kind === 'found' ? [outcome.row] : outcome.written;
  return {
    shown: rows.map((row) => shownOf(row, call.principal)),
    ...(rows.length === 1 ? { id: rows[0]?.id } : {}),
    ...(rows.length === 1 && outcome.kind === 'written' ? { version: rows[0]?.version } : {}),
    answer: intent.kind === 'delete' ? answerOfDelete(call, outcome) : answerOfState(call, intent, outcome),
  };
}

/** A write is in the log of every patient it is about. */
function shownOf({ patient, otherPatients }: Existing, principal: Principal): Shown {
  return { patient, otherPatients, decidedBy: basisOf(principal) };
}

function answerOfState({ facade, incoming, principal }: Asked, { kind, type }: Intent, outcome: Outcome): Answer {
  const row = outcome.kind === 'found' ? outcome.row : (outcome.written[0] as Written);
  const what = outcome.kind === 'found' ? 'found' : (outcome.written[0] as Written).outcome;
  const isCreated = what === 'created';
  const location = `${facade.base}/${row.type}/${row.id}/_history/${row.version}`;
  // http.html#ccreate names no header for what was there; its id is what the client wants to know.
  const address = isCreated || what === 'found' ? 'location' : 'content-location';
  const answer = { status: isCreated ? 201 : 200, headers: { ...versionHeaders(row), [address]: location } };
  const wanted = preferencesOf(incoming.headers).return;
  if (wanted === 'minimal') return answer;
  // LEAKS 52: beyond what was sent it is a read.
  const isSent = what !== 'found' && kind !== 'patch';
  if (!isSent && !coversWhole(principal, type, 'r')) return answer;
  if (wanted === 'representation') return { ...answer, body: row.body };
  return { ...answer, body: inform(`${what} as version ${row.version}`) };
}

/** @see https://hl7.org/fhir/R4/http.html#delete 200 with a payload, 204 without */
function answerOfDelete({ incoming }: Asked, outcome: Outcome): Answer {
  const written = outcome.kind === 'written' ? outcome.written : [];
  const [first, ...others] = written;
  const headers = first !== undefined && others.length === 0 ? versionHeaders(first) : {};
  if (preferencesOf(incoming.headers).return !== 'OperationOutcome') return { status: 204, headers };
  const count = written.filter(({ outcome: what }) => what === 'deleted').length;
  return { status: 200, headers, body: inform(`${count} ${count === 1 ? 'resource' : 'resources'} deleted`) };
}

function inform(diagnostics: string): string {
  return outcomeOf([{ severity: 'information', code: 'informational', diagnostics }]);
}
