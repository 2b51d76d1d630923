/**
 * HTTP of the authorization server's pages: the one place of it where people are. A GET shows the question, to whoever is signed
 * in; a form sends the answer, and leads back to the app. What they allowed is listed in apps.ts.
 *
 * @see https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-authorization-code
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Router, type Request, type Response } from 'express';
import { ask, decide, type Authorizing } from '../../access/oauth/authorize.ts';
import { patientNames } from '../../access/oauth/patient-names.ts';
import type { SignedIn } from '../../access/oauth/people.ts';
import { RefusalToApp } from '../../access/oauth/request.ts';
import { oauthPaths, OAuthProblem, type Parameters } from '../../access/oauth/oauth.ts';
import { scopesMax } from '../../access/client/scope-grant.ts';
import { Problem } from '../../fhir/problem.ts';
import { isFromElsewhere } from '../login/form.ts';
import { chooseLanguage, fill } from '../login/language.ts';
import { texts as frameTexts } from '../login/texts.ts';
import { send, type Reply } from '../login/visit.ts';
import { appsHandlers } from './apps.ts';
import { inTurn, parametersOf, readForm } from './form.ts';
import { decisionFields, loginLinkTo, nobodyPage, questionPage, refusedPage, type Reader } from './page.ts';
import type { OAuthOptions } from './router.ts';
import { texts } from './texts.ts';

/** It travels in an address, and once more inside the address of the login page. */
const queryCharsMax = 4_096;
/** A box for each scope, and the rest of the page. */
const answersMax = scopesMax + 10;

/** A request of a page: who looks, how, and what was sent. */
export interface Visit {
  readonly reader: Reader;
  readonly session: SignedIn | undefined;
  /** Of the query; of the form for a POST. */
  readonly parameters: Parameters;
  /** As sent, after the `?`. */
  readonly query: string;
  /** Another site's page sent it, as far as the browser says. */
  readonly isFromElsewhere: boolean;
}

export type Handler = (visit: Visit) => Promise<Reply>;

export function authorizeRouter(server: Authorizing, { report, observe }: Omit<OAuthOptions, 'authorization'>): Router {
  const router = Router({ caseSensitive: true, strict: true });

  const show: Handler = async ({ reader, session, parameters, query }) => {
    const step = await ask(server, parameters, session);
    const loginLink = loginLinkTo(`${oauthPaths.authorization}?${query}`, reader);
    if (step.kind === 'login') return { redirect: loginLink };
    if (step.kind === 'nobody') return nobodyPage(reader, step.client, step.refusal);
    const { question } = step;
    return questionPage(reader, { ...question, loginLink, names: await patientNames(server.db, question.patients) });
  };

  /** OpenID Connect Core section 3.1.2.1: a form will do as well. It comes from another site, so without the session's cookie. */
  const redirectForm: Handler = ({ parameters }) => {
    const query = new URLSearchParams([...parameters]).toString();
    return Promise.resolve({ redirect: `${oauthPaths.authorization}?${query}` });
  };

  const take: Handler = async ({ session, parameters, ...visit }) => {
    if (visit.isFromElsewhere) throw new OAuthProblem('invalid_request', 'the answer comes from another site');
    const decision = {
      sealed: parameters.get(decisionFields.request) ?? '',
      isAllowed: parameters.get(decisionFields.decision) === 'allow',
      patient: parameters.get(decisionFields.patient),
      scopes: [...parameters].filter(([name]) => name.startsWith(decisionFields.scope)).map(([, scope]) => scope),
    };
    return { redirect: await decide(server, decision, session) };
  };

  const serve = (path: string, interaction: string, handlers: Readonly<Record<string, Handler>>): void => {
    const allow = Object.keys(handlers).join(', ');
    router.all(path, (request: Request, response: Response) => {
      const handler = handlers[request.method];
      if (handler === undefined) {
        response.writeHead(405, { allow, 'content-length': 0 }).end();
        return;
      }
      const startedAt = performance.now();
      void reply(request, response, handler).then((status) =>
        observe(interaction, status, (performance.now() - startedAt) / 1000),
      );
    });
  };

  const visitOf = async (request: IncomingMessage, reader: Reader, query: string): Promise<Visit> => ({
    reader,
    query,
    parameters: request.method === 'POST' ? await readForm(request, answersMax) : parametersOf(query),
    session: await inTurn(() => server.people.sessionOf(request)),
    isFromElsewhere: isFromElsewhere(request),
  });

  const reply = async (request: IncomingMessage, response: ServerResponse, handler: Handler): Promise<number> => {
    const [path = '', query = ''] = (request.url ?? '').split('?', 2);
    const language = chooseLanguage(new URLSearchParams(query).get('ui_locales'), request.headers['accept-language']);
    const reader: Reader = { t: texts[language], language };
    const here = query === '' ? path : `${path}?${withoutLanguage(query)}`;
    const view = { t: frameTexts[language], language, formToken: '', path: here, link: (to: string) => to };
    let replied: Reply;
    try {
      if (query.length > queryCharsMax) throw new OAuthProblem('invalid_request', 'the request is too long');
      const visit = await visitOf(request, reader, query);
      replied = await inTurn(() => handler(visit));
    } catch (error) {
      replied = failure(error, request, reader);
    }
    return send(response, { view, cookies: [] }, replied);
  };

  const failure = (error: unknown, request: IncomingMessage, reader: Reader): Reply => {
    const { t } = reader;
    if (error instanceof RefusalToApp) return { redirect: error.location };
    if (error instanceof Problem && (error.code === 'transient' || error.code === 'throttled')) {
      return { ...refusedPage(reader, 503, t.busy), headers: { 'retry-after': '10' } };
    }
    if (error instanceof OAuthProblem) {
      const isAppsFault = request.url?.startsWith(oauthPaths.authorization) === true;
      return refusedPage(reader, 400, isAppsFault ? t.refusedLead : t.stale, `${error.error}: ${error.message}`);
    }
    // The second: the browser went away while it was sending, and nobody is to blame.
    if (error instanceof Problem || !request.complete) return refusedPage(reader, 400, t.refusedLead);
    const id = crypto.randomUUID();
    report.failed(error, id);
    return refusedPage(reader, 500, fill(t.failed, { id }));
  };

  serve(oauthPaths.authorization, 'authorize', { GET: show, HEAD: show, POST: redirectForm });
  serve(oauthPaths.decision, 'authorize-decide', { POST: take });
  const apps = appsHandlers(server);
  serve(oauthPaths.apps, 'authorized-apps', { GET: apps.show, HEAD: apps.show, POST: apps.end });
  return router;
}

/** The links to other languages put theirs there. */
function withoutLanguage(query: string): string {
  const parameters = new URLSearchParams(query);
  parameters.delete('ui_locales');
  return parameters.toString();
}
