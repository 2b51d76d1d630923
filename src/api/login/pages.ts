/** The pages of signing in, as pure functions of what they show. */
import type { EnrolmentFault, Invited } from '../../access/login/enrolment.ts';
import type { ListedSession, Session } from '../../access/login/session.ts';
import { oauthPaths } from '../../access/oauth/oauth.ts';
import { texts as appTexts } from '../oauth/texts.ts';
import { Html, html } from './html.ts';
import { fill, type Language, type Texts } from './language.ts';
import { field, form, notice, submit, type Page, type View } from './layout.ts';

export interface SignInState {
  readonly message?: string;
  readonly login?: string;
  readonly signedInAs?: Session | undefined;
  /** Where this visit goes on. */
  readonly returnTo: string;
  /** Host of an external provider. */
  readonly external?: string | undefined;
}

export function signInPage(view: View, { message, login = '', signedInAs, returnTo, external }: SignInState): Page {
  const { t } = view;
  const already =
    signedInAs !== undefined &&
    html`<p>${fill(t.signedInAs, { name: nameOf(signedInAs) })} <a href="${returnTo}">${t.goOn}</a></p>`;
  const content = html`<p class="lead">${t.signInLead}</p>
    ${notice(message)} ${already}
    ${form(
      view,
      '/oauth/login',
      html`${field({ name: 'login', label: t.login, autocomplete: 'username', value: login })} ${secretFields(view)}
      ${submit(t.signIn)}`,
    )}
    ${external !== undefined && form(view, '/oauth/login/external', submit(fill(t.externalSignIn, { issuer: external }), ''))}
    <p><a href="${view.link('/oauth/enrol')}">${t.haveCode}</a></p>`;
  return { title: t.signIn, content };
}

/** What proves that it is them. @param prefix of ids, where a page has several */
function secretFields({ t }: View, prefix = ''): Html {
  return html`${field({
    id: `${prefix}password`,
    name: 'password',
    label: t.password,
    type: 'password',
    autocomplete: 'current-password',
  })}
  ${field({
    id: `${prefix}code`,
    name: 'code',
    label: t.code,
    hint: t.codeHint,
    autocomplete: 'one-time-code',
  })}`;
}

export function goOnPage({ t }: View, next: string, title = t.signedIn): Page {
  return { title, content: html`<p><a href="${next}">${t.goOn}</a></p>`, next };
}

/** What went wrong, and the way back to signing in. */
export function messagePage(
  { t, link }: View,
  loginPath: string,
  { status, message, headers }: Pick<Page, 'status' | 'headers'> & { message: string },
): Page {
  const content = html`${notice(message)}
    <p><a href="${link(loginPath)}">${t.signIn}</a></p>`;
  return { ...(status === undefined ? {} : { status }), ...(headers && { headers }), title: t.signIn, content };
}

export function invitationPage(view: View, message?: string): Page {
  const { t } = view;
  const code = field({
    name: 'invitation',
    label: t.invitation,
    hint: t.invitationHint,
    autocomplete: 'off',
    error: message,
  });
  return {
    title: t.enrol,
    content: html`<p class="lead">${t.enrolLead}</p>
      ${form(view, '/oauth/enrol', html`${code} ${submit(t.next)}`)}`,
  };
}

export interface EnrolmentState {
  readonly invited: Invited;
  /** As it was typed. */
  readonly invitation: string;
  readonly totpUri: string;
  /** SVG. */
  readonly qr: string;
  readonly login?: string;
  readonly faults?: readonly EnrolmentFault[];
  readonly external?: string | undefined;
}

export function enrolmentPage(view: View, state: EnrolmentState): Page {
  const { t } = view;
  const { invited, invitation, totpUri, qr, login = '', faults = [], external } = state;
  const { account, totpKey } = invited;
  const errorOf = (...ours: EnrolmentFault[]): string | undefined => {
    const fault = faults.find((one) => ours.includes(one));
    return fault && t[fault];
  };
  const hidden = html`<input type="hidden" name="invitation" value="${invitation}" />`;
  const name =
    account.login === undefined
      ? field({
          name: 'login',
          label: t.chooseLogin,
          hint: t.chooseLoginHint,
          autocomplete: 'username',
          value: login,
          error: errorOf('loginUnusable', 'loginTaken'),
        })
      : html`<p>${t.login}: <b>${account.login}</b></p>
          <input type="hidden" name="login" autocomplete="username" value="${account.login}" />`;
  const content = html`<p class="lead">${fill(t.enrolFor, { who: account.fhirUser ?? t.operator })}</p>
    ${form(
      view,
      '/oauth/enrol/account',
      html`${hidden} ${name}
        ${field({
          name: 'password',
          label: t.choosePassword,
          hint: t.choosePasswordHint,
          type: 'password',
          autocomplete: 'new-password',
          error: errorOf('passwordShort', 'passwordLong', 'passwordPlain', 'passwordLogin'),
        })}
        ${field({
          name: 'repeated',
          label: t.repeat,
          type: 'password',
          autocomplete: 'new-password',
          error: errorOf('repeatedOther'),
        })}
        <h3>${t.app}</h3>
        <p>${t.appLead}</p>
        <div class="qr" role="img" aria-label="${t.appPicture}">${new Html(qr)}</div>
        <p>${t.appKey}: <code>${grouped(totpKey)}</code></p>
        <p><a href="${totpUri}">${t.appLink}</a></p>
        ${field({
          name: 'code',
          label: t.appCode,
          hint: t.appCodeHint,
          autocomplete: 'one-time-code',
          inputmode: 'numeric',
          error: errorOf('codeWrong'),
        })}
        ${submit(t.finish)}`,
    )}
    ${
      external !== undefined &&
      form(view, '/oauth/login/external', html`${hidden} ${submit(fill(t.externalSignIn, { issuer: external }), '')}`)
    }`;
  return { ...(faults.length > 0 ? { status: 422 } : {}), title: t.enrol, content };
}

