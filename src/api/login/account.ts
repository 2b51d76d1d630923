/** What a person sees and changes of their own sign-in. Nobody signed in: to the sign-in, and not back here by itself. */
import { findAccount } from '../../access/login/account.ts';
import { changePassword, endSession, renewRecoveryCodes } from '../../access/login/manage.ts';
import type { Session } from '../../access/login/session.ts';
import type { Desk, Handler } from './desk.ts';
import { accountPage, recoveryPage, type AccountState } from './pages.ts';
import { refusalOf } from './refusal.ts';
import type { Reply, Visit } from './visit.ts';

export const accountPath = '/oauth/account';

export interface AccountHandlers {
  readonly show: Handler;
  readonly password: Handler;
  readonly recovery: Handler;
  readonly end: Handler;
}

export function accountHandlers({ login: { context }, loginPath }: Desk): AccountHandlers {
  const show = async (visit: Visit, session: Session, more: Partial<AccountState> = {}): Promise<Reply> => {
    const [sessions, account] = await Promise.all([
      context.sessions.list(session.accountId),
      findAccount(context.db, session.accountId),
    ]);
    return accountPage(visit.view, {
      session,
      sessions,
      recoveryCount: account?.recoveryCodes.length ?? 0,
      hasPassword: account?.password !== undefined,
      ...more,
    });
  };

  /** For whoever is signed in; a refusal is told on the same page. */
  const own =
    (work: (visit: Visit, session: Session) => Promise<Reply>): Handler =>
    async (visit) => {
      const { session, view } = visit;
      if (session === undefined) {
        return { redirect: `${loginPath}?return_to=${encodeURIComponent(accountPath)}&ui_locales=${view.language}` };
      }
      try {
        return await work(visit, session);
      } catch (error) {
        const refusal = refusalOf(error, view.t);
        if (refusal === undefined) throw error;
        return { ...(await show(visit, session, { message: refusal.message })), ...refusal };
      }
    };
  const proofOf = ({ field }: Visit) => ({ password: field('password'), code: field('code') });

  return {
    show: own((visit, session) => show(visit, session)),
    password: own(async (visit, session) => {
      const { field, origin, view } = visit;
      const fault = await changePassword(context, session, { ...proofOf(visit), chosen: field('new') }, origin);
      if (fault === undefined) return show(visit, session, { message: view.t.passwordChanged, isGood: true });
      return { ...(await show(visit, session, { passwordFault: view.t[fault] })), status: 422 };
    }),
    recovery: own(async (visit, session) => {
      const codes = await renewRecoveryCodes(context, session, proofOf(visit), visit.origin);
      return recoveryPage(visit.view, codes, accountPath);
    }),
    end: own(async (visit, session) => {
      await endSession(context, session, visit.field('session'));
      return show(visit, session, { message: visit.view.t.ended, isGood: true });
    }),
  };
}
