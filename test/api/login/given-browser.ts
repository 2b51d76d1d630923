/** A browser without JavaScript: keeps cookies, follows nothing by itself, sends the forms that a page has. */
import { totpCode } from '../../../src/access/login/totp.ts';

export interface Shown {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly location: string | null;
}

export interface Browser {
  readonly cookies: Map<string, string>;
  get(path: string, headers?: Record<string, string>): Promise<Shown>;
  /** Sends the form of the last page that goes to `action`, with these fields over what it has. */
  send(action: string, fields?: Record<string, string>, headers?: Record<string, string>): Promise<Shown>;
  /** A POST that no form of a page made. */
  post(path: string, body: string, headers?: Record<string, string>): Promise<Shown>;
}

/** @param always sent with each request */
export function openBrowser(url: string, always: Record<string, string> = {}): Browser {
  const cookies = new Map<string, string>();
  let page = '';
  const request = async (
    method: string,
    path: string,
    headers: Record<string, string>,
    body?: string,
  ): Promise<Shown> => {
    const cookie = Array.from(cookies, ([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(new URL(path, url), {
      method,
      redirect: 'manual',
      headers: { ...(cookie === '' ? {} : { cookie }), 'user-agent': 'Firefox/140 Linux', ...always, ...headers },
      ...(body === undefined ? {} : { body }),
    });
    for (const one of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(one) ?? [];
      if (/Max-Age=0/.test(one)) cookies.delete(name);
      else cookies.set(name, value);
    }
    const text = await response.text();
    if (text.startsWith('<!doctype')) page = text;
    return { status: response.status, headers: response.headers, text, location: response.headers.get('location') };
  };
  const post: Browser['post'] = (path, body, headers = {}) =>
    request('POST', path, { 'content-type': 'application/x-www-form-urlencoded', ...headers }, body);
  return {
    cookies,
    get: (path, headers = {}) => request('GET', path, headers),
    post,
    send: async (action, fields = {}, headers = {}) => {
      const form = formsOf(page).find((one) => one.action.split('?', 1)[0] === action);
      if (form === undefined) throw new Error(`no form goes to ${action} in:\n${page}`);
      return post(form.action, new URLSearchParams({ ...form.fields, ...fields }).toString(), headers);
    },
  };
}

export function formsOf(page: string): { action: string; fields: Record<string, string> }[] {
  return [...page.matchAll(/<form[^>]*action="([^"]*)"[^>]*>([^]*?)<\/form>/g)].map(
    ([, action = '', content = '']) => ({
      action: unescape(action),
      fields: Object.fromEntries(
        [...content.matchAll(/<input([^>]*)>/g)].map(([, attributes = '']) => [
          /name="([^"]*)"/.exec(attributes)?.[1] ?? '',
          unescape(/value="([^"]*)"/.exec(attributes)?.[1] ?? ''),
        ]),
      ),
    }),
  );
}

function unescape(text: string): string {
  return text.replaceAll('&amp;', '&').replaceAll('&quot;', '"').replaceAll('&lt;', '<').replaceAll('&gt;', '>');
}

export const password = 'four brown owls';

/** Redeems an invitation on the pages. @returns the key of the second factor, and the page with the recovery codes */
export async function enrolOn(browser: Browser, code: string, login: string): Promise<{ key: string; page: Shown }> {
  await browser.get('/oauth/enrol');
  const chosen = await browser.send('/oauth/enrol', { invitation: code });
  const key = /<code>([A-Z2-7 ]+)<\/code>/.exec(chosen.text)?.[1]?.replaceAll(' ', '') ?? '';
  const page = await browser.send('/oauth/enrol/account', {
    login,
    password,
    repeated: password,
    code: totpCode(key, Date.now()),
  });
  return { key, page };
}

/** Pauses double: on a machine where one attempt takes longer than the first pauses, a later one is met. */
const pausesMax = 6;

/**
 * @param free attempts that are answered whatever comes of them
 * @returns the first answer that is 429
 */
export async function untilSlowedDown(free: number, attempt: () => Promise<Shown>): Promise<Shown> {
  for (let number = 1; number <= free + pausesMax; number++) {
    const shown = await attempt();
    if (shown.status !== 429) continue;
    if (number <= free + 1) throw new Error(`attempt ${number} was slowed down already`);
    return shown;
  }
  throw new Error(`${free + pausesMax} attempts were not slowed down`);
}
