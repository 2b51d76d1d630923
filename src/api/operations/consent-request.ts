/**
 * Requests for consent. A service proposes a Consent (`Consent/$request`) for a patient it knows by id or identifier, and reads what
 * became of it (`Consent/[id]/$request-state`); the patient lists what is asked of them (`Patient/[id]/$consent-requests`), and
 * declines (`Consent/[id]/$decline`) or writes an ordinary Consent whose source is the request.
 *
 * Operations of the hub's own. A request is no resource of the store: a service writes none into a patient's record, and what it
 * wrote would show whether there is such a patient (decision 0026).
 */
import {
  declineRequest,
  openRequestsTo,
  requestOf,
  storeRequest,
  type StoredRequest,
} from '../../access/consent/ask.ts';
import { readRequest } from '../../access/consent/request.ts';
import { requireWriter } from '../../access/consent/write.ts';
import { requireScope } from '../../access/principal/scope.ts';
import type { Tx } from '../../db.ts';
import { idPattern } from '../../fhir/ids.ts';
import { Problem } from '../../fhir/problem.ts';
import type { AnyResource } from '../../fhir/types.ts';
import { samePerson } from '../../identity/link.ts';
import { hubOperation } from '../../mapping/values/extensions.ts';
import { toSearchset } from '../bundle.ts';
import type { Call, Operation, Result } from '../interaction.ts';
import { contextOf } from '../pipeline.ts';
import { HttpProblem } from '../respond.ts';
import { requireValid } from '../write.ts';
import { parametersOf, type Part } from './consent-parts.ts';
import { readInput } from './input.ts';
import type { OperationInteraction } from './operation.ts';

const onConsent = (name: string, level: 'type' | 'instance', affectsState: boolean): Operation => ({
  name,
  definition: hubOperation(name),
  levels: [level],
  types: ['Consent'],
  affectsState,
});

/** The same answer whether or not there is such a patient: nobody looks. */
export const requestConsent: OperationInteraction = {
  code: 'operation',
  operation: onConsent('request', 'type', true),
  isWrite: true,
  recordedAs: 'consent-request',
  prepare: async (call) => {
    const { principal, facade } = call;
    requireScope(principal, 'Consent', 'c');
    const input = await readInput(call, { allowed: ['consent'], resource: 'consent' });
    const consent = input.one('consent') as AnyResource | undefined;
    if (consent?.resourceType !== 'Consent') {
      throw new HttpProblem(400, 'required', '$request needs a Consent with the status proposed', {
        expression: 'consent',
      });
    }
    requireValid(consent, facade.profiles);
    const request = readRequest(consent, principal, facade.now());
    const [, patient] = /^Patient\/(.+)$/.exec(request.target) ?? [];
    return {
      isTransaction: true,
      ...(patient === undefined ? {} : { askedFor: [patient] }),
      run: async (tx) => {
        const { id, isNew } = await storeRequest(tx, request);
        const body = JSON.stringify({ resourceType: 'Consent', id, ...(JSON.parse(request.body) as object) });
        const location = `${facade.base}/Consent/${id}/$request-state`;
        return recorded(
          requestConsent,
          call,
          { id, patient },
          { status: isNew ? 201 : 200, headers: { location }, body },
        );
      },
    };
  },
};

export const requestState: OperationInteraction = {
  code: 'operation',
  operation: onConsent('request-state', 'instance', false),
  isWrite: false,
  prepare: async (call) => {
    const { principal, incoming } = call;
    requireScope(principal, 'Consent', 'r');
    const input = await readInput(call, { allowed: [] });
    return {
      query: input.namesOf('request-state'),
      run: async (tx) => {
        const { organization, self } = principal;
        const isAsked = organization !== undefined && self === undefined && idPattern.test(incoming.id);
        const request = isAsked ? await requestOf(tx, organization, incoming.id) : undefined;
        if (request === undefined) throw new Problem('not-found', 'unknown or hidden');
        return {
          answer: { status: 200, body: parametersOf(stateParts(request)) },
          shown: [{ patient: undefined, decidedBy: 'source' }],
        };
      },
    };
  },
};

