/**
 * Access tokens of the hub's own issuer (RFC 9068), for local use through `hub token` and for its authorization server.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9068
 */
import { SignJWT } from 'jose';
import { Problem } from '../../fhir/problem.ts';
import { financialTypes } from '../predicate/minimum.ts';
import { parseOperatorRole, type OperatorRole } from '../principal/operator.ts';
import { purposeBit, purposeCodes } from '../principal/purpose.ts';
import type { IssuerKeys } from './keys.ts';
import { tokenAgeSecondsMax } from './token.ts';

/** What a token says, beside the registered claims that {@link issueToken} adds. */
export interface Claims {
  readonly client_id: string;
  readonly sub?: string;
  readonly scope: string;
  readonly organization?: string;
  readonly purpose_of_use?: string | readonly string[];
  readonly patient?: string;
  readonly fhirUser?: string;
  /** Of an operator (principal/operator.ts). */
  readonly ops_role?: OperatorRole;
  /** The key that the token is bound to (RFC 9449 section 6). */
  readonly cnf?: { readonly jkt: string };
}

export interface IssueOptions {
  readonly issuer: string;
  readonly audience: string;
  readonly jti: string;
  /** Epoch seconds. */
  readonly now: number;
  readonly expiresInSeconds?: number;
}

/** Long enough for an afternoon with curl; a client that needs more asks again. */
const expiresInSecondsDefault = 3600;

export async function issueToken(keys: IssuerKeys, claims: Claims, options: IssueOptions): Promise<string> {
  const lifetime = options.expiresInSeconds ?? expiresInSecondsDefault;
  if (!Number.isInteger(lifetime) || lifetime < 1 || lifetime > tokenAgeSecondsMax) {
    throw new Problem('value', `a token lives between 1 and ${tokenAgeSecondsMax} seconds`);
  }
  return new SignJWT({ ...claims, sub: claims.sub ?? claims.fhirUser ?? claims.client_id })
    .setProtectedHeader({ alg: keys.alg, kid: keys.kid, typ: 'at+jwt' })
    .setIssuer(options.issuer)
    .setAudience(options.audience)
    .setJti(options.jti)
    .setIssuedAt(options.now)
    .setExpirationTime(options.now + lifetime)
    .sign(keys.signingKey);
}

export const presets = ['ai', 'payment', 'hospital', 'patient', 'operator'] as const;
export type Preset = (typeof presets)[number];

/** The usual claims of each kind of caller. `patient` still wants to know which one. */
export function presetClaims(name: Preset): Claims {
  return claimsOfPreset[name];
}

const claimsOfPreset: Readonly<Record<Preset, Claims>> = {
  ai: {
    client_id: 'ai-health-manager',
    scope: 'system/*.rs',
    organization: 'Organization/ai-health-manager',
    purpose_of_use: 'TREAT',
  },
  payment: {
    client_id: 'payment-service',
    scope: ['Patient', ...financialTypes].map((type) => `system/${type}.rs`).join(' '),
    organization: 'Organization/payment-service',
    purpose_of_use: 'HPAYMT',
  },
  hospital: {
    client_id: 'hospital',
    scope: 'system/*.cruds',
    organization: 'Organization/hospital',
    purpose_of_use: 'TREAT',
  },
  patient: {
    client_id: 'patient-portal',
    scope: 'patient/*.rs patient/Consent.cruds patient/Patient.d',
    purpose_of_use: 'PATRQT',
  },
  operator: { client_id: 'operations-console', scope: 'hub/ops' },
};

/** What `hub token` was asked for: each option wins over the preset. */
export interface TokenRequest {
  readonly preset?: Preset;
  readonly client?: string;
  readonly scope?: string;
  readonly organization?: string;
  readonly purpose?: readonly string[];
  readonly patient?: string;
  readonly fhirUser?: string;
  /** Of operators. */
  readonly role?: string;
  /** The key by which the client proved who it is: what was obtained by it ends with it. */
  readonly client_kid?: string;
}

/** @throws Problem required, code-invalid with the option that is missing or wrong */
export function composeClaims(request: TokenRequest): Claims {
  const base: Partial<Claims> = request.preset === undefined ? {} : presetClaims(request.preset);
  const purposes = request.purpose ?? [base.purpose_of_use ?? []].flat();
  for (const code of purposes) {
    if (purposeBit(code) === undefined) {
      throw new Problem('code-invalid', '--purpose is no purpose of use that the hub knows', {
        hint: `One of ${purposeCodes.join(', ')}.`,
      });
    }
  }
  const patient = request.patient?.replace(/^Patient\//, '');
  if (request.preset === 'patient' && patient === undefined) {
    throw new Problem('required', 'the preset patient needs --patient ID');
  }
  const isSelf = request.preset === 'patient' && patient !== undefined;
  const claims = {
    client_id: request.client ?? base.client_id,
    scope: request.scope ?? base.scope,
    organization: request.organization ?? base.organization,
    purpose_of_use: purposes.length === 1 ? purposes[0] : purposes.length === 0 ? undefined : purposes,
    patient,
    ops_role: request.role === undefined ? undefined : parseOperatorRole(request.role, '--role'),
    fhirUser: request.fhirUser ?? (isSelf ? `Patient/${patient}` : undefined),
  };
  if (claims.client_id === undefined) throw new Problem('required', 'the token needs --client ID (or --preset)');
  if (claims.scope === undefined) throw new Problem('required', 'the token needs --scope SCOPE (or --preset)');
  return Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined)) as unknown as Claims;
}
