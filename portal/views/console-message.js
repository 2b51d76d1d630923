/**
 * One message: what happened to it; and its content, when an analyst has said what for. The content is in this page alone, and gone
 * with the next view.
 *
 * @typedef {import('./console-parts.js').Console} Console
 */
import { button, el, field, stackedRow } from '../dom.js';
import { fill } from '../texts.js';
import { facts, post, table, timeOf, wordOf } from './console-parts.js';

const reasonCharsMin = 10;

/** @param {Console} console @param {import('./console-parts.js').Choice} choice */
export async function messageView(console, choice) {
  const { t, language } = console;
  const back = button(t.back, () => console.go('messages'));
  const { ok, body } = await console.request(`messages/${encodeURIComponent(choice['id'] ?? '')}`);
  if (!ok) {
    console.say(body);
    return [el('p', {}, back)];
  }
  const known = facts([
    [t.controlId, body.controlId],
    [t.source, `${body.source} (${body.endpointKind})`],
    [t.type, body.type],
    [t.status, wordOf(t, body.status)],
    [t.facility, body.facility],
    [t.map, body.mapVersion],
    [t.size, body.bytes === 0 ? t.emptied : fill(t.bytes, { count: body.bytes })],
    [t.unmapped, body.unmapped.length === 0 ? undefined : body.unmapped.join(', ')],
    [t.conflict, body.conflicts.length === 0 ? undefined : body.conflicts.join(', ')],
  ]);
  return [el('p', {}, back), known, timeline(body.timeline), ...(body.bytes === 0 ? [] : contentParts())];

  /** @param {readonly { at: string, event: string, step?: string, reason?: string, position?: string, replay?: number }[]} entries */
  function timeline(entries) {
    const heads = [t.when, t.what, t.why];
    const rows = entries.map(({ at, event, step, reason, position, replay }) =>
      stackedRow(
        heads,
        el('td', { class: 'number' }, timeOf(language, at)),
        // The head of a column is called so too.
        el('th', { scope: 'row' }, event === 'received' ? t.cameIn : wordOf(t, event)),
        el(
          'td',
          {},
          [replay === undefined ? undefined : `#${replay}`, step, reason, position]
            .filter((part) => part !== undefined)
            .join(' · '),
        ),
      ),
    );
    return table({ label: t.timeline, heads, rows: el('tbody', {}, ...rows) });
  }

  function contentParts() {
    const reason = el('textarea', { required: true, rows: '2' });
    const shown = el('div', { class: 'stack', role: 'region', 'aria-live': 'polite', 'aria-label': t.content });
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
      el('h3', {}, t.content),
      field({ id: 'reason', label: t.reason, control: reason, hint: t.reasonHint }),
      el('div', { class: 'row' }, el('button', { class: 'primary', type: 'submit' }, t.showContent)),
    );
    return [form, shown];

    async function load() {
      shown.replaceChildren();
      if (reason.value.trim().length < reasonCharsMin) {
        console.say(t.reasonShort);
        reason.setAttribute('aria-invalid', 'true');
        return reason.focus();
      }
      reason.removeAttribute('aria-invalid');
      const answer = await post(console, `messages/${body.id}/content`, { reason: reason.value.trim() });
      if (!answer.ok) return console.say(answer.body);
      console.unsay();
      shown.replaceChildren(...contentOf(answer.body));
    }
  }

  /** @param {any} content */
  function contentOf({ text, segments, bundle, problem, mapVersion }) {
    /** @param {string} summary @param {Node} inner @param {boolean} [isOpen] */
    const part = (summary, inner, isOpen = false) => el('details', { open: isOpen }, el('summary', {}, summary), inner);
    const pre = (/** @type {string} */ words) => el('pre', { class: 'panel scroll', tabindex: '0' }, words);
    return [
      part(t.raw, pre(text.replace(/\r\n?/g, '\n')), true),
      ...(segments === undefined ? [] : [part(t.fields, fieldsOf(segments))]),
      problem === undefined
        ? part(fill(t.bundleBy, { map: mapVersion.slice(0, 12) }), pre(JSON.stringify(bundle, null, 2)))
        : el(
            'p',
            { class: 'notice stop' },
            fill(t.notConverted, { reason: [problem.diagnostics, problem.position].filter(Boolean).join(' · ') }),
          ),
    ];
  }

  /** @param {readonly { name: string, fields: Record<string, string> }[]} segments */
  function fieldsOf(segments) {
    const heads = [t.position, t.value];
    const rows = segments.flatMap(({ fields }) =>
      Object.entries(fields).map(([position, text]) =>
        stackedRow(heads, el('th', { scope: 'row' }, position), el('td', {}, text)),
      ),
    );
    return table({ label: t.fields, heads, rows: el('tbody', {}, ...rows) });
  }
}
