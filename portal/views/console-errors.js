/**
 * The error inbox by cause, and replays: counted first, then begun at a rate, watched and stopped.
 *
 * @typedef {import('./console-parts.js').Console} Console
 * @typedef {{ source: string, step: string, code: string, position?: string, reason: string, types: string[], count: number, lanes: number,
 *   firstAt: string, lastAt: string }} Group
 * @typedef {{ id: number, state: string, rate: number, matched: number, planned: number, queued: number, askedBy: string, askedAt: string,
 *   filter: Record<string, string> }} Replay
 */
import { button, el, field, stackedRow } from '../dom.js';
import { fill } from '../texts.js';
import { post, table, tag, timeOf, wordOf } from './console-parts.js';

const rateDefault = 100;
const dismissals = /** @type {const} */ (['not-needed', 'test', 'sent-again', 'handled-elsewhere']);

/** @param {Console} console */
export async function errorsView(console) {
  const { t, language } = console;
  const inbox = el('div', { class: 'stack' });
  const chosen = el('div', { class: 'stack' });
  const replays = el('div', { class: 'stack' });
  const groupHeads = [t.source, t.why, t.position, t.count, t.lanes, t.since1, t.last, t.details];
  const replayHeads = [t.number, t.what, t.state, t.progress, t.rate, t.by, t.details];
  await load();
  return [
    el('p', { class: 'lead' }, t.errorsLead),
    el(
      'p',
      {},
      button(t.refresh, () => load()),
    ),
    inbox,
    chosen,
    el('h3', {}, t.replays),
    replays,
  ];

  async function load() {
    const [errors, done] = await Promise.all([console.request('errors'), console.request('replays')]);
    if (!errors.ok) return console.say(errors.body);
    if (!done.ok) return console.say(done.body);
    console.unsay();
    const { body } = errors;
    inbox.replaceChildren(
      body.errors.length === 0
        ? el('p', { class: 'empty' }, t.noErrors)
        : table({
            label: t.errors,
            heads: groupHeads,
            rows: el('tbody', {}, ...body.errors.map(groupRow)),
            caption: el('caption', {}, fill(t.inbox, { quarantined: body.quarantined, held: body.held })),
          }),
    );
    replays.replaceChildren(
      done.body.replays.length === 0
        ? el('p', { class: 'empty' }, t.noReplays)
        : table({
            label: t.replays,
            heads: replayHeads,
            rows: el('tbody', {}, ...done.body.replays.map(replayRow)),
          }),
    );
  }

  /** @param {Group} group */
  function groupRow(group) {
    const { source, step, code, position = '', reason, count, lanes, firstAt, lastAt } = group;
    const name = `${source} ${code} ${position}`;
    return stackedRow(
      groupHeads,
      el('th', { scope: 'row' }, source),
      el('td', {}, `${step} · ${reason}`),
      el('td', {}, position),
      el('td', { class: 'number' }, String(count)),
      el('td', { class: 'number' }, String(lanes)),
      el('td', { class: 'number' }, timeOf(language, firstAt)),
      el('td', { class: 'number' }, timeOf(language, lastAt)),
      el(
        'td',
        { class: 'row' },
        button(t.messages, () => console.go('messages', { status: 'quarantined', source, step, code, position }), {
          class: 'small',
          'aria-label': `${t.messages}: ${name}`,
        }),
        button(t.replay, () => choose(group), { class: 'small', 'aria-label': `${t.replay}: ${name}` }),
      ),
    );
  }

  /** @param {Group} group */
  async function choose({ source, step, code, position }) {
    const query = new URLSearchParams({ status: 'quarantined', source, step, code, ...(position && { position }) });
    const { ok, body } = await console.request(`replay?${query}&preview=true`, { method: 'POST' });
    if (!ok) return console.say(body);
    console.unsay();
    const rate = el('input', { type: 'number', min: '1', max: '5000', value: String(rateDefault) });
    const why = el('select', {}, ...dismissals.map((one) => el('option', { value: one }, t[one])));
    const heading = el('h3', { tabindex: '-1' }, `${t.replay}: ${source} · ${code} ${position ?? ''}`);
    chosen.replaceChildren(
      el(
        'form',
        {
          class: 'panel wide',
          novalidate: true,
          onsubmit: (event) => {
            event.preventDefault();
            void begin(query, rate.value);
          },
        },
        heading,
        el('p', {}, fill(t.preview1, { matched: body.matched, queued: body.queued, lanes: body.lanes })),
        field({ id: 'rate', label: t.rate, control: rate, hint: t.rateHint }),
        el(
          'div',
          { class: 'row' },
          el('button', { class: 'primary', type: 'submit' }, t.begin),
          button(t.cancel, () => chosen.replaceChildren()),
        ),
        field({ id: 'why', label: t.dismissWhy, control: why, hint: t.dismissHint }),
        el(
          'div',
          { class: 'row' },
          button(t.dismiss, () => dismiss({ source, step, code, ...(position && { position }) }, why.value), {
            class: 'stop',
          }),
        ),
      ),
    );
    heading.focus();
  }

  /** @param {URLSearchParams} query @param {string} rate */
  async function begin(query, rate) {
    const { ok, body } = await console.request(`replay?${query}&rate=${encodeURIComponent(rate)}`, { method: 'POST' });
    if (!ok) return console.say(body);
    chosen.replaceChildren();
    await load();
    console.say(fill(t.begun, { id: body.id }), true);
  }

  /** @param {Record<string, string>} cause @param {string} why */
  async function dismiss(cause, why) {
    const { ok, body } = await post(console, 'errors/dismiss', { ...cause, why });
    if (!ok) return console.say(body);
    chosen.replaceChildren();
    await load();
    console.say(fill(t.wereDismissed, { count: body.dismissed }), true);
  }

  /** @param {Replay} replay */
  function replayRow({ id, state, rate, planned, queued, askedBy, askedAt, filter }) {
    const isOpen = state === 'planning' || state === 'running';
    return stackedRow(
      replayHeads,
      el('th', { scope: 'row' }, String(id)),
      el(
        'td',
        {},
        Object.entries(filter)
          .map(([name, value]) => `${name}=${value}`)
          .join(' '),
      ),
      el('td', {}, tag(wordOf(t, state), state === 'done' ? 'good' : state === 'failed' ? 'stop' : '')),
      el('td', { class: 'number' }, `${queued} / ${planned}`),
      el('td', { class: 'number' }, String(rate)),
      el('td', {}, `${askedBy}, ${timeOf(language, askedAt)}`),
      el('td', {}, isOpen && button(t.stop, () => stop(id), { class: 'small stop', 'aria-label': `${t.stop}: ${id}` })),
    );
  }

  /** @param {number} id */
  async function stop(id) {
    const { ok, body } = await console.request(`replays/${id}/stop`, { method: 'POST' });
    await load();
    console.say(ok ? fill(t.wasStopped, { id }) : body, ok);
  }
}
