/** How long a source may be silent, as a person says it: a form beside what it is about. @typedef {import('./console-parts.js').Console} Console */
import { alertTexts } from '../alert-texts.js';
import { button, el, field } from '../dom.js';
import { fill } from '../texts.js';

const units = /** @type {const} */ (['minutes', 'hours', 'days']);
const letters = { minutes: 'm', hours: 'h', days: 'd' };
const secondsOf = { minutes: 60, hours: 3_600, days: 86_400 };

/**
 * @param {Console} console
 * @param {{ endpoint: string, seconds: number | null, close: () => void, done: () => Promise<void> }} about `seconds`: the rule in force; 0 any,
 *   null as it is learned
 * @returns {HTMLElement} its heading wants the focus
 */
export function silenceForm(console, { endpoint, seconds, close, done }) {
  const t = alertTexts[console.language];
  const start = split(seconds ?? 0);
  const choice = seconds === null ? 'learned' : seconds === 0 ? 'any' : 'time';
  /** @type {[string, string][]} */
  const kinds = [
    ['learned', t.ruleLearned],
    ['any', t.ruleAny],
    ['time', t.ruleTime],
  ];
  const boxes = kinds.map(([value, words]) => {
    const box = el('input', { type: 'radio', name: 'rule', value, onchange: adapt });
    box.checked = value === choice;
    return { box, label: el('label', { class: 'check' }, box, words) };
  });
  const count = el('input', { type: 'number', min: '1', value: String(start.count) });
  const unit = el('select', {}, ...units.map((one) => el('option', { value: one }, t[one])));
  unit.value = start.unit;
  const heading = fill(t.ruleFor, { name: endpoint });
  const form = el(
    'form',
    {
      class: 'panel',
      novalidate: true,
      onsubmit: (event) => {
        event.preventDefault();
        void save();
      },
    },
    el('fieldset', {}, el('legend', {}, heading), el('div', { class: 'checks' }, ...boxes.map(({ label }) => label))),
    el(
      'div',
      { class: 'row' },
      field({ id: 'rule-count', label: t.ruleCount, control: count }),
      field({ id: 'rule-unit', label: t.ruleUnit, control: unit }),
    ),
    el(
      'div',
      { class: 'row' },
      el('button', { class: 'primary', type: 'submit' }, t.saveRule),
      button(console.t.cancel, close),
    ),
  );
  adapt();
  return form;

  function chosen() {
    return boxes.find(({ box }) => box.checked)?.box.value;
  }

  /** A time is asked for where it counts. */
  function adapt() {
    for (const control of [count, unit]) control.disabled = chosen() !== 'time';
  }

  async function save() {
    const kind = chosen() ?? 'learned';
    const each = /** @type {'minutes'} */ (unit.value);
    if (kind === 'time' && !isTime(count.value, each)) {
      console.say(t.ruleNeedsTime);
      count.setAttribute('aria-invalid', 'true');
      return count.focus();
    }
    const { ok, body } = await console.request(`endpoints/${encodeURIComponent(endpoint)}/silence`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ allow: kind === 'time' ? `${count.value}${letters[each]}` : kind }),
    });
    if (!ok) return console.say(body);
    await done();
    console.say(fill(t.ruleSet, { name: endpoint }), true);
  }
}

const yearSeconds = 31_536_000;

/** @param {string} text @param {'minutes' | 'hours' | 'days'} unit */
function isTime(text, unit) {
  return /^[1-9]\d{0,5}$/.test(text) && Number(text) * secondsOf[unit] <= yearSeconds;
}

/** @param {number} seconds @returns {{ count: number, unit: string }} in the largest unit of which it is a whole number */
function split(seconds) {
  const unit = units.findLast((one) => seconds > 0 && seconds % secondsOf[one] === 0);
  return unit === undefined ? { count: 6, unit: 'hours' } : { count: seconds / secondsOf[unit], unit };
}
