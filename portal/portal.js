/**
 * The patient portal: whoever is signed in to the hub sees their record in four views. It holds a token of the session in memory
 * only, shows every text through text nodes, and reaches the hub over its FHIR API alone, so it can do nothing that the token
 * could not.
 *
 * @typedef {import('./services.js').Language} Language
 * @typedef {import('./fhir.js').Resource} Resource
 * @typedef {'who' | 'requests' | 'allow' | 'records' | 'log' | 'mine'} View
 * @typedef {object} App what a view gets
 * @property {ReturnType<typeof openFhir>} fhir
 * @property {string} patient `Patient/x` whose record is open
 * @property {string} by who has it open: the patient, or the RelatedPerson who acts for them
 * @property {boolean} isGone the record was erased
 * @property {Language} language
 * @property {import('./texts.js').Texts} t
 * @property {() => Promise<Resource[]>} consents all of the patient's, newest first
 * @property {() => Promise<Resource[]>} requests open requests for consent, newest first; none for who may not answer them
 * @property {(view: View, wish?: object) => Promise<void>} go
 * @property {(work: () => Promise<unknown>) => Promise<void>} attempt shows a failure instead of losing it
 * @property {(message: string, kind?: 'good' | 'stop') => void} say
 */
import { el, button } from './dom.js';
import { FhirError, openFhir } from './fhir.js';
import { accountUrl, endSession, openSession, signInUrl } from './session.js';
import { chooseLanguage, fill, languageNames, texts } from './texts.js';
import { showGrant } from './views/grant.js';
import { showLog } from './views/log.js';
import { showMine } from './views/mine.js';
import { showPermissions } from './views/permissions.js';
import { showRecords } from './views/records.js';
import { showRequests } from './views/requests.js';
import { nameText } from './words.js';

/** @type {Record<View, (app: App, wish?: any) => Promise<(Node | string | false | undefined)[]>>} */
const views = {
  who: showPermissions,
  requests: showRequests,
  allow: showGrant,
  records: showRecords,
  log: showLog,
  mine: showMine,
};
/** @type {View[]} what is left of an erased record */
const viewsWhenGone = ['mine', 'log'];
/** A patient with more consents than this has them cut in the overview; the hub's own limit is lower. */
const consentsMax = 500;

let language = chooseLanguage(navigator.languages);
/**
 * @typedef {object} Open
 * @property {ReturnType<typeof openFhir>} fhir
 * @property {string} patient
 * @property {string} by
 * @property {boolean} isGone
 * @property {string} name of the patient
 * @property {string} login of who is signed in
 * @property {{ patient: string, relationship: string, name?: string }[]} choices
 */
/** @type {Open | undefined} */
let session;
/** @type {View} */
let current = 'who';
/** Grows with each view: an answer that comes after the next click is dropped. */
let visit = 0;

const status = el('div', { role: 'status' });
const main = el('main', { id: 'main', tabindex: '-1' });
const bar = el('header', { class: 'bar' });

function start() {
  window.addEventListener('hashchange', () => void followHash());
  void enter();
}

/** `#records` opens a view. */
async function followHash() {
  const hash = location.hash.slice(1);
  const view = viewsOf(session).find((one) => one === hash);
  if (session !== undefined && view !== undefined && view !== current) await go(view);
}

/** @param {string} [chosen] whose record, when the person may open several */
async function enter(chosen) {
  const t = texts[language];
  try {
    const { signed, token } = await openSession(chosen);
    if (signed.patient === undefined) return drawSignIn(t.notPatient);
    const fhir = openFhir(token);
    const person = await personOf(fhir, signed.patient);
    session = {
      fhir,
      patient: `Patient/${signed.patient}`,
      by: signed.fhirUser ?? '',
      isGone: person === undefined,
      name: nameText(person?.['name']?.[0]) ?? t.unnamed,
      login: signed.login ?? '',
      choices: signed.choices,
    };
  } catch (error) {
    if (!(error instanceof FhirError)) throw error;
    if (error.status === 401) return drawSignIn();
    return drawSignIn(error.status === 403 ? t.notPatient : messageOf(error));
  }
  const hash = location.hash.slice(1);
  const [first] = viewsOf(session);
  await go(viewsOf(session).find((view) => view === hash) ?? first ?? 'who');
}

/**
 * @param {ReturnType<typeof openFhir>} fhir
 * @param {string} id
 * @returns {Promise<Resource | undefined>} undefined: the person was forgotten
 */
async function personOf(fhir, id) {
  try {
    return await fhir.read(`Patient/${id}`);
  } catch (error) {
    if (!(error instanceof FhirError && error.status === 404)) throw error;
    // A record that never was: the portal has nothing to show, and says what the hub says.
    const { parameter } = await fhir.read(`Patient/${id}/$erase-status`);
    if (parameter?.[0]?.valueCode !== 'done') throw error;
    return undefined;
  }
}

/** @param {Open | undefined} opened @returns {View[]} in the order of the bar */
function viewsOf(opened) {
  const all = /** @type {View[]} */ (Object.keys(views));
  return opened?.isGone ? viewsWhenGone : all;
}

/** The session ends at the hub, and with it every token it has. */
async function signOut() {
  try {
    await endSession();
    forget();
  } catch (error) {
    report(error);
  }
}

function forget(message = '') {
  session = undefined;
  current = 'who';
  history.replaceState(null, '', location.pathname);
  drawSignIn(message);
}

