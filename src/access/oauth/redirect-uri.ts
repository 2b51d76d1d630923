/**
 * Where an app may be sent the answer to: read once, at registration; compared as a whole ever after. A code that goes
 * elsewhere is a code that is stolen, so nothing of an address is a pattern.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9700#section-2.1 exact matching
 * @see https://www.rfc-editor.org/rfc/rfc8252#section-7 native apps
 */
import { Problem } from '../../fhir/problem.ts';

/** One for each place an app runs in: production, test, a phone, a developer's machine. */
export const redirectUrisMax = 10;
const redirectUriCharsMax = 512;
/** What a browser would run or read instead of going there. */
const loopback = new Set(['127.0.0.1', '[::1]', 'localhost']);

/** @throws Problem value */
export function readRedirectUris(uris: readonly string[], expression: string): string[] {
  const distinct = [...new Set(uris)];
  if (distinct.length === 0 || distinct.length > redirectUrisMax) {
    throw new Problem('value', `an app has 1 to ${redirectUrisMax} redirect URIs`, { expression });
  }
  for (const uri of distinct) {
    const fault = faultOf(uri);
    if (fault !== undefined) {
      throw new Problem('value', `a redirect URI ${fault}`, {
        expression,
        hint: 'https://app.example/callback, http://127.0.0.1:8000/callback, or example.app:/callback of a native app.',
      });
    }
  }
  return distinct;
}

function faultOf(uri: string): string | undefined {
  // Printable ASCII without what ends a header or an attribute.
  if (uri.length > redirectUriCharsMax || !/^[\w.~:/?@!$&()*+,;=%[\]-]+$/.test(uri)) {
    return `has at most ${redirectUriCharsMax} characters of a URI and no fragment`;
  }
  const url = URL.parse(uri);
  if (url === null) return 'is absolute';
  if (url.username !== '' || url.password !== '') return 'names no user';
  if (uri.includes('*')) return 'has no pattern in it';
  switch (url.protocol) {
    case 'https:':
      return undefined;
    case 'http:':
      return loopback.has(url.hostname) ? undefined : 'is https, or http on the loopback interface';
    default:
      // RFC 8252 section 7.1: a name under one's own control, backwards, which no scheme of the browser is.
      return /^[a-z][a-z0-9-]*(\.[a-z0-9-]+)+:$/.test(url.protocol)
        ? undefined
        : 'of a native app begins with a domain name, backwards';
  }
}
