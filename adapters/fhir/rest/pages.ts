/** One page of a source, and whether the way from page to page still leads on. */
import { hash } from 'node:crypto';
import { Problem } from '../../../src/fhir/problem.ts';
import type { FhirSource } from '../ask.ts';
import { readPage, type Page } from '../bundle.ts';

/** A link that the server gave is not known to it any more: the window is begun again. */
export class LinkExpired extends Problem {
  constructor(cause: unknown) {
    super('expired', 'a link of the source to its next page has expired', { cause });
  }
}

export interface DatedPage extends Page {
  /** The server's time when it answered, the earlier one of two that it tells; undefined when it tells none. */
  readonly serverTime: Date | undefined;
}

/** @param isLink the address was given by the source: that it is refused means that it has expired */
export async function askPage(source: FhirSource, url: string, isLink: boolean): Promise<DatedPage> {
  let answer: Awaited<ReturnType<FhirSource['read']>>;
  try {
    answer = await source.read(url);
  } catch (error) {
    const isGone = error instanceof Problem && ['not-found', 'deleted', 'invalid'].includes(error.code);
    throw isLink && isGone ? new LinkExpired(error) : error;
  }
  const page = readPage(answer.text);
  const times = [answer.date, page.madeAt].filter((time) => time !== undefined).map((time) => time.getTime());
  return { ...page, serverTime: times.length === 0 ? undefined : new Date(Math.min(...times)) };
}

/** Pages of nothing, one after the other, of a server that filters after it has cut the pages. */
const emptyMax = 50;

/** Watches one window for a way that leads nowhere. */
export class Trail {
  readonly #links = new Set<string>();
  #last = '';
  #empty = 0;

  /** @throws Problem invalid for a link that was followed before, the same page again, or pages of nothing without end */
  follow(link: string, ids: readonly string[]): void {
    const address = hash('sha256', link, 'base64url');
    const content = hash('sha256', ids.join(' '), 'base64url');
    this.#empty = ids.length === 0 ? this.#empty + 1 : 0;
    const isRepeating = this.#links.has(address) || (ids.length > 0 && content === this.#last);
    if (isRepeating || this.#empty > emptyMax) {
      throw new Problem('invalid', 'the pages of the source go on without end', {
        hint: isRepeating ? 'Its link to the next page leads back.' : 'They are empty, and each has a next one.',
      });
    }
    this.#links.add(address);
    this.#last = content;
  }
}

/**
 * A link as it is followed: under the base, where the server calls itself by another name (`aliases`) or says http behind a proxy that
 * speaks https.
 */
export function atBase(link: string, base: string, aliases: readonly string[]): string {
  const alias = aliases.find((one) => link === one || link.startsWith(`${one}/`) || link.startsWith(`${one}?`));
  if (alias !== undefined) return base + link.slice(alias.length);
  const [url, own] = [URL.parse(link), new URL(base)];
  // Relative to the base: RFC 3986, as a Bundle has no other.
  if (url === null) return new URL(link, `${base}/`).href;
  const isOnlyScheme = url.protocol === 'http:' && own.protocol === 'https:' && url.hostname === own.hostname;
  return isOnlyScheme ? own.origin + link.slice(url.origin.length) : link;
}
