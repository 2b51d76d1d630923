/**
 * The FHIR facade as a plain listener, in front of Express: the table of routes says everything Express would, and its
 * layers took a tenth of the hub's time for a read. What is not in the table is answered in FHIR's own words.
 */
import { randomUUID } from 'node:crypto';
import type { RequestListener, ServerResponse } from 'node:http';
import { answer } from './pipeline.ts';
import type { Facade, Interaction } from './interaction.ts';
import { matchOf, type Matched } from './match.ts';
import { answerOf, fhirJson, respond, type Answer } from './respond.ts';
import { routes, routesOfOperations } from './routes.ts';

export interface FhirOptions extends Omit<Facade, 'match'> {
  readonly observe: (interaction: string, status: number, seconds: number) => void;
  /** Open documents that say what the server does: path below the base -> media type and text. */
  readonly documents: Readonly<Record<string, { readonly contentType?: string; readonly body: string }>>;
}

const basePath = '/fhir/R4';

/** True for the base itself and what is below it. */
export function isFhir(url: string): boolean {
  return url.startsWith(basePath) && ['/', '?', ''].includes(url.charAt(basePath.length));
}

/** For requests that {@link isFhir} says are its. */
export function fhirListener(options: FhirOptions): RequestListener {
  const documents = new Map(
    Object.entries(options.documents).map(([path, { contentType = fhirJson, body }]): [string, Answer] => [
      path,
      { status: 200, body, contentType },
    ]),
  );
  const facade: Facade = { ...options, match: matchOf({ operations: routesOfOperations, routes }) };
  return (request, response) => {
    const startedAt = performance.now();
    const { method = '', url = '' } = request;
    const path = url.slice(basePath.length).split('?', 1)[0] as string;
    const document = method === 'GET' || method === 'HEAD' ? documents.get(path) : undefined;
    if (document !== undefined) return respond(response, document);
    const matched = matchOrRefuse(facade, { method, path }, response);
    if (matched === undefined) return undefined;
    const { interaction } = matched.route;
    // `answer` turns every error into an Answer; what it cannot foresee is ours.
    answer(facade, interaction, request, matched.params)
      .then((done) => {
        respond(response, done);
        options.observe(nameOf(interaction), done.status, (performance.now() - startedAt) / 1000);
      })
      .catch((error: unknown) => {
        const correlationId = randomUUID();
        facade.report.failed(error, correlationId);
        if (response.headersSent) response.destroy();
        else respond(response, answerOf(error, false, correlationId));
      });
    return undefined;
  };
}

/** What is answered before anybody is asked who they are; undefined when it was. */
function matchOrRefuse(
  { match }: Facade,
  { method, path }: { method: string; path: string },
  response: ServerResponse,
): Matched | undefined {
  try {
    return match(method, path);
  } catch (error) {
    respond(response, answerOf(error, false, ''));
    return undefined;
  }
}

/** As metrics count it. */
function nameOf({ code, operation }: Interaction): string {
  return operation === undefined ? code : `$${operation.name}`;
}
