/**
 * Codes that an element may have. A required binding is an error to break, an extensible or preferred one is worth a note.
 *
 * @see https://hl7.org/fhir/R4/terminologies.html#strength
 */
import type { CodeList } from '../terminology/value-set.ts';
import { report, type Check, type Detail } from './finding.ts';

export type Strength = 'required' | 'extensible' | 'preferred';

type Json = Record<string, unknown>;

/** Codes named in a hint; more of them would hide what is said. */
const hintCodesMax = 20;

/** undefined for types that have no codes. */
export function compileBinding(codes: CodeList, type: string, strength: Strength, valueSet: string): Check | undefined {
  const bySystem = new Map(Object.entries(codes).map(([system, list]) => [system, new Set(list)]));
  const all = new Set(Object.values(codes).flat());
  const hint = `${valueSet}${all.size <= hintCodesMax ? `: ${[...all].join(', ')}` : ''}`;
  const detail: Detail = { hint, ...(strength === 'required' ? {} : { severity: severityOf(strength) }) };
  const isBound = (coding: unknown): boolean => {
    const { system, code } = (coding ?? {}) as Json;
    return typeof system === 'string' && typeof code === 'string' && (bySystem.get(system)?.has(code) ?? false);
  };
  // Text alone is allowed, and said, where the set may be left.
  const isOpen = strength !== 'required';
  switch (type) {
    case 'code':
    case 'string':
    case 'uri':
      return (value, context) => {
        // A value that is left out for an extension is none that could be wrong.
        if (typeof value === 'string' && !all.has(value))
          report(context, 'code-invalid', `not a code of the ${strength} value set`, detail);
      };
    case 'Coding':
      return (value, context) => {
        if (!isBound(value)) report(context, 'code-invalid', `not a coding of the ${strength} value set`, detail);
      };
    case 'Quantity':
      return (value, context) => {
        const { system, code } = value as Json;
        if (code !== undefined && !isBound({ system, code }))
          report(context, 'code-invalid', `not a unit of the ${strength} value set`, detail);
      };
    case 'CodeableConcept':
      return (value, context) => {
        const { coding } = value as Json;
        if (isOpen && coding === undefined) return;
        if (!Array.isArray(coding) || !coding.some(isBound))
          report(context, 'code-invalid', `no coding of the ${strength} value set`, detail);
      };
    default:
      return undefined;
  }
}

/** Extensible: "unless none of the codes apply", which a program cannot tell; preferred: a recommendation. */
function severityOf(strength: Strength): 'warning' | 'information' {
  return strength === 'extensible' ? 'warning' : 'information';
}
