/**
 * The operations console: the fate of each message, and what a message would become. It reaches the hub over /ops with an
 * operator's token, which is kept in memory only.
 *
 * @typedef {import('./services.js').Language} Language
 * @typedef {{ id: number, controlId: string, source: string, status: string, receivedAt: string, processedAt?: string,
 *   type: string, attempts: number, step?: string, reason?: string, isConflict: boolean }} Message
 */
import { consoleTexts } from './console-texts.js';
import { button, el, field } from './dom.js';
import { parseJson } from './json.js';
import { chooseLanguage, fill, languageNames } from './texts.js';

const base = new URL('../ops/', import.meta.url);
const pageSize = 200;
const timeoutMs = 20_000;
const hourMs = 3_600_000;
const periods = { hour: hourMs, day: 24 * hourMs, week: 7 * 24 * hourMs, ever: 0 };
const fates = /** @type {const} */ (['waiting', 'processed', 'quarantined', 'held']);

let language = chooseLanguage(navigator.languages);
let token = '';
/** @type {'messages' | 'preview'} */
let current = 'messages';
const main = el('main', { id: 'main', tabindex: '-1' });
const bar = el('header', { class: 'bar' });
const status = el('div', { role: 'status' });

/**
 * @param {string} path relative to /ops/
 * @param {RequestInit} [init]
 * @returns {Promise<{ ok: boolean, body: any }>}
 */
async function request(path, init = {}) {
  const t = consoleTexts[language];
  const headers = new Headers(init.headers);
  headers.set('authorization', `Bearer ${token}`);
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
  const isRefused = response.status === 401 || response.status === 403;
  return {
    ok: false,
    body: isRefused ? t.expired : fill(t.refused, { reason: body.issue?.[0]?.diagnostics ?? String(response.status) }),
  };
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
    token = hash.slice('token='.length);
  }
  void show();
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
  if (token === '') return drawSignIn();
  const title = el('h2', { tabindex: '-1' }, t[current]);
  main.replaceChildren(title, status, ...(current === 'messages' ? await messagesView() : previewView()));
  title.focus();
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
        token = area.value.trim().replace(/^Bearer\s+/i, '');
        void show();
      },
    },
    field({ id: 'token', label: t.token, control: area }),
    el('div', { class: 'row' }, el('button', { class: 'primary', type: 'submit' }, t.open)),
  );
  main.replaceChildren(el('h2', { tabindex: '-1' }, t.signIn), status, el('p', { class: 'lead' }, t.signInLead), form);
}

