/** GET /oauth/apps: what the person who is signed in has allowed which app, with a button to end each. */
import type { Authorizing } from '../../access/oauth/authorize.ts';
import { isLaunchScope } from '../../access/oauth/launch-scope.ts';
import { endOwnGrant, listOwnGrants, type OwnGrant } from '../../access/oauth/own-grants.ts';
import { patientNames } from '../../access/oauth/patient-names.ts';
import { oauthPaths, OAuthProblem } from '../../access/oauth/oauth.ts';
import { html, type Html } from '../login/html.ts';
import { fill } from '../login/language.ts';
import type { Page } from '../login/layout.ts';
import type { Handler } from './authorize.ts';
import { loginLinkTo, scopeText, type Reader } from './page.ts';

export interface AppsHandlers {
  readonly show: Handler;
  readonly end: Handler;
}

export function appsHandlers(server: Authorizing): AppsHandlers {
  return {
    show: async ({ reader, session }) => {
      if (session === undefined) return { redirect: loginLinkTo(oauthPaths.apps, reader) };
      const grants = await listOwnGrants(server, session);
      // For whom each is was theirs to choose when they allowed it; whether it still is, they may not see by the name.
      const mine = session.fhirUser === undefined ? [] : await server.people.actsFor(session.fhirUser, server.now());
      return appsPage(reader, grants, await patientNames(server.db, mine));
    },
    end: async ({ reader, session, parameters, isFromElsewhere }) => {
      if (session === undefined || isFromElsewhere) {
        throw new OAuthProblem('invalid_request', 'the answer comes from another site, or nobody is signed in');
      }
      await endOwnGrant(server, parameters.get('grant') ?? '', session);
      return { redirect: `${oauthPaths.apps}?ui_locales=${reader.language}` };
    },
  };
}

function appsPage(reader: Reader, grants: readonly OwnGrant[], names: ReadonlyMap<string, string>): Page {
  const { t } = reader;
  const content =
    grants.length === 0
      ? html`<p class="lead">${t.noApps}</p>`
      : html`<p class="lead">${t.appsLead}</p>
          ${grants.map((grant) => card(reader, grant, names))}`;
  return { title: t.apps, content };
}

function card(reader: Reader, grant: OwnGrant, names: ReadonlyMap<string, string>): Html {
  const { t, language } = reader;
  const data = grant.scopes.filter((scope) => !isLaunchScope(scope));
  const since = new Intl.DateTimeFormat(language, { dateStyle: 'medium' }).format(grant.grantedAt);
  const name = grant.patient === null ? undefined : names.get(grant.patient);
  return html`<form class="panel" method="post" action="${oauthPaths.apps}?ui_locales=${language}">
    <input type="hidden" name="grant" value="${grant.sealed}" />
    <h3>${grant.name}</h3>
    <ul class="terms">
      ${name !== undefined && html`<li>${name}</li>`} ${data.map((scope) => html`<li>${scopeText(reader, scope)}</li>`)}
      <li>${fill(t.since, { since })}</li>
    </ul>
    <div class="row">
      <button class="stop" type="submit" aria-label="${fill(t.endOf, { app: grant.name })}">${t.end}</button>
    </div>
  </form>`;
}
