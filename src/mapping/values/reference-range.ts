/**
 * OBX-7 as Observation.referenceRange: the text as sent, with low and high where it says both plainly (`3.5-5.1`, `>=40`).
 *
 * `<5` has no ends of its own: R4's high is part of the range, and 5 is not. So it stays a text.
 *
 * @see HL7 v2-to-FHIR, OBX[Observation] OBX-7, and HL7 v2.5.1 section 7.4.2.7
 */
import type { Node } from '../message/nesting.ts';
import { numeric } from './number.ts';
import { quantityOf, unitIn } from './observation.ts';
import type { Element, Run } from '../message/state.ts';

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
  const [low, high] = ends;
  if (low === undefined) return { high: quantityOf(high, unit), text };
  if (high === undefined) return { low: quantityOf(low, unit), text };
  return { low: quantityOf(low, unit), high: quantityOf(high, unit), text };
}

type End = ReturnType<typeof numeric>;

/** Kept by text: a laboratory has a range for each analyte, and sends it with every result. */
function endsOf(text: string): Ends | undefined {
  if (text.length > textCharsMax) return undefined;
  let ends = known.get(text);
  if (ends === undefined) {
    if (known.size >= knownMax) known.clear();
    known.set(Buffer.from(text).toString(), (ends = readEnds(text) ?? none));
  }
  return ends === none ? undefined : ends;
}
type Ends = readonly [End, End];
const none: Ends = [undefined, undefined];
const known = new Map<string, Ends>();
// All analytes of the laboratories that send at a time, about a hundred bytes each.
const knownMax = 10_000;
/** What is longer is no range, and would be kept whole. */
const textCharsMax = 200;

function readEnds(text: string): Ends | undefined {
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