export const consentRequests: OperationInteraction = {
  code: 'operation',
  operation: {
    name: 'consent-requests',
    definition: hubOperation('consent-requests'),
    levels: ['instance'],
    types: ['Patient'],
  },
  isWrite: false,
  prepare: async (call) => {
    const { principal, incoming, facade } = call;
    const { self } = principal;
    if (self === undefined) throw new Problem('forbidden', 'the patient reads what is asked of them');
    requireScope(principal, 'Consent', 'r');
    const input = await readInput(call, { allowed: [] });
    return {
      query: input.namesOf('consent-requests'),
      run: async (tx) => {
        const patients = await ownPatients(tx, call, incoming.id);
        const entries = (await openRequestsTo(tx, patients)).map((request) => ({
          type: 'Consent',
          id: request.id,
          body: JSON.stringify(proposalTo(self, request)),
        }));
        const link = `${facade.base}/Patient/${incoming.id}/$consent-requests`;
        const body = toSearchset({ base: facade.base, entries, total: entries.length, self: link, issues: [] });
        return { answer: { status: 200, body }, shown: entries.map(() => ({ patient: self, decidedBy: 'self' })) };
      },
    };
  },
};

export const declineConsent: OperationInteraction = {
  code: 'operation',
  operation: onConsent('decline', 'instance', true),
  isWrite: true,
  recordedAs: 'consent-decline',
  prepare: async (call) => {
    const { principal, incoming } = call;
    const { self } = principal;
    if (self === undefined) throw new Problem('forbidden', 'the patient answers what is asked of them');
    requireScope(principal, 'Consent', 'u');
    await readInput(call, { allowed: [] });
    return {
      isTransaction: true,
      run: async (tx) => {
        const patients = await ownPatients(tx, call, self);
        const request = await declineRequest(tx, patients, incoming.id);
        const body = JSON.stringify({ ...proposalTo(self, request), status: 'rejected' });
        return recorded(declineConsent, call, { id: request.id, patient: self }, { status: 200, body });
      },
    };
  },
};

/** Of the person whom the token is for, and whose Consents it may write. @throws Problem not-found, forbidden */
async function ownPatients(tx: Tx, { principal }: Call, patient: string): Promise<string[]> {
  const patients = await samePerson(tx, principal.self as string);
  if (!patients.includes(patient)) throw new Problem('not-found', 'unknown or hidden');
  await requireWriter(tx, principal, patients);
  return patients;
}

/** It neither showed nor wrote a row of the store: what the trail keeps is said here. */
function recorded(
  interaction: OperationInteraction,
  call: Call,
  { id, patient }: { readonly id: string; readonly patient: string | undefined },
  answer: Result['answer'],
): Result {
  const context = { ...contextOf(interaction, call), id };
  return {
    answer,
    shown: [],
    entries: [{ context, ...(patient === undefined ? {} : { patient }), rows: 0, outcome: 'success' }],
  };
}

/** As the patient reads it: about themselves, however the service named them. */
function proposalTo(patient: string, { id, consent, createdAt }: StoredRequest): AnyResource {
  return {
    ...consent,
    resourceType: 'Consent',
    id,
    meta: { lastUpdated: createdAt.toISOString() },
    patient: { reference: `Patient/${patient}` },
  };
}

function stateParts({ state, consentId, createdAt, expiresAt }: StoredRequest): Part[] {
  return [
    { name: 'state', valueCode: state },
    { name: 'created', valueInstant: createdAt.toISOString() },
    { name: 'expires', valueInstant: expiresAt.toISOString() },
    ...(consentId === undefined ? [] : [{ name: 'consent', valueReference: { reference: `Consent/${consentId}` } }]),
  ];
}
