/** The HTTP side of the hub: health for everybody, the facade, the console's API and HL7v2 over HTTP as the roles say. */
import type { RequestListener, ServerResponse } from 'node:http';
import { join } from 'node:path';
import express, { type NextFunction, type Request, type Response } from 'express';
import helmet from 'helmet';
import type { Audit } from '../access/audit.ts';
import { openAuthorization } from '../access/authorization.ts';
import { oauthPaths } from '../access/oauth.ts';
import { isFhir } from '../api/fhir.ts';
import { mountHealth } from '../api/health.ts';
import { hl7Router } from '../api/hl7v2.ts';
import { oauthRouter } from '../api/oauth.ts';
import { opsRouter } from '../api/ops.ts';
import { answerOf, HttpProblem, respond } from '../api/respond.ts';
import type { Addresses, Config } from '../config.ts';
import type { Database } from '../db.ts';
import type { Profiles } from '../fhir/validate.ts';
import type { Registry } from '../ingest/endpoint.ts';
import { openFacade } from './facade.ts';
import type { Intake } from './intake.ts';
import type { Logger } from './log.ts';
import { openMapService } from './maps.ts';
import type { Metrics } from './metrics.ts';
import { queueOutbound } from './outbound.ts';

export interface AppOptions {
  readonly config: Config;
  readonly addresses: Addresses;
  readonly database: Database;
  readonly audit: Audit;
  readonly endpoints: Registry;
  readonly intake: Intake | undefined;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly profiles: Profiles;
  readonly isAccepting: () => boolean;
}

export async function openApp(options: AppOptions): Promise<RequestListener> {
  const { config, addresses, database, intake, metrics, log } = options;
  const { keys, authenticator, registry, report, listener } = await openFacade({
    config,
    addresses,
    database,
    audit: options.audit,
    log,
    profiles: options.profiles,
    observe: metrics.observeRequest,
  });
  const fhir = config.roles.has('api') ? listener : undefined;

  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  // Queries are read by those who know their grammar; a parser in between would only have to be undone.
  app.set('query parser', false);

  // Below: pages and answers that a browser may open. The facade's answers carry what they need (respond.ts).
  app.use(helmet({ contentSecurityPolicy: { useDefaults: false, directives: pagePolicy } }));
  mountHealth(app, {
    database,
    isAccepting: options.isAccepting,
    metrics: async () => ({ contentType: metrics.contentType, text: await metrics.render() }),
  });
  app.get(oauthPaths.jwks, (_request, response) => {
    response.set('cache-control', 'public, max-age=60').json(keys.jwks);
  });
  if (config.roles.has('api')) {
    const authorization = openAuthorization({
      db: database,
      audit: options.audit,
      issuer: addresses.publicUrl,
      audience: addresses.audience,
      fhirBase: addresses.fhirBase,
      keys,
      registry,
      authenticator,
    });
    app.use(oauthRouter({ authorization, report, observe: metrics.observeRequest }));
    app.use(
      '/portal',
      express.static(join(root, 'portal'), { dotfiles: 'deny', cacheControl: false, setHeaders: noCache }),
    );
    app.get('/console', (_request, response) => {
      noCache(response);
      response.sendFile(join(root, 'portal', 'console.html'), { cacheControl: false });
    });
    app.use(
      '/ops',
      opsRouter({
        authenticator,
        report,
        send: (request) => queueOutbound(database, options.audit, request),
        ...openMapService(database, options.endpoints),
      }),
    );
  }
  if (intake !== undefined) {
    app.use('/hl7v2', hl7Router({ authenticator, report, receive: (bytes, from) => intake.receive(bytes, from) }));
  }
  app.use((_request: Request, response: Response) => {
    const problem = new HttpProblem(404, 'not-supported', 'there is nothing at this path', {
      hint: 'The FHIR base is /fhir/R4.',
    });
    respond(response, answerOf(problem, false, ''));
  });
  app.use((error: unknown, _request: Request, response: Response, next: NextFunction) => {
    // A path that cannot be decoded is the one error Express itself raises.
    const isMalformed = error instanceof URIError;
    const correlationId = crypto.randomUUID();
    if (!isMalformed) report.failed(error, correlationId);
    if (response.headersSent) return next(error);
    const problem = isMalformed ? new HttpProblem(400, 'value', 'the path is not properly encoded') : error;
    respond(response, answerOf(problem, false, correlationId));
  });
  return (request, response) => {
    const isFacade = fhir !== undefined && isFhir(request.url ?? '');
    (isFacade ? fhir : (app as RequestListener))(request, response);
  };
}

/** LEAKS 40: nothing inline, nothing from elsewhere, nobody frames it. */
const pagePolicy = {
  defaultSrc: ["'none'"],
  scriptSrc: ["'self'"],
  styleSrc: ["'self'"],
  connectSrc: ["'self'"],
  imgSrc: ["'self'"],
  baseUri: ["'none'"],
  formAction: ["'none'"],
  frameAncestors: ["'none'"],
};

const root = join(import.meta.dirname, '..', '..');

/** Pages are asked for again each time: after an update nobody runs half an old portal. */
function noCache(response: ServerResponse): void {
  response.setHeader('cache-control', 'no-cache');
}
