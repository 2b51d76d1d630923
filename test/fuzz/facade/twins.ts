/** The same read of what is hidden and of what never was. */
import type { FuzzRequest } from './requests.ts';
import type { FuzzAnswer } from './world.ts';

/** As long as each other: lengths tell as well. */
const hiddenName = /hidden-/g;
const unknownName = 'nobody-';

/** @returns undefined for what writes, or names nothing hidden */
export function twinOf(request: FuzzRequest): FuzzRequest | undefined {
  const { method, url, body } = request;
  const isSearch = method === 'POST' && /\/_search(\?|$)/.test(url);
  const text = body?.toString() ?? '';
  if (!(method === 'GET' || method === 'HEAD' || isSearch) || !`${url}${text}`.includes('hidden-')) return undefined;
  return {
    ...request,
    url: url.replaceAll(hiddenName, unknownName),
    ...(body === undefined ? {} : { body: Buffer.from(text.replaceAll(hiddenName, unknownName)) }),
  };
}

/** Resources of the caller's own may name what is hidden: then there are matches, which those of another name are not. */
export function isSame(one: FuzzAnswer, other: FuzzAnswer): boolean {
  if (hasMatches(one) || hasMatches(other)) return true;
  return one.status === other.status && plain(one) === plain(other);
}

function hasMatches({ status, text }: FuzzAnswer): boolean {
  return status === 200 && /"mode":"(match|include)"|"total":[1-9]/.test(text);
}

/** Without what is of the moment. */
function plain({ text }: FuzzAnswer): string {
  return text
    .replaceAll(hiddenName, unknownName)
    .replaceAll(/_cursor=[\w-]+/g, '_cursor')
    .replaceAll(/"(lastUpdated|timestamp)":\s?"[^"]+"/g, '')
    .replaceAll(/urn:uuid:[\w-]+/g, 'urn:uuid');
}
