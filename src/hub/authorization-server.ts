/** The authorization server, put together: its endpoints for programs, its pages for people, and what clients discover of it. */
import { Router } from 'express';
import { openAuthorization } from '../access/oauth/authorization.ts';
import type { Audit } from '../access/audit/audit.ts';
import { networksOf } from '../access/client/network.ts';
import { openPeople } from '../access/oauth/people.ts';
import { openRegistration } from '../access/oauth/register.ts';
import { openRefusals } from '../access/rate/refusals.ts';
import type { Limit } from '../access/rate/rates.ts';
import { authorizeRouter } from '../api/oauth/authorize.ts';
import { discoveryPaths, serverMetadata } from '../api/oauth/discovery.ts';
import { registrationRouter } from '../api/oauth/register.ts';
import { oauthRouter } from '../api/oauth/router.ts';
import { slowStrangers } from '../api/oauth/strangers.ts';
import type { Addresses, Config } from '../config.ts';
import type { Database } from '../db.ts';
import type { OpenFacade } from './facade.ts';
import { loadSecret } from './secret.ts';
import type { PeopleSignIn } from './sign-in.ts';

export interface AuthorizationServerOptions {
  readonly config: Config;
  readonly addresses: Addresses;
  readonly database: Database;
  readonly audit: Audit;
  readonly facade: OpenFacade;
  readonly signIn: PeopleSignIn;
  readonly observe: (interaction: string, status: number, seconds: number) => void;
  readonly countThrottled: (limit: Limit) => void;
}

/** In the data directory: signs what the page of a decision carries. */
const pageKeyName = 'authorization-page-key';

export async function openAuthorizationServer(options: AuthorizationServerOptions): Promise<Router> {
  const { config, addresses, database: db, audit, facade, signIn, observe, countThrottled } = options;
  const { keys, registry, report, authenticator } = facade;
  const issuer = addresses.publicUrl;
  const server = {
    db,
    audit,
    issuer,
    audience: addresses.audience,
    fhirBase: addresses.fhirBase,
    keys,
    registry,
    people: openPeople({ db, signIn, minorAges: config.minorAges }),
    now: Date.now,
  };
  const proxies = networksOf(config.trustedProxies);
  const http = { report, observe };
  const router = Router({ caseSensitive: true, strict: true });
  router.use('/oauth', slowStrangers({ refusals: openRefusals(config.refusalsMax), proxies, countThrottled }));
  router.use(oauthRouter({ authorization: openAuthorization({ ...server, authenticator }), proxies, ...http }));
  router.use(authorizeRouter({ ...server, key: await loadSecret(config.dataDir, pageKeyName) }, http));
  router.use(registrationRouter(openRegistration(server), http));
  // Open to pages of every origin: an app in a browser reads them before it knows anybody.
  const published = (path: string, document: object): void => {
    router.get(path, (_request, response) => {
      response.set({ 'cache-control': 'public, max-age=60', 'access-control-allow-origin': '*' }).json(document);
    });
  };
  for (const path of discoveryPaths) published(path, serverMetadata(issuer));
  return router;
}
