/**
 * Who sees what at this moment: by recipient or by kind of record, and who sees without a permission.
 *
 * @typedef {import('../portal.js').App} App
 * @typedef {import('../sight.js').Seer} Seer
 * @typedef {import('../sight.js').Sight} Sight
 */
import { button, el, stackedRow, stackedTable } from '../dom.js';
import { ownTexts } from '../own-texts.js';
import { byKind, readSight, restKey } from '../sight.js';
import { fill } from '../texts.js';
import { listText, purposeText, recipientText, timeText } from '../words.js';

/** @param {App} app @returns {Promise<HTMLElement>} says so when it cannot be told: permissions are shown without it */
export async function sightSection(app) {
  const t = ownTexts[app.language];
  const heading = el('h3', { id: 'sight' }, t.now);
  const sight = await readAll(app).catch(() => undefined);
  return el(
    'div',
    { class: 'stack' },
    heading,
    ...(sight === undefined ? [el('p', { class: 'notice' }, t.notSaid)] : contentOf(app, sight)),
  );
}

/** @param {App} app */
async function readAll({ fhir, patient, language }) {
  const timezone = encodeURIComponent(Intl.DateTimeFormat().resolvedOptions().timeZone);
  const [said, records] = await Promise.all([
    fhir.read(`${patient}/$who-can-see?language=${language}&timezone=${timezone}`),
    fhir.page('Patient?_summary=count'),
  ]);
  return readSight(said, records.total ?? 1);
}

/** @param {App} app @param {Sight} sight */
function contentOf(app, { seers, said, sentences }) {
  const t = ownTexts[app.language];
  const place = el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-labelledby': 'sight' });
  const ways = [button(t.byRecipient, () => open(0)), button(t.byKind, () => open(1))];
  open(0);
  return [
    el('p', { class: 'hint' }, t.nowLead),
    seers.length > 0 && el('div', { class: 'row' }, ...ways),
    place,
    said.length > 0 &&
      el('div', {}, el('h4', {}, t.without), el('ul', { class: 'plain' }, ...said.map((one) => el('li', {}, one)))),
    el(
      'details',
      {},
      el('summary', {}, t.exactly),
      el('ul', { class: 'plain' }, ...sentences.map((one) => el('li', {}, one))),
    ),
  ];

  /** @param {number} way */
  function open(way) {
    for (const [index, one] of ways.entries()) one.setAttribute('aria-pressed', String(index === way));
    place.replaceChildren(way === 0 ? recipients(app, seers) : kinds(app, seers));
  }
}

/** @param {App} app @param {readonly Seer[]} seers */
function recipients(app, seers) {
  const { t, language } = app;
  const own = ownTexts[language];
  if (seers.length === 0) return el('p', { class: 'empty' }, t.noPermissions);
  const heads = [t.whoAsked, t.forPurpose, own.sees, t.until];
  const rows = seers.map((seer) =>
    stackedRow(
      heads,
      el('th', { scope: 'row' }, nameOf(app, seer)),
      el('td', {}, forText(app, seer)),
      el(
        'td',
        {},
        el(
          'ul',
          { class: 'tags' },
          ...[...seer.kinds].map(([kind, share]) => {
            const name = kindText(app, kind);
            return el('li', { class: 'tag' }, share === 'all' ? name : fill(own.inPart, { kind: name }));
          }),
          seer.isProtected && el('li', { class: 'tag stop' }, own.protected),
        ),
      ),
      el('td', {}, seer.until === undefined ? t.untilStopped : timeText(seer.until, language, t)),
    ),
  );
  return stackedTable({ heads, rows: el('tbody', {}, ...rows) });
}

/** @param {App} app @param {readonly Seer[]} seers */
function kinds(app, seers) {
  const own = ownTexts[app.language];
  const heads = [own.kind, own.seenBy];
  const rows = byKind(seers).map(({ kind, seers: found }) => {
    const names = new Map();
    for (const { seer, share } of found) {
      const name = nameOf(app, seer);
      if (names.get(name) !== 'all') names.set(name, share);
    }
    return stackedRow(
      heads,
      el('th', { scope: 'row' }, kindText(app, kind)),
      el(
        'td',
        {},
        names.size === 0
          ? el('span', { class: 'minor' }, own.nobody)
          : el(
              'ul',
              { class: 'tags' },
              ...[...names].map(([name, share]) =>
                el('li', { class: 'tag' }, share === 'all' ? name : fill(own.inPart, { kind: name })),
              ),
            ),
      ),
    );
  });
  return stackedTable({ heads, rows: el('tbody', {}, ...rows) });
}

/** @param {App} app @param {Seer} seer */
function nameOf({ language }, { reference, name }) {
  return recipientText(reference, name, language);
}

/** @param {App} app @param {Seer} seer */
function forText({ t, language }, { purposes }) {
  if (purposes.length === 0) return ownTexts[language].whateverFor;
  return listText(
    purposes.map((code) => purposeText(code, t)),
    language,
  );
}

/** @param {App} app @param {string} kind */
function kindText({ t, language }, kind) {
  return kind === restKey ? ownTexts[language].rest : t[/** @type {'results'} */ (kind)];
}