async function messagesView() {
  const t = consoleTexts[language];
  const choice = el(
    'select',
    {},
    el('option', { value: '' }, t.all),
    ...fates.map((fate) => el('option', { value: fate }, t[fate])),
  );
  const period = el(
    'select',
    {},
    ...Object.keys(periods).map((key) => el('option', { value: key }, t[/** @type {'hour'} */ (key)])),
  );
  const source = el('input', { autocomplete: 'off', spellcheck: 'false' });
  const controlId = el('input', { autocomplete: 'off', spellcheck: 'false' });
  const list = el('div', { class: 'stack' });
  const form = el(
    'form',
    {
      class: 'panel wide',
      novalidate: true,
      onsubmit: (event) => {
        event.preventDefault();
        void load();
      },
    },
    el(
      'div',
      { class: 'row' },
      field({ id: 'status', label: t.status, control: choice }),
      field({ id: 'since', label: t.since, control: period }),
      field({ id: 'source', label: t.source, control: source }),
      field({ id: 'control-id', label: t.controlId, control: controlId }),
    ),
    el('div', { class: 'row' }, el('button', { class: 'primary', type: 'submit' }, t.show)),
  );
  await load();
  return [el('p', { class: 'lead' }, t.messagesLead), form, list];

  function queryOf() {
    const query = new URLSearchParams({ limit: String(pageSize) });
    const milliseconds = periods[/** @type {'hour'} */ (period.value)];
    if (milliseconds > 0) query.set('since', new Date(Date.now() - milliseconds).toISOString());
    for (const [name, control] of /** @type {const} */ ([
      ['status', choice],
      ['source', source],
      ['control-id', controlId],
    ])) {
      if (control.value.trim() !== '') query.set(name, control.value.trim());
    }
    return query;
  }

  async function load() {
    const query = queryOf();
    const rows = el('tbody', {});
    const more = el('p', {});
    const count = el('caption', {});
    if (!(await page(undefined))) return list.replaceChildren();
    list.replaceChildren(rows.childElementCount === 0 ? el('p', { class: 'empty' }, t.none) : table(count, rows), more);

    /** @param {number | undefined} after @returns {Promise<boolean>} */
    async function page(after) {
      if (after !== undefined) query.set('after', String(after));
      const { ok, body } = await request(`messages?${query}`);
      if (!ok) {
        say(body);
        return false;
      }
      status.replaceChildren();
      rows.append(...body.messages.map(row));
      count.textContent = fill(t.shown, { count: rows.childElementCount });
      more.replaceChildren(...(body.after === undefined ? [] : [button(t.more, () => page(body.after))]));
      return true;
    }
  }

  /** @param {HTMLElement} caption @param {HTMLElement} rows */
  function table(caption, rows) {
    const heads = [t.received, t.source, t.controlId, t.type, t.status, t.why];
    return el(
      'div',
      { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': t.messages },
      el(
        'table',
        {},
        caption,
        el('thead', {}, el('tr', {}, ...heads.map((head) => el('th', { scope: 'col' }, head)))),
        rows,
      ),
    );
  }

  /** @param {Message} message */
  function row(message) {
    const { processedAt, receivedAt } = message;
    const ms = processedAt === undefined ? undefined : Date.parse(processedAt) - Date.parse(receivedAt);
    const colour = message.status === 'processed' ? 'good' : message.status === 'waiting' ? '' : 'stop';
    const notes = [
      message.step,
      message.reason,
      message.attempts > 1 ? fill(t.attempts, { count: message.attempts }) : undefined,
      message.isConflict ? t.conflict : undefined,
    ].filter((note) => note !== undefined);
    const at = new Intl.DateTimeFormat(language, { dateStyle: 'short', timeStyle: 'medium' }).format(
      new Date(receivedAt),
    );
    return el(
      'tr',
      {},
      el('td', { class: 'number' }, at),
      el('td', {}, message.source),
      el('th', { scope: 'row' }, message.controlId),
      el('td', {}, message.type),
      el(
        'td',
        {},
        el(
          'span',
          { class: `tag ${colour}` },
          Object.hasOwn(t, message.status) ? t[/** @type {'held'} */ (message.status)] : message.status,
        ),
        ms !== undefined && el('span', { class: 'minor' }, fill(t.after, { ms })),
      ),
      el('td', {}, notes.join(' · ')),
    );
  }
}

function previewView() {
  const t = consoleTexts[language];
  const text = el('textarea', { spellcheck: 'false', autocomplete: 'off', required: true });
  const endpoint = el('input', { autocomplete: 'off', spellcheck: 'false' });
  const result = el('div', { class: 'stack', role: 'region', 'aria-live': 'polite', 'aria-label': t.result });
  const form = el(
    'form',
    {
      class: 'panel wide',
      novalidate: true,
      onsubmit: (event) => {
        event.preventDefault();
        void convert();
      },
    },
    field({ id: 'message', label: t.text, control: text }),
    field({ id: 'endpoint', label: t.endpoint, control: endpoint }),
    el('div', { class: 'row' }, el('button', { class: 'primary', type: 'submit' }, t.convert)),
  );
  return [el('p', { class: 'lead' }, t.previewLead), form, result];

  async function convert() {
    status.replaceChildren();
    const query = endpoint.value.trim() === '' ? '' : `?${new URLSearchParams({ endpoint: endpoint.value.trim() })}`;
    const { ok, body } = await request(`hl7v2/preview${query}`, {
      method: 'POST',
      headers: { 'content-type': 'application/hl7-v2' },
      // Segments end with CR; a text area gives LF.
      body: text.value.replace(/\r?\n/g, '\r'),
    });
    result.replaceChildren();
    if (!ok) return say(body);
    result.append(el('pre', { class: 'panel scroll', tabindex: '0' }, JSON.stringify(body, null, 2)));
  }
}

/** @param {string} message */
function say(message) {
  status.replaceChildren(el('p', { class: 'notice stop' }, message));
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
  const links = /** @type {const} */ (['messages', 'preview']).map((view) =>
    el(
      'li',
      {},
      el(
        'a',
        {
          href: `#${view}`,
          'aria-current': view === current ? 'page' : undefined,
          onclick: (event) => {
            event.preventDefault();
            current = view;
            void show();
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
        token !== '' && button(t.leave, leave),
      ),
      token !== '' && el('nav', { 'aria-label': t.sections }, el('ul', {}, ...links)),
    ),
  );
}

function leave() {
  token = '';
  void show();
}

start();
