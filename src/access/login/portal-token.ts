/**
 * The hub's own pages get their token from the session: short-lived, held in memory by the page, and gone with the session. A
 * patient, or whoever may act for one, asks for themselves (PATRQT); an operator gets the console's scope and nothing clinical.
 */
import { randomUUID } from 'node:crypto';
import { Problem } from '../../fhir/problem.ts';
import { issueToken, presetClaims, type Claims } from '../token/issue.ts';
import type { IssuerKeys } from '../token/keys.ts';
import { actsFor, type ActsFor } from '../proxy/acts-for.ts';
import type { MinorAges } from '../proxy/minor.ts';
import type { LoginContext } from './login.ts';
import type { Session } from './session.ts';

export interface PortalToken {
  readonly accessToken: string;
  readonly expiresInSeconds: number;
  /** Whose record it opens; undefined: an operator's. */
  readonly chosen: ActsFor | undefined;
  /** Whose records the person may open, their own first. */
  readonly choices: readonly ActsFor[];
}

export interface PortalTokenOptions {
  readonly keys: IssuerKeys;
  readonly audience: string;
  readonly ages?: MinorAges | undefined;
}

/** As long as those of services; the page asks again. */
const lifetimeSeconds = 300;

/**
 * @param patient whose record, of those the person may open; undefined: their own, else the first
 * @throws Problem forbidden when there is none, throttled
 */
export async function portalToken(
  { db, sessions, trail, issuer, now }: LoginContext,
  session: Session,
  { keys, audience, ages }: PortalTokenOptions,
  patient?: string,
): Promise<PortalToken> {
  const { accountId: id, login, fhirUser } = session;
  const choices = fhirUser === undefined ? [] : await actsFor(db, fhirUser, new Date(now()), ages);
  const chosen = patient === undefined ? choices[0] : choices.find((one) => one.patient === patient);
  const claims = claimsOf(session, chosen);
  const [jti, at] = [randomUUID(), now()];
  const token = { jti, expiresAt: at + lifetimeSeconds * 1000 };
  if (!(await sessions.addToken(session.id, token))) throw new Problem('throttled', 'too many tokens of one session');
  const options = { issuer, audience, jti, now: Math.trunc(at / 1000), expiresInSeconds: lifetimeSeconds };
  const accessToken = await issueToken(keys, claims, options);
  const account = { id, login, fhirUser: chosen?.fhirUser ?? fhirUser };
  await trail.record('token', { account, jti, patient: chosen?.patient });
  return { accessToken, expiresInSeconds: lifetimeSeconds, chosen, choices };
}

/** @throws Problem forbidden */
function claimsOf({ accountId, fhirUser, operatorRole }: Session, chosen: ActsFor | undefined): Claims {
  if (fhirUser === undefined) {
    const role = operatorRole === undefined ? {} : { ops_role: operatorRole };
    return { ...presetClaims('operator'), sub: `account/${accountId}`, ...role };
  }
  if (chosen === undefined) throw new Problem('forbidden', 'there is no record that this person may open');
  return { ...presetClaims('patient'), fhirUser: chosen.fhirUser, patient: chosen.patient };
}
