/** The FHIR facade on Express: the table of routes mounted, and what is not in it answered in FHIR's own words. */
import { Router, type Request, type Response } from 'express';
import { answer } from './pipeline.ts';
import type { Facade, Interaction } from './interaction.ts';
import { matchOf, type Matched } from './match.ts';
import { answerOf, fhirJson, respond } from './respond.ts';
import { routes, routesOfOperations } from './routes.ts';

export interface FhirOptions extends Omit<Facade, 'match'> {
  readonly observe: (interaction: string, status: number, seconds: number) => void;
  /** Open documents that say what the server does: path below the base -> media type and text. */
  readonly documents: Readonly<Record<string, { readonly contentType?: string; readonly body: string }>>;
}

export function fhirRouter(options: FhirOptions): Router {
  const router = Router({ caseSensitive: true, strict: true });
  for (const [path, { contentType = fhirJson, body }] of Object.entries(options.documents)) {
    router.get(path, (_request, response) => respond(response, { status: 200, body, contentType }));
  }
  const facade: Facade = { ...options, match: matchOf({ operations: routesOfOperations, routes }) };
  router.use((request: Request, response: Response) => {
    const startedAt = performance.now();
    const matched = matchOrRefuse(facade, request, response);
    if (matched === undefined) return undefined;
    // `answer` turns every error into an Answer; what it cannot foresee reaches Express.
    return answer(facade, matched.route.interaction, request, matched.params).then((done) => {
      respond(response, done);
      options.observe(nameOf(matched.route.interaction), done.status, (performance.now() - startedAt) / 1000);
    });
  });
  return router;
}

/** What is answered before anybody is asked who they are; undefined when it was. */
function matchOrRefuse({ match }: Facade, request: Request, response: Response): Matched | undefined {
  try {
    return match(request.method, request.url.split('?', 1)[0] as string);
  } catch (error) {
    respond(response, answerOf(error, false, ''));
    return undefined;
  }
}

/** As metrics count it. */
function nameOf({ code, operation }: Interaction): string {
  return operation === undefined ? code : `$${operation.name}`;
}
