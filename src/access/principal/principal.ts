/**
 * access/ decides who may, why, and records who did: the token becomes a Principal (token/token.ts), the Principal and the
 * active Consents become one SQL predicate (predicate/predicate.ts), and what was shown becomes audit rows before the answer
 * leaves (audit/audit.ts). It knows no HTTP and no resource beyond Consent and the minimal Patient.
 *
 *     allow = token valid AND scope covers AND (self, or a proxy OR source OR break-glass OR consent); default deny
 */
import type { OperatorRole } from './operator.ts';
import type { ActingProxy } from '../proxy/standing.ts';
import { anyPayment, purpose } from './purpose.ts';
import type { Scope } from './scope.ts';

/** Who asks, and what for: the claims of a verified token, parsed once. */
export interface Principal {
  readonly issuer: string;
  readonly subject: string;
  readonly clientId: string;
  readonly jti: string;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
  readonly scopes: readonly Scope[];
  /** `hub/ops`: the console. Grants no clinical content. */
  readonly isOperator: boolean;
  /** What of the console; undefined: `operator`. */
  readonly operatorRole?: OperatorRole;
  /** `Organization/x`. */
  readonly organization?: string;
  /** Reference of the user: `Patient/x`, `Practitioner/y`. */
  readonly fhirUser?: string;
  /** Launch context: the id of the one patient (and their linked records) the token is for. */
  readonly patient?: string;
  /** Bits of purpose.ts. 0: none, so nothing clinical. */
  readonly purposes: number;
  /** The id of the patient who asks for themselves, or by a proxy; undefined for everybody else. */
  readonly self?: string;
  /** Who asks in the patient's name. Whether they still may is asked by each statement. */
  readonly proxy?: ActingProxy;
  /** Of the registered client; `local`: it is not registered, and the operator made the token (`hub token`). */
  readonly kind?: string;
  /** Id of the key by which a registered client got the token. */
  readonly clientKey?: string;
  /** Thumbprint of the key that the token is bound to (RFC 9449); undefined: a bearer token. */
  readonly jkt?: string;
}

/** Why a principal's own writes, and their own log, are theirs to see: what the trail says. */
export function basisOf({ self, proxy }: Principal): 'self' | 'proxy' | 'source' {
  if (self === undefined) return 'source';
  return proxy === undefined ? 'self' : 'proxy';
}

/** How a rule names this principal: `Organization/x`, `Device/client`, `Practitioner/y`. Compared exactly. */
export function recipientsOf({ organization, clientId, fhirUser }: Principal): string[] {
  const recipients = [`Device/${clientId}`];
  if (organization !== undefined) recipients.unshift(organization);
  // Patients and proxies see by who they are, never as the recipient of a rule.
  if (fhirUser?.startsWith('Practitioner/')) recipients.push(fhirUser);
  return recipients;
}

/**
 * True when the principal reads what its own organization wrote: for treatment and operations alone. A second purpose
 * beside them must be covered too, and being the source does not.
 */
export function isSource(principal: Principal): boolean {
  const covered = purpose.treatment | purpose.operations;
  return principal.organization !== undefined && principal.purposes !== 0 && (principal.purposes & ~covered) === 0;
}

/** For payment or a kind of it, such as eligibility. */
export function isPayment(principal: Principal): boolean {
  return (principal.purposes & anyPayment) !== 0;
}
