/**
 * What a person may do with all of it at once: take it away, and have it erased; where that stands, and taking it back.
 *
 * @typedef {import('../portal.js').App} App
 * @typedef {import('../fhir.js').Resource} Resource
 */
import { button, el } from '../dom.js';
import { FhirError } from '../fhir.js';
import { ownTexts } from '../own-texts.js';
import { fill } from '../texts.js';
import { timeText } from '../words.js';

const fileName = 'my-record.ndjson';
/** As the hub has it (src/access/erasure/erasure.ts); the day itself is what it answers. */
const coolingDays = 7;
const keptMs = 60_000;

/** @param {App} app */
export async function showMine(app) {
  const erasure = el('section', { class: 'panel wide stack', 'aria-labelledby': 'erase' });
  await draw();
  return [app.isGone ? el('p', { class: 'notice' }, ownTexts[app.language].gone) : takeAway(app), erasure];

  async function draw() {
    erasure.replaceChildren(...(await eraseContent(app, draw)));
  }
}

/** @param {App} app */
function takeAway(app) {
  const t = ownTexts[app.language];
  const take = button(t.takeTitle, () => app.attempt(save), { class: 'primary' });
  return el(
    'section',
    { class: 'panel wide stack', 'aria-labelledby': 'take' },
    el('h3', { id: 'take' }, t.takeTitle),
    el('p', {}, t.takeLead),
    el('p', {}, take),
  );

  async function save() {
    app.say(t.taking);
    take.disabled = true;
    try {
      const blob = await app.fhir.download(`${app.patient}/$export-me`, 'application/fhir+ndjson');
      const href = URL.createObjectURL(blob);
      el('a', { href, download: fileName }).click();
      // The browser has taken it by then.
      setTimeout(() => URL.revokeObjectURL(href), keptMs);
      app.say(fill(t.taken, { name: fileName, size: sizeText(blob.size, app.language) }), 'good');
    } finally {
      take.disabled = false;
    }
  }
}

/** @param {number} bytes @param {string} language */
function sizeText(bytes, language) {
  const isLarge = bytes >= 1e6;
  const unit = { style: /** @type {const} */ ('unit'), unit: isLarge ? 'megabyte' : 'kilobyte' };
  return new Intl.NumberFormat(language, { ...unit, maximumFractionDigits: 1 }).format(bytes / (isLarge ? 1e6 : 1e3));
}

