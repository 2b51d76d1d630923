/**
 * The FHIR facade as a plain listener, in front of Express: the table of routes says everything Express would, and its
 * layers took a tenth of the hub's time for a read. What is not in the table is answered in FHIR's own words.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, RequestListener } from 'node:http';
import { deliver, optionsOf } from './deliver.ts';
import { answer } from './pipeline.ts';
import type { Facade, Interaction } from './interaction.ts';
import { matchOf, methodsOf, type Matched } from './match.ts';
import { Problem } from '../fhir/problem.ts';
import { answerOf, HttpProblem, type Answer } from './respond.ts';
import { routes, routesOfOperations } from './routes.ts';

export interface FhirOptions extends Omit<Facade, 'match'> {
  readonly observe: (interaction: string, status: number, seconds: number) => void;
  /** Open documents that say what the server does, by their path below the base. */
  readonly documents: Readonly<Record<string, Document>>;
}

/** Of the query and the `Accept` that it was asked with. @throws Problem */
export type Document = (query: string, accept: string | undefined) => Answer | Promise<Answer>;

const basePath = '/fhir/R4';

/** True for the base itself and what is below it. */
export function isFhir(url: string): boolean {
  return url.startsWith(basePath) && ['/', '?', ''].includes(url.charAt(basePath.length));
}

/** For requests that {@link isFhir} says are its. */
export function fhirListener(options: FhirOptions): RequestListener {
  const documents = new Map(Object.entries(options.documents));
  const facade: Facade = { ...options, match: matchOf({ operations: routesOfOperations, routes }) };
  return (request, response) => {
    const startedAt = performance.now();
    const { method = '', url = '' } = request;
    const [path = '', query = ''] = url.slice(basePath.length).split('?', 2);
    const send = (one: Answer): void => deliver(request, response, one);
    const fail = (error: unknown): void => {
      const correlationId = randomUUID();
      if (!(error instanceof Problem)) facade.report.failed(error, correlationId);
      if (response.headersSent) response.destroy();
      else send(answerOf(error, false, correlationId));
    };
    const document = documents.get(path);
    if (document !== undefined && isReading(method)) {
      new Promise<Answer>((resolve) => resolve(document(query, request.headers.accept))).then(send).catch(fail);
      return undefined;
    }
    if (method === 'OPTIONS') return send(answerOptions(facade, path, { document, request }));
    const matched = matchOrRefuse(facade, method, path);
    if (!('route' in matched)) return send(matched);
    const { interaction } = matched.route;
    // `answer` turns every error into an Answer; what it cannot foresee is ours.
    answer(facade, interaction, request, matched.params)
      .then((answered) => {
        send(answered);
        options.observe(nameOf(interaction), answered.status, (performance.now() - startedAt) / 1000);
      })
      .catch(fail);
    return undefined;
  };
}

/** R4 http.html#read: HEAD is answered as GET, without the body, which Node leaves away. */
function isReading(method: string): boolean {
  return method === 'GET' || method === 'HEAD';
}

/** Open to everybody, as a browser asks before it sends a token: it says what the table says, and nothing of any resource. */
function answerOptions(
  { match }: Facade,
  path: string,
  { document, request }: { document: Document | undefined; request: IncomingMessage },
): Answer {
  const methods = document === undefined ? methodsOf(match, path) : ['GET', 'HEAD', 'OPTIONS'];
  if (methods.length > 0) return optionsOf(methods, request.headers.origin !== undefined);
  return answerOf(new HttpProblem(404, 'not-supported', 'there is nothing at this path'), false, '');
}

/** The row of the table, or what is answered before anybody is asked who they are. */
function matchOrRefuse({ match }: Facade, method: string, path: string): Matched | Answer {
  try {
    return match(method === 'HEAD' ? 'GET' : method, path);
  } catch (error) {
    const refusal = answerOf(error, false, '');
    if (refusal.status !== 405) return refusal;
    // RFC 9110 section 15.5.6: 405 comes with Allow.
    return { ...refusal, headers: { ...refusal.headers, allow: methodsOf(match, path).join(', ') } };
  }
}

/** As metrics count it. */
function nameOf({ code, operation }: Interaction): string {
  return operation === undefined ? code : `$${operation.name}`;
}
