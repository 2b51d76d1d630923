/** Lengths of time with units, as whole minutes. */
import type { Node } from '../message/nesting.ts';

/** A length that an appointment may have. */
const minutesMax = 1_000_000;

/** A number and its unit (ISO+, UCUM or a word) as whole minutes; undefined where it is none. */
export function durationOf(node: Node, field: number, unitField: number): number | undefined {
  const text = node.reader.peek(field);
  const minutes = Number(text) * minutesIn(node.reader.peek(unitField));
  return text !== '' && Number.isInteger(minutes) && minutes > 0 && minutes < minutesMax ? minutes : undefined;
}

/** Without a unit minutes are meant, as in all examples of chapter 10. */
function minutesIn(unit: string): number {
  const text = unit.toUpperCase();
  if (text === '' || /^M(IN(S|UTES?)?)?$/.test(text)) return 1;
  if (/^H(RS?|OURS?)?$/.test(text)) return 60;
  if (/^D(AYS?)?$/.test(text)) return 1_440;
  return /^S(EC(S|ONDS?)?)?$/.test(text) ? 1 / 60 : Number.NaN;
}

/** The same offset, some minutes later. @param start a FHIR dateTime with a zone */
export function laterBy(start: string, minutes: number): string {
  const zone = /(?:Z|[+-]\d\d:\d\d)$/.exec(start)?.[0] ?? 'Z';
  const sign = zone.startsWith('-') ? -1 : 1;
  const offset = zone === 'Z' ? 0 : sign * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4)));
  const local = new Date(Date.parse(start) + (minutes + offset) * 60_000);
  return `${local.toISOString().slice(0, 19)}${zone}`;
}
