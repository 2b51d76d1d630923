/**
 * What is wrong: open, in somebody's hands, and past; with what to do about it, and what is usual from now on.
 *
 * @typedef {import('./console-parts.js').Console} Console
 * @typedef {import('../alert-words.js').Alert} Alert
 */
import { alertTexts } from '../alert-texts.js';
import { durationText, findingText, runbookParts } from '../alert-words.js';
import { button, el, field, focusIn } from '../dom.js';
import { fill } from '../texts.js';
import { facts, post, tag, timeOf, wordOf } from './console-parts.js';
import { silenceForm } from './console-silence.js';

const states = /** @type {const} */ (['open', 'new', 'acknowledged', 'ended']);
/** As src/watch/alerts/condition.ts has them, which a page cannot import: test/portal/words.test.ts compares them. */
export const kinds = /** @type {const} */ ([
  'silence',
  'silence-many',
  'failing',
  'held',
  'backlog',
  'outbound',
  'clock',
  'pull',
  'pull-many',
  'certificate',
  'storage',
]);
/** The watch looks every 15 seconds: later than this nobody does. */
const watchedMsMax = 60_000;

/** @param {Console} console @param {import('./console-parts.js').Choice} choice */
export async function alertsView(console, choice) {
  const { language } = console;
  const t = alertTexts[language];
  const group = choice['group'];
  const state = el('select', { onchange: () => load() }, ...states.map((one) => el('option', { value: one }, t[one])));
  state.value = choice['state'] ?? 'open';
  const kind = el(
    'select',
    { onchange: () => load() },
    el('option', { value: '' }, console.t.all),
    ...kinds.map((one) => el('option', { value: one }, t[one])),
  );
  const watch = el('p', {});
  const list = el('ul', { class: 'cards', tabindex: '-1', 'aria-label': console.t.alerts });
  const more = el('p', {});
  await load();
  return [
    el('p', { class: 'lead' }, t.lead),
    group === undefined
      ? el(
          'div',
          { class: 'row' },
          field({ id: 'alert-state', label: t.state, control: state }),
          field({ id: 'alert-kind', label: t.kind, control: kind }),
        )
      : el(
          'p',
          { class: 'row' },
          el('strong', {}, fill(t.ofGroup, { id: group })),
          button(t.allAlerts, () => console.go('alerts')),
        ),
    el(
      'p',
      {},
      button(console.t.refresh, () => load()),
    ),
    watch,
    list,
    more,
  ];

  async function load() {
    list.replaceChildren();
    more.replaceChildren();
    await page(undefined);
  }

  /** @param {number | undefined} before */
  async function page(before) {
    const query = new URLSearchParams({
      ...(state.value !== 'open' && group === undefined && { state: state.value }),
      ...(kind.value !== '' && group === undefined && { kind: kind.value }),
      ...(group !== undefined && { group, all: 'true' }),
      ...(before !== undefined && { before: String(before) }),
    });
    const { ok, body } = await console.request(`alerts?${query}`);
    if (!ok) return console.say(body);
    console.unsay();
    sayWatched(body.evaluatedAt);
    const cards = body.alerts.map(card);
    list.append(...cards);
    const isEmpty = list.childElementCount === 0;
    list.hidden = isEmpty;
    const none = el('p', { class: 'empty' }, state.value === 'open' && kind.value === '' ? t.noneOpen : t.noneEnded);
    more.replaceChildren(
      ...(isEmpty ? [none] : body.before === undefined ? [] : [button(console.t.more, () => page(body.before))]),
    );
  }

  /** @param {string | null} evaluatedAt */
  function sayWatched(evaluatedAt) {
    const isWatched = evaluatedAt !== null && Date.now() - Date.parse(evaluatedAt) < watchedMsMax;
    const at = evaluatedAt === null ? t.never : timeOf(language, evaluatedAt);
    watch.className = isWatched ? 'hint' : 'notice stop';
    watch.replaceChildren(fill(isWatched ? t.watched : t.notWatched, { at }));
  }

  /** @param {Alert} alert */
  function card(alert) {
    const { id, severity, startedAt, endedAt, acknowledgedAt } = alert;
    const name = `${wordOf(t, alert.kind)}: ${alert.subject}`;
    const isOpen = endedAt === null;
    const isMany = alert.kind.endsWith('-many');
    const heading = el('h3', { id: `alert-${id}` }, name);
    const more = el('div', { class: 'whole' });
    const described = { 'aria-describedby': heading.id };
    const now = isOpen ? (acknowledgedAt === null ? t.isOpen : t.inHand) : t.over;
    const put = (/** @type {HTMLElement} */ form) => {
      more.replaceChildren(form);
      focusIn(form, 'textarea, input:checked');
    };
    return el(
      'li',
      { class: 'card' },
      el(
        'div',
        {},
        heading,
        el(
          'p',
          { class: 'row' },
          tag(t[severity], severity === 'critical' ? 'stop' : ''),
          tag(now, isOpen ? '' : 'good'),
        ),
      ),
      el(
        'div',
        { class: 'actions' },
        isMany &&
          button(
            fill(t.members, { count: alert.detail['size'] }),
            () => console.go('alerts', { group: String(id) }),
            described,
          ),
        isOpen &&
          button(
            acknowledgedAt === null ? t.acknowledge : t.acknowledgeAgain,
            () => put(acknowledgeForm(alert, name, () => more.replaceChildren())),
            described,
          ),
        alert.kind === 'silence' && button(t.rule, () => openRule(alert.subject, put, more), described),
      ),
      facts([
        [t.began, timeOf(language, startedAt)],
        [t.endedAt, endedAt === null ? undefined : lasted(startedAt, endedAt)],
        [t.found, findingText(alert, t, language)],
        [
          t.by,
          acknowledgedAt === null
            ? undefined
            : fill(t.byAt, { who: alert.acknowledgedBy ?? '', at: timeOf(language, acknowledgedAt) }),
        ],
        [t.note, noteOf(alert)],
      ]),
      runbook(alert.kind),
      more,
    );
  }

  /** @param {Alert} alert */
  function noteOf({ note, isExpected }) {
    const words = [note, isExpected ? t.wasExpected : null].filter((part) => part !== null).join(' ');
    return words === '' ? undefined : words;
  }

  /** @param {string} from @param {string} to */
  function lasted(from, to) {
    const seconds = (Date.parse(to) - Date.parse(from)) / 1_000;
    return fill(t.afterLong, { at: timeOf(language, to), long: durationText(seconds, language) });
  }

  /** Read when it is opened. @param {string} kind */
  function runbook(kind) {
    const text = el('div', { class: 'stack' });
    const part = el('details', { class: 'whole', ontoggle: open }, el('summary', {}, t.runbook), text);
    return part;

    async function open() {
      if (!part.open || text.childElementCount > 0) return;
      const { ok, body } = await console.request(`runbook/${encodeURIComponent(kind)}`);
      if (!ok) return console.say(body);
      // The page of operations is in English, whatever the console speaks.
      const paragraphs = runbookParts(body.text).map((parts) =>
        el('p', { lang: 'en' }, ...parts.map((one) => (one.isCode ? el('code', {}, one.text) : one.text))),
      );
      text.replaceChildren(...paragraphs);
    }
  }

  /** @param {Alert} alert @param {string} name @param {() => void} close */
  function acknowledgeForm({ id, kind: what, note, isExpected }, name, close) {
    const words = el('textarea', { rows: '2', class: 'words', maxlength: '2000' });
    words.value = note ?? '';
    const expected = el('input', { type: 'checkbox' });
    expected.checked = isExpected;
    return el(
      'form',
      {
        novalidate: true,
        onsubmit: (event) => {
          event.preventDefault();
          void save();
        },
      },
      field({ id: `note-${id}`, label: t.noteLabel, control: words, hint: t.noteHint }),
      what === 'silence' && el('label', { class: 'check' }, expected, t.expected),
      el(
        'div',
        { class: 'row' },
        el('button', { class: 'primary', type: 'submit' }, t.acknowledge),
        button(console.t.cancel, close),
      ),
    );

    async function save() {
      const text = words.value.trim();
      const { ok, body } = await post(console, `alerts/${id}/ack`, {
        expected: expected.checked,
        ...(text !== '' && { note: text }),
      });
      if (!ok) return console.say(body);
      await load();
      console.say(fill(t.isAcknowledged, { name }), true);
      list.focus();
    }
  }

  /** @param {string} endpoint @param {(form: HTMLElement) => void} put @param {HTMLElement} place */
  async function openRule(endpoint, put, place) {
    const { ok, body } = await console.request(`health?${new URLSearchParams({ endpoint })}`);
    if (!ok) return console.say(body);
    console.unsay();
    const close = () => place.replaceChildren();
    put(silenceForm(console, { endpoint, seconds: body.endpoints[0].silenceRuleSeconds, close, done: load }));
  }
}
