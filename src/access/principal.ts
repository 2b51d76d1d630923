/**
 * access/ decides who may, why, and records who did: the token becomes a Principal (token.ts), the Principal and the
 * active Consents become one SQL predicate (predicate.ts), and what was shown becomes audit rows before the answer
 * leaves (audit.ts). It knows no HTTP and no resource beyond Consent and the minimal Patient.
 *
 *     allow = token valid AND scope covers AND (self OR source OR consent); default deny
 */
import { purpose } from './purpose.ts';
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
  /** `Organization/x`. */
  readonly organization?: string;
  /** Reference of the user: `Patient/x`, `Practitioner/y`. */
  readonly fhirUser?: string;
  /** Launch context: the id of the one patient (and their linked records) the token is for. */
  readonly patient?: string;
  /** Bits of purpose.ts. 0: none, so nothing clinical. */
  readonly purposes: number;
  /** The id of the patient who asks for themselves; undefined for everybody else. */
  readonly self?: string;
}

/** How a rule names this principal: `Organization/x`, `Device/client`. Compared exactly. */
export function recipientsOf(principal: Principal): string[] {
  const device = `Device/${principal.clientId}`;
  return principal.organization === undefined ? [device] : [principal.organization, device];
}

/**
 * True when the principal reads what its own organization wrote: for treatment and operations alone. A second purpose
 * beside them must be covered too, and being the source does not.
 */
export function isSource(principal: Principal): boolean {
  const covered = purpose.treatment | purpose.operations;
  return principal.organization !== undefined && principal.purposes !== 0 && (principal.purposes & ~covered) === 0;
}

export function isPayment(principal: Principal): boolean {
  return (principal.purposes & purpose.payment) !== 0;
}
