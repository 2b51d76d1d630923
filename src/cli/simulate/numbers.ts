/** Options of the commands that are whole numbers. */
import { Problem } from '../../fhir/problem.ts';

/** @throws Problem value */
export function numberOption(text: string, option: string, low: number, high: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < low || value > high) {
    throw new Problem('value', `${option} is not usable`, { hint: `Give a whole number from ${low} to ${high}.` });
  }
  return value;
}
