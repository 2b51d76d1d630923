/**
 * The Task that asks a receiver to delete its copies: what it says, and what its owner may change of it. It names the patient by the id
 * that the receiver was shown, the Consent, and until when; nothing of a record.
 *
 * @see https://hl7.org/fhir/R4/task.html
 */
import { isDeepStrictEqual } from 'node:util';
import { tokenHash } from '../../fhir/hash.ts';
import { Problem } from '../../fhir/problem.ts';
import type { AnyResource } from '../../fhir/types.ts';

/** Names of the hub's own: like every canonical a name, not an address. */
const system = 'https://health-record-hub.example/fhir/CodeSystem/task-code';
const code = 'delete-copies';

/** The token hash of Task.code, by which rows of these Tasks are known. */
export const deletionCode = tokenHash('code', system, code);

export interface Asked {
  readonly patient: string;
  readonly consentId: string;
  /** `Organization/x`, or `Device/client` of a service without one. */
  readonly owner: string;
  readonly at: Date;
  readonly eraseBy: Date;
}

export function deletionTask({ patient, consentId, owner, at, eraseBy }: Asked): AnyResource {
  return {
    resourceType: 'Task',
    status: 'requested',
    intent: 'order',
    code: { coding: [{ system, code }], text: 'Delete the copies of what this consent allowed you to see' },
    basedOn: [{ reference: `Consent/${consentId}` }],
    focus: { reference: `Patient/${patient}` },
    for: { reference: `Patient/${patient}` },
    authoredOn: at.toISOString(),
    lastModified: at.toISOString(),
    owner: { reference: owner },
    reasonCode: { text: 'The consent has ended' },
    restriction: { period: { end: eraseBy.toISOString() } },
  };
}

/** From being asked to being done, in the words of R4; `cancelled` is the hub's, when the patient consents again. */
const answers = new Set(['received', 'accepted', 'in-progress', 'on-hold', 'completed', 'failed', 'rejected']);
/** @see https://hl7.org/fhir/R4/task.html#statemachine nothing follows on these */
const final = new Set(['completed', 'failed', 'rejected', 'cancelled']);

/** What the owner says, and what the store does. */
const changeable = new Set(['status', 'lastModified', 'id', 'meta']);

/** @throws Problem business-rule (422) when more than the status changes, or it is none that the owner may give */
export function requireAnswer(before: AnyResource, after: AnyResource): void {
  const { versionId: _version, lastUpdated: _updated, ...said } = after.meta ?? {};
  if (Object.keys(said).length > 0) throw onlyStatus('Task.meta');
  for (const element of new Set([...Object.keys(before), ...Object.keys(after)])) {
    if (changeable.has(element) || isDeepStrictEqual(before[element], after[element])) continue;
    throw onlyStatus(`Task.${element}`);
  }
  const [from, to] = [String(before['status']), String(after['status'])];
  if (from === to || (answers.has(to) && !final.has(from))) return;
  throw new Problem('business-rule', 'this status does not follow on the one before', {
    expression: 'Task.status',
    hint: final.has(from) ? `It is ${from}.` : `One of ${[...answers].join(', ')}.`,
  });
}

function onlyStatus(expression: string): Problem {
  return new Problem('business-rule', 'of this Task its owner changes the status alone', {
    expression,
    hint: 'Send the Task as you read it, with another status.',
  });
}
