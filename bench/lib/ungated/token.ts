/** In place of src/access/token/token.ts: whoever asks is the same service. */
import type { Principal } from '../../../src/access/principal/principal.ts';
import { purpose } from '../../../src/access/principal/purpose.ts';
import { parseScopes } from '../../../src/access/principal/scope.ts';
import type { Authenticator } from '../../../src/access/token/token.ts';

export * from '../../../src/access/token/token.ts';

const principal: Principal = {
  issuer: 'https://bench.example',
  subject: 'bench',
  clientId: 'bench',
  jti: 'bench',
  expiresAt: Number.POSITIVE_INFINITY,
  scopes: parseScopes('system/*.rs'),
  isOperator: false,
  organization: 'Organization/assistant',
  purposes: purpose.treatment,
};

export function openAuthenticator(): Authenticator {
  return {
    authenticate: () => Promise.resolve(principal),
    inspect: () => Promise.resolve(principal),
    verify: () => Promise.resolve({}),
  };
}
