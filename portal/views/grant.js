/**
 * Allow someone, or change what someone may see: one form. Every choice has words of its own; what they become in FHIR is
 * permission.js.
 *
 * @typedef {import('../portal.js').App} App
 * @typedef {import('../fhir.js').Resource} Resource
 * @typedef {import('../permission.js').Permission} Permission
 */
import { button, el, field } from '../dom.js';
import { fromConsent, localDay, toConsent } from '../permission.js';
import { categories, paymentCategories, purposes, services } from '../services.js';
import { fill } from '../texts.js';
import { purposeText, recipientText } from '../words.js';
import { whatText } from './permissions.js';

const dayMs = 86_400_000;
/** Long enough to be useful, short enough to be asked again. */
const daysProposed = 180;
const otherChoice = 'other';

/**
 * @param {App} app
 * @param {{ previous?: Resource, reference?: string, name?: string }} [wish] a Consent to change, or whom to allow
 */
export async function showGrant(app, wish = {}) {
  const { t, language } = app;
  const { previous } = wish;
  const start = previous === undefined ? proposal(wish.reference, wish.name) : fromConsent(previous);
  const isKnown = start.reference === '' || services.some(({ reference }) => reference === start.reference);

  const recipient = el(
    'select',
    { name: 'recipient', required: true, onchange: adapt },
    el('option', { value: '' }, '—'),
    ...services.map(({ reference }) =>
      el('option', { value: reference }, recipientText(reference, undefined, language)),
    ),
    el('option', { value: otherChoice }, t.other),
  );
  recipient.value = isKnown ? start.reference : otherChoice;
  const reference = el('input', { name: 'reference', autocomplete: 'off', spellcheck: 'false' });
  reference.value = isKnown ? '' : start.reference;
  const purpose = el(
    'select',
    { name: 'purpose', onchange: limitToPurpose },
    ...purposes.map((code) => el('option', { value: code }, purposeText(code, t))),
  );
  purpose.value = start.purpose;
  const boxes = categories.map(({ key }) => {
    const box = el('input', { type: 'checkbox', name: 'category', value: key });
    box.checked = start.categories.includes(key);
    return box;
  });
  const until = el('input', { type: 'date', name: 'until', required: true, min: localDay(new Date()) });
  until.value = start.until;
  const from = el('input', { type: 'date', name: 'from' });
  const to = el('input', { type: 'date', name: 'to' });
  from.value = start.period?.from ?? '';
  to.value = start.period?.to ?? '';

  const meaning = el('div', { role: 'status' });
  const form = el('form', { novalidate: true, onsubmit: submit, class: 'panel' });
  draw({});
  return [el('p', { class: 'lead' }, t.allowLead), form];

  /** @param {Record<string, string>} errors by field name */
  function draw(errors) {
    meaning.replaceChildren();
    const hasOther = recipient.value === otherChoice;
    form.replaceChildren(
      field({ id: 'recipient', label: t.recipient, control: recipient, error: errors.recipient }),
      ...(hasOther
        ? [
            field({
              id: 'reference',
              label: t.otherReference,
              control: reference,
              hint: t.otherHint,
              error: errors.reference,
            }),
          ]
        : []),
      field({ id: 'purpose', label: t.purpose, control: purpose }),
      el(
        'fieldset',
        {
          'aria-describedby': [purpose.value === 'HPAYMT' && 'payment', errors.category && 'category-error']
            .filter(Boolean)
            .join(' '),
        },
        el('legend', {}, t.which),
        purpose.value === 'HPAYMT' && el('p', { class: 'hint', id: 'payment' }, t.paymentHint),
        el(
          'div',
          { class: 'checks' },
          ...boxes.map((box) => el('label', { class: 'check' }, box, t[/** @type {'results'} */ (box.value)])),
        ),
        errors.category !== undefined && el('p', { class: 'error', id: 'category-error' }, errors.category),
      ),
      field({ id: 'until', label: t.untilWhen, control: until, hint: t.untilHint, error: errors.until }),
      el(
        'details',
        { open: from.value !== '' || to.value !== '' },
        el('summary', {}, t.period),
        el(
          'div',
          { class: 'row' },
          field({ id: 'from', label: t.periodFrom, control: from, error: errors.from }),
          field({ id: 'to', label: t.periodTo, control: to }),
        ),
      ),
      el(
        'div',
        { class: 'row' },
        el('button', { class: 'primary', type: 'submit' }, previous === undefined ? t.save : t.saveChange),
        button(t.preview, () => ifComplete(preview)),
        button(t.cancel, () => app.go('who')),
      ),
      meaning,
    );
    limitToPurpose();
  }

  /** Another recipient: its usual purpose, and the field for its identifier when it is not listed. */
  function adapt() {
    const service = services.find((one) => one.reference === recipient.value);
    if (service !== undefined) purpose.value = service.purpose;
    draw({});
    recipient.focus();
  }

  function limitToPurpose() {
    const isPayment = purpose.value === 'HPAYMT';
    for (const box of boxes) {
      box.disabled = isPayment && !paymentCategories.includes(box.value);
      if (box.disabled) box.checked = false;
    }
    const hint = form.querySelector('#payment');
    if (isPayment === (hint === null)) draw({});
  }

  /** @param {Event} event */
  function submit(event) {
    event.preventDefault();
    ifComplete(save);
  }

  /** Else the first wrong field has the focus, and its reason. @param {() => Promise<void>} work */
  function ifComplete(work) {
    const errors = check();
    const [first] = Object.keys(errors);
    if (first === undefined) {
      void app.attempt(work);
      return;
    }
    draw(errors);
    const wrong = first === 'category' ? boxes.find((box) => !box.disabled) : form.querySelector(`#${first}`);
    if (wrong instanceof HTMLElement) wrong.focus();
  }

  /** @returns {Record<string, string>} in the order of the form */
  function check() {
    /** @type {Record<string, string>} */
    const errors = {};
    if (recipient.value === '') errors.recipient = t.needRecipient;
    if (
      recipient.value === otherChoice &&
      !/^(Organization|Device)\/[A-Za-z0-9\-.]{1,64}$/.test(reference.value.trim())
    ) {
      errors.reference = t.needReference;
    }
    if (!boxes.some((box) => box.checked)) errors.category = t.needCategory;
    if (until.value < localDay(new Date())) errors.until = t.needUntil;
    if ((from.value === '') !== (to.value === '') || from.value > to.value) errors.from = t.needPeriod;
    return errors;
  }

  /** What would be written. */
  function wished() {
    const target = recipient.value === otherChoice ? reference.value.trim() : recipient.value;
    const name = recipientText(target, target === start.reference ? start.name : undefined, language);
    const consent = toConsent(
      {
        reference: target,
        name,
        purpose: purpose.value,
        categories: boxes.filter((box) => box.checked).map((box) => box.value),
        until: until.value,
        ...(from.value === '' ? {} : { period: { from: from.value, to: to.value } }),
      },
      { patient: app.patient, by: app.by, now: new Date(), ...(previous === undefined ? {} : { previous }) },
    );
    return { name, consent };
  }

  async function save() {
    const { name, consent } = wished();
    await (previous === undefined ? app.fhir.create(consent) : app.fhir.update(consent));
    await app.go('who');
    app.say(fill(previous === undefined ? t.granted : t.changed, { name, what: whatText(app, consent) }), 'good');
  }

  /** In the hub's words, before it is given. */
  async function preview() {
    const { sentences } = await app.fhir.explain(wished().consent, language);
    meaning.replaceChildren(...sentences.map((sentence) => el('p', {}, sentence)));
  }
}

/**
 * @param {string} [reference]
 * @param {string} [name]
 * @returns {Permission}
 */
function proposal(reference = '', name = '') {
  const service = services.find((one) => one.reference === reference);
  return {
    reference,
    name,
    purpose: service?.purpose ?? 'TREAT',
    categories: ['person'],
    until: localDay(new Date(Date.now() + daysProposed * dayMs)),
  };
}
