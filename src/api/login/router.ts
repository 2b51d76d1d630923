/**
 * HTTP of signing in: pages that work without JavaScript, in the language of who looks, and the session of a request for
 * whoever else serves pages (the authorization server sends people to /oauth/login and asks {@link SignIn.sessionOf}).
 */
import type { IncomingMessage } from 'node:http';
import type { BlockList } from 'node:net';
import { Router } from 'express';
import type { External } from '../../access/login/external.ts';
import type { Login } from '../../access/login/login.ts';
import type { PortalTokenOptions } from '../../access/login/portal-token.ts';
import type { Session } from '../../access/login/session.ts';
import type { Reporter } from '../interaction.ts';
import { accountHandlers, accountPath } from './account.ts';
import { openCookies } from './cookies.ts';
import type { Desk, Handler } from './desk.ts';
import { callbackPath, externalHandlers } from './external.ts';
import { enrolmentHandlers } from './enrolment.ts';
import { goOnPage, signInPage, type SignInState } from './pages.ts';
import { json, tokenAnswer } from './portal.ts';
import { refusalOf } from './refusal.ts';
import { openServing } from './serve.ts';
import type { Reply, Visit } from './visit.ts';

export interface SignInOptions {
  readonly login: Login;
  readonly publicUrl: string;
  /** Of the hub's own pages. */
  readonly tokens: PortalTokenOptions;
  /** Another way to sign in. */
  readonly external?: External | undefined;
  /** Whose X-Forwarded-For is believed. */
  readonly proxies: BlockList;
  readonly report: Reporter;
  readonly observe: (interaction: string, status: number, seconds: number) => void;
}

export interface SignIn {
  readonly router: Router;
  /** Who is signed in in the browser that sent this; undefined: nobody. */
  sessionOf(request: IncomingMessage): Promise<Session | undefined>;
}

export const loginPath = '/oauth/login';
/** A browser is known for as long as it lets a cookie live. @see RFC 6265bis: 400 days */
const deviceSeconds = 400 * 86_400;

export function openSignIn({ login, publicUrl, tokens, external, proxies, report, observe }: SignInOptions): SignIn {
  const { context } = login;
  const cookies = openCookies(publicUrl);
  const router = Router({ caseSensitive: true, strict: true });

  const desk: Desk = {
    login,
    enter: async (visit, { secret, device }) => {
      visit.cookies.push(cookies.write('session', secret), cookies.write('device', device, deviceSeconds));
      if (visit.session !== undefined) await context.sessions.end(visit.session.accountId, visit.session.id);
    },
    external: external && new URL(external.issuer).host,
    loginPath,
  };
  const stateOf = ({ session, returnTo }: Visit, more: Partial<SignInState> = {}): SignInState => ({
    signedInAs: session,
    returnTo,
    external: desk.external,
    ...more,
  });

  const showSignIn: Handler = async (visit) => signInPage(visit.view, stateOf(visit));

  const signIn: Handler = async (visit) => {
    const { view, field, origin, returnTo } = visit;
    const name = field('login');
    try {
      const signedIn = await login.signIn({
        login: name,
        password: field('password'),
        code: field('code'),
        ...origin,
      });
      await desk.enter(visit, signedIn);
      return goOn(visit, returnTo);
    } catch (error) {
      const refusal = refusalOf(error, view.t);
      if (refusal === undefined) throw error;
      return { ...signInPage(view, stateOf(visit, { message: refusal.message, login: name })), ...refusal };
    }
  };

  const signOut: Handler = async (visit) => {
    if (visit.session !== undefined) await login.signOut(visit.session);
    visit.cookies.push(cookies.clear('session'));
    return { redirect: visit.view.link(loginPath) };
  };

  const { pages, calls } = openServing(router, { context, cookies, proxies, report, observe, loginPath });
  pages(loginPath, 'login', { GET: showSignIn, POST: signIn });
  pages('/oauth/logout', 'logout', { POST: signOut });
  const enrolment = enrolmentHandlers(desk);
  pages('/oauth/enrol', 'enrol', { GET: enrolment.show, POST: enrolment.open });
  pages('/oauth/enrol/account', 'enrol', { POST: enrolment.finish });
  const account = accountHandlers(desk);
  pages(accountPath, 'account', { GET: account.show });
  pages(`${accountPath}/password`, 'password-change', { POST: account.password });
  pages(`${accountPath}/recovery`, 'recovery-codes', { POST: account.recovery });
  pages(`${accountPath}/end`, 'logout', { POST: account.end });
  if (external !== undefined) {
    const { begin, back } = externalHandlers(desk, { external, cookies, report, publicUrl });
    pages('/oauth/login/external', 'login', { POST: begin });
    pages(callbackPath, 'login', { GET: back });
  }
  calls('/portal/token', 'token', (session, request) => tokenAnswer(context, session, tokens, request));
  calls('/portal/sign-out', 'logout', async (session) => {
    if (session !== undefined) await login.signOut(session);
    return { ...json(204), headers: { 'set-cookie': cookies.clear('session') } };
  });

  return {
    router,
    sessionOf: async (request) => {
      const secret = cookies.read(request, 'session');
      return secret === undefined ? undefined : context.sessions.find(secret);
    },
  };
}

/**
 * The redirect after a form is held to `form-action` by some browsers, and an application's address is none of ours: so what
 * goes on to one leaves from a page of its own.
 * @see https://www.w3.org/TR/CSP3/#directive-form-action
 */
function goOn({ view }: Visit, returnTo: string): Reply {
  return returnTo.startsWith('/oauth/') ? goOnPage(view, returnTo) : { redirect: returnTo };
}
