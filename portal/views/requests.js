/**
 * What is asked of the patient: for each request who asks, in the service's own words why, and in the hub's words what a grant
 * would allow. The patient takes away what is too much, and reads again what is left before granting it; or declines.
 *
 * @typedef {import('../portal.js').App} App
 * @typedef {import('../fhir.js').Resource} Resource
 */
import { button, el, field } from '../dom.js';
import { choicesOf, fromConsent, granted, isNarrowable, localDay, reasonText } from '../permission.js';
import { fill } from '../texts.js';
import { recipientText, timeText, typeText } from '../words.js';

/** @param {App} app */
export async function showRequests(app) {
  const { t } = app;
  const requests = await app.requests();
  return [
    el('p', { class: 'lead' }, t.askedLead),
    requests.length === 0
      ? el('p', { class: 'empty' }, t.noRequests)
      : el('ul', { class: 'cards' }, ...(await Promise.all(requests.map((request) => card(app, request))))),
  ];
}

/** @param {App} app @param {Resource} request */
async function card(app, request) {
  const { t, language } = app;
  const { reference } = fromConsent(request);
  // Not by the name that the request says: whoever asks chose it.
  const { recipients } = await app.fhir.explain(request, language);
  const name = recipients.find((one) => one.reference === reference)?.display;
  const who = recipientText(reference, name, language);
  const heading = el('h3', { id: `request-${request.id}` }, who);
  const meaning = el('div', { role: 'status' });
  const form = el('div', {});
  const { boxes, until } = controlsOf(app, request, () => void app.attempt(explain));
  if (boxes.length > 0 || until !== undefined) {
    form.append(
      el(
        'details',
        {},
        el('summary', {}, t.narrow),
        boxes.length > 0 &&
          el(
            'fieldset',
            {},
            el('legend', {}, t.which),
            el('div', { class: 'checks' }, ...boxes.map(({ box, text }) => el('label', { class: 'check' }, box, text))),
          ),
        until !== undefined &&
          field({ id: `until-${request.id}`, label: t.untilWhen, control: until, hint: t.untilHint }),
      ),
    );
  }
  await explain();
  const words = reasonText(request, language);
  return el(
    'li',
    { class: 'card' },
    el('div', {}, heading, el('span', { class: 'tag' }, timeText(request.meta?.lastUpdated, language, t))),
    el(
      'dl',
      { class: 'facts' },
      ...(words === undefined ? [] : [el('dt', {}, t.theySay), el('dd', {}, words)]),
      el('dt', {}, t.itMeans),
      el('dd', {}, meaning),
    ),
    form,
    // What is asked is read before it is answered.
    el(
      'div',
      { class: 'actions' },
      button(t.grant, () => app.attempt(grant), { class: 'primary', 'aria-describedby': heading.id }),
      button(t.decline, () => app.attempt(decline), { class: 'stop', 'aria-describedby': heading.id }),
    ),
  );

  function chosen() {
    return granted(request, {
      by: app.by,
      name: who,
      now: new Date(),
      types: boxes.filter(({ box }) => box.checked).flatMap((choice) => choice.types),
      ...(until === undefined ? {} : { until: until.value }),
    });
  }

  async function explain() {
    if (boxes.length > 0 && boxes.every(({ box }) => !box.checked)) {
      meaning.replaceChildren(el('p', { class: 'error' }, t.needCategory));
      return;
    }
    const { sentences } = await app.fhir.explain(chosen(), language);
    meaning.replaceChildren(...sentences.map((sentence) => el('p', {}, sentence)));
  }

  async function grant() {
    if (boxes.length > 0 && boxes.every(({ box }) => !box.checked)) return app.say(t.needCategory, 'stop');
    await app.fhir.create(chosen());
    await app.go('who');
    app.say(fill(t.requestGranted, { name: who }), 'good');
  }

  async function decline() {
    await app.fhir.invoke(`Consent/${request.id}/$decline`);
    await app.go('requests');
    app.say(fill(t.requestDeclined, { name: who }), 'good');
  }
}

/**
 * A box for each kind of record, and the last day; none of what the form cannot narrow.
 * @param {App} app @param {Resource} request @param {() => void} onchange
 */
function controlsOf({ t }, request, onchange) {
  if (!isNarrowable(request)) return { boxes: [] };
  const boxes = choicesOf(request).map(({ key, types }) => {
    const box = el('input', { type: 'checkbox', onchange });
    box.checked = true;
    return { box, types, text: key === undefined ? typeText(types[0] ?? '', t) : t[/** @type {'results'} */ (key)] };
  });
  const end = request.provision?.period?.end;
  if (end === undefined) return { boxes };
  const last = localDay(new Date(end));
  const until = el('input', { type: 'date', min: localDay(new Date()), max: last, onchange });
  until.value = last;
  return { boxes, until };
}
