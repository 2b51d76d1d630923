/**
 * The page where a person decides about an app: its name, what it asks for, for whom and for how long, and where they go from
 * here. Plain HTML in the frame that signing in has.
 */
import type { ActiveClient } from '../../access/client/client.ts';
import { isLaunchScope, lastingOf } from '../../access/oauth/launch-scope.ts';
import type { Question } from '../../access/oauth/authorize.ts';
import type { ActsFor } from '../../access/oauth/people.ts';
import { oauthPaths } from '../../access/oauth/oauth.ts';
import { parseScope } from '../../access/principal/scope.ts';
import { html, type Html } from '../login/html.ts';
import { fill, type Language } from '../login/language.ts';
import { loginPath } from '../login/router.ts';
import type { Page } from '../login/layout.ts';
import { relationshipText, typeText, type Texts } from './texts.ts';

export interface Reader {
  readonly t: Texts;
  readonly language: Language;
}

/** Where somebody signs in, and comes back to this path. */
export function loginLinkTo(path: string, { language }: Reader): string {
  return `${loginPath}?${new URLSearchParams({ return_to: path, ui_locales: language }).toString()}`;
}

export interface Asked extends Question {
  /** Where somebody else signs in. */
  readonly loginLink: string;
  /** Of the patients, by id: as people call them. */
  readonly names: ReadonlyMap<string, string>;
}

export const decisionFields = {
  request: 'request',
  patient: 'patient',
  decision: 'decision',
  scope: 'scope.',
} as const;

export function questionPage({ t, language }: Reader, asked: Asked): Page {
  const { client, request, patients, session, sealed, loginLink } = asked;
  const data = request.scopes.filter((scope) => !isLaunchScope(scope));
  const content = html`<p class="lead">
      ${fill(t.lead, { name: session.login ?? session.accountId })} <a href="${loginLink}">${t.someoneElse}</a>
    </p>
    <form class="panel" method="post" action="${oauthPaths.decision}">
      <input type="hidden" name="${decisionFields.request}" value="${sealed}" />
      ${patients.length > 0 && picker(t, asked)} ${data.length > 0 && boxes({ t, language }, data)}
      <ul class="terms">
        ${request.scopes.includes('openid') && html`<li>${t.whoYouAre}</li>`}
        ${data.some(writesConsent) && html`<li><strong>${t.consents}</strong></li>`}
        <li>${t[lastingOf(request.scopes)]}</li>
        <li>${fill(t.back, { host: placeOf(request.redirectUri) })}</li>
      </ul>
      <p class="hint">${t.trust} ${t.canEnd} <a href="${oauthPaths.apps}?ui_locales=${language}">${t.apps}</a></p>
      <div class="row">
        <button class="primary" type="submit" name="${decisionFields.decision}" value="allow">${t.allow}</button>
        <button type="submit" name="${decisionFields.decision}" value="deny" formnovalidate>${t.deny}</button>
      </div>
    </form>`;
  return { title: fill(t.title, { app: client.name }), content, headers: policyFor(request.redirectUri) };
}

function picker(t: Texts, { patients, names }: Asked): Html {
  // One is no choice; of several none is chosen for the person.
  const isOnly = patients.length === 1;
  const options = patients.map(
    (one) =>
      html`<div class="option">
        <input
          type="radio"
          id="patient-${one.patient}"
          name="${decisionFields.patient}"
          value="${one.patient}"
          required
          ${isOnly && html`checked`}
        />
        <label for="patient-${one.patient}">${patientText(t, one, names)}</label>
      </div>`,
  );
  return html`<fieldset>
    <legend>${t.whose}</legend>
    ${options}
  </fieldset>`;
}

function patientText(t: Texts, one: ActsFor, names: ReadonlyMap<string, string>): string {
  const name = names.get(one.patient);
  const relationship = relationshipText(t, one);
  return name === undefined ? relationship : `${name} (${relationship})`;
}

function boxes(reader: Reader, scopes: readonly string[]): Html {
  const { t } = reader;
  const options = scopes.map(
    (scope, index) =>
      html`<div class="option">
        <input type="checkbox" id="scope-${index}" name="${decisionFields.scope}${index}" value="${scope}" checked />
        <label for="scope-${index}">${scopeText(reader, scope)}</label>
      </div>`,
  );
  return html`<fieldset>
    <legend>${t.mayDo}</legend>
    <p class="hint">${t.mayDoHint}</p>
    ${options}
  </fieldset>`;
}

/** A data scope in plain words: "see: results and measurements". */
export function scopeText({ t, language }: Reader, text: string): string {
  const scope = parseScope(text);
  if (scope === undefined) return text;
  const has = (...letters: ('c' | 'r' | 'u' | 'd' | 's')[]): boolean =>
    letters.some((one) => scope.interactions.has(one));
  const verbs = [
    ...(has('r', 's') ? [t.see] : []),
    ...(has('c', 'u') ? [t.write] : []),
    ...(has('d') ? [t.remove] : []),
  ];
  const what = typeText(scope.type, t, language);
  const query = text.split('?', 2)[1];
  return fill(t.scope, {
    verbs: new Intl.ListFormat(language, { type: 'conjunction' }).format(verbs),
    what: query === undefined ? what : fill(t.only, { what, query }),
  });
}

/** LEAKS 31: a Consent written with the patient's token is the patient's. */
function writesConsent(text: string): boolean {
  const scope = parseScope(text);
  if (scope === undefined || (scope.type !== '*' && scope.type !== 'Consent')) return false;
  return (['c', 'u', 'd'] as const).some((letter) => scope.interactions.has(letter));
}

export function nobodyPage({ t }: Reader, client: ActiveClient, refusal: string): Page {
  return {
    title: t.nobody,
    content: html`<p class="lead">${fill(t.nobodyLead, { app: client.name })}</p>
      <p><a href="${refusal}">${t.goBack}</a></p>`,
  };
}

/** For a fault that no app is told of: who sent the person here is not sure. */
export function refusedPage({ t }: Reader, status: number, lead: string, detail?: string): Page {
  return {
    status,
    title: t.refused,
    content: html`<p class="notice stop" role="alert">${lead}</p>
      ${detail !== undefined && html`<p><code>${detail}</code></p>`}`,
  };
}

function placeOf(redirectUri: string): string {
  const { host, protocol } = new URL(redirectUri);
  return host === '' ? protocol.replace(/:$/, '') : host;
}

/**
 * The answer of the form leads on to the app, and browsers hold redirects to `form-action` too.
 * @see https://www.w3.org/TR/CSP3/#directive-form-action
 */
function policyFor(redirectUri: string): Record<string, string> {
  const { origin, protocol } = new URL(redirectUri);
  const target = origin === 'null' ? protocol : origin;
  const policy = [
    "default-src 'none'",
    "style-src 'self'",
    "img-src 'self'",
    `form-action 'self' ${target}`,
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ];
  return { 'content-security-policy': policy.join('; ') };
}
