/** Elements from data. Text always becomes a text node, so nothing a hospital sends can turn into markup. */

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number | boolean | undefined | ((event: Event) => unknown)>} attributes a function is a
 *   listener (`onclick`), `true` an empty attribute, `false` and undefined none
 * @param {(Node | string | undefined | false)[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== undefined && child !== false));
  return element;
}

/**
 * A label with its control, hint and error, tied together for assistive technology.
 * @param {{ id: string, label: string, control: HTMLElement, hint?: string, error?: string }} parts
 */
export function field({ id, label, control, hint, error }) {
  control.id = id;
  const notes = [hint !== undefined && `${id}-hint`, error !== undefined && `${id}-error`].filter(Boolean);
  if (notes.length > 0) control.setAttribute('aria-describedby', notes.join(' '));
  if (error !== undefined) control.setAttribute('aria-invalid', 'true');
  return el(
    'div',
    { class: 'field' },
    el('label', { for: id }, label),
    hint !== undefined && el('p', { class: 'hint', id: `${id}-hint` }, hint),
    control,
    error !== undefined && el('p', { class: 'error', id: `${id}-error` }, error),
  );
}

/**
 * @param {string} label
 * @param {(event: Event) => unknown} onclick
 * @param {Record<string, string | boolean | undefined>} [attributes]
 */
export function button(label, onclick, attributes = {}) {
  return el('button', { type: 'button', onclick, ...attributes }, label);
}
