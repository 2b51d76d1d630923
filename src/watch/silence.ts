/** How long a source may be silent, as a person says it. */
import { Problem } from '../fhir/problem.ts';

/** A year: what is silent for longer is paused. */
const secondsMax = 31_536_000;
const secondsOf = { m: 60, h: 3_600, d: 86_400 } as const;

/**
 * @param text `90m`, `6h`, `3d`; `learned` or `any`
 * @param expression where it stands
 * @returns seconds; 0: any; undefined: as it is learned
 * @throws Problem value
 */
export function parseAllowed(text: string, expression: string): number | undefined {
  if (text === 'learned') return undefined;
  if (text === 'any') return 0;
  const [, count = '', unit = 'm'] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  const seconds = Number(count) * secondsOf[unit as 'm' | 'h' | 'd'];
  if (seconds > 0 && seconds <= secondsMax) return seconds;
  throw new Problem('value', `${expression} is not valid`, {
    expression,
    hint: 'A time such as 90m, 6h or 3d (a year at most), `learned` for its own rhythm, or `any`.',
  });
}
