/** The HTTP side of the hub: health for everybody, the facade, the console's API and HL7v2 over HTTP as the roles say. */
import type { RequestListener, ServerResponse } from 'node:http';
import { join } from 'node:path';
import express, { type NextFunction, type Request, type Response } from 'express';
import helmet from 'helmet';
import type { Audit } from '../access/audit/audit.ts';
import { oauthPaths } from '../access/oauth/oauth.ts';
import { isFhir } from '../api/fhir.ts';
import { mountHealth } from '../api/health.ts';
import { deviceRouter } from '../api/device.ts';
import { hl7Router } from '../api/hl7v2.ts';
import { opsRouter } from '../api/ops.ts';
import { pushRouter } from '../api/push.ts';
import { answerOf, HttpProblem, respond } from '../api/respond.ts';
import type { Addresses, Config } from '../config.ts';
import type { Database } from '../db.ts';
import type { Profiles } from '../fhir/validate.ts';
import type { Registry } from '../ingest/endpoint.ts';
import { openAuthorizationServer } from './authorization-server.ts';
import { openDeviceIntake } from './devices.ts';
import { openRegistrar } from './endpoints.ts';
import { openFacade } from './facade.ts';
import { openMark } from '../ingest/marks.ts';
import type { Intake } from './intake.ts';
import type { Logger } from './log.ts';
import { openMapService } from './maps.ts';
import type { Metrics } from './metrics.ts';
import { checkOnboarding } from './onboarding/check.ts';
import { queueOutbound } from './outbound.ts';
import { openPushing } from './pushing.ts';
import { loadSecret, markKeyName } from './secret.ts';
import { openShow } from './shown.ts';
import { openPeopleSignIn, type PeopleSignIn } from './sign-in.ts';

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

export interface App {
  readonly listener: RequestListener;
  /** Resolves when what was begun behind answers is done. */
  settled(): Promise<void>;
}

export async function openApp(options: AppOptions): Promise<App> {
  const { config, addresses, database, intake, metrics, log } = options;
  const facade = await openFacade({
    config,
    addresses,
    database,
    audit: options.audit,
    log,
    profiles: options.profiles,
    metrics: metrics.requests,
  });
  const { strangers, keys, authenticator, registry, report, listener } = facade;
  const fhir = config.roles.has('api') ? listener : undefined;

  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  // Queries are read by those who know their grammar; a parser in between would only have to be undone.
  app.set('query parser', false);

  // Below: pages and answers that a browser may open. The facade's answers carry what they need (respond.ts).
  app.use(
    helmet({ contentSecurityPolicy: { useDefaults: false, directives: pagePolicy }, frameguard: { action: 'deny' } }),
  );
  app.use((_request: Request, response: Response, next: NextFunction) => {
    // What may be kept says so itself: a path that is added later is not kept by anybody.
    response.set({ 'cache-control': 'no-store', 'permissions-policy': nothingPermitted });
    next();
  });
  mountHealth(app, {
    database,
    isAccepting: options.isAccepting,
    metrics: async () => ({ contentType: metrics.contentType, text: await metrics.render() }),
  });
  app.get(oauthPaths.jwks, async (_request, response) => {
    await registry.refresh();
    const believed = keys.jwks.keys.filter(({ kid = '' }) => !registry.isKeyRevoked(addresses.publicUrl, kid));
    response
      .set({ 'cache-control': 'public, max-age=60', 'access-control-allow-origin': '*' })
      .json({ keys: believed });
  });
  let signIn: PeopleSignIn | undefined;
  if (config.roles.has('api')) {
    signIn = await openPeopleSignIn({
      config,
      addresses,
      database,
      audit: options.audit,
      registry,
      keys,
      report,
      observe: metrics.observeRequest,
      log,
    });
    app.use(signIn.router);
    app.use(
      await openAuthorizationServer({
        config,
        addresses,
        database,
        audit: options.audit,
        facade,
        observe: metrics.observeRequest,
        countThrottled: metrics.requests.countThrottled,
        signIn,
      }),
    );
    app.use(
      '/portal',
      express.static(join(root, 'portal'), { dotfiles: 'deny', cacheControl: false, setHeaders: noCache }),
    );
    app.get('/console', (_request, response) => {
      noCache(response);
      response.sendFile(join(root, 'portal', 'console.html'), { cacheControl: false });
    });
    const maps = openMapService(database, options.endpoints);
    const register = await openRegistrar(config, addresses.publicUrl);
    const onboarding = { database, register, maps: () => maps.maps(), now: () => new Date() };
    app.use(
      '/ops',
      opsRouter({
        authenticator,
        audit: options.audit,
        strangers,
        report,
        register,
        tryEndpoint: (name, bytes) =>
          checkOnboarding(onboarding, name, bytes.length === 0 ? [] : [{ name: 'sample', bytes }]),
        send: (request) => queueOutbound(database, options.audit, request),
        mark: openMark(await loadSecret(config.dataDir, markKeyName)),
        show: openShow(options.endpoints, () => maps.maps()),
        ...maps,
      }),
    );
  }
  if (intake !== undefined) {
    app.use('/hl7v2', hl7Router({ authenticator, report, receive: (bytes, from) => intake.receive(bytes, from) }));
    app.use(
      '/device',
      deviceRouter({ authenticator, report, ...openDeviceIntake(intake.door, options.endpoints, database) }),
    );
    const { dataDir } = config;
    const pushing = await openPushing({ dataDir, database, registry: options.endpoints, onStored: intake.onStored });
    app.use('/fhir-push', pushRouter({ authenticator, report, ...pushing }));
  }
  app.use((_request: Request, response: Response) => {
    const problem = new HttpProblem(404, 'not-supported', 'there is nothing at this path', {
      hint: 'The FHIR base is /fhir/R4. People sign in at /portal, operators at /console.',
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
  return {
    listener: (request, response) => {
      const isFacade = fhir !== undefined && isFhir(request.url ?? '');
      (isFacade ? fhir : (app as RequestListener))(request, response);
    },
    settled: async () => signIn?.settled(),
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

/** What a page of the hub never asks of a browser, so that nothing that got into one can. */
const nothingPermitted = [
  'camera',
  'microphone',
  'geolocation',
  'payment',
  'usb',
  'serial',
  'bluetooth',
  'display-capture',
]
  .map((feature) => `${feature}=()`)
  .join(', ');

const root = join(import.meta.dirname, '..', '..');

/** Pages are asked for again each time: after an update nobody runs half an old portal. */
function noCache(response: ServerResponse): void {
  response.setHeader('cache-control', 'no-cache');
}
