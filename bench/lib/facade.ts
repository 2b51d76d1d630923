/**
 * What benches of the facade share: a hub with patients of one hospital, each of whom grants an AI service access, and a
 * load with its rate, latencies and processor time. Data come in through the facade, so nothing is measured past the gate.
 */
import { randomUUID } from 'node:crypto';
import { composeClaims, issueToken, type TokenRequest } from '../../src/access/token/issue.ts';
import { loadIssuerKeys } from '../../src/access/token/keys.ts';
import type { HubProcess } from './hub-process.ts';
import { httpLoad, type HttpJob, type HttpOutcome } from './http-load.ts';
import { round, type Result } from './result.ts';

/** As many as the accept figures have: an answer waits for the disk twice (row, audit), and fewer clients would measure that wait. */
export const connections = 64;

export type Requests = HttpJob['requests'];

export interface Measured extends HttpOutcome {
  readonly micros: NonNullable<Result['micros']>;
}

/** @param job what differs from `connections` for `seconds` */
export async function load(
  hub: HubProcess,
  requests: Requests,
  job: { seconds: number; requestsMax?: number; connections?: number },
): Promise<Measured> {
  const before = await hub.processorTime();
  const outcome = await httpLoad({ port: portOf(hub), connections, ...job, requests });
  const after = await hub.processorTime();
  return {
    ...outcome,
    micros: {
      hub: (after.hub - before.hub) / outcome.count,
      database: (after.database - before.database) / outcome.count,
      load: outcome.cpuMicros / outcome.count,
    },
  };
}

/** @param expected the only status that counts; `each` operations of one request (entries of a transaction) */
export function resultOf(
  work: string,
  outcome: Measured,
  { expected, each = 1, ...rest }: { expected: string; each?: number; target?: number; limit?: number },
): Result {
  const others = Object.entries(outcome.statuses).filter(([status]) => status !== expected);
  return {
    work,
    figure: round(outcome.perSecond * each, 0),
    unit: '/s',
    ...rest,
    p50Ms: outcome.p50Ms,
    p99Ms: outcome.p99Ms,
    micros: outcome.micros,
    ...(others.length > 0 ? { note: `VOID: ${JSON.stringify(outcome.statuses)}` } : {}),
  };
}

export function headers(bearer: string): Record<string, string> {
  return { authorization: `Bearer ${bearer}`, accept: 'application/fhir+json' };
}

function portOf(hub: HubProcess): number {
  return Number(new URL(hub.baseUrl).port);
}

/** As `hub token` does, without starting a process for each of hundreds. */
export async function token(hub: HubProcess, request: TokenRequest): Promise<string> {
  return issueToken(await loadIssuerKeys(hub.dataDir), composeClaims(request), {
    issuer: hub.baseUrl,
    audience: hub.fhirUrl,
    jti: randomUUID(),
    now: Math.trunc(Date.now() / 1000),
  });
}

export async function post(hub: HubProcess, bearer: string, type: string, body: object): Promise<{ id: string }> {
  const response = await fetch(`${hub.fhirUrl}/${type}`, {
    method: 'POST',
    headers: { ...headers(bearer), 'content-type': 'application/fhir+json' },
    body: JSON.stringify(body),
  });
  const answer = (await response.json()) as { id: string };
  if (response.status !== 201) throw new Error(`${type} was answered ${response.status}: ${JSON.stringify(answer)}`);
  return answer;
}

export async function createPatients(hub: HubProcess, bearer: string, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n++) {
    const patient = {
      resourceType: 'Patient',
      identifier: [{ system: 'urn:oid:2.999.1', value: `B${n}` }],
      name: [{ family: `Bench${n}`, given: ['Test'] }],
      gender: 'unknown',
      birthDate: '1970-01-01',
    };
    ids.push((await post(hub, bearer, 'Patient', patient)).id);
  }
  return ids;
}

/** Each patient grants the assistant treatment access, with a token of their own. */
export async function grantAll(hub: HubProcess, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    const bearer = await token(hub, { preset: 'patient', patient: id });
    await post(hub, bearer, 'Consent', consent(id, permit('Organization/assistant')));
  }
}

/** @param provision the root provision */
export function consent(id: string, provision: object): object {
  return {
    resourceType: 'Consent',
    status: 'active',
    scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] },
    category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
    patient: { reference: `Patient/${id}` },
    dateTime: '2026-01-01T00:00:00Z',
    policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'OPTIN' }] },
    provision,
  };
}

/** A provision that lets this organization see a record for treatment, or what `more` says. */
export function permit(organization: string, more: object = {}): object {
  return {
    type: 'permit',
    actor: [
      {
        role: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code: 'IRCP' }] },
        reference: { reference: organization },
      },
    ],
    purpose: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: 'TREAT' }],
    ...more,
  };
}
