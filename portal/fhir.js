/**
 * The portal's only door to the hub: its FHIR API, with a token of the patient's session (session.js), which lives in
 * memory and nowhere else: no storage, no URL.
 *
 * @typedef {{ resourceType: string, id?: string, [element: string]: any }} Resource
 * @typedef {{ resources: Resource[], total?: number, next?: string }} Page
 */

import { parseJson } from './json.js';

const base = new URL('../fhir/R4/', import.meta.url);
/** A request that takes longer than this is reported, so that nobody looks at an empty page. */
const timeoutMs = 20_000;

/** Parts of a text of $explain that say what is allowed. */
const explained = new Set(['sentence', 'exception', 'limit', 'copies']);

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

/** @param {() => Promise<string>} token one that is good at this moment */
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
        authorization: `Bearer ${await token()}`,
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
    /**
     * An answer to be kept as a file. Without the limit of time: a whole record is read while it is sent.
     * @param {string} path
     * @param {string} accept
     * @returns {Promise<Blob>}
     */
    download: async (path, accept) => {
      const response = await fetch(new URL(path, base), {
        headers: { authorization: `Bearer ${await token()}`, accept },
        credentials: 'omit',
        cache: 'no-store',
        referrerPolicy: 'no-referrer',
      }).catch(() => {
        throw new FhirError(0, 'no answer');
      });
      if (!response.ok) throw new FhirError(response.status, response.statusText);
      return response.blob();
    },
    /** @param {string} path */
    read: (path) => request('GET', path),
    /** An operation that changes something. @param {string} path */
    invoke: (path) => request('POST', path),
    /**
     * What a Consent would allow, in the hub's words.
     * @param {Resource} consent
     * @param {string} language
     * @returns {Promise<{ sentences: string[], recipients: { reference: string, display: string }[] }>} recipients by the
     *   names the hub knows them under
     */
    explain: async (consent, language) => {
      const timezone = encodeURIComponent(Intl.DateTimeFormat().resolvedOptions().timeZone);
      const answer = await request('POST', `Consent/$explain?language=${language}&timezone=${timezone}`, consent);
      /** @type {{ name: string, part?: Resource[] }[]} */
      const parameters = answer.parameter ?? [];
      const partsOf = (/** @type {string} */ wanted) =>
        parameters.filter(({ name }) => name === wanted).flatMap(({ part = [] }) => part);
      return {
        sentences: partsOf('text')
          .filter(({ name }) => explained.has(name))
          .map(({ valueString }) => valueString),
        recipients: partsOf('rule')
          .filter(({ name }) => name === 'recipient')
          .map(({ valueReference }) => valueReference),
      };
    },
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
