/**
 * OBX-7 as Observation.referenceRange: the text as sent, with low and high where it says both plainly (`3.5-5.1`, `>=40`).
 *
 * `<5` has no ends of its own: R4's high is part of the range, and 5 is not. So it stays a text.
 *
 * @see HL7 v2-to-FHIR, OBX[Observation] OBX-7, and HL7 v2.5.1 section 7.4.2.7
 */
import type { Node } from './nesting.ts';
import { numeric } from './number.ts';
import { unitIn } from './observation.ts';
import type { Element, Run } from './state.ts';

export function referenceRange({ reader }: Node, run: Run): Element | undefined {
  const text = reader.whole(7);
  if (text.trim() === '') return undefined;
  if (reader.plain(7) === undefined) reader.parts(7)[0]?.takeAll();
  else reader.take(7);
  const type = reader.peek(2);
  const ends = type === 'NM' || type === 'SN' ? endsOf(text) : undefined;
  if (ends === undefined) return { text };
  // The range of a number is in the unit of the number.
  const unit = unitIn(reader, run);
  const [low, high] = ends.map((end) => (end === undefined ? undefined : { value: end, ...unit }));
  return { ...(low && { low }), ...(high && { high }), text };
}

type End = ReturnType<typeof numeric>;

function endsOf(text: string): readonly [End, End] | undefined {
  const both = between.exec(text);
  if (both === null) {
    const [, sign, number = ''] = oneSided.exec(text) ?? [];
    if (sign === undefined) return undefined;
    return sign === '>=' || sign === '≥' ? [numeric(number), undefined] : [undefined, numeric(number)];
  }
  const [, low = '', high = ''] = both;
  return Number(low) <= Number(high) ? [numeric(low), numeric(high)] : undefined;
}
const between = /^\s*(-?\d+(?:\.\d+)?)\s*[-~–]\s*(-?\d+(?:\.\d+)?)\s*$/;
const oneSided = /^\s*(>=|<=|≥|≤)\s*(\d+(?:\.\d+)?)\s*$/;
