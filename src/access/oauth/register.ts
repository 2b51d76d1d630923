/**
 * Dynamic registration of an app, with a ticket of the operator: what its developer says of it becomes the registration, within
 * what the ticket allows. There is no endpoint to read or change a registration later (RFC 7592): the operator's command does.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7591
 * @see https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#register-app-with-ehr
 */
import type { Database } from '../../db.ts';
import { Problem } from '../../fhir/problem.ts';
import type { Client } from '../client/client.ts';
import { OAuthProblem } from './oauth.ts';
import { readApp } from './app.ts';
import { grantLaunchScopes, lastingOf } from './launch-scope.ts';
import { findTicket, redeemTicket } from './ticket.ts';

export interface RegistrationOptions {
  readonly db: Database;
  readonly issuer: string;
  readonly now: () => number;
}

export interface Registration {
  /** Before the body is read. @throws OAuthProblem invalid_token */
  check(ticket: string | undefined): Promise<void>;
  /** @param metadata JSON @throws OAuthProblem invalid_token, invalid_client_metadata, invalid_redirect_uri, invalid_scope */
  register(ticket: string, metadata: unknown): Promise<object>;
}

export function openRegistration({ db, issuer, now }: RegistrationOptions): Registration {
  const scopesOf = async (ticket: string | undefined): Promise<readonly string[]> => {
    const scopes = ticket === undefined ? undefined : await findTicket(db, issuer, ticket);
    if (scopes === undefined) throw noTicket();
    return scopes;
  };
  return {
    check: async (ticket) => {
      await scopesOf(ticket);
    },
    register: async (ticket, metadata) => {
      const client = readMetadata(metadata, { issuer, allowed: await scopesOf(ticket) });
      const isRegistered = await db.inTransaction((tx) => redeemTicket(tx, ticket, client));
      if (!isRegistered) throw noTicket();
      return answerOf(client, Math.trunc(now() / 1000));
    },
  };
}

function noTicket(): OAuthProblem {
  return new OAuthProblem(
    'invalid_token',
    'send Authorization: Bearer with a ticket of the operator that was not used',
  );
}

const grantTypes = ['authorization_code', 'refresh_token'];

function readMetadata(metadata: unknown, { issuer, allowed }: { issuer: string; allowed: readonly string[] }): Client {
  const refuse = (description: string): OAuthProblem => new OAuthProblem('invalid_client_metadata', description);
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata))
    throw refuse('the metadata is an object');
  const given = metadata as Readonly<Record<string, unknown>>;
  const text = (name: string): string | undefined => {
    const value = given[name];
    if (value === undefined || typeof value === 'string') return value;
    throw refuse(`${name} is a text`);
  };
  const texts = (name: string): string[] | undefined => {
    const value = given[name];
    if (value === undefined) return undefined;
    if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value;
    throw refuse(`${name} is a list of texts`);
  };
  // LEAKS 41: keys are registered; no address of them is asked.
  for (const name of ['jwks_uri', 'sector_identifier_uri', 'software_statement', 'request_uris']) {
    if (given[name] !== undefined) throw refuse(`${name} is not supported`);
  }
  const { jwks } = given;
  const method = text('token_endpoint_auth_method') ?? (jwks === undefined ? 'none' : 'private_key_jwt');
  if (method !== (jwks === undefined ? 'none' : 'private_key_jwt')) {
    throw refuse('token_endpoint_auth_method is private_key_jwt with jwks, or none without');
  }
  if (texts('grant_types')?.every((type) => grantTypes.includes(type)) === false) {
    throw refuse(`the grant_types are ${grantTypes.join(' and ')}`);
  }
  if (texts('response_types')?.every((type) => type === 'code') === false) throw refuse('the response_types are code');
  const isDpopBound = given['dpop_bound_access_tokens'] ?? false;
  if (typeof isDpopBound !== 'boolean') throw refuse('dpop_bound_access_tokens is true or false');
  const algorithm = text('id_token_signed_response_alg') ?? 'ES256';
  if (algorithm !== 'ES256') throw refuse('the id_token_signed_response_alg is ES256');
  const scopes = grantLaunchScopes(text('scope') ?? allowed.join(' '), allowed);
  try {
    return readApp({
      issuer,
      id: `app-${crypto.randomUUID()}`,
      name: text('client_name') ?? '',
      redirectUris: texts('redirect_uris') ?? [],
      scope: scopes.join(' '),
      ...(jwks === undefined ? {} : { jwks: JSON.stringify(jwks) }),
      isDpopBound,
    });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const isAddress = error.expression.includes('redirect_uris');
    const hint = error.hint === undefined ? '' : `; ${error.hint.replace(/["\\]/g, "'")}`;
    throw new OAuthProblem(
      isAddress ? 'invalid_redirect_uri' : 'invalid_client_metadata',
      `${error.message}${hint}`,
      error,
    );
  }
}

/** RFC 7591 section 3.2.1: everything that was registered. */
function answerOf({ id, name, redirectUris, scopes = [], keys, isDpopBound }: Client, issuedAt: number): object {
  return {
    client_id: id,
    client_id_issued_at: issuedAt,
    client_name: name,
    redirect_uris: redirectUris,
    grant_types: lastingOf(scopes) === 'token' ? grantTypes.slice(0, 1) : grantTypes,
    response_types: ['code'],
    scope: scopes.join(' '),
    token_endpoint_auth_method: keys === undefined ? 'none' : 'private_key_jwt',
    ...(keys === undefined ? {} : { jwks: { keys } }),
    id_token_signed_response_alg: 'ES256',
    dpop_bound_access_tokens: isDpopBound,
  };
}
