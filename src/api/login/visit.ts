/**
 * A request of a page, read: language, cookies, who is signed in, and for a form whether this browser was given it. And how its
 * reply leaves: the headers of every page are here.
 */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { BlockList } from 'node:net';
import type { LoginContext, Origin } from '../../access/login/login.ts';
import type { Session } from '../../access/login/session.ts';
import { addressOf } from '../../access/client/network.ts';
import type { Cookies } from './cookies.ts';
import { isFromElsewhere, isToken, readFields, StaleForm, tokenField, type Fields } from './form.ts';
import { chooseLanguage } from './language.ts';
import { renderPage, type Page, type View } from './layout.ts';
import { returnPath } from './return-to.ts';
import { texts } from './texts.ts';

export interface Visit {
  readonly request: IncomingMessage;
  /** Of the URL. */
  readonly query: URLSearchParams;
  readonly view: View;
  /** Of a form; '' for each when there is none. */
  readonly field: Fields;
  readonly session: Session | undefined;
  readonly origin: Origin;
  readonly returnTo: string;
  /** Set-Cookie headers of the reply. */
  readonly cookies: string[];
}

/** A page, or another place. */
export type Reply = Page | { readonly redirect: string };

/** The application, and the number of a browser, last as long as the browser is open. */
const browserBytes = 16;

/** What a request is read with. */
export interface Reading {
  readonly context: LoginContext;
  readonly cookies: Cookies;
  /** Whose X-Forwarded-For is believed. */
  readonly proxies: BlockList;
}

/** @throws StaleForm, Problem structure, too-long */
export async function openVisit(
  request: IncomingMessage,
  { context, cookies, proxies, isForm }: Reading & { readonly isForm: boolean },
): Promise<Visit> {
  const { sealer, sessions } = context;
  const url = new URL(request.url ?? '/', 'http://hub.invalid');
  const language = chooseLanguage(url.searchParams.get('ui_locales'), request.headers['accept-language']);
  const sent: string[] = [];
  let browser = cookies.read(request, 'browser');
  const secret = cookies.read(request, 'session');
  const tokenOf = (number: string): string => sealer.mark(`form ${number} ${secret ?? ''}`);

  let field: Fields = () => '';
  if (isForm) {
    field = await readFields(request);
    const isOurs = browser !== undefined && isToken(field(tokenField), tokenOf(browser));
    if (!isOurs || isFromElsewhere(request)) throw new StaleForm();
  }
  if (browser === undefined) {
    browser = randomBytes(browserBytes).toString('base64url');
    sent.push(cookies.write('browser', browser));
  }

  const kept = new URLSearchParams();
  const returnTo = url.searchParams.get('return_to');
  if (returnTo !== null) kept.set('return_to', returnPath(returnTo));
  const path = kept.size === 0 ? url.pathname : `${url.pathname}?${kept.toString()}`;
  if (url.searchParams.has('ui_locales')) kept.set('ui_locales', language);
  return {
    request,
    query: url.searchParams,
    view: {
      t: texts[language],
      language,
      formToken: tokenOf(browser),
      path,
      link: (to) => (kept.size === 0 ? to : `${to}?${kept.toString()}`),
    },
    field,
    session: secret === undefined ? undefined : await sessions.find(secret),
    origin: {
      address: addressOf(request, proxies) ?? '',
      agent: request.headers['user-agent'] ?? '',
      device: cookies.read(request, 'device'),
    },
    returnTo: returnPath(returnTo ?? undefined),
    cookies: sent,
  };
}

/** As the portal's, but for forms, which go to the hub itself. LEAKS 40: nothing inline, no script at all, nobody frames it. */
const policy = [
  "default-src 'none'",
  "style-src 'self'",
  "img-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

export const pageHeaders: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': policy,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  // A URL of these pages may hold the request of another application.
  'referrer-policy': 'no-referrer',
};

/** @returns the status */
export function send(
  response: ServerResponse,
  { view, cookies }: Pick<Visit, 'view' | 'cookies'>,
  reply: Reply,
): number {
  const setCookie = cookies.length === 0 ? {} : { 'set-cookie': cookies };
  if ('redirect' in reply) {
    response.writeHead(303, { ...pageHeaders, ...setCookie, location: reply.redirect, 'content-length': 0 }).end();
    return 303;
  }
  const body = Buffer.from(renderPage(view, reply));
  const status = reply.status ?? 200;
  response.writeHead(status, {
    ...pageHeaders,
    ...setCookie,
    ...reply.headers,
    'content-type': 'text/html; charset=utf-8',
    'content-language': view.language,
    'content-length': body.length,
  });
  response.end(body);
  return status;
}