/** @param {App} app @param {() => Promise<void>} redraw @returns {Promise<Node[]>} */
async function eraseContent(app, redraw) {
  const t = ownTexts[app.language];
  const title = el('h3', { id: 'erase', tabindex: '-1' }, t.eraseTitle);
  const status = await statusOf(app);
  if (status === undefined) return [title, el('p', {}, t.eraseNotYours)];
  const { state, due, done, records, keptOut, held } = status;
  const kept = held.map((name) => el('p', {}, fill(t.eraseHeld, { name })));
  const moment = (/** @type {string | undefined} */ at) => timeText(at, app.language, app.t);
  const say = (/** @type {string} */ message) => () => app.say(message, 'good');
  switch (state) {
    case 'waiting':
      return [
        title,
        el('p', { class: 'notice stop' }, fill(t.eraseWaiting, { date: moment(due) })),
        ...kept,
        el(
          'p',
          {},
          button(t.eraseCancel, () => act('$erase-cancel', say(t.eraseCancelled)), { class: 'primary' }),
        ),
      ];
    case 'begun':
      return [title, el('p', { class: 'notice' }, t.eraseBegun), ...kept];
    case 'done':
      return [
        title,
        el(
          'p',
          { class: 'notice good' },
          fill(records > 0 ? t.eraseDoneCount : t.eraseDone, { date: moment(done), count: records }),
        ),
        ...kept,
        ...(keptOut
          ? [
              el('p', {}, t.eraseOut),
              el(
                'p',
                {},
                button(t.eraseLift, () => act('$erase-lift', say(t.eraseLifted))),
              ),
            ]
          : []),
        ...(app.isGone ? [] : asking()),
      ];
    default:
      return [title, ...asking()];
  }

  /** What it would mean, and the first step. */
  function asking() {
    const place = el('div', {});
    return [
      el('p', {}, t.eraseLead),
      el('p', {}, t.eraseStays),
      ...kept,
      el('p', {}, t.eraseKeptOut),
      el(
        'p',
        {},
        button(t.eraseAsk, () => app.attempt(() => ask(place)), { class: 'stop' }),
      ),
      place,
    ];
  }

  /** @param {HTMLElement} place */
  async function ask(place) {
    /** @type {Resource} */
    let answer;
    try {
      answer = await app.fhir.invoke(`${app.patient}/$erase`);
    } catch (error) {
      // Confirmed meanwhile, in another window: that is shown.
      if (error instanceof FhirError && error.status === 409) return redraw();
      throw error;
    }
    const { confirm, records: count, patient: sources } = valuesOf(answer);
    const sure = el('input', { type: 'checkbox' });
    const error = el('p', { class: 'error', id: 'sure-error' });
    const form = el(
      'form',
      {
        novalidate: true,
        onsubmit: (event) => {
          event.preventDefault();
          if (sure.checked) return act(`$erase?confirm=${encodeURIComponent(String(confirm?.[0]))}`);
          error.textContent = t.eraseNeedSure;
          sure.setAttribute('aria-invalid', 'true');
          sure.setAttribute('aria-describedby', error.id);
          return sure.focus();
        },
      },
      el('p', { class: 'notice' }, fill(t.eraseAsked, { count: Number(count?.[0]), sources: sources?.length ?? 1 })),
      el('p', {}, fill(t.eraseDays, { days: coolingDays })),
      el('label', { class: 'check' }, sure, t.eraseSure),
      error,
      el(
        'div',
        { class: 'row' },
        el('button', { class: 'stop', type: 'submit' }, fill(t.eraseConfirm, { days: coolingDays })),
        button(app.t.cancel, () => place.replaceChildren()),
      ),
    );
    place.replaceChildren(form);
    sure.focus();
  }

  /** @param {string} operation @param {() => void} [said] */
  function act(operation, said) {
    return app.attempt(async () => {
      await app.fhir.invoke(`${app.patient}/${operation}`);
      await redraw();
      document.getElementById('erase')?.focus();
      said?.();
    });
  }
}

/**
 * @param {App} app
 * @returns {Promise<{ state: string, due?: string, done?: string, records: number, keptOut: boolean, held: string[] } | undefined>} undefined: who
 *   is signed in may not ask for it
 */
async function statusOf({ fhir, patient, language }) {
  try {
    const answer = await fhir.read(`${patient}/$erase-status?language=${language}`);
    const { state, due, done, records, keptOut } = valuesOf(answer);
    /** @type {Resource[]} */
    const parameters = answer['parameter'] ?? [];
    const held = parameters
      .filter(({ name }) => name === 'held')
      .map(({ part }) => part.find((/** @type {Resource} */ { name }) => name === 'by')?.valueReference?.display ?? '');
    return {
      state: String(state?.[0]),
      ...(due === undefined ? {} : { due: String(due[0]) }),
      ...(done === undefined ? {} : { done: String(done[0]) }),
      records: Number(records?.[0] ?? 0),
      keptOut: keptOut?.[0] === true,
      held,
    };
  } catch (error) {
    if (error instanceof FhirError && error.status === 403) return undefined;
    throw error;
  }
}

/** @param {Resource} parameters @returns {Record<string, unknown[] | undefined>} values by name */
function valuesOf(parameters) {
  /** @type {Record<string, unknown[]>} */
  const values = {};
  for (const { name, ...value } of parameters['parameter'] ?? []) {
    (values[name] ??= []).push(Object.values(value)[0]);
  }
  return values;
}
