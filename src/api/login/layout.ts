/** What every page of signing in is set in, and the pieces they share. No script, nothing inline, nothing from elsewhere. */
import { tokenField } from './form.ts';
import { html, type Html } from './html.ts';
import type { Language, Texts } from './language.ts';
import { languageNames } from './texts.ts';

/** Who looks at a page, and how. */
export interface View {
  readonly t: Texts;
  readonly language: Language;
  /** Of every form. */
  readonly formToken: string;
  /** The page's own path and query, without the language. */
  readonly path: string;
  /** A link of the same visit: keeps where to return and the language. */
  readonly link: (path: string) => string;
}

export interface Page {
  readonly status?: number;
  readonly title: string;
  readonly content: Html;
  /** Where to go on by itself: for what a form may not lead to (`form-action` holds for redirects too). */
  readonly next?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export function renderPage(view: View, { title, content, next }: Page): string {
  const { t, language, path } = view;
  const links = Object.entries(languageNames).map(
    ([code, name]) =>
      html`<li>
        <a href="${withLanguage(path, code)}" lang="${code}" hreflang="${code}" ${current(code === language)}
          >${name}</a
        >
      </li>`,
  );
  return html`<!doctype html>
    <html lang="${language}">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        ${next !== undefined && html`<meta http-equiv="refresh" content="0;url=${next}" />`}
        <title>${title} – ${t.hub}</title>
        <link rel="icon" href="/portal/icon.svg" type="image/svg+xml" />
        <link rel="stylesheet" href="/portal/portal.css" />
        <link rel="stylesheet" href="/portal/login.css" />
      </head>
      <body>
        <a class="skip" href="#main">${t.skip}</a>
        <header class="bar">
          <div>
            <div class="top">
              <h1>${t.hub}</h1>
              <nav class="languages" aria-label="${t.language}">
                <ul>
                  ${links}
                </ul>
              </nav>
            </div>
          </div>
        </header>
        <main id="main" tabindex="-1">
          <h2>${title}</h2>
          ${content}
        </main>
      </body>
    </html>`.text;
}

const current = (isCurrent: boolean): Html | false => isCurrent && html`aria-current="true"`;

function withLanguage(path: string, code: string): string {
  return `${path}${path.includes('?') ? '&' : '?'}ui_locales=${code}`;
}

export function form(view: View, action: string, content: Html, style = 'panel'): Html {
  return html`<form class="${style}" method="post" action="${view.link(action)}">
    <input type="hidden" name="${tokenField}" value="${view.formToken}" />
    ${content}
  </form>`;
}

export interface Field {
  readonly name: string;
  readonly label: string;
  /** @see https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#autofill */
  readonly autocomplete: string;
  readonly type?: 'text' | 'password';
  readonly value?: string;
  readonly hint?: string;
  readonly error?: string | undefined;
  readonly inputmode?: 'numeric' | 'text';
  /** Two fields of one page have two ids, whatever their names. */
  readonly id?: string;
}

export function field({
  name,
  label,
  autocomplete,
  type = 'text',
  value,
  hint,
  error,
  inputmode,
  id = name,
}: Field): Html {
  const notes = [hint !== undefined && `${id}-hint`, error !== undefined && `${id}-error`].filter(Boolean).join(' ');
  return html`<div class="field">
    <label for="${id}">${label}</label>
    ${hint !== undefined && html`<p class="hint" id="${id}-hint">${hint}</p>`}
    <input
      id="${id}"
      name="${name}"
      type="${type}"
      autocomplete="${autocomplete}"
      required
      spellcheck="false"
      autocapitalize="none"
      ${value !== undefined && html`value="${value}"`}
      ${inputmode !== undefined && html`inputmode="${inputmode}"`}
      ${notes !== '' && html`aria-describedby="${notes}"`}
      ${error !== undefined && html`aria-invalid="true"`}
    />
    ${error !== undefined && html`<p class="error" id="${id}-error">${error}</p>`}
  </div>`;
}

export function submit(label: string, style = 'primary'): Html {
  return html`<div class="row"><button class="${style}" type="submit">${label}</button></div>`;
}

/** Read out when the page opens: what came of what was sent. */
export function notice(message: string | undefined, kind: 'stop' | 'good' = 'stop'): Html | false {
  return message !== undefined && html`<p class="notice ${kind}" role="alert">${message}</p>`;
}
