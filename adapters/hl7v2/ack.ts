/**
 * Receipt or Problem -> acknowledgment. The only place where HL7v2 senders learn what went wrong: MSA-1, and an ERR
 * segment by the table below. Separators, charset and version are the sender's own, MSA-2 is its MSH-10 byte for byte.
 *
 * @see https://www.hl7.eu/HL7v2x/v251/std251/ch02.html HL7 v2.5.1 sections 2.9 (processing rules), 2.15.5 (ERR)
 */
import type { Problem, ProblemCode } from '../../src/fhir/problem.ts';
import type { AckMode, Hl7Segment } from '../../src/ingest/contract.ts';
import { ackHeader, type Sender } from './sender.ts';

/** What the message met: nothing (it is stored, or processed), or a Problem. */
export type Verdict = Problem | undefined;

type Refusal = 'E' | 'R';

/** HL70357, and whether the message is in error (E: repair it) or rejected (R: not served, or not now). */
const table: Partial<Record<ProblemCode, readonly [Refusal, string]>> = {
  structure: ['E', '100'],
  'too-long': ['E', '100'],
  required: ['E', '101'],
  value: ['E', '102'],
  invalid: ['E', '102'],
  'code-invalid': ['E', '103'],
  'not-supported': ['R', '201'],
  'not-found': ['E', '204'],
  deleted: ['E', '204'],
  duplicate: ['E', '205'],
  'multiple-matches': ['E', '205'],
  conflict: ['R', '206'],
  'lock-error': ['R', '206'],
  // HL70357 has no code for these two: ERR-8 says it.
  login: ['R', ''],
  forbidden: ['R', ''],
  invariant: ['E', ''],
  'business-rule': ['E', ''],
  transient: ['R', '207'],
  throttled: ['R', '207'],
  timeout: ['R', '207'],
  exception: ['R', '207'],
};

/** What is not supported is told by where: the type, the event, the processing id or the version. */
const unsupported: Record<string, string> = { 'MSH-9.1': '200', 'MSH-9.2': '201', 'MSH-11': '202', 'MSH-12': '203' };

/** Texts of HL70357 for ERR-3.2. */
const texts: Record<string, string> = {
  '100': 'Segment sequence error',
  '101': 'Required field missing',
  '102': 'Data type error',
  '103': 'Table value not found',
  '200': 'Unsupported message type',
  '201': 'Unsupported event code',
  '202': 'Unsupported processing id',
  '203': 'Unsupported version id',
  '204': 'Unknown key identifier',
  '205': 'Duplicate key identifier',
  '206': 'Application record locked',
  '207': 'Application internal error',
};

/** Which acknowledgments a message asks for (HL7 v2.5.1 section 2.9.2). */
export interface AckPlan {
  /** Sent as soon as the message is stored or refused. */
  readonly immediate: 'application' | 'accept' | undefined;
  /** An application acknowledgment once it is processed. */
  readonly isLater: boolean;
}

/**
 * Original mode when MSH-15 and MSH-16 are empty. Enhanced: MSH-15 asks for the accept acknowledgment, MSH-16 for the
 * application's. MSH-15 = NE with MSH-16 = AL is by the standard the same as original mode, so it is answered likewise.
 */
export function planAcks(header: Hl7Segment | undefined, mode: AckMode, verdict: Verdict): AckPlan {
  const accept = header?.text(15) ?? '';
  const application = header?.text(16) ?? '';
  const isEnhanced = mode === 'enhanced' || (mode === 'auto' && (accept !== '' || application !== ''));
  if (!isEnhanced) return { immediate: 'application', isLater: false };
  const isStored = verdict === undefined;
  // Enhanced by configuration: a sender that leaves MSH-15 empty still waits for its accept acknowledgment.
  const condition = accept === '' && application === '' ? 'AL' : accept;
  if (condition !== '' && condition !== 'NE') {
    return {
      immediate: isDue(condition, isStored) ? 'accept' : undefined,
      isLater: isStored && application !== '' && application !== 'NE',
    };
  }
  return {
    immediate: isDue(application, isStored) ? 'application' : undefined,
    isLater: isStored && application === 'ER',
  };
}

