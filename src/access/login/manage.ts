/** What a person changes about how they sign in. Each asks again who it is: a browser left open is not enough. */
import { findAccount, setPassword, setRecoveryCodes, type Credentials } from './account.ts';
import { beginAttempt } from './attempt.ts';
import { hashCode } from './codes.ts';
import { makeRecoveryCodes } from './enrolment.ts';
import type { LoginContext, Origin } from './login.ts';
import { hashPassword, passwordFault, type PasswordFault } from './password.ts';
import { prove, refused, type Proof } from './proof.ts';
import type { Session } from './session.ts';

/** @throws Problem login, TooManyAttempts */
async function confirm(context: LoginContext, session: Session, proof: Proof, origin: Origin): Promise<Credentials> {
  const attempt = await beginAttempt(context, session.login ?? '', origin);
  const found = await findAccount(context.db, session.accountId);
  if (found === undefined || (await prove(context, found, proof)) === undefined) {
    context.trail.recordFailure(found, origin.address);
    throw refused();
  }
  await attempt.succeeded();
  return found;
}

/** Ends every other session: one that a stranger has would outlive the password otherwise. @throws Problem login */
export async function changePassword(
  context: LoginContext,
  session: Session,
  { chosen, ...proof }: Proof & { readonly chosen: string },
  origin: Origin,
): Promise<PasswordFault | undefined> {
  // Before a code is used up.
  const fault = passwordFault(chosen, session.login ?? '');
  if (fault !== undefined) return fault;
  const account = await confirm(context, session, proof, origin);
  const hash = await hashPassword(chosen);
  await context.trail.change('password-change', async (tx) => {
    await setPassword(tx, account.id, hash);
    return { value: undefined, about: { account, jti: session.id, address: origin.address } };
  });
  await context.sessions.endAll(account.id, session.id);
  return undefined;
}

/** @returns the new ones; those before are void @throws Problem login */
export async function renewRecoveryCodes(
  context: LoginContext,
  session: Session,
  proof: Proof,
  origin: Origin,
): Promise<string[]> {
  const account = await confirm(context, session, proof, origin);
  const codes = makeRecoveryCodes();
  return context.trail.change('recovery-codes', async (tx) => {
    await setRecoveryCodes(tx, account.id, codes.map(hashCode));
    return { value: codes, about: { account, jti: session.id, address: origin.address } };
  });
}

export async function endSession(context: LoginContext, session: Session, id: string): Promise<void> {
  const { accountId, login, fhirUser } = session;
  if (!(await context.sessions.list(accountId)).some((one) => one.id === id)) return;
  await context.trail.record('logout', { account: { id: accountId, login, fhirUser }, jti: id });
  await context.sessions.end(accountId, id);
}
