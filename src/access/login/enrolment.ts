/**
 * Enrolment: who holds the code of an invitation chooses a name and a password and shows that their app has the key. The code
 * is used up by that alone; until then it can be looked at again, and shows the same key.
 */
import type { Tx } from '../../db.ts';
import { bindSubject, findByCode, findBySubject, foldLogin, redeemCode, type Account } from './account.ts';
import { beginFrom } from './attempt.ts';
import { hashCode, makeCode, readCode } from './codes.ts';
import type { Vouched } from './external.ts';
import { openSession, type LoginContext, type Origin, type SignedIn } from './login.ts';
import { hashPassword, passwordFault, type PasswordFault } from './password.ts';
import { takeBackAttempt } from './throttle.ts';

/** What an invitation shows. */
export interface Invited {
  readonly account: Account;
  /** Base32, for the app. */
  readonly totpKey: string;
}

export interface Chosen {
  readonly login: string;
  readonly password: string;
  readonly repeated: string;
  /** Of the app. */
  readonly code: string;
}

export type EnrolmentFault = PasswordFault | 'loginUnusable' | 'loginTaken' | 'repeatedOther' | 'codeWrong';

export type Enrolled =
  | { readonly invited: Invited; readonly faults: readonly EnrolmentFault[] }
  | { readonly signedIn: SignedIn; readonly recoveryCodes: readonly string[] };

const recoveryCodesCount = 10;

/** @returns undefined: the code is not, or no longer, good @throws TooManyAttempts */
export async function openInvitation(
  context: LoginContext,
  typed: string,
  { address }: Origin,
): Promise<Invited | undefined> {
  const { db, now } = context;
  const addressed = await beginFrom(context, address);
  const invited = await look(context, typed);
  if (invited !== undefined) await takeBackAttempt(db, addressed, now());
  return invited;
}

async function look({ db, sealer, now }: LoginContext, typed: string): Promise<Invited | undefined> {
  const { makeTotpKey } = await import('./totp.ts');
  const code = readCode(typed);
  if (code === undefined) return undefined;
  const found = await findByCode(db, code, (account) => sealer.seal(makeTotpKey(), account), new Date(now()));
  const totpKey = found === undefined ? undefined : sealer.open(found.totpKey, found.id);
  return found === undefined || totpKey === undefined ? undefined : { account: found, totpKey };
}

/** @returns undefined: the code is not, or no longer, good @throws TooManyAttempts, Problem transient */
export async function enrol(
  context: LoginContext,
  typed: string,
  chosen: Chosen,
  origin: Origin,
): Promise<Enrolled | undefined> {
  const { totpStepOf } = await import('./totp.ts');
  const { now } = context;
  const invited = await openInvitation(context, typed, origin);
  if (invited === undefined) return undefined;
  const { account, totpKey } = invited;
  const login = account.login ?? foldLogin(chosen.login);
  const totpStep = totpStepOf(chosen.code.replace(/\s/g, ''), totpKey, now());
  const passwordWrong = passwordFault(chosen.password, login ?? '');
  const faults: EnrolmentFault[] = [
    ...(login === undefined ? (['loginUnusable'] as const) : []),
    ...(passwordWrong === undefined ? [] : [passwordWrong]),
    ...(chosen.password === chosen.repeated ? [] : (['repeatedOther'] as const)),
    ...(totpStep === undefined ? (['codeWrong'] as const) : []),
  ];
  if (login === undefined || totpStep === undefined || faults.length > 0) return { invited, faults };

  const recoveryCodes = makeRecoveryCodes();
  const password = await hashPassword(chosen.password);
  const credentials = { login, password, totpStep, recoveryCodes: recoveryCodes.map(hashCode) };
  const entrance = { methods: ['pwd', 'otp', 'mfa'], interaction: 'enrol' };
  try {
    const redeem = async (tx: Tx): Promise<Account> => {
      const outcome = await redeemCode(tx, readCode(typed) ?? '', credentials, new Date(now()));
      if (outcome !== 'redeemed') throw new NotRedeemed(outcome);
      return { ...account, login };
    };
    return { signedIn: await openSession(context, redeem, entrance, origin), recoveryCodes };
  } catch (error) {
    if (!(error instanceof NotRedeemed)) throw error;
    return error.outcome === 'taken' ? { invited, faults: ['loginTaken'] } : undefined;
  }
}

/** Undoes the transaction, and says why. */
class NotRedeemed extends Error {
  readonly outcome: 'gone' | 'taken';
  constructor(outcome: 'gone' | 'taken') {
    super(outcome);
    this.outcome = outcome;
  }
}

/**
 * In, by what an external provider says; with an invitation, for the first time.
 * @returns undefined: the subject is nobody here, or the invitation is not good @throws Problem transient
 */
export async function enterExternally(
  context: LoginContext,
  vouched: Vouched,
  origin: Origin,
  invitation: string | undefined,
): Promise<SignedIn | undefined> {
  const { now } = context;
  const interaction = invitation === undefined ? 'login' : 'enrol';
  const find = async (tx: Tx): Promise<Account> => {
    const account =
      invitation === undefined
        ? await findBySubject(tx, vouched.issuer, vouched.subject)
        : await bindSubject(tx, readCode(invitation) ?? '', vouched, new Date(now()));
    if (account === undefined) throw new NotRedeemed('gone');
    return account;
  };
  try {
    return await openSession(context, find, { ...vouched, interaction }, origin);
  } catch (error) {
    if (error instanceof NotRedeemed) return undefined;
    throw error;
  }
}

export function makeRecoveryCodes(): string[] {
  return Array.from({ length: recoveryCodesCount }, () => makeCode());
}
