/**
 * Who looked: the patient's AuditEvents, a line each. Someone who was shown nothing can be allowed from here.
 *
 * @typedef {import('../portal.js').App} App
 * @typedef {import('./access.js').Access} Access
 */
import { button, el, stackedRow, stackedTable } from '../dom.js';
import { fromConsent, isInForce } from '../permission.js';
import { fill } from '../texts.js';
import { actText, purposeText, recipientText, timeText, typeText } from '../words.js';
import { oneEachRequest, readAccess } from './access.js';

const pageSize = 100;
/** What the hub does by its clock: it asks receivers to delete their copies, and erases. */
const hubClient = 'hub-erasure';
/** Who fails to sign in is known to nobody. */
const stranger = 'unknown';
/** Pages read at once in search of other people's accesses, when the patient's own fill the log. */
const pagesAtOnceMax = 5;

/** @param {App} app @param {{ withOwn?: boolean }} [wish] */
export async function showLog(app, { withOwn = false } = {}) {
  const { t, language } = app;
  const consents = new Map((await app.consents()).map((consent) => [`Consent/${consent.id}`, consent]));
  /** Who has a permission in force, or was offered one further up: one offer for each is enough. */
  const settled = new Set(
    [...consents.values()]
      .filter((consent) => isInForce(consent, new Date()))
      .map((consent) => fromConsent(consent).reference),
  );
  const heads = [t.when, t.whoAsked, t.why, t.asked, t.outcome];
  const rows = el('tbody', {});
  const table = el(
    'div',
    { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': t.log },
    stackedTable({ heads, rows, caption: el('caption', { class: 'hidden' }, t.log) }),
  );
  const nobody = el('p', { class: 'empty' }, t.noLog);
  const more = el('p', {});
  // Without a patient it is the log of all records that are this person's; the hub gives it newest first.
  await load(`AuditEvent?_count=${pageSize}`);
  const own = el('input', { type: 'checkbox', onchange: () => app.go('log', { withOwn: !withOwn }) });
  own.checked = withOwn;
  return [el('p', { class: 'lead' }, t.logLead), el('label', { class: 'check' }, own, t.withOwn), table, nobody, more];

  /** @param {string} path */
  async function load(path) {
    /** @type {string | undefined} */
    let next = path;
    const before = rows.childElementCount;
    for (let page = 0; page < pagesAtOnceMax && next !== undefined && rows.childElementCount === before; page++) {
      /** @type {import('../fhir.js').Page} */
      const answer = await app.fhir.page(next);
      const accesses = answer.resources.map((event) => readAccess(event, app.by));
      rows.append(...oneEachRequest(accesses.filter(({ isSelf }) => withOwn || !isSelf)).map(row));
      next = answer.next;
    }
    const following = next;
    table.hidden = rows.childElementCount === 0;
    // Known at the end of the log alone.
    nobody.hidden = !table.hidden || following !== undefined;
    more.replaceChildren(
      ...(following === undefined ? [] : [button(t.more, () => app.attempt(() => load(following)))]),
    );
  }

  /** @param {Access} access */
  function row(access) {
    const isHub = access.who === hubClient;
    const who = access.isSelf
      ? t.you
      : isHub
        ? t.hubItself
        : access.who === stranger
          ? t.somebody
          : recipientText(access.who, access.name, language);
    const [word, colour] = access.isFailed
      ? [t.failed, 'stop']
      : access.basis === 'break-glass'
        ? [t.broken, 'stop']
        : access.isAllowed
          ? [access.act === undefined ? t.saw : t.done, 'good']
          : [access.act === undefined ? t.nothing : t.turnedAway, ''];
    const reason = reasonText(access);
    const canAllow =
      !access.isSelf &&
      !access.isAllowed &&
      access.act === undefined &&
      access.who.startsWith('Organization/') &&
      !settled.has(access.who);
    if (canAllow) settled.add(access.who);
    return stackedRow(
      heads,
      el('td', { class: 'number' }, timeText(access.recorded, language, t)),
      el('th', { scope: 'row' }, who),
      el('td', {}, whyText(access)),
      el('td', {}, whatText(access)),
      el(
        'td',
        {},
        el('span', { class: `tag ${colour}` }, word),
        reason !== '' && el('span', { class: 'minor' }, reason),
        canAllow &&
          button(t.allowThem, () => app.go('allow', { reference: access.who, name: access.name }), {
            class: 'small',
            'aria-label': `${t.allow}: ${who}`,
          }),
      ),
    );
  }

  /** What is done beside the record is for itself. @param {Access} access */
  function whyText({ purpose, act, who }) {
    if (purpose !== undefined) return purposeText(purpose, t);
    return act !== undefined || who === hubClient ? '' : t.noPurpose;
  }

  /** @param {Access} access */
  function whatText(access) {
    if (access.act !== undefined) return actText(access.act, language);
    const form = access.action === 'search' ? t.searched : access.action === 'read' ? t.read : t.wrote;
    return fill(form, { what: access.type === undefined ? t.everything : typeText(access.type, t) });
  }

  /** @param {Access} access */
  function reasonText(access) {
    if (access.basis === 'self') return t.bySelf;
    if (access.basis === 'proxy') return t.byProxy;
    if (access.basis === 'source') return t.bySource;
    if (access.basis === 'break-glass') return fill(t.byEmergency, { reason: access.stated ?? '' });
    if (access.act !== undefined) return access.stated ?? '';
    if (access.consent === undefined) return access.isAllowed || access.isFailed ? '' : t.byNobody;
    const consent = consents.get(access.consent);
    if (consent === undefined) return t.byConsentId;
    return fill(isInForce(consent, new Date()) ? t.byConsent : t.byEndedConsent, {
      date: timeText(consent.dateTime, language, t),
    });
  }
}
