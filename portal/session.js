/**
 * Who is signed in, by the hub's session cookie: the page gets a token of a few minutes, keeps it in memory, and asks for the next
 * when it runs out. The cookie itself is nothing a page can read.
 *
 * @typedef {object} Signed
 * @property {string} access_token
 * @property {number} expires_in
 * @property {string} account
 * @property {string} [login]
 * @property {string} [fhirUser] undefined: an operator
 * @property {string} [patient] whose record it opens
 * @property {{ patient: string, relationship: string, name?: string }[]} choices whose records the person may open
 */
import { FhirError } from './fhir.js';

const base = new URL('./', import.meta.url);
const timeoutMs = 20_000;
/** Asked for anew so long before the end, for clocks and slow lines. */
const earlyMs = 30_000;

/** @param {string} path @param {object} [body] @returns {Promise<Response>} */
async function call(path, body) {
  const response = await fetch(new URL(path, base), {
    method: 'POST',
    headers: { 'x-hub-page': '1', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    credentials: 'same-origin',
    cache: 'no-store',
    referrerPolicy: 'no-referrer',
    signal: AbortSignal.timeout(timeoutMs),
  }).catch(() => {
    throw new FhirError(0, 'no answer');
  });
  if (!response.ok) throw new FhirError(response.status, response.statusText);
  return response;
}

/**
 * @param {string} [patient] whose record, of those the person may open
 * @throws {FhirError} 401 when nobody is signed in, 403 when there is no record to open
 */
export async function openSession(patient) {
  const ask = async () =>
    /** @type {Signed} */ (await (await call('token', patient === undefined ? undefined : { patient })).json());
  const signed = await ask();
  let token = signed.access_token;
  let renewAt = Date.now() + signed.expires_in * 1000 - earlyMs;
  /** @type {Promise<string> | undefined} */
  let pending;

  const renew = async () => {
    const next = await ask();
    // Somebody else signed in in another tab: this page is about the one it was opened for, and nobody else.
    if (next.account !== signed.account || next.patient !== signed.patient) throw new FhirError(401, 'somebody else');
    token = next.access_token;
    renewAt = Date.now() + next.expires_in * 1000 - earlyMs;
    return token;
  };

  return {
    signed,
    token: async () => {
      if (Date.now() < renewAt) return token;
      pending ??= renew().finally(() => {
        pending = undefined;
      });
      return pending;
    },
  };
}

export async function endSession() {
  await call('sign-out');
}

/** Where people sign in, and come back from to this page. @param {string} language */
export function signInUrl(language) {
  return `/oauth/login?return_to=${encodeURIComponent(location.pathname)}&ui_locales=${language}`;
}

export const accountUrl = '/oauth/account';
