/**
 * What the hub's own pages (portal/) ask for by script: a token of the session, and the end of the session. JSON, from this
 * origin alone: the header is one that a form cannot send, and CORS allows nobody else to.
 */
import type { IncomingMessage } from 'node:http';
import type { LoginContext } from '../../access/login/login.ts';
import { portalToken, type PortalTokenOptions } from '../../access/login/portal-token.ts';
import { patientNames } from '../../access/oauth/patient-names.ts';
import type { Session } from '../../access/login/session.ts';
import { Problem } from '../../fhir/problem.ts';
import { readText } from '../incoming.ts';
import type { Answer } from '../respond.ts';
import { isFromElsewhere } from './form.ts';

/** `{"patient":"..."}` */
const bodyBytesMax = 1_024;
export const pageHeader = 'x-hub-page';

/** Not of this page. */
export function isForeign(request: IncomingMessage): boolean {
  return request.headers[pageHeader] !== '1' || isFromElsewhere(request);
}

export async function tokenAnswer(
  context: LoginContext,
  session: Session | undefined,
  options: PortalTokenOptions,
  request: IncomingMessage,
): Promise<Answer> {
  if (session === undefined) return json(401, { error: 'login_required' });
  const patient = await readPatient(request);
  const { accessToken, expiresInSeconds, chosen, choices } = await portalToken(context, session, options, patient);
  // One's own name is in the record that is opened.
  const names = choices.length > 1 ? await patientNames(context.db, choices) : new Map<string, string>();
  return json(200, {
    access_token: accessToken,
    token_type: 'bearer',
    expires_in: expiresInSeconds,
    account: session.accountId,
    login: session.login,
    fhirUser: chosen?.fhirUser,
    patient: chosen?.patient,
    choices: choices.map(({ patient: id, relationship }) => ({ patient: id, relationship, name: names.get(id) })),
  });
}

/** @throws Problem structure */
async function readPatient(request: IncomingMessage): Promise<string | undefined> {
  const text = await readText(request, bodyBytesMax);
  if (text === '') return undefined;
  try {
    const { patient } = JSON.parse(text) as { patient?: unknown };
    if (patient === undefined || typeof patient === 'string') return patient;
  } catch {
    // Said below.
  }
  throw new Problem('structure', 'the body is {"patient":"ID"}, or nothing');
}

export function json(status: number, body?: object): Answer {
  return {
    status,
    ...(body === undefined ? {} : { contentType: 'application/json', body: JSON.stringify(body) }),
    headers: { pragma: 'no-cache' },
  };
}

const statuses: Readonly<Record<string, number>> = { forbidden: 403, throttled: 429, transient: 503, 'too-long': 413 };

/** Undefined: an error of ours. */
export function refusalAnswer(error: unknown): Answer | undefined {
  if (!(error instanceof Problem)) return undefined;
  const status = statuses[error.code] ?? 400;
  const answer = json(status, { error: error.code, error_description: error.message });
  return status === 429 || status === 503 ? { ...answer, headers: { ...answer.headers, 'retry-after': '10' } } : answer;
}
