/** Refusals that a person can do something about, in their words. */
import { TooManyAttempts } from '../../access/login/attempt.ts';
import { Problem } from '../../fhir/problem.ts';
import { StaleForm } from './form.ts';
import { fill, type Texts } from './language.ts';

export interface Refusal {
  readonly status: number;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a person can do something about; undefined for the rest. */
export function refusalOf(error: unknown, t: Texts): Refusal | undefined {
  const wait = (status: number, message: string, seconds: number): Refusal => ({
    status,
    message,
    headers: { 'retry-after': String(seconds) },
  });
  if (error instanceof StaleForm) return { status: 403, message: t.stale };
  if (error instanceof TooManyAttempts) return wait(429, fill(t.throttled, { seconds: error.seconds }), error.seconds);
  if (!(error instanceof Problem)) return undefined;
  if (error.code === 'login') return { status: 401, message: t.refused };
  if (error.code === 'throttled') return wait(503, t.busy, 5);
  if (error.code === 'transient') return wait(503, t.away, 60);
  return undefined;
}
