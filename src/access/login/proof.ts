/**
 * That it is them: the password, and the code of the app or one from paper. All of it is looked at whatever is wrong, and a code
 * is used up only beside the right password, so nobody else can spend a person's codes.
 */
import type { Database } from '../../db.ts';
import { Problem } from '../../fhir/problem.ts';
import { setPassword, useRecoveryCode, useTotpStep, type Credentials } from './account.ts';
import { hashCode, readCode } from './codes.ts';
import type { LoginContext } from './login.ts';
import { hashPassword, isOutdated, passwordCharsMax, verifyPassword } from './password.ts';

export interface Proof {
  readonly password: string;
  /** Of the app, or a recovery code. */
  readonly code: string;
}

/** The one answer to whatever was wrong. */
export function refused(): Problem {
  return new Problem('login', 'the name, the password or the code is not right');
}

/** @returns how they proved it; undefined: they did not */
export async function prove(
  { db, sealer, now }: LoginContext,
  found: Credentials | undefined,
  { password, code }: Proof,
): Promise<string[] | undefined> {
  const { totpStepOf } = await import('./totp.ts');
  const isPassword = await verifyPassword(password.slice(0, passwordCharsMax * 2), found?.password);
  const key = found?.totpKey === undefined ? undefined : sealer.open(found.totpKey, found.id);
  const step = totpStepOf(code.replace(/\s/g, ''), key, now());
  const recovery = hashCode(readCode(code) ?? '');
  const isRecovery = found?.recoveryCodes.includes(recovery) === true;
  if (!isPassword || found === undefined) return undefined;
  if (step !== undefined && (await useTotpStep(db, found.id, step))) {
    await renew(db, found, password);
    return ['pwd', 'otp', 'mfa'];
  }
  if (isRecovery && (await useRecoveryCode(db, found.id, recovery))) return ['pwd', 'recovery', 'mfa'];
  return undefined;
}

/** A password hashed at an older cost is hashed anew while it is known. */
async function renew(db: Database, { id, password: hash = '' }: Credentials, password: string): Promise<void> {
  if (isOutdated(hash)) await setPassword(db, id, await hashPassword(password));
}
