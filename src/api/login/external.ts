/** There and back: to the OpenID provider of the installation, and in with what it says. */
import { beginFrom } from '../../access/login/attempt.ts';
import { enterExternally } from '../../access/login/enrolment.ts';
import { journeySeconds, type External } from '../../access/login/external.ts';
import { takeBackAttempt } from '../../access/login/throttle.ts';
import type { Reporter } from '../interaction.ts';
import type { Cookies } from './cookies.ts';
import type { Desk, Handler } from './desk.ts';
import { fill } from './language.ts';
import { goOnPage, signInPage } from './pages.ts';
import { portalPath } from './return-to.ts';
import type { Reply, Visit } from './visit.ts';

export const callbackPath = '/oauth/login/callback';

/** A cookie is cut beyond 4 kB; who comes with more to return to starts at the portal. */
const keptCharsMax = 3_800;

export interface ExternalHandlers {
  readonly begin: Handler;
  readonly back: Handler;
}

export function externalHandlers(
  { login: { context }, enter, external: host = '' }: Desk,
  {
    external,
    cookies,
    report,
    publicUrl,
  }: { external: External; cookies: Cookies; report: Reporter; publicUrl: string },
): ExternalHandlers {
  const failed = ({ view, session, returnTo }: Visit, message: string, status: number): Reply => ({
    ...signInPage(view, { message, signedInAs: session, returnTo, external: host }),
    status,
  });
  const lost = (visit: Visit, error: unknown): Reply => {
    if (isTheirs(error)) return failed(visit, visit.view.t.externalFailed, 400);
    report.failed(error, crypto.randomUUID());
    return failed(visit, visit.view.t.externalFailed, 502);
  };

  return {
    begin: async (visit) => {
      const { view, field, returnTo, cookies: sent } = visit;
      const invitation = field('invitation') === '' ? undefined : field('invitation');
      try {
        const long = await external.begin({ returnTo, invitation });
        const { url, kept } =
          long.kept.length <= keptCharsMax ? long : await external.begin({ returnTo: portalPath, invitation });
        sent.push(cookies.write('external', kept, journeySeconds));
        return goOnPage(view, url, fill(view.t.externalSignIn, { issuer: host }));
      } catch (error) {
        return lost(visit, error);
      }
    },

    back: async (visit) => {
      const { view, request, origin, cookies: sent } = visit;
      const kept = cookies.read(request, 'external');
      const journey = kept === undefined ? undefined : external.journeyOf(kept);
      sent.push(cookies.clear('external'));
      if (journey === undefined) return failed(visit, view.t.stale, 400);
      // Each costs a request to the provider.
      const addressed = await beginFrom(context, origin.address);
      let vouched;
      try {
        vouched = await external.finish(new URL(request.url ?? '', publicUrl), journey);
      } catch (error) {
        context.trail.recordFailure(undefined, origin.address);
        return lost(visit, error);
      }
      const signedIn = await enterExternally(context, vouched, origin, journey.invitation);
      if (signedIn === undefined) {
        context.trail.recordFailure(undefined, origin.address);
        return failed(visit, journey.invitation === undefined ? view.t.externalUnknown : view.t.invitationWrong, 403);
      }
      await takeBackAttempt(context.db, addressed, context.now());
      await enter(visit, signedIn);
      return { redirect: journey.returnTo };
    },
  };
}

/**
 * The person declined there, or somebody came back with what the provider did not send: no fault of ours or the provider's, and
 * nothing that strangers may fill the log with.
 */
function isTheirs(error: unknown): boolean {
  const { code, error: refusal } = error as { code?: unknown; error?: unknown };
  const isForged = code === 'OAUTH_INVALID_RESPONSE' || refusal === 'invalid_grant';
  return isForged || code === 'OAUTH_AUTHORIZATION_RESPONSE_ERROR';
}
