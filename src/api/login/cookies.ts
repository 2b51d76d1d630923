/**
 * The cookies of signing in: the session; a number of the browser, to which forms are bound; and, for long, that a person signed
 * in here before. Nothing a page could read (HttpOnly), nothing another site's request carries (SameSite).
 *
 * @see https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis __Host-: set by this host, over TLS, for it alone
 */
import type { IncomingMessage } from 'node:http';

export type CookieName = 'session' | 'browser' | 'device' | 'external';

export interface Cookies {
  read(request: IncomingMessage, name: CookieName): string | undefined;
  /** A Set-Cookie. @param maxAgeSeconds undefined: until the browser closes */
  write(name: CookieName, value: string, maxAgeSeconds?: number): string;
  clear(name: CookieName): string;
}

const valueCharsMax = 4_000;

export function openCookies(publicUrl: string): Cookies {
  const isSecure = publicUrl.startsWith('https:');
  const nameOf = (name: CookieName): string => `${isSecure ? '__Host-' : ''}hub-${name}`;
  const write = (name: CookieName, value: string, maxAgeSeconds?: number): string =>
    `${nameOf(name)}=${value}; Path=/; HttpOnly; SameSite=Lax${isSecure ? '; Secure' : ''}` +
    (maxAgeSeconds === undefined ? '' : `; Max-Age=${maxAgeSeconds}`);
  return {
    read: ({ headers }, name) => {
      const prefix = `${nameOf(name)}=`;
      const values = (headers.cookie ?? '')
        .split(';')
        .map((pair) => pair.trim())
        .filter((pair) => pair.startsWith(prefix))
        .map((pair) => pair.slice(prefix.length));
      // Two of one name: somebody put one beside ours, and which is ours cannot be told.
      const [value] = values;
      return values.length === 1 && value !== undefined && value.length <= valueCharsMax && /^[\w.-]+$/.test(value)
        ? value
        : undefined;
    },
    write,
    clear: (name) => write(name, '', 0),
  };
}
