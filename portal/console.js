/**
 * The operations console: the fate of messages, what waits for a person, how the sources are doing, and what a message would become. It
 * reaches the hub over /ops with an operator's token, which is kept in memory only: of the session of whoever is signed in, or one that
 * was pasted (`hub token`).
 *
 * @typedef {import('./services.js').Language} Language
 * @typedef {import('./views/console-parts.js').View} View
 * @typedef {import('./views/console-parts.js').Choice} Choice
 * @typedef {import('./views/console-parts.js').Console} Console
 */
import { consoleTexts } from './console-texts.js';
import { button, el, field } from './dom.js';
import { parseJson } from './json.js';
import { endSession, openSession, signInUrl } from './session.js';
import { chooseLanguage, fill, languageNames } from './texts.js';
import { alertsView } from './views/console-alerts.js';
import { errorsView } from './views/console-errors.js';
import { endpointsView, healthView } from './views/console-feeds.js';
import { messageView } from './views/console-message.js';
import { messagesView } from './views/console-messages.js';
import { previewView } from './views/console-preview.js';

const base = new URL('../ops/', import.meta.url);
const timeoutMs = 20_000;
/** In the order of the bar; one message is opened from a list. */
const sections = /** @type {const} */ (['messages', 'errors', 'alerts', 'health', 'endpoints', 'preview']);
/** @type {Record<View, (console: Console, choice: Choice) => Node[] | Promise<Node[]>>} */
const views = {
  messages: messagesView,
  message: messageView,
  errors: errorsView,
  alerts: alertsView,
  health: healthView,
  endpoints: endpointsView,
  preview: previewView,
};

let language = chooseLanguage(navigator.languages);
/** @type {(() => Promise<string>) | undefined} */
let token;
/** Signed in, not pasted: signing out ends more than this page. */
let hasSession = false;
/** @type {View} */
let current = 'messages';
/** @type {Choice} */
let choice = {};
const main = el('main', { id: 'main', class: 'wide', tabindex: '-1' });
const bar = el('header', { class: 'bar wide' });
const status = el('div', { role: 'status' });

/**
 * @param {string} path relative to /ops/
 * @param {RequestInit} [init]
 * @returns {Promise<{ ok: boolean, body: any }>}
 */
async function request(path, init = {}) {
  const t = consoleTexts[language];
  const headers = new Headers(init.headers);
  const bearer = await token?.().catch(() => undefined);
  if (bearer === undefined) return { ok: false, body: t.expired };
  headers.set('authorization', `Bearer ${bearer}`);
  const response = await fetch(new URL(path, base), {
    ...init,
    headers,
    credentials: 'omit',
    cache: 'no-store',
    signal: AbortSignal.timeout(timeoutMs),
  }).catch(() => undefined);
  if (response === undefined) return { ok: false, body: t.unreachable };
  const body = await readBody(response);
  if (response.ok) return { ok: true, body };
  const reason = body.issue?.[0]?.diagnostics ?? String(response.status);
  if (response.status === 401) return { ok: false, body: t.expired };
  return { ok: false, body: fill(response.status === 403 ? t.forbidden : t.refused, { reason }) };
}

/** @param {Response} response @returns {Promise<any>} an empty object for an answer that is no JSON */
async function readBody(response) {
  try {
    return parseJson(await response.text());
  } catch {
    return {};
  }
}

function start() {
  const hash = decodeURIComponent(location.hash.slice(1));
  if (hash.startsWith('token=')) {
    history.replaceState(null, '', location.pathname);
    usePasted(hash.slice('token='.length));
    void show();
  } else {
    void useSession().then(show);
  }
}

/** @param {string} pasted */
function usePasted(pasted) {
  token = async () => pasted;
}

async function useSession() {
  const opened = await openSession().catch(() => undefined);
  // A patient has a session too, and nothing to do here.
  if (opened === undefined || opened.signed.fhirUser !== undefined) return;
  token = opened.token;
  hasSession = true;
}

async function leave() {
  if (hasSession) await endSession().catch(() => undefined);
  token = undefined;
  hasSession = false;
  await show();
}

async function show() {
  const t = consoleTexts[language];
  document.documentElement.lang = language;
  document.title = t.title;
  status.replaceChildren();
  drawBar();
  if (!main.isConnected) {
    document.body.append(el('a', { class: 'skip', href: '#main', onclick: skip }, t.skip), bar, main);
  }
  if (token === undefined) return drawSignIn();
  const title = el('h2', { tabindex: '-1' }, t[current]);
  const asked = current;
  const nodes = await views[current]({ language, t, request, say, unsay, go }, choice);
  // Another one was opened meanwhile.
  if (asked !== current) return;
  main.replaceChildren(title, status, ...nodes);
  title.focus();
}

/** @param {View} view @param {Choice} [chosen] */
function go(view, chosen = {}) {
  current = view;
  choice = chosen;
  void show();
}

/** @param {Event} event */
function skip(event) {
  event.preventDefault();
  main.focus();
}

function drawSignIn() {
  const t = consoleTexts[language];
  const area = el('textarea', { autocomplete: 'off', spellcheck: 'false', required: true });
  const form = el(
    'form',
    {
      class: 'panel',
      novalidate: true,
      onsubmit: (event) => {
        event.preventDefault();
        usePasted(area.value.trim().replace(/^Bearer\s+/i, ''));
        void show();
      },
    },
    field({ id: 'token', label: t.token, control: area }),
    el('div', { class: 'row' }, el('button', { class: 'primary', type: 'submit' }, t.open)),
  );
  main.replaceChildren(
    el('h2', { tabindex: '-1' }, t.signIn),
    status,
    el('p', {}, el('a', { class: 'button', href: signInUrl(language) }, t.toSignIn)),
    el('p', { class: 'lead' }, t.signInLead),
    form,
  );
}

/** @param {string} message @param {boolean} [isGood] */
function say(message, isGood = false) {
  status.replaceChildren(el('p', { class: `notice ${isGood ? 'good' : 'stop'}` }, message));
}

function unsay() {
  status.replaceChildren();
}

function drawBar() {
  const t = consoleTexts[language];
  const select = el(
    'select',
    {
      id: 'language',
      onchange: async () => {
        language = /** @type {Language} */ (select.value);
        await show();
        document.getElementById('language')?.focus();
      },
    },
    ...Object.entries(languageNames).map(([code, name]) => el('option', { value: code, lang: code }, name)),
  );
  select.value = language;
  const links = sections.map((view) =>
    el(
      'li',
      {},
      el(
        'a',
        {
          href: `#${view}`,
          'aria-current': view === current || (view === 'messages' && current === 'message') ? 'page' : undefined,
          onclick: (event) => {
            event.preventDefault();
            go(view);
          },
        },
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
        el('div', { class: 'language' }, el('label', { for: 'language' }, t.language), select),
        token !== undefined && button(t.leave, () => void leave()),
      ),
      token !== undefined && el('nav', { 'aria-label': t.sections }, el('ul', {}, ...links)),
    ),
  );
}

start();
