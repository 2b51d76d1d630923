/**
 * The authorization endpoint, without HTTP: an app's request becomes a question to the person who is signed in, and their answer
 * a code. Nothing is kept between question and answer: the page carries the request, signed, and bound to the session it was
 * asked in, so that no other page and no other person can answer it.
 *
 * Nobody's answer is remembered for the next time: a person sees each time who asks for what, and for whom.
 *
 * @see https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#launch-app-standalone-launch
 */
import { findClient, type ActiveClient } from '../client/client.ts';
import { OAuthProblem, type Parameters } from './oauth.ts';
import { createGrant } from './app-grant.ts';
import { recordOf, type AppTokens } from './app-tokens.ts';
import { isLaunchScope, lastingOf, needsPatient } from './launch-scope.ts';
import type { ActsFor, SignedIn } from './people.ts';
import { seal, unseal, type Sealing } from './sealed.ts';
import {
  backTo,
  readAuthorizationRequest,
  readBack,
  RefusalToApp,
  type AuthorizationRequest,
  type Back,
} from './request.ts';

/** With the key that signs what a page carries. */
export interface Authorizing extends AppTokens, Sealing {
  readonly now: () => number;
}

/** What the person is asked. */
export interface Question {
  readonly client: ActiveClient;
  readonly session: SignedIn;
  readonly request: AuthorizationRequest;
  /** Whom the app could be about; empty when it asks for nothing about a patient. */
  readonly patients: readonly ActsFor[];
  /** Where the person goes who says no. */
  readonly refusal: string;
  /** Goes back with the answer. */
  readonly sealed: string;
}

export type Step =
  | { readonly kind: 'login'; readonly isFresh: boolean }
  /** Nobody's records are open to this person. */
  | { readonly kind: 'nobody'; readonly client: ActiveClient; readonly refusal: string }
  | { readonly kind: 'question'; readonly question: Question };

const kind = 'authorization-request';
/** A guardian of more people has more than a list to read. */
const patientsMax = 50;

/** @throws RefusalToApp; OAuthProblem for the person alone */
export async function ask(server: Authorizing, parameters: Parameters, session: SignedIn | undefined): Promise<Step> {
  const client = await findClient(server.db, server.issuer, parameters.get('client_id') ?? '');
  const back = readBack(parameters, client, server.issuer);
  return toApp(back, async () => {
    const app = client as ActiveClient;
    const { isSilent, maxAge, ...request } = readAuthorizationRequest(parameters, app, back, [
      server.fhirBase,
      server.audience,
    ]);
    const now = server.now();
    const isStale = session !== undefined && maxAge !== undefined && now - session.authenticatedAt > maxAge * 1000;
    if (isSilent) {
      const error = session === undefined || isStale ? 'login_required' : 'interaction_required';
      throw new OAuthProblem(error, 'a person has to see this request');
    }
    if (session === undefined || isStale) return { kind: 'login', isFresh: isStale };
    const patients = await patientsOf(server, request, session);
    const refusal = backTo(back, { error: 'access_denied' });
    if (session.fhirUser === undefined || (needsPatient(request.scopes) && patients.length === 0)) {
      return { kind: 'nobody', client: app, refusal };
    }
    const sealed = await seal(server, kind, request, session);
    return { kind: 'question', question: { client: app, session, request, patients, refusal, sealed } };
  });
}

/** What the person answered: `patient`, and the scopes they left. */
export interface Decision {
  readonly sealed: string;
  readonly isAllowed: boolean;
  readonly patient: string | undefined;
  /** Of the data scopes; those they took away are missing. */
  readonly scopes: readonly string[];
}

/**
 * @returns where the person goes
 * @throws OAuthProblem for the person: the page is too old, or not theirs
 */
export async function decide(server: Authorizing, decision: Decision, session: SignedIn | undefined): Promise<string> {
  const request = session && (await unseal<AuthorizationRequest>(server, kind, decision.sealed, session));
  if (session === undefined || request === undefined) {
    throw new OAuthProblem('invalid_request', 'the page was open for too long, or belongs to another session');
  }
  const { issuer } = server;
  const client = await findClient(server.db, issuer, request.client);
  const back = readBack(new Map([['redirect_uri', request.redirectUri]]), client, issuer);
  const answered = { ...back, state: request.state };
  const chosen = needsPatient(request.scopes)
    ? (await patientsOf(server, request, session)).find(({ patient }) => patient === decision.patient)
    : undefined;
  const scopes = request.scopes.filter((scope) => isLaunchScope(scope) || decision.scopes.includes(scope));
  const fhirUser = chosen?.fhirUser ?? session.fhirUser;
  const who = { client: request.client, fhirUser: fhirUser ?? session.accountId, patient: chosen?.patient };
  const isComplete = fhirUser !== undefined && (chosen !== undefined || !needsPatient(request.scopes));
  const isAnything =
    scopes.some((scope) => !isLaunchScope(scope)) === request.scopes.some((one) => !isLaunchScope(one));
  if (!decision.isAllowed || !isComplete || !isAnything) {
    await recordOf(server, 'authorize', { ...who, outcome: 'refused' });
    return backTo(answered, { error: 'access_denied' });
  }
  const { nonce, codeChallenge, redirectUri, jkt } = request;
  const code = await createGrant(server.db, {
    issuer,
    client: request.client,
    account: session.accountId,
    session: session.id,
    person: session.fhirUser as string,
    authenticatedAt: session.authenticatedAt,
    methods: session.methods,
    patient: chosen?.patient,
    fhirUser,
    scopes,
    nonce,
    codeChallenge,
    redirectUri,
    jkt,
    lasting: lastingOf(scopes),
  });
  await recordOf(server, 'authorize', who);
  return backTo(answered, { code });
}

async function patientsOf(
  { people, now }: Authorizing,
  { scopes }: Pick<AuthorizationRequest, 'scopes'>,
  { fhirUser }: SignedIn,
): Promise<readonly ActsFor[]> {
  if (fhirUser === undefined || !needsPatient(scopes)) return [];
  return (await people.actsFor(fhirUser, now())).slice(0, patientsMax);
}

/** A refusal of what follows goes to the app: where that is, is sure by now. */
async function toApp<T>(back: Back, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof OAuthProblem ? new RefusalToApp(error, back) : error;
  }
}
