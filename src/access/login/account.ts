/**
 * Accounts: a person who signs in, and what proves that it is them. Made by an operator's invitation alone, so whoever has one
 * is known; the person sets up the rest with the code of the invitation.
 */
import { randomUUID } from 'node:crypto';
import type { Tx } from '../../db.ts';
import { sql, textArray } from '../../db/sql.ts';
import { idPattern } from '../../fhir/ids.ts';
import { Problem } from '../../fhir/problem.ts';
import { operatorRoles, readOperatorRole, type OperatorRole } from '../principal/operator.ts';
import type { SealedColumn } from '../secrets/rotate.ts';
import { hashCode, makeCode } from './codes.ts';

export interface Account {
  readonly id: string;
  /** `Patient/x`, `RelatedPerson/x`, `Practitioner/y`; undefined: an operator. */
  readonly fhirUser: string | undefined;
  /** Undefined until the person has chosen it. */
  readonly login: string | undefined;
}

/** What is checked at sign-in. */
export interface Credentials extends Account {
  readonly password: string | undefined;
  /** Sealed, bound to the account's id. */
  readonly totpKey: string | undefined;
  readonly recoveryCodes: readonly string[];
}

export const sealedKeys: readonly SealedColumn[] = ['totp_key', 'code_totp_key'].map((column) => ({
  what: 'keys of second factors',
  table: 'account',
  column,
  boundTo: (id) => id,
}));

interface CredentialsRow {
  id: string;
  fhirUser: string | null;
  login: string | null;
  password: string | null;
  totpKey: string | null;
  recoveryCodes: string[];
}

const columns = sql`id, fhir_user as "fhirUser", login, password, totp_key as "totpKey", recovery_codes as "recoveryCodes"`;

function credentialsOf(row: CredentialsRow): Credentials {
  const { fhirUser, login, password, totpKey, ...rest } = row;
  return {
    ...rest,
    fhirUser: fhirUser ?? undefined,
    login: login ?? undefined,
    password: password ?? undefined,
    totpKey: totpKey ?? undefined,
  };
}

/** One way to write each name: no case, no width. Undefined: nobody may have it. */
export function foldLogin(typed: string): string | undefined {
  const login = typed.normalize('NFKC').trim().toLowerCase();
  return /^[\p{L}\p{N}][\p{L}\p{M}\p{N}._@+-]{2,63}$/u.test(login) ? login : undefined;
}

export async function findByLogin(db: Tx, login: string): Promise<Credentials | undefined> {
  const [row] = await db.query<CredentialsRow>(sql`
    select ${columns} from account where login = ${login} and is_active and password is not null`);
  return row && credentialsOf(row);
}

export async function findBySubject(db: Tx, issuer: string, subject: string): Promise<Credentials | undefined> {
  const [row] = await db.query<CredentialsRow>(sql`
    select ${columns} from account where issuer = ${issuer} and subject = ${subject} and is_active`);
  return row && credentialsOf(row);
}

export async function findAccount(db: Tx, id: string): Promise<Credentials | undefined> {
  const [row] = await db.query<CredentialsRow>(sql`select ${columns} from account where id = ${id} and is_active`);
  return row && credentialsOf(row);
}

export interface Invitation {
  /** Id. */
  readonly account: string;
  readonly whose: Account;
  /** Shown once; the hub keeps its hash. */
  readonly code: string;
  readonly expiresAt: Date;
}

const personTypes = ['Patient', 'RelatedPerson', 'Practitioner'];
const operator: OperatorRole = 'operator';

/** @param who `Patient/x`, `RelatedPerson/x`, `Practitioner/y` or a role of operators @throws Problem value */
export function readInvited(who: string): { type: string; id: string } | undefined {
  if (readOperatorRole(who) !== undefined) return undefined;
  const [type = '', id = '', ...rest] = who.split('/');
  if (personTypes.includes(type) && idPattern.test(id) && rest.length === 0) return { type, id };
  throw new Problem('value', 'this is nobody who can sign in', {
    expression: 'WHO',
    hint: `One of ${[...personTypes.map((one) => `${one}/ID`), ...operatorRoles].join(', ')}.`,
  });
}

/**
 * A new account, or a new code for one that nobody has set up yet.
 * @throws Problem conflict when the person signs in already
 */
export async function inviteAccount(db: Tx, who: string, expiresAt: Date): Promise<Invitation> {
  const invited = readInvited(who);
  const code = makeCode();
  const [row] = await db.query<CredentialsRow>(sql`
    insert into account as one (id, fhir_user, ops_role, code, code_expires_at)
    values (${randomUUID()}, ${invited === undefined ? null : who}, ${invited === undefined && who !== operator ? who : null}, ${hashCode(code)}, ${expiresAt})
    on conflict (fhir_user) where fhir_user is not null do update
      set code = excluded.code, code_expires_at = excluded.code_expires_at, code_totp_key = null, is_active = true
      where one.password is null and one.subject is null
    returning ${columns}`);
  if (row !== undefined) return { account: row.id, whose: credentialsOf(row), code, expiresAt };
  throw new Problem('conflict', 'this person has an account already', {
    hint: 'hub account reset gives them a new code; hub account list names the account.',
  });
}

/** The account by its id, its login name or whose it is. */
function isNamed(name: string): ReturnType<typeof sql> {
  return sql`(id = ${name} or login = ${foldLogin(name) ?? ''} or fhir_user = ${name})`;
}

function unknown(): Problem {
  return new Problem('not-found', 'there is no such account', { hint: 'hub account list names them.' });
}

