/**
 * Where a person goes after signing in: a path of this hub, under /oauth or /portal, or the console, and nowhere else. Read as a browser reads
 * it (WHATWG URL), because what it makes of backslashes, tabs and dots is what counts.
 *
 * @see https://cheatsheetseries.owasp.org/cheatsheets/Unvalidated_Redirects_and_Forwards_Cheat_Sheet.html
 */

export const portalPath = '/portal/';

/** A request to authorize with room to spare. */
const charsMax = 8_000;
/** Reserved (RFC 2606): nobody's origin. */
const nowhere = 'http://hub.invalid';

/** @returns the path with its query; the portal for whatever is no such path */
export function returnPath(text: string | undefined): string {
  if (text === undefined || text.length > charsMax || !text.startsWith('/')) return portalPath;
  const url = URL.parse(text, nowhere);
  if (url?.origin !== nowhere || !/^\/(oauth|portal)(\/|$)|^\/console$/.test(url.pathname)) return portalPath;
  return url.pathname + url.search;
}
