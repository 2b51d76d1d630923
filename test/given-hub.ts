/** A whole hub inside the test's process: real sockets, real database, real worker threads, tokens of its own issuer. */
import { randomUUID } from 'node:crypto';
import { presetClaims, issueToken, type Claims, type Preset } from '../src/access/token/issue.ts';
import { loadIssuerKeys } from '../src/access/token/keys.ts';
import { listenHttp } from '../src/api/server.ts';
import { addressesOf, readConfig } from '../src/config.ts';
import type { Database } from '../src/db.ts';
import { openHub } from '../src/hub.ts';
import { apiThreadsBesideMain } from '../src/hub/api-threads.ts';
import { openLog, type Logger } from '../src/hub/log.ts';
import { givenDatabase } from './given.ts';
import { givenDataDir } from './hub-process.ts';

export interface GivenHub {
  /** Without a slash at the end. */
  readonly url: string;
  readonly fhir: string;
  readonly mllpPort: number;
  /** As the owner of the tables; the hub itself serves by a role that owns nothing. */
  readonly database: Database;
  /** As the hub has it. */
  readonly databaseUrl: string;
  token(preset: Preset | undefined, claims?: Partial<Claims>): Promise<string>;
  /** A request below the FHIR base (or from `/` on, below the hub). */
  send(method: string, path: string, token: string | undefined, options?: SendOptions): Promise<HubResponse>;
  close(): Promise<void>;
}

export interface SendOptions {
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

export interface HubResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; throws when it is none. */
  readonly json: Record<string, any>; // eslint-disable-line typescript/no-explicit-any
}

export async function givenHub(environment: Record<string, string> = {}, log?: Logger): Promise<GivenHub> {
  const [database, dataDir] = await Promise.all([givenDatabase(), givenDataDir()]);
  const config = readConfig({
    HUB_PORT: '0',
    HUB_MLLP_PORT: '0',
    HUB_WORKERS: '1',
    HUB_LOG_LEVEL: 'error',
    HUB_DATA_DIR: dataDir.path,
    DATABASE_URL: database.runTimeUrl,
    ...environment,
  });
  const listener = await listenHttp({ ...config, isShared: apiThreadsBesideMain(config) > 0 && 'first' });
  const addresses = addressesOf(config, listener.port);
  const hub = await openHub({ config, log: log ?? openLog(config.logLevel), addresses });
  listener.mount(hub.handler, hub.upgrade);
  await hub.share(listener.port);
  const keys = await loadIssuerKeys(dataDir.path);
  return {
    url: addresses.publicUrl,
    fhir: addresses.fhirBase,
    mllpPort: hub.mllpPort ?? 0,
    database: database.database,
    databaseUrl: database.runTimeUrl,
    token: (preset, claims = {}) =>
      issueToken(
        keys,
        { client_id: 'test', scope: '', ...(preset && presetClaims(preset)), ...claims },
        {
          issuer: addresses.publicUrl,
          audience: addresses.audience,
          jti: randomUUID(),
          now: Math.trunc(Date.now() / 1000),
        },
      ),
    send: async (method, path, token, { body, headers = {} } = {}) => {
      const isText = typeof body === 'string' || body instanceof Uint8Array;
      const response = await fetch(
        path.startsWith('/') ? `${addresses.publicUrl}${path}` : `${addresses.fhirBase}/${path}`,
        {
          method,
          headers: {
            ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
            ...(body === undefined ? {} : { 'content-type': 'application/fhir+json' }),
            ...headers,
          },
          ...(body === undefined ? {} : { body: isText ? (body as string) : JSON.stringify(body) }),
        },
      );
      const text = await response.text();
      return {
        status: response.status,
        headers: response.headers,
        text,
        get json() {
          return JSON.parse(text) as Record<string, unknown>;
        },
      };
    },
    close: async () => {
      await Promise.all([hub.beginStop(), listener.close(0)]);
      await hub.stop();
      await Promise.all([database.close(), dataDir.close()]);
    },
  };
}
