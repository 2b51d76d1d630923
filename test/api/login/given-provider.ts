/** A real OpenID provider on this machine, as a remote hospital has one: people are signed in there by a query parameter. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import Provider from 'oidc-provider';

export interface GivenProvider {
  readonly issuer: string;
  /** Who is at the keyboard there; undefined: they decline. */
  person: string | undefined;
  /** Requests of the hub to the token endpoint. */
  readonly exchanges: () => number;
  /** Goes through the provider's own pages. @returns the address it sends the browser back to */
  visit(url: string): Promise<string>;
  close(): Promise<void>;
}

const clientSecret = 'a secret of the hub and this provider';
export const providerEnvironment = (issuer: string): Record<string, string> => ({
  HUB_LOGIN_ISSUER: issuer,
  HUB_LOGIN_CLIENT_ID: 'hub',
  HUB_LOGIN_CLIENT_SECRET: clientSecret,
});

/** @param hub its address, known before it listens */
export async function givenProvider(hub: string): Promise<GivenProvider> {
  const server: Server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  let exchanges = 0;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'hub',
        client_secret: clientSecret,
        token_endpoint_auth_method: 'client_secret_post',
        redirect_uris: [`${hub}/oauth/login/callback`],
        require_auth_time: true,
      },
    ],
    claims: { openid: ['sub', 'amr'] },
    cookies: { keys: ['for this test'] },
    features: { devInteractions: { enabled: false } },
    findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
    loadExistingGrant: async (context) => {
      const { session, client } = context.oidc;
      const grant = new context.oidc.provider.Grant({ clientId: client?.clientId, accountId: session?.accountId });
      grant.addOIDCScope('openid');
      await grant.save();
      return grant;
    },
  });
  const callback = provider.callback();
  const given: GivenProvider = {
    issuer,
    person: 'somebody',
    exchanges: () => exchanges,
    visit: async (url) => {
      const cookies = new Map<string, string>();
      let at = url;
      for (let hops = 0; hops < 8 && at.startsWith(issuer); hops++) {
        const cookie = Array.from(cookies, ([name, value]) => `${name}=${value}`).join('; ');
        const response = await fetch(at, { redirect: 'manual', headers: { cookie } });
        for (const one of response.headers.getSetCookie()) {
          const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(one) ?? [];
          cookies.set(name, value);
        }
        at = new URL(response.headers.get('location') ?? '', at).href;
      }
      return at;
    },
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  server.on('request', (request, response) => {
    if (request.url?.startsWith('/token') === true) exchanges++;
    if (request.url?.startsWith('/interaction/') !== true) return void callback(request, response);
    const result =
      given.person === undefined
        ? { error: 'access_denied' }
        : { login: { accountId: given.person, amr: ['pwd', 'hwk'] } };
    return void provider.interactionFinished(request, response, result);
  });
  return given;
}
