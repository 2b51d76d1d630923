/**
 * What the views of the operations console share: what they are given, tables, instants.
 *
 * @typedef {import('../services.js').Language} Language
 * @typedef {import('../console-texts.js').ConsoleTexts} ConsoleTexts
 * @typedef {'messages' | 'message' | 'errors' | 'alerts' | 'health' | 'endpoints' | 'preview'} View
 * @typedef {Record<string, string>} Choice what a view is opened with: the filter of a list, the id of a message
 *
 * @typedef {object} Console
 * @property {Language} language
 * @property {ConsoleTexts} t
 * @property {(path: string, init?: RequestInit) => Promise<{ ok: boolean, body: any }>} request path relative to /ops/; of a refusal `body` is
 *   what to say
 * @property {(message: string, isGood?: boolean) => void} say
 * @property {() => void} unsay
 * @property {(view: View, choice?: Choice) => void} go
 */
import { el, stackedTable } from '../dom.js';

/** @param {Console} console @param {string} path @param {object} body */
export function post({ request }, path, body) {
  return request(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
}

/** @param {Language} language @param {string} instant */
export function timeOf(language, instant) {
  return new Intl.DateTimeFormat(language, { dateStyle: 'short', timeStyle: 'medium' }).format(new Date(instant));
}

/**
 * @param {{ label: string, heads: readonly string[], rows: HTMLElement, caption?: HTMLElement }} parts
 */
export function table({ label, heads, rows, caption }) {
  return el(
    'div',
    { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': label },
    stackedTable({ heads, rows, ...(caption && { caption }) }),
  );
}

/** @param {readonly (readonly [string, string | undefined])[]} pairs those without a value are left out */
export function facts(pairs) {
  return el(
    'dl',
    { class: 'facts' },
    ...pairs.flatMap(([name, value]) => (value === undefined ? [] : [el('dt', {}, name), el('dd', {}, value)])),
  );
}

/** @param {string} label @param {'good' | 'stop' | ''} colour */
export function tag(label, colour) {
  return el('span', { class: `tag ${colour}` }, label);
}

/** The word for what the hub calls so; what it calls otherwise is shown as it is. @param {Record<string, string>} t @param {string} name */
export function wordOf(t, name) {
  return (Object.hasOwn(t, name) ? t[name] : undefined) ?? name;
}
