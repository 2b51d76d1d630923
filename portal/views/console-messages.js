/**
 * The fate of messages: a list by what is asked for, by an identifier of a patient too. That goes in a body, never in an address.
 *
 * @typedef {import('./console-parts.js').Console} Console
 * @typedef {{ id: number, controlId: string, source: string, status: string, receivedAt: string, processedAt?: string,
 *   type: string, attempts: number, step?: string, reason?: string, isConflict: boolean }} Message
 */
import { button, el, field, stackedRow } from '../dom.js';
import { fill } from '../texts.js';
import { post, table, tag, timeOf, wordOf } from './console-parts.js';

const pageSize = 200;
const hourMs = 3_600_000;
const periods = { hour: hourMs, day: 24 * hourMs, week: 7 * 24 * hourMs, ever: 0 };
const fates = /** @type {const} */ (['waiting', 'processed', 'quarantined', 'held']);
/** Of a cause that was chosen in the error inbox. */
const causes = ['step', 'code', 'position'];

/** @param {Console} console @param {import('./console-parts.js').Choice} choice */
export async function messagesView(console, choice) {
  const { t, language } = console;
  const fate = el(
    'select',
    {},
    el('option', { value: '' }, t.all),
    ...fates.map((one) => el('option', { value: one }, t[one])),
  );
  const period = el(
    'select',
    {},
    ...Object.keys(periods).map((key) => el('option', { value: key }, t[/** @type {'hour'} */ (key)])),
  );
  const source = el('input', { autocomplete: 'off', spellcheck: 'false' });
  const controlId = el('input', { autocomplete: 'off', spellcheck: 'false' });
  const identifier = el('input', { autocomplete: 'off', spellcheck: 'false' });
  fate.value = choice['status'] ?? '';
  source.value = choice['source'] ?? '';
  if (choice['status'] !== undefined) period.value = 'ever';
  const list = el('div', { class: 'stack' });
  const heads = [t.received, t.source, t.controlId, t.type, t.status, t.why, t.details];
  const form = el(
    'form',
    {
      class: 'panel wide',
      novalidate: true,
      onsubmit: (event) => {
        event.preventDefault();
        void load();
      },
    },
    el(
      'div',
      { class: 'row' },
      field({ id: 'status', label: t.status, control: fate }),
      field({ id: 'since', label: t.since, control: period }),
      field({ id: 'source', label: t.source, control: source }),
      field({ id: 'control-id', label: t.controlId, control: controlId }),
      field({ id: 'identifier', label: t.identifier, control: identifier }),
    ),
    el('div', { class: 'row' }, el('button', { class: 'primary', type: 'submit' }, t.show)),
  );
  await load();
  return [el('p', { class: 'lead' }, t.messagesLead), form, list];

  function filter() {
    /** @type {Record<string, string>} */
    const asked = { limit: String(pageSize) };
    const milliseconds = periods[/** @type {'hour'} */ (period.value)];
    if (milliseconds > 0) asked['since'] = new Date(Date.now() - milliseconds).toISOString();
    for (const [name, control] of /** @type {const} */ ([
      ['status', fate],
      ['source', source],
      ['control-id', controlId],
      ['identifier', identifier],
    ])) {
      if (control.value.trim() !== '') asked[name] = control.value.trim();
    }
    for (const name of causes) if (choice[name] !== undefined && choice[name] !== '') asked[name] = choice[name];
    return asked;
  }

  async function load() {
    const asked = filter();
    const rows = el('tbody', {});
    const more = el('p', {});
    const count = el('caption', {});
    if (!(await page(undefined))) return list.replaceChildren();
    list.replaceChildren(
      rows.childElementCount === 0
        ? el('p', { class: 'empty' }, t.none)
        : table({ label: t.messages, heads, rows, caption: count }),
      more,
    );

    /** @param {number | undefined} after @returns {Promise<boolean>} */
    async function page(after) {
      if (after !== undefined) asked['after'] = String(after);
      const { ok, body } = await post(console, 'messages/search', asked);
      if (!ok) {
        console.say(body);
        return false;
      }
      console.unsay();
      rows.append(...body.messages.map(row));
      count.textContent = fill(t.shown, { count: rows.childElementCount });
      more.replaceChildren(...(body.after === undefined ? [] : [button(t.more, () => page(body.after))]));
      return true;
    }
  }

  /** @param {Message} message */
  function row(message) {
    const { id, processedAt, receivedAt } = message;
    const ms = processedAt === undefined ? undefined : Date.parse(processedAt) - Date.parse(receivedAt);
    const colour = message.status === 'processed' ? 'good' : message.status === 'waiting' ? '' : 'stop';
    const notes = [
      message.step,
      message.reason,
      message.attempts > 1 ? fill(t.attempts, { count: message.attempts }) : undefined,
      message.isConflict ? t.conflict : undefined,
    ].filter((note) => note !== undefined);
    return stackedRow(
      heads,
      el('td', { class: 'number' }, timeOf(language, receivedAt)),
      el('td', {}, message.source),
      el('th', { scope: 'row' }, message.controlId),
      el('td', {}, message.type),
      el(
        'td',
        {},
        tag(wordOf(t, message.status), colour),
        ms !== undefined && el('span', { class: 'minor' }, fill(t.after, { ms })),
      ),
      el('td', {}, notes.join(' · ')),
      el(
        'td',
        {},
        button(t.open, () => console.go('message', { id: String(id) }), {
          class: 'small',
          'aria-label': fill(t.openMessage, { id: message.controlId }),
        }),
      ),
    );
  }
}