/** From now on nobody signs in with it; its sessions are for the caller to end. @throws Problem not-found */
export async function disableAccount(db: Tx, name: string): Promise<Account> {
  const [row] = await db.query<CredentialsRow>(sql`
    update account set is_active = false, code = null, code_expires_at = null, code_totp_key = null
    where ${isNamed(name)} returning ${columns}`);
  if (row === undefined) throw unknown();
  return credentialsOf(row);
}

/**
 * Takes away whatever signed in so far and gives a code to set it up anew; a disabled account comes back so. Its sessions are
 * for the caller to end. @throws Problem not-found
 */
export async function resetAccount(db: Tx, name: string, expiresAt: Date): Promise<Invitation> {
  const code = makeCode();
  const [row] = await db.query<CredentialsRow>(sql`
    update account set password = null, totp_key = null, totp_step = 0, recovery_codes = '{}', issuer = null,
      subject = null, code = ${hashCode(code)}, code_expires_at = ${expiresAt}, code_totp_key = null, is_active = true
    where ${isNamed(name)} returning ${columns}`);
  if (row === undefined) throw unknown();
  return { account: row.id, whose: credentialsOf(row), code, expiresAt };
}

export async function listAccounts(db: Tx): Promise<object[]> {
  return db.query(sql`
    select id, login, coalesce(fhir_user, ops_role, ${operator}) as who, is_active as "isActive",
      password is not null as "hasPassword", subject is not null as "isExternal", cardinality(recovery_codes) as "recoveryCodes",
      case when code_expires_at > now() then code_expires_at end as "invitedUntil",
      (select max(last_seen_at) from account_session where account = account.id) as "lastSeenAt"
    from account order by created_at, id`);
}

/** An invitation that is being redeemed: whose, and the key of the second factor that is shown for it. */
export interface Redemption extends Account {
  /** Sealed, bound to the account's id. */
  readonly totpKey: string;
}

/** @param newTotpKey for the first time it is looked at; later times find the key that was shown */
export async function findByCode(
  db: Tx,
  code: string,
  newTotpKey: (account: string) => string,
  now: Date,
): Promise<Redemption | undefined> {
  const isGood = sql`code = ${hashCode(code)} and code_expires_at > ${now} and is_active`;
  const [found] = await db.query<{ id: string }>(sql`select id from account where ${isGood}`);
  if (found === undefined) return undefined;
  const [row] = await db.query<{ id: string; fhirUser: string | null; login: string | null; totpKey: string }>(sql`
    update account set code_totp_key = coalesce(code_totp_key, ${newTotpKey(found.id)}) where ${isGood}
    returning id, fhir_user as "fhirUser", login, code_totp_key as "totpKey"`);
  return row && { ...row, fhirUser: row.fhirUser ?? undefined, login: row.login ?? undefined };
}

export interface NewCredentials {
  readonly login: string;
  /** As hashPassword made it. */
  readonly password: string;
  readonly totpStep: number;
  /** Hashes. */
  readonly recoveryCodes: readonly string[];
}

// PostgreSQL appendix A.
const uniqueViolation = '23505';

/** Uses the code up. A login name that is there already stays. @returns whether it was good, or the name was free */
export async function redeemCode(
  db: Tx,
  code: string,
  chosen: NewCredentials,
  now: Date,
): Promise<'redeemed' | 'gone' | 'taken'> {
  const { login, password, totpStep, recoveryCodes } = chosen;
  try {
    const rows = await db.query(sql`
      update account set login = coalesce(login, ${login}), password = ${password}, totp_key = code_totp_key,
        totp_step = ${totpStep}, recovery_codes = ${textArray(recoveryCodes)}::text[],
        code = null, code_expires_at = null, code_totp_key = null
      where code = ${hashCode(code)} and code_expires_at > ${now} and is_active and code_totp_key is not null
      returning id`);
    return rows.length === 1 ? 'redeemed' : 'gone';
  } catch (error) {
    if ((error as { code?: unknown }).code === uniqueViolation) return 'taken';
    throw error;
  }
}

/**
 * Uses the code up: from now on this subject of this issuer is the person.
 * @returns undefined: the code is not good, or the subject is somebody already
 */
export async function bindSubject(
  db: Tx,
  code: string,
  { issuer, subject }: { readonly issuer: string; readonly subject: string },
  now: Date,
): Promise<Account | undefined> {
  try {
    const [row] = await db.query<CredentialsRow>(sql`
      update account set issuer = ${issuer}, subject = ${subject}, code = null, code_expires_at = null, code_totp_key = null
      where code = ${hashCode(code)} and code_expires_at > ${now} and is_active returning ${columns}`);
    return row && credentialsOf(row);
  } catch (error) {
    if ((error as { code?: unknown }).code === uniqueViolation) return undefined;
    throw error;
  }
}

/** Of any number of attempts with one code, one is true. */
export async function useTotpStep(db: Tx, account: string, step: number): Promise<boolean> {
  const rows = await db.query(sql`
    update account set totp_step = ${step} where id = ${account} and totp_step < ${step} returning id`);
  return rows.length === 1;
}

/** Of any number of attempts with one code, one is true. */
export async function useRecoveryCode(db: Tx, account: string, codeHash: string): Promise<boolean> {
  const rows = await db.query(sql`
    update account set recovery_codes = array_remove(recovery_codes, ${codeHash})
    where id = ${account} and ${codeHash} = any(recovery_codes) returning id`);
  return rows.length === 1;
}

export async function setPassword(db: Tx, account: string, password: string): Promise<void> {
  await db.query(sql`update account set password = ${password} where id = ${account}`);
}

export async function setRecoveryCodes(db: Tx, account: string, hashes: readonly string[]): Promise<void> {
  await db.query(sql`
    update account set recovery_codes = ${textArray(hashes)}::text[] where id = ${account}`);
}
