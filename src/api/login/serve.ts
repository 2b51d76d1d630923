/** How the paths of signing in are served: pages and their forms by visits, what the hub's own pages ask for as JSON. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Request, Response, Router } from 'express';
import type { Session } from '../../access/login/session.ts';
import { Problem } from '../../fhir/problem.ts';
import type { Reporter } from '../interaction.ts';
import { HttpProblem, respond, type Answer } from '../respond.ts';
import type { Handler } from './desk.ts';
import { chooseLanguage, fill } from './language.ts';
import type { Page } from './layout.ts';
import { messagePage } from './pages.ts';
import { isForeign, json, refusalAnswer } from './portal.ts';
import { refusalOf, type Refusal } from './refusal.ts';
import { texts } from './texts.ts';
import { openVisit, send, type Reading, type Reply, type Visit } from './visit.ts';

export interface ServingOptions extends Reading {
  readonly report: Reporter;
  readonly observe: (interaction: string, status: number, seconds: number) => void;
  readonly loginPath: string;
}

export interface Serving {
  /** A page, and the forms that go to its path. */
  readonly pages: (path: string, interaction: string, handlers: { GET?: Handler; POST?: Handler }) => void;
  /** A POST of one of the hub's own pages, with the session of its browser. */
  readonly calls: (path: string, interaction: string, handle: Call) => void;
}

export type Call = (session: Session | undefined, request: IncomingMessage) => Promise<Answer>;

export function openServing(router: Router, options: ServingOptions): Serving {
  const { context, cookies, proxies, report, observe, loginPath } = options;

  const serve = (
    path: string,
    interaction: string,
    methods: readonly string[],
    answer: (request: Request, response: Response) => Promise<number>,
  ): void => {
    router.all(path, (request: Request, response: Response) => {
      const startedAt = performance.now();
      if (!methods.includes(request.method)) {
        response.writeHead(405, { allow: methods.join(', '), 'content-length': 0 }).end();
        return;
      }
      void answer(request, response).then((status) =>
        observe(interaction, status, (performance.now() - startedAt) / 1000),
      );
    });
  };

  const page = async (request: IncomingMessage, response: ServerResponse, handler: Handler): Promise<number> => {
    let visit: Visit | undefined;
    try {
      visit = await openVisit(request, { context, cookies, proxies, isForm: request.method === 'POST' });
      return send(response, visit, await handler(visit));
    } catch (error) {
      const failed = visit ?? bareVisit(request);
      return send(response, failed, refusalPage(error, failed.view, { report, request, loginPath }));
    }
  };

  const call = async (request: IncomingMessage, response: ServerResponse, handle: Call): Promise<number> => {
    const answered = async (): Promise<Answer> => {
      if (isForeign(request)) return json(403, { error: 'forbidden' });
      const secret = cookies.read(request, 'session');
      return handle(secret === undefined ? undefined : await context.sessions.find(secret), request);
    };
    const answer = await answered().catch((error: unknown): Answer => {
      const refusal = refusalAnswer(error);
      if (refusal !== undefined || !request.complete) return refusal ?? json(400);
      const correlationId = crypto.randomUUID();
      report.failed(error, correlationId);
      return json(500, { error: 'server_error', error_description: `our fault; its number is ${correlationId}` });
    });
    respond(response, answer);
    return answer.status;
  };

  return {
    pages: (path, interaction, handlers) => {
      const methods = [...(handlers.GET === undefined ? [] : ['GET', 'HEAD']), ...(handlers.POST ? ['POST'] : [])];
      serve(path, interaction, methods, (request, response) =>
        page(request, response, (request.method === 'POST' ? handlers.POST : handlers.GET) as Handler),
      );
    },
    calls: (path, interaction, handle) =>
      serve(path, interaction, ['POST'], (request, response) => call(request, response, handle)),
  };
}

/** Enough for a page that says why there is no other. */
function bareVisit(request: IncomingMessage): Pick<Visit, 'view' | 'cookies'> {
  const [path = '/', query] = (request.url ?? '/').split('?', 2);
  const language = chooseLanguage(new URLSearchParams(query).get('ui_locales'), request.headers['accept-language']);
  const link = (to: string): string => (query === undefined ? to : `${to}?${query}`);
  return { view: { t: texts[language], language, formToken: '', path, link }, cookies: [] };
}

function refusalPage(
  error: unknown,
  view: Visit['view'],
  { report, request, loginPath }: Pick<ServingOptions, 'report' | 'loginPath'> & { request: IncomingMessage },
): Reply {
  const { t } = view;
  const page = (refusal: Refusal): Page => messagePage(view, loginPath, refusal);
  const known = refusalOf(error, t);
  if (known !== undefined) return page(known);
  if (error instanceof Problem) {
    const status = error instanceof HttpProblem ? error.status : error.code === 'too-long' ? 413 : 400;
    return page({ status, message: t.stale, headers: { connection: 'close' } });
  }
  // The browser went away while it was sending: nobody reads this, and nobody is to blame.
  if (!request.complete) return page({ status: 400, message: t.stale });
  const id = crypto.randomUUID();
  report.failed(error, id);
  return page({ status: 500, message: fill(t.failed, { id }) });
}
