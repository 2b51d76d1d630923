/** Qualifications and languages of staff: elements that are made of several fields of a master record. */
import { toConcept } from './concepts.ts';
import { dataAbsentReasonUrl, hubExtension } from './extensions.ts';
import type { RuleInfo } from '../functions.ts';
import type { Node } from '../message/nesting.ts';
import type { Part } from '../message/part.ts';
import { organization } from './parties.ts';
import type { Element, Run } from '../message/state.ts';

/** EDU as a qualification: the degree, when it was granted, and the school. @see HL7 v2.5.1 section 15.4.4 */
export function education(node: Node, run: Run, info: RuleInfo): Element | undefined {
  const [degree] = node.reader.parts(2);
  const [subject] = node.reader.parts(9);
  const code = conceptOf(degree, run, info) ?? conceptOf(subject, run, { ...info, vocabulary: undefined });
  if (code === undefined) return undefined;
  const [school] = node.reader.parts(6);
  const issuer = school && organization(school, run, { position: 'EDU-6', vocabulary: undefined });
  const period = periodOf(node, run, [5], []);
  const major = degree === undefined || subject === undefined ? undefined : conceptOf(subject, run, noVocabulary);
  const extension = major && [{ url: hubExtension('major-field-of-study'), valueCodeableConcept: major }];
  return { ...(extension && { extension }), code, ...(period && { period }), ...(issuer && { issuer }) };
}

/** CER as a qualification: number, kind, authority and time of validity. @see HL7 v2.5.1 section 15.4.2 */
export function certificate(node: Node, run: Run): Element | undefined {
  const { reader } = node;
  const [number] = reader.parts(2);
  const [kind] = reader.parts(10);
  const [authority] = reader.parts(4);
  const value = number === undefined || number.value.isNull ? '' : number.get(1);
  const issuer = authority && organization(authority, run, { position: 'CER-4', vocabulary: undefined });
  const period = periodOf(node, run, [23, 24, 25], [29, 26, 27]);
  return {
    ...(value !== '' && { identifier: [{ value }] }),
    // R4 requires a code.
    code: conceptOf(kind, run, noVocabulary) ?? { extension: [{ url: dataAbsentReasonUrl, valueCode: 'unknown' }] },
    ...(period && { period }),
    ...(issuer && { issuer }),
  };
}

/** SPD: a specialty with the board that certifies it. @see HL7 v2.5.1 section 2.A.71 */
export function specialty(part: Part, run: Run): Element | undefined {
  const text = part.get(1);
  if (text === '') return undefined;
  const board = part.get(2);
  // HL70337: certified, or eligible only.
  const status = part.get(3);
  const start = run.dateTime(part.peek(4));
  if (typeof start === 'string') part.take(4);
  const extension = status === '' ? undefined : [{ url: hubExtension('certification-status'), valueCode: status }];
  return {
    ...(extension && { extension }),
    code: { text },
    ...(typeof start === 'string' && { period: { start } }),
    ...(board !== '' && { issuer: { display: board } }),
  };
}

/** LAN: a language, with how it is used (HL70403) and how well (HL70404). */
export function languageSkill(node: Node, run: Run): Element | undefined {
  const [language] = node.reader.parts(2);
  const concept = conceptOf(language, run, noVocabulary);
  if (concept === undefined) return undefined;
  const extension = [
    ...node.reader.parts(3).map((part) => skill('language-ability', part, run)),
    ...node.reader.parts(4).map((part) => skill('language-proficiency', part, run)),
  ].filter((item) => item !== undefined);
  return extension.length === 0 ? concept : { extension, ...concept };
}

function skill(name: string, part: Part, run: Run): Element | undefined {
  const valueCodeableConcept = conceptOf(part, run, noVocabulary);
  return valueCodeableConcept && { url: hubExtension(name), valueCodeableConcept };
}

const noVocabulary: RuleInfo = { position: '', vocabulary: undefined };

function conceptOf(part: Part | undefined, run: Run, info: RuleInfo): Element | undefined {
  if (part === undefined || part.value.isNull) return undefined;
  return toConcept(part, run, info) as Element | undefined;
}

/** From the first of the fields that says when it began, to the first that says when it ends. */
function periodOf(node: Node, run: Run, starts: readonly number[], ends: readonly number[]): Element | undefined {
  const [start, end] = [timeOf(node, run, starts), timeOf(node, run, ends)];
  if (start === undefined && end === undefined) return undefined;
  // R4 per-1: a period that is sent the wrong way round is no period.
  const isOrdered = start === undefined || end === undefined || Date.parse(start.value) <= Date.parse(end.value);
  start?.part.take(1);
  if (isOrdered) end?.part.take(1);
  return { ...(start && { start: start.value }), ...(end && isOrdered && { end: end.value }) };
}

function timeOf(node: Node, run: Run, fields: readonly number[]): { part: Part; value: string } | undefined {
  for (const field of fields) {
    const [part] = node.reader.parts(field);
    const value = part === undefined || part.value.isNull ? undefined : run.dateTime(part.peek(1));
    if (part !== undefined && typeof value === 'string') return { part, value };
  }
  return undefined;
}
