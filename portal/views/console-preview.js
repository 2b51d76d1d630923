/** What a message would become, by the map of an endpoint. @typedef {import('./console-parts.js').Console} Console */
import { el, field } from '../dom.js';

/** @param {Console} console */
export function previewView(console) {
  const { t } = console;
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
    console.unsay();
    const query = endpoint.value.trim() === '' ? '' : `?${new URLSearchParams({ endpoint: endpoint.value.trim() })}`;
    const { ok, body } = await console.request(`hl7v2/preview${query}`, {
      method: 'POST',
      headers: { 'content-type': 'application/hl7-v2' },
      // Segments end with CR; a text area gives LF.
      body: text.value.replace(/\r?\n/g, '\r'),
    });
    result.replaceChildren();
    if (!ok) return console.say(body);
    result.append(el('pre', { class: 'panel scroll', tabindex: '0' }, JSON.stringify(body, null, 2)));
  }
}
