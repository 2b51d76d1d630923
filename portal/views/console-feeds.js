/**
 * How the sources are doing, and which there are; an operator pauses and resumes one.
 *
 * @typedef {import('./console-parts.js').Console} Console
 * @typedef {{ endpoint: string, kind: string, status: string, lastMessageAt: string | null, perMinute: number, perMinuteOfHour: number,
 *   lagSeconds: number, waiting: number, held: number, quarantined: number, silentAt: string | null, silenceRuleSeconds: number | null }} Feed
 * @typedef {{ name: string, kind: string, organization: string, facilities: string[], state: string }} Endpoint
 */
import { alertTexts } from '../alert-texts.js';
import { button, el, focusIn, stackedRow } from '../dom.js';
import { fill } from '../texts.js';
import { table, tag, timeOf, wordOf } from './console-parts.js';
import { silenceForm } from './console-silence.js';

/** Of a feed or an endpoint. */
const good = ['ok', 'live'];
const bad = ['silent', 'failing'];

/** @param {string} status */
function colourOf(status) {
  if (good.includes(status)) return 'good';
  return bad.includes(status) ? 'stop' : '';
}

/** @param {Console} console */
export async function healthView(console) {
  const { t, language } = console;
  const { rule } = alertTexts[language];
  const list = el('div', { class: 'stack' });
  const chosen = el('div', {});
  const heads = [
    t.source,
    t.state,
    t.last,
    t.perMinute,
    t.lag,
    t.waiting,
    t.held,
    t.quarantined,
    t.silentAt,
    t.details,
  ];
  await load();
  return [
    el('p', { class: 'lead' }, t.healthLead),
    el(
      'p',
      {},
      button(t.refresh, () => load()),
    ),
    chosen,
    list,
  ];

  async function load() {
    const { ok, body } = await console.request('health');
    if (!ok) return console.say(body);
    console.unsay();
    const seen =
      body.evaluatedAt === null ? t.neverEvaluated : fill(t.evaluated, { at: timeOf(language, body.evaluatedAt) });
    list.replaceChildren(
      body.endpoints.length === 0
        ? el('p', { class: 'empty' }, t.noEndpoints)
        : table({
            label: t.health,
            heads,
            rows: el('tbody', {}, ...body.endpoints.toSorted(worstFirst).map(row)),
            caption: el('caption', {}, seen),
          }),
    );
  }

  /** @param {Feed} one @param {Feed} other */
  function worstFirst(one, other) {
    const rank = (/** @type {Feed} */ feed) => (bad.includes(feed.status) ? 0 : 1);
    return rank(one) - rank(other) || one.endpoint.localeCompare(other.endpoint);
  }

  /** @param {Feed} feed */
  function row(feed) {
    const number = (/** @type {number} */ value) => el('td', { class: 'number' }, String(value));
    const instant = (/** @type {string | null} */ at) =>
      el('td', { class: 'number' }, at === null ? '' : timeOf(language, at));
    return stackedRow(
      heads,
      el('th', { scope: 'row' }, feed.endpoint, el('span', { class: 'minor' }, ` ${feed.kind}`)),
      el('td', {}, tag(wordOf(t, feed.status), colourOf(feed.status))),
      instant(feed.lastMessageAt),
      el('td', { class: 'number' }, `${feed.perMinute} (${feed.perMinuteOfHour})`),
      number(feed.lagSeconds),
      number(feed.waiting),
      number(feed.held),
      number(feed.quarantined),
      instant(feed.silentAt),
      el(
        'td',
        {},
        button(rule, () => choose(feed), { class: 'small', 'aria-label': `${rule}: ${feed.endpoint}` }),
      ),
    );
  }

  /** @param {Feed} feed */
  function choose({ endpoint, silenceRuleSeconds: seconds }) {
    const close = () => chosen.replaceChildren();
    const done = async () => {
      close();
      await load();
    };
    const form = silenceForm(console, { endpoint, seconds, close, done });
    chosen.replaceChildren(form);
    focusIn(form, 'input:checked');
  }
}

/** @param {Console} console */
export async function endpointsView(console) {
  const { t } = console;
  const heads = [t.source, t.kind, t.organization, t.facility, t.state, t.details];
  const list = el('div', { class: 'stack' });
  await load();
  return [el('p', { class: 'lead' }, t.endpointsLead), list];

  async function load() {
    const { ok, body } = await console.request('endpoints');
    if (!ok) return console.say(body);
    console.unsay();
    list.replaceChildren(
      body.endpoints.length === 0
        ? el('p', { class: 'empty' }, t.noEndpoints)
        : table({
            label: t.endpoints,
            heads,
            rows: el('tbody', {}, ...body.endpoints.map(row)),
          }),
    );
  }

  /** @param {Endpoint} endpoint */
  function row({ name, kind, organization, facilities, state }) {
    const isOn = state === 'live' || state === 'testing';
    return stackedRow(
      heads,
      el('th', { scope: 'row' }, name),
      el('td', {}, kind),
      el('td', {}, organization),
      el('td', {}, facilities.join(', ')),
      el('td', {}, tag(wordOf(t, state), colourOf(state))),
      el(
        'td',
        { class: 'row' },
        button(t.messages, () => console.go('messages', { source: name }), {
          class: 'small',
          'aria-label': `${t.messages}: ${name}`,
        }),
        isOn && button(t.pause, () => step(name, 'pause'), { class: 'small', 'aria-label': `${t.pause}: ${name}` }),
        state === 'paused' &&
          button(t.resume, () => step(name, 'resume'), { class: 'small', 'aria-label': `${t.resume}: ${name}` }),
      ),
    );
  }

  /** @param {string} name @param {'pause' | 'resume'} what */
  async function step(name, what) {
    const { ok, body } = await console.request(`endpoints/${encodeURIComponent(name)}/${what}`, { method: 'POST' });
    await load();
    console.say(ok ? fill(t.stepped, { name, state: wordOf(t, body.state ?? what) }) : body, ok);
  }
}
