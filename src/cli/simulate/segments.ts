/** HL7v2 text: fields into segments, text escaped, times in the hospital's own way. */
import type { Hospital } from './hospitals.ts';

const escapes: Readonly<Record<string, string>> = {
  '\\': '\\E\\',
  '|': '\\F\\',
  '^': '\\S\\',
  '&': '\\T\\',
  '~': '\\R\\',
  '\r': '\\.br\\',
};

/** @see HL7 v2.5.1 section 2.7.1 */
export function escapeText(text: string): string {
  return text.replace(/[\\|^&~\r]/g, (character) => escapes[character] as string);
}

/** Components of free text, each escaped, trailing empty ones dropped. */
export function components(...values: readonly string[]): string {
  return values.map(escapeText).join('^').replace(/\^+$/, '');
}

/** `segment('PV1', { 1: '1', 19: 'V1' })`: the fields by their number, as printed in the standard. */
export function segment(name: string, fields: Readonly<Record<number, string>>): string {
  const last = Math.max(...Object.keys(fields).map(Number));
  let text = name;
  for (let field = 1; field <= last; field++) text += `|${fields[field] ?? ''}`;
  return text;
}

/** A time to the second as the hospital writes it: local, with or without the zone. */
export function timestamp(hospital: Hospital, at: Date): string {
  const hours = Number(hospital.offset.slice(0, 3));
  const local = new Date(at.getTime() + hours * 3_600_000).toISOString();
  return local.slice(0, 19).replace(/[-T:]/g, '') + (hospital.sendsZone ? hospital.offset : '');
}