/** Easier to type. */
function grouped(key: string): string {
  return key.replace(/(.{4})(?=.)/g, '$1 ');
}

export function recoveryPage(view: View, codes: readonly string[], returnTo: string, message?: string): Page {
  const { t } = view;
  return {
    title: t.recovery,
    content: html`${notice(message, 'good')}
      <p class="lead">${t.recoveryLead}</p>
      <ul class="codes">
        ${codes.map((code) => html`<li><code>${code}</code></li>`)}
      </ul>
      <p><a href="${returnTo}">${t.goOn}</a></p>`,
  };
}

export interface AccountState {
  readonly session: Session;
  readonly sessions: readonly ListedSession[];
  readonly recoveryCount: number;
  /** Signs in by a password of the hub; else an external provider has all that. */
  readonly hasPassword: boolean;
  readonly message?: string;
  readonly isGood?: boolean;
  readonly passwordFault?: string | undefined;
}

export function accountPage(view: View, state: AccountState): Page {
  const { t, language } = view;
  const { session, sessions, recoveryCount, hasPassword, message, isGood = false, passwordFault } = state;
  const rows = sessions.map(
    ({ id, agent, authenticatedAt, lastSeenAt }) =>
      html`<li class="card">
        <h4>${agentText(agent, t)}</h4>
        <p>
          ${fill(t.sessionSince, { since: timeText(authenticatedAt, language), seen: timeText(lastSeenAt, language) })}
          ${id === session.id && html`<span class="tag good">${t.sessionHere}</span>`}
        </p>
        ${
          id !== session.id &&
          form(
            view,
            '/oauth/account/end',
            html`<input type="hidden" name="session" value="${id}" /> ${submit(t.end, 'stop')}`,
            '',
          )
        }
      </li>`,
  );
  const change =
    hasPassword &&
    html`<h3>${t.changePassword}</h3>
      ${form(
        view,
        '/oauth/account/password',
        html`${field({
            id: 'new-password',
            name: 'new',
            label: t.newPassword,
            hint: t.choosePasswordHint,
            type: 'password',
            autocomplete: 'new-password',
            error: passwordFault,
          })}
          <h4>${t.confirm}</h4>
          ${secretFields(view, 'change-')} ${submit(t.changePassword)}`,
      )}
      <h3>${t.newRecovery}</h3>
      ${form(
        view,
        '/oauth/account/recovery',
        html`<p>${fill(t.newRecoveryLead, { count: recoveryCount })}</p>
          <h4>${t.confirm}</h4>
          ${secretFields(view, 'recovery-')} ${submit(t.makeRecovery)}`,
      )}`;
  return {
    title: t.account,
    content: html`<p class="lead">${fill(t.signedInAs, { name: nameOf(session) })}</p>
      ${notice(message, isGood ? 'good' : 'stop')} ${form(view, '/oauth/logout', submit(t.signOut, ''), '')}
      <p><a href="${oauthPaths.apps}?ui_locales=${language}">${appTexts[language].apps}</a></p>
      <h3>${t.sessions}</h3>
      <ul class="cards">
        ${rows}
      </ul>
      ${change}`,
  };
}

function nameOf({ login, fhirUser }: Session): string {
  return login ?? fhirUser ?? '';
}

/** A browser says much about itself; its name and system are what a person knows it by. */
function agentText(agent: string, t: Texts): string {
  const browser = /\b(Edg|OPR|Firefox|Chrome|Safari)[A-Za-z]*\/(\d+)/.exec(agent);
  const system = /\b(Windows|Android|iPhone|iPad|Mac OS X|Linux)\b/.exec(agent);
  const parts = [browser?.[1]?.replace('Edg', 'Edge'), system?.[1]].filter((part) => part !== undefined);
  return parts.length === 0 ? t.unknownAgent : parts.join(', ');
}

function timeText(time: Date, language: Language): string {
  return (
    new Intl.DateTimeFormat(language, {
      dateStyle: 'medium',
      timeStyle: 'short',
      timeZone: 'UTC',
    }).format(time) + ' UTC'
  );
}
