/** Redeeming an invitation: the code on one page, what the person chooses on the next, the recovery codes on the last. */
import { enrol, openInvitation, type EnrolmentFault, type Invited } from '../../access/login/enrolment.ts';
import type { Desk, Handler } from './desk.ts';
import { enrolmentPage, invitationPage, recoveryPage } from './pages.ts';
import { returnPath } from './return-to.ts';
import type { Reply, Visit } from './visit.ts';

/** What apps show beside the code. */
const appName = 'Health record hub';

export interface EnrolmentHandlers {
  readonly show: Handler;
  readonly open: Handler;
  readonly finish: Handler;
}

export function enrolmentHandlers({ login: { context }, enter, external }: Desk): EnrolmentHandlers {
  const notGood = ({ view }: Visit): Reply => ({ ...invitationPage(view, view.t.invitationWrong), status: 422 });

  const choose = async (visit: Visit, invited: Invited, faults: readonly EnrolmentFault[] = []): Promise<Reply> => {
    const [{ totpUri }, { default: encodeQr }] = await Promise.all([
      import('../../access/login/totp.ts'),
      // A fraction of what the process needs, but only ever for this page.
      import('qr'),
    ]);
    const { account, totpKey } = invited;
    const login = account.login ?? visit.field('login');
    // Without a name yet, the app tells entries apart by where they are from.
    const uri = totpUri(totpKey, appName, account.login ?? new URL(context.issuer).host);
    return enrolmentPage(visit.view, {
      invited,
      invitation: visit.field('invitation'),
      totpUri: uri,
      qr: encodeQr(uri, 'svg'),
      login,
      faults,
      external,
    });
  };

  return {
    show: async ({ view }) => invitationPage(view),
    open: async (visit) => {
      const invited = await openInvitation(context, visit.field('invitation'), visit.origin);
      return invited === undefined ? notGood(visit) : choose(visit, invited);
    },
    finish: async (visit) => {
      const { field, origin, view, returnTo } = visit;
      const chosen = {
        login: field('login'),
        password: field('password'),
        repeated: field('repeated'),
        code: field('code'),
      };
      const outcome = await enrol(context, field('invitation'), chosen, origin);
      if (outcome === undefined) return notGood(visit);
      if ('faults' in outcome) return choose(visit, outcome.invited, outcome.faults);
      await enter(visit, outcome.signedIn);
      return recoveryPage(view, outcome.recoveryCodes, returnPath(returnTo), view.t.enrolled);
    },
  };
}