/** HL70155: always, never, error/reject only, successful only. */
export function isDue(condition: string, isSuccess: boolean): boolean {
  switch (condition) {
    case 'NE':
    case '':
      return false;
    case 'ER':
      return !isSuccess;
    case 'SU':
      return isSuccess;
    default:
      return true;
  }
}

export interface AckFacts {
  /** Of the message that is answered; an unreadable one is answered with what could be read. */
  readonly sender: Sender;
  readonly kind: 'application' | 'accept';
  readonly verdict: Verdict;
  readonly at: Date;
  /** MSH-10 of the acknowledgment itself. */
  readonly controlId: string;
}

/** The acknowledgment as bytes, unframed. */
export function buildAck({ sender, kind, verdict, at, controlId }: AckFacts): Buffer {
  const { delimiters: d } = sender;
  const [refusal, code] = verdict === undefined ? [undefined, ''] : codesOf(verdict);
  const msa1 = `${kind === 'accept' ? 'C' : 'A'}${refusal ?? 'A'}`;
  const lines = [ackHeader(sender, at, controlId)];
  const msa = ['MSA', msa1, sender.controlId];
  if (verdict !== undefined && sender.isBeforeErr3) msa.push(escape(verdict.message, sender));
  lines.push(msa.join(d.field));
  if (verdict !== undefined) lines.push(errSegment(verdict, code, sender));
  return sender.charset.encode(`${lines.join('\r')}\r`);
}

function codesOf(problem: Problem): readonly [Refusal, string] {
  const [refusal, code] = table[problem.code] ?? (['R', '207'] as const);
  const position = problem.expression[0];
  const isUnsupported = problem.code === 'not-supported' && position !== undefined;
  return [refusal, isUnsupported ? (unsupported[position] ?? code) : code];
}

function errSegment(problem: Problem, code: string, sender: Sender): string {
  const { component } = sender.delimiters;
  const separator = component ?? '';
  const [location = ''] = problem.expression;
  const text = texts[code];
  const err3 = text === undefined ? '' : [code, escape(text, sender), 'HL70357'].join(separator);
  // ERR-1 is how versions before 2.5 say it; later ones have it for backward compatibility only.
  const err1 = sender.isBeforeErr3 && err3 !== '' ? [code, text ?? '', 'HL70357'].join('&') : '';
  const hint = problem.hint ?? problem.message;
  return [
    'ERR',
    sender.isBeforeErr3 ? ['', '', '', err1].join(separator) : '',
    errorLocation(location, separator),
    err3,
    'E',
    '',
    '',
    escape(problem.message, sender),
    escape(hint, sender),
  ].join(sender.delimiters.field);
}

/** `PID-3.1` -> `PID^1^3^1^1` (ERL: segment, its sequence, field, repetition, component). */
function errorLocation(expression: string, separator: string): string {
  const match = /^([A-Z][A-Z0-9]{2})(?:\[(\d+)\])?(?:-(\d+)(?:\.(\d+))?)?$/.exec(expression);
  if (match === null) return '';
  const [, segment = '', sequence = '1', field, component] = match;
  const parts = [segment, sequence];
  if (field !== undefined) parts.push(field);
  if (component !== undefined) parts.push('1', component);
  return parts.join(separator);
}

/** Our own words in the sender's separators. */
function escape(text: string, sender: Sender): string {
  const { field, component, repetition, escape: mark, subcomponent } = sender.delimiters;
  let result = '';
  for (const sign of text.replace(/[\r\n]+/g, ' ')) {
    const letter =
      sign === field
        ? 'F'
        : sign === component
          ? 'S'
          : sign === repetition
            ? 'R'
            : sign === subcomponent
              ? 'T'
              : sign === mark
                ? 'E'
                : '';
    if (letter === '') result += sign;
    else result += mark === undefined ? ' ' : `${mark}${letter}${mark}`;
  }
  return result;
}
