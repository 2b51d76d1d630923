/** The time that a source wrote into a message, to hold its clock against ours. */
import { readMessage } from '../../adapters/hl7v2/read.ts';
import type { Endpoint } from '../ingest/contract.ts';
import { offsetIn, parseDtm } from '../mapping/values/time.ts';

/** MSH-7. @param head the beginning of a message @returns undefined without a time of day, or a zone to read it in */
export function readClock(head: Buffer, { zone, charset }: Pick<Endpoint, 'zone' | 'charset'>): Date | undefined {
  const end = head.findIndex((byte) => byte === 0x0d || byte === 0x0a);
  if (end < 0) return undefined;
  let text: string | undefined;
  try {
    // The first segment alone: the cut may lie within a character of another.
    text = readMessage(head.subarray(0, end + 1), charset)
      .message.first('MSH')
      ?.text(7);
  } catch {
    return undefined;
  }
  const dtm = parseDtm(text ?? '');
  if (dtm?.time === undefined || dtm.isHourOnly) return undefined;
  const offset = dtm.offset ?? (zone === undefined ? undefined : offsetIn(zone, dtm.date, dtm.time));
  return offset === undefined ? undefined : new Date(`${dtm.date}T${dtm.time}${offset}`);
}
