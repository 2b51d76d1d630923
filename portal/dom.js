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

/**
 * A table whose rows are read one below the other where there is no room for columns. Its parts say what they are, because a table that is no
 * grid is none to some screen readers.
 * @param {{ heads: readonly string[], rows: HTMLElement, caption?: HTMLElement }} parts `rows` by {@link stackedRow}
 */
export function stackedTable({ heads, rows, caption }) {
  rows.setAttribute('role', 'rowgroup');
  return el(
    'table',
    { class: 'stacked', role: 'table' },
    caption,
    el(
      'thead',
      { role: 'rowgroup' },
      el('tr', { role: 'row' }, ...heads.map((head) => el('th', { scope: 'col', role: 'columnheader' }, head))),
    ),
    rows,
  );
}

/** @param {readonly string[]} heads said before each cell where rows stack @param {(HTMLElement | false)[]} cells */
export function stackedRow(heads, ...cells) {
  const shown = cells.filter((cell) => cell !== false);
  for (const [index, cell] of shown.entries()) {
    cell.setAttribute('role', cell.tagName === 'TH' ? 'rowheader' : 'cell');
    cell.setAttribute('data-head', heads[index] ?? '');
  }
  return el('tr', { role: 'row' }, ...shown);
}

/** @param {HTMLElement} place @param {string} selector of the first control in it that wants the focus */
export function focusIn(place, selector) {
  const control = place.querySelector(selector);
  if (control instanceof HTMLElement) control.focus();
}