/** @param {View} view @param {object} [wish] */
async function go(view, wish) {
  if (session === undefined) return drawSignIn();
  const mine = ++visit;
  current = view;
  if (location.hash !== `#${view}`) history.pushState(null, '', `#${view}`);
  const t = texts[language];
  const isChange = wish !== undefined && 'previous' in wish;
  const title = el('h2', { tabindex: '-1' }, isChange ? t.changeTitle : t[view]);
  status.replaceChildren();
  draw(title, status, el('p', { class: 'lead' }, t.loading));
  title.focus();
  const app = appOf(session);
  try {
    const content = await views[view](app, wish);
    if (mine !== visit) return;
    main.replaceChildren(title, status, ...content.filter((part) => part !== false && part !== undefined));
  } catch (error) {
    if (mine === visit) {
      main.replaceChildren(title, status);
      report(error);
    }
  }
}

/** @param {Open} session @returns {App} */
function appOf({ fhir, patient, by, isGone }) {
  return {
    fhir,
    patient,
    by,
    isGone,
    language,
    t: texts[language],
    consents: async () => {
      const { resources } = await fhir.page(
        `Consent?patient=${encodeURIComponent(patient)}&_sort=-_lastUpdated&_count=${consentsMax}`,
      );
      return resources;
    },
    requests: async () => {
      try {
        return (await fhir.page(`${patient}/$consent-requests`)).resources;
      } catch (error) {
        // Who acts for the patient and writes no Consents has nothing to answer.
        if (error instanceof FhirError && error.status === 403) return [];
        throw error;
      }
    },
    go,
    attempt: async (work) => {
      try {
        await work();
      } catch (error) {
        report(error);
      }
    },
    say,
  };
}

/** @param {unknown} error */
function report(error) {
  if (error instanceof FhirError && error.status === 401) return forget(texts[language].expired);
  if (error instanceof FhirError && (error.status === 409 || error.status === 412)) {
    void showConflict();
    return;
  }
  say(messageOf(error), 'stop');
}

async function showConflict() {
  await go('who');
  say(texts[language].conflict, 'stop');
}

/** @param {unknown} error */
function messageOf(error) {
  const t = texts[language];
  if (!(error instanceof FhirError)) {
    // A defect of this page: into the browser's console, and no details for the reader.
    reportError(error);
    return fill(t.refused, { reason: t.failed });
  }
  if (error.status === 0) return t.unreachable;
  return error.status === 401 ? t.expired : fill(t.refused, { reason: error.message });
}

/** @param {string} message @param {'good' | 'stop'} [kind] */
function say(message, kind) {
  status.replaceChildren(el('p', { class: `notice ${kind ?? ''}` }, message));
  status.scrollIntoView({ block: 'nearest' });
}

function drawSignIn(message = '') {
  const t = texts[language];
  visit++;
  draw(
    el('h2', { tabindex: '-1' }, t.signIn),
    el('p', { class: 'lead' }, t.signInLead),
    message !== '' && el('p', { class: 'notice', role: 'alert' }, message),
    el('p', {}, el('a', { class: 'button', href: signInUrl(language) }, t.toSignIn)),
  );
}

/** @param {(Node | false)[]} content */
function draw(...content) {
  const t = texts[language];
  document.documentElement.lang = language;
  document.title = session === undefined ? t.title : `${t[current]} – ${t.title}`;
  drawBar();
  main.replaceChildren(...content.filter((part) => part !== false));
  if (main.isConnected) return;
  document.body.append(el('a', { class: 'skip', href: '#main', onclick: skip }, t.skip), bar, main);
}

/** The fragment is the view's name, so the skip link moves the focus itself. @param {Event} event */
function skip(event) {
  event.preventDefault();
  main.focus();
}

function drawBar() {
  const t = texts[language];
  const select = el(
    'select',
    { id: 'language', onchange: () => void changeLanguage(/** @type {Language} */ (select.value)) },
    ...Object.entries(languageNames).map(([code, name]) => el('option', { value: code, lang: code }, name)),
  );
  select.value = language;
  const links = viewsOf(session).map((view) =>
    el(
      'li',
      {},
      el(
        'a',
        { href: `#${view}`, 'aria-current': view === current ? 'page' : undefined, onclick: open(view) },
        t[view],
      ),
    ),
  );
  bar.replaceChildren(
    el(
      'div',
      {},
      el(
        'div',
        { class: 'top' },
        el('h1', {}, t.title),
        session !== undefined && whose(session),
        el('div', { class: 'language' }, el('label', { for: 'language' }, t.language), select),
        session !== undefined && el('a', { href: accountUrl }, session.login || t.mySignIn),
        session !== undefined && button(t.leave, () => void signOut()),
      ),
      session !== undefined && el('nav', { 'aria-label': t.sections }, el('ul', {}, ...links)),
    ),
  );
}

/** Whose record is open; to choose from, when the person may open several. @param {Open} session */
function whose({ name, patient, choices }) {
  if (choices.length < 2) return el('span', { class: 'who' }, name);
  const select = el(
    'select',
    { id: 'whose', onchange: () => void enter(select.value) },
    ...choices.map((choice) => el('option', { value: choice.patient }, choice.name ?? texts[language].unnamed)),
  );
  select.value = patient.slice('Patient/'.length);
  return el('div', { class: 'who language' }, el('label', { for: 'whose' }, texts[language].whose), select);
}

/** A click on the view that is open loads it anew. @param {View} view @returns {(event: Event) => void} */
function open(view) {
  return (event) => {
    event.preventDefault();
    void go(view);
  };
}

/** @param {Language} chosen */
async function changeLanguage(chosen) {
  language = chosen;
  if (session === undefined) drawSignIn();
  else await go(current);
  document.getElementById('language')?.focus();
}

start();
