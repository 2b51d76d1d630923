/**
 * The patient portal: sign in with a token, then four views. It holds the token in memory only, shows every text through
 * text nodes, and reaches the hub over its FHIR API alone, so it can do nothing that the token could not.
 *
 * @typedef {import('./services.js').Language} Language
 * @typedef {import('./fhir.js').Resource} Resource
 * @typedef {'who' | 'allow' | 'records' | 'log'} View
 * @typedef {object} App what a view gets
 * @property {ReturnType<typeof openFhir>} fhir
 * @property {string} patient `Patient/x` of the token
 * @property {Language} language
 * @property {import('./texts.js').Texts} t
 * @property {() => Promise<Resource[]>} consents all of the patient's, newest first
 * @property {(view: View, wish?: object) => Promise<void>} go
 * @property {(work: () => Promise<unknown>) => Promise<void>} attempt shows a failure instead of losing it
 * @property {(message: string, kind?: 'good' | 'stop') => void} say
 */
import { el, button, field } from './dom.js';
import { FhirError, openFhir, patientOf } from './fhir.js';
import { chooseLanguage, fill, languageNames, texts } from './texts.js';
import { showGrant } from './views/grant.js';
import { showLog } from './views/log.js';
import { showPermissions } from './views/permissions.js';
import { showRecords } from './views/records.js';
import { nameText } from './words.js';

/** @type {Record<View, (app: App, wish?: any) => Promise<(Node | string | false | undefined)[]>>} */
const views = { who: showPermissions, allow: showGrant, records: showRecords, log: showLog };
/** A patient with more consents than this has them cut in the overview; the hub's own limit is lower. */
const consentsMax = 500;

let language = chooseLanguage(navigator.languages);
/** @type {{ token: string, patient: string, name: string } | undefined} */
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
  void followHash();
}

/** `#token=...` signs in and leaves the address bar at once; `#records` opens a view. */
async function followHash() {
  const hash = decodeURIComponent(location.hash.slice(1));
  if (hash.startsWith('token=')) {
    history.replaceState(null, '', location.pathname);
    await signIn(hash.slice('token='.length));
  } else if (session === undefined) {
    drawSignIn();
  } else if (hash in views && hash !== current) {
    await go(/** @type {View} */ (hash));
  }
}

/** @param {string} token */
async function signIn(token) {
  const patient = patientOf(token);
  if (patient === undefined) return drawSignIn(texts[language].tokenUnusable);
  try {
    const person = await openFhir(token).read(patient);
    session = { token, patient, name: nameText(person.name?.[0]) ?? texts[language].unnamed };
  } catch (error) {
    return drawSignIn(messageOf(error));
  }
  await go('who');
}

function signOut(message = '') {
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

/** @param {{ token: string, patient: string }} session @returns {App} */
function appOf({ token, patient }) {
  const fhir = openFhir(token);
  return {
    fhir,
    patient,
    language,
    t: texts[language],
    consents: async () => {
      const { resources } = await fhir.page(
        `Consent?patient=${encodeURIComponent(patient)}&_sort=-_lastUpdated&_count=${consentsMax}`,
      );
      return resources;
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
  if (error instanceof FhirError && error.status === 401) return signOut(texts[language].expired);
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
  const token = el('textarea', { name: 'token', autocomplete: 'off', spellcheck: 'false', required: true });
  const title = el('h2', { tabindex: '-1' }, t.signIn);
  const form = el(
    'form',
    {
      class: 'panel',
      novalidate: true,
      onsubmit: (event) => {
        event.preventDefault();
        void signIn(token.value.trim().replace(/^Bearer\s+/i, ''));
      },
    },
    field({ id: 'token', label: t.token, control: token, ...(message === '' ? {} : { error: message }) }),
    el('div', { class: 'row' }, el('button', { class: 'primary', type: 'submit' }, t.open)),
  );
  draw(title, el('p', { class: 'lead' }, t.signInLead), form);
  if (message !== '') token.focus();
}

/** @param {Node[]} content */
function draw(...content) {
  const t = texts[language];
  document.documentElement.lang = language;
  document.title = session === undefined ? t.title : `${t[current]} – ${t.title}`;
  drawBar();
  main.replaceChildren(...content);
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
  const links = /** @type {View[]} */ (Object.keys(views)).map((view) =>
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
        session !== undefined && el('span', { class: 'who' }, session.name),
        el('div', { class: 'language' }, el('label', { for: 'language' }, t.language), select),
        session !== undefined && button(t.leave, () => signOut()),
      ),
      session !== undefined && el('nav', { 'aria-label': t.sections }, el('ul', {}, ...links)),
    ),
  );
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
