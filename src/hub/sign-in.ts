/** People signing in: accounts and sessions with their pages, put together. */
import type { Audit } from '../access/audit/audit.ts';
import { openExternal } from '../access/login/external.ts';
import { openLogin } from '../access/login/login.ts';
import { openKeyring } from '../access/secrets/keyring.ts';
import { openSealer } from '../access/secrets/seal.ts';
import type { Sessions } from '../access/login/session.ts';
import type { IssuerKeys } from '../access/token/keys.ts';
import { networksOf } from '../access/client/network.ts';
import type { Registry } from '../access/client/registry.ts';
import type { Reporter } from '../api/interaction.ts';
import { callbackPath } from '../api/login/external.ts';
import { openSignIn, type SignIn } from '../api/login/router.ts';
import type { Addresses, Config } from '../config.ts';
import type { Database } from '../db.ts';
import type { Logger } from './log.ts';

export interface PeopleSignInOptions {
  readonly config: Config;
  readonly addresses: Addresses;
  readonly database: Database;
  readonly audit: Audit;
  readonly registry: Registry;
  readonly keys: IssuerKeys;
  readonly report: Reporter;
  readonly observe: (interaction: string, status: number, seconds: number) => void;
  readonly log: Logger;
}

export interface PeopleSignIn extends SignIn {
  settled(): Promise<void>;
  readonly sessions: Sessions;
}

export async function openPeopleSignIn(options: PeopleSignInOptions): Promise<PeopleSignIn> {
  const { config, addresses, database, audit, registry, keys, report, observe, log } = options;
  const sealer = openSealer(await openKeyring(config.dataDir));
  const login = openLogin({
    db: database,
    audit,
    registry,
    sealer,
    issuer: addresses.publicUrl,
    failed: (error) => log.error({ error }, 'failed sign-in not recorded'),
  });
  const { login: external } = config;
  const redirectUri = `${addresses.publicUrl}${callbackPath}`;
  const signIn = openSignIn({
    login,
    publicUrl: addresses.publicUrl,
    external: external && openExternal(external, { sealer, redirectUri, now: Date.now }),
    tokens: { keys, audience: addresses.audience, ages: config.minorAges },
    proxies: networksOf(config.trustedProxies),
    report,
    observe,
  });
  return { ...signIn, sessions: login.context.sessions, settled: () => login.context.trail.settled() };
}
