/**
 * The rank of a result's status: corrected beats final, final beats preliminary, whatever the order of arrival. What
 * was wrong from the start (entered-in-error) stays so.
 * @see https://hl7.org/fhir/R4/valueset-observation-status.html
 * @see https://hl7.org/fhir/R4/valueset-diagnostic-report-status.html
 */
import type { AnyResource } from '../../fhir/types.ts';

const ranks: Readonly<Record<string, number>> = {
  unknown: 1,
  registered: 1,
  partial: 2,
  preliminary: 3,
  final: 4,
  cancelled: 4,
  amended: 5,
  corrected: 5,
  appended: 5,
  'entered-in-error': 6,
};

/** 0 for what has no ranks: a patient or a visit is as its last message says. */
export function precedenceOf(type: string, resource: AnyResource): number {
  if (type !== 'Observation' && type !== 'DiagnosticReport') return 0;
  return ranks[resource['status'] as string] ?? 0;
}
