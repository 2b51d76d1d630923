/** In which zone a sender writes its times: what its messages say, and what their language lets one suppose. */
import type { Hl7Message } from '../../mapping/message.ts';

export interface SampleTimes {
  /** Offsets that were sent: `+0800`. */
  readonly offsets: readonly string[];
  /** MSH-7 has one: it is that of all other times. */
  readonly isHeaderZoned: boolean;
  /** Times of day without one. */
  readonly withoutOffset: number;
  /** As its writing lets one suppose. */
  readonly writing?: Writing;
}

type Writing = 'hanzi' | 'kana' | 'hangul';

/** Fields of type TS or DTM that senders fill with a time of day. */
const timeFields: Readonly<Record<string, readonly number[]>> = {
  MSH: [7],
  EVN: [2, 6],
  PV1: [44, 45],
  ORC: [9, 15],
  OBR: [6, 7, 8, 14, 22],
  OBX: [14, 19],
  TXA: [4, 6],
  RXA: [3, 4],
  FT1: [4, 5],
  DG1: [5],
  PR1: [5],
  SPM: [17, 18],
};

/** Date and time to the hour at least. @see HL7 v2.5.1 section 2.A.77 */
const timePattern = /^\d{10,14}(?:\.\d+)?([+-]\d{4})?$/;

export function readTimes(message: Hl7Message): SampleTimes {
  const offsets = new Set<string>();
  let withoutOffset = 0;
  for (const segment of message.segments) {
    for (const field of timeFields[segment.name] ?? []) {
      const [, offset] = timePattern.exec(segment.text(field)) ?? [undefined, undefined];
      if (offset !== undefined) offsets.add(offset);
      else if (timePattern.test(segment.text(field))) withoutOffset++;
    }
  }
  const isHeaderZoned = /[+-]\d{4}$/.test(message.first('MSH')?.text(7) ?? '');
  const writing = writingOf(message.segments.map(({ raw }) => raw).join('\n'));
  return { offsets: [...offsets], isHeaderZoned, withoutOffset, ...(writing !== undefined && { writing }) };
}

function writingOf(text: string): Writing | undefined {
  if (/[\u3040-\u30ff]/.test(text)) return 'kana';
  if (/[\uac00-\ud7a3]/.test(text)) return 'hangul';
  return /\p{Script=Han}/u.test(text) ? 'hanzi' : undefined;
}

export interface ZoneFinding {
  /** Times without offset are understood. */
  readonly isKnown: boolean;
  readonly suggestion?: string;
  readonly why?: string;
}

/** One zone a country, so that its writing says it. Hanzi are also written in Taiwan, whose clocks say the same. */
const zones: Readonly<Record<Writing, string>> = { hanzi: 'Asia/Shanghai', kana: 'Asia/Tokyo', hangul: 'Asia/Seoul' };

/** @param zone of the endpoint */
export function judgeZone(samples: readonly SampleTimes[], zone: string | undefined): ZoneFinding {
  const isKnown =
    zone !== undefined || samples.every(({ isHeaderZoned, withoutOffset }) => isHeaderZoned || withoutOffset === 0);
  if (isKnown) return { isKnown };
  const offsets = [...new Set(samples.flatMap((one) => one.offsets))];
  const [offset] = offsets;
  if (offset !== undefined && offsets.length === 1) {
    return { isKnown, suggestion: `${offset.slice(0, 3)}:${offset.slice(3)}`, why: 'some of the times say so' };
  }
  const writing = samples.find((one) => one.writing !== undefined)?.writing;
  return writing === undefined
    ? { isKnown }
    : { isKnown, suggestion: zones[writing], why: `they are written in ${writing}` };
}
