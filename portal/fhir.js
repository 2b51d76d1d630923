/**
 * The portal's only door to the hub: its FHIR API, with the patient's own token. The token lives in this module's caller
 * and nowhere else: no cookie, no storage, no URL after the first moment.
 *
 * @typedef {{ resourceType: string, id?: string, [element: string]: any }} Resource
 * @typedef {{ resources: Resource[], total?: number, next?: string }} Page
 */

import { parseJson } from './json.js';

const base = new URL('../fhir/R4/', import.meta.url);
/** A request that takes longer than this is reported, so that nobody looks at an empty page. */
const timeoutMs = 20_000;

/** An answer that is not as hoped: `status` 0 when there was none. */
export class FhirError extends Error {
  /**
   * @param {number} status
   * @param {string} diagnostics
   */
  constructor(status, diagnostics) {
    super(diagnostics);
    this.status = status;
  }
}

/** @param {string} token */
export function openFhir(token) {
  /**
   * @param {string} method
   * @param {string} path relative to the FHIR base
   * @param {Resource} [body]
   * @param {Record<string, string>} [headers]
   * @returns {Promise<Resource>}
   */
  async function request(method, path, body, headers = {}) {
    const response = await fetch(new URL(path, base), {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        accept: 'application/fhir+json',
        ...(body === undefined ? {} : { 'content-type': 'application/fhir+json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      credentials: 'omit',
      cache: 'no-store',
      referrerPolicy: 'no-referrer',
      signal: AbortSignal.timeout(timeoutMs),
    }).catch(() => {
      throw new FhirError(0, 'no answer');
    });
    const answer = await read(response);
    if (!response.ok) throw new FhirError(response.status, answer.issue?.[0]?.diagnostics ?? response.statusText);
    return answer;
  }

  /** @param {string} path @returns {Promise<Page>} */
  async function page(path) {
    const bundle = await request('GET', path);
    /** @type {{ relation: string, url: string }[]} */
    const links = bundle.link ?? [];
    const next = links.find((link) => link.relation === 'next')?.url;
    /** @type {{ resource: Resource, search?: { mode?: string } }[]} */
    const entries = bundle.entry ?? [];
    return {
      resources: entries.filter((entry) => entry.search?.mode !== 'outcome').map((entry) => entry.resource),
      ...(bundle.total === undefined ? {} : { total: bundle.total }),
      // The link names the hub's public address; the page may be open under another name of the same hub.
      ...(next === undefined ? {} : { next: afterBase(new URL(next, base)) }),
    };
  }

  return {
    page,
    /** @param {string} path */
    read: (path) => request('GET', path),
    /** @param {Resource} resource */
    create: (resource) => request('POST', resource.resourceType, resource),
    /** Only over the version that was shown: a change made elsewhere meanwhile is not overwritten. @param {Resource} resource */
    update: (resource) =>
      request(
        'PUT',
        `${resource.resourceType}/${resource.id}`,
        resource,
        resource.meta?.versionId === undefined ? {} : { 'if-match': `W/"${resource.meta.versionId}"` },
      ),
  };
}

/** @param {Response} response @returns {Promise<any>} an empty object for an answer that is no JSON */
async function read(response) {
  try {
    return parseJson(await response.text());
  } catch {
    return {};
  }
}

/** @param {URL} url @returns {string} path and query relative to the FHIR base */
function afterBase(url) {
  const path = url.pathname.split('/fhir/R4')[1] ?? '';
  return path.replace(/^\//, '') + url.search;
}

/**
 * Who the token is for. Read for display only: the hub alone decides whether it is worth anything.
 * @param {string} token
 * @returns {string | undefined} `Patient/x`
 */
export function patientOf(token) {
  try {
    const payload = (token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/');
    const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes));
    const reference = claims.fhirUser ?? (claims.patient === undefined ? undefined : `Patient/${claims.patient}`);
    return typeof reference === 'string' && /^Patient\/[A-Za-z0-9\-.]{1,64}$/.test(reference) ? reference : undefined;
  } catch {
    return undefined;
  }
}
