/** The FHIR facade on Express: the table of routes mounted, and what is not in it answered in FHIR's own words. */
import { Router, type NextFunction, type Request, type Response } from 'express';
import { answer, type Reporter } from './pipeline.ts';
import type { Facade, Interaction } from './interaction.ts';
import { answerOf, fhirJson, HttpProblem, respond } from './respond.ts';
import { fixedTypeOf, fixedTypes, routes, routesOfOperations } from './routes.ts';

export interface FhirOptions extends Facade {
  readonly report: Reporter;
  readonly observe: (interaction: string, status: number, seconds: number) => void;
  /** Open documents that say what the server does: path below the base -> media type and text. */
  readonly documents: Readonly<Record<string, { readonly contentType?: string; readonly body: string }>>;
}

export function fhirRouter(options: FhirOptions): Router {
  const router = Router({ caseSensitive: true, strict: true });
  for (const [path, { contentType = fhirJson, body }] of Object.entries(options.documents)) {
    router.get(path, (_request, response) => respond(response, { status: 200, body, contentType }));
  }
  for (const route of routesOfOperations) mount(router, route, options);
  router.use(answerUnknownOperation);
  const own = routes.filter((route) => fixedTypeOf(route) !== undefined);
  for (const route of own) mount(router, route, options);
  for (const type of fixedTypes) router.use(`/${type}`, answerUnserved);
  for (const route of routes) if (!own.includes(route)) mount(router, route, options);
  router.use(answerUnserved);
  return router;
}

function mount(router: Router, route: (typeof routes)[number], options: FhirOptions): void {
  const { method, path, interaction } = route;
  const type = fixedTypeOf(route);
  router[method](path, (request: Request, response: Response) => {
    const startedAt = performance.now();
    const params = type === undefined ? request.params : { ...request.params, type };
    // `answer` turns every error into an Answer; what it cannot foresee reaches Express.
    return answer(options, interaction, request, params as Record<string, string>).then((done) => {
      respond(response, done);
      options.observe(nameOf(interaction), done.status, (performance.now() - startedAt) / 1000);
    });
  });
}

/** As metrics count it. */
function nameOf({ code, operation }: Interaction): string {
  return operation === undefined ? code : `$${operation.name}`;
}

/** A path that ends in `$name` is an operation and nothing else. */
function answerUnknownOperation(request: Request, response: Response, next: NextFunction): void {
  const [, name] = /\/\$([^/]*)$/.exec(request.path) ?? [];
  if (name === undefined) return next();
  const isKnown = routesOfOperations.some(({ path }) => path.endsWith(`/$${name}`));
  const problem = isKnown
    ? new HttpProblem(405, 'not-supported', 'the operation is not invoked here, or not by this method', {
        hint: 'Its OperationDefinition says at which level; one that changes something takes POST alone.',
      })
    : new HttpProblem(404, 'not-supported', 'the server does not have this operation', {
        hint: hints[name] ?? 'The CapabilityStatement lists the operations it has: [base]/metadata.',
      });
  respond(response, answerOf(problem, false, ''));
}

/** What to use instead of what is asked for most often. */
const hints: Readonly<Record<string, string>> = {
  graphql: 'The hub has no GraphQL: use search with _include, or Patient/[id]/$everything.',
};

/** @see https://hl7.org/fhir/R4/http.html#general 405 for an interaction that a resource does not have */
function answerUnserved(request: Request, response: Response): void {
  const isKnownPath = /^\/fhir\/R4(\/[A-Za-z]+(\/[^/]+(\/_history(\/[^/]+)?)?)?)?\/?$/.test(
    request.originalUrl.split('?', 1)[0] ?? '',
  );
  const problem = new HttpProblem(
    isKnownPath ? 405 : 404,
    'not-supported',
    'the server does not have this interaction',
    {
      hint: 'The CapabilityStatement lists what it has: [base]/metadata.',
    },
  );
  respond(response, answerOf(problem, false, ''));
}
