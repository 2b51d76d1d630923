/**
 * Who may see: the permissions in force, each with "change" and "stop now"; the ended ones below.
 *
 * @typedef {import('../portal.js').App} App
 * @typedef {import('../fhir.js').Resource} Resource
 */
import { button, el } from '../dom.js';
import { sightSection } from './sight.js';
import { ended, fromConsent, isInForce } from '../permission.js';
import { fill } from '../texts.js';
import { conceptText, listText, purposeText, recipientText, timeText, typeText } from '../words.js';

/** @param {App} app */
export async function showPermissions(app) {
  const { t } = app;
  const [consents, requests, sight] = await Promise.all([app.consents(), app.requests(), sightSection(app)]);
  const now = new Date();
  const [current, past] = [
    consents.filter((consent) => isInForce(consent, now)),
    consents.filter((consent) => !isInForce(consent, now)),
  ];
  return [
    el('p', { class: 'lead' }, t.whoLead),
    requests.length > 0 &&
      el(
        'p',
        { class: 'notice' },
        fill(t.askedNotice, { count: requests.length }),
        ' ',
        button(t.seeRequests, () => app.go('requests')),
      ),
    current.length === 0
      ? el('p', { class: 'empty' }, t.noPermissions)
      : el('ul', { class: 'cards' }, ...current.map((consent) => card(app, consent, true))),
    el(
      'p',
      {},
      button(t.allow, () => app.go('allow'), { class: 'primary' }),
    ),
    sight,
    past.length > 0 &&
      el(
        'details',
        {},
        el('summary', {}, fill(t.ended, { count: past.length })),
        el('ul', { class: 'cards' }, ...past.map((consent) => card(app, consent, false))),
      ),
  ];
}

/** @param {App} app @param {Resource} consent @param {boolean} isCurrent */
function card(app, consent, isCurrent) {
  const { t, language } = app;
  const permission = fromConsent(consent);
  const name = recipientText(permission.reference, permission.name, language);
  const heading = el('h3', { id: `consent-${consent.id}` }, name);
  const describedby = heading.id;
  const facts = [
    [permission.isDeny ? t.mayNot : t.mayUse, whatText(app, consent)],
    [t.forPurpose, purposeText(permission.purpose, t)],
    [t.until, permission.end === undefined ? t.untilStopped : timeText(permission.end, language, t)],
    permission.period !== undefined && [t.onlyFrom, fill(t.range, permission.period)],
    [t.since, timeText(permission.givenAt, language, t)],
  ].filter((fact) => fact !== false);
  return el(
    'li',
    { class: 'card' },
    el('div', {}, heading, !isCurrent && el('span', { class: 'tag' }, t.endedOn)),
    isCurrent &&
      el(
        'div',
        { class: 'actions' },
        permission.isSimple &&
          button(t.change, () => app.go('allow', { previous: consent }), { 'aria-describedby': describedby }),
        button(t.stop, () => app.attempt(() => stop(app, consent, name)), {
          class: 'stop',
          'aria-describedby': describedby,
        }),
      ),
    el('dl', { class: 'facts' }, ...facts.flatMap(([term, text]) => [el('dt', {}, term), el('dd', {}, text)])),
  );
}

/** @param {App} app @param {Resource} consent */
export function whatText({ t, language }, consent) {
  const permission = fromConsent(consent);
  if (permission.isWhole) return t.everything;
  const exact = (consent.provision?.code ?? []).map(conceptText).filter(Boolean);
  const kinds = permission.categories.map((key) => t[/** @type {'results'} */ (key)]);
  return listText([...kinds, ...permission.restTypes.map((type) => typeText(type, t)), ...exact], language);
}

/** @param {App} app @param {Resource} consent @param {string} name */
async function stop(app, consent, name) {
  await app.fhir.update(ended(consent, app.by));
  await app.go('who');
  app.say(fill(app.t.stopped, { name }), 'good');
}
