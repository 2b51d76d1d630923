/** Lanes: messages of one source about one patient keep their order; different lanes are processed side by side. */
import { hash } from 'node:crypto';

/**
 * Parts into which the lanes are divided for workers. Enough for some dozens of workers to share evenly, few enough that
 * looking into each for waiting messages stays cheap. Equals the rows of `lane_slot`.
 */
export const slotCount = 256;

/**
 * @param source the endpoint's id; a text for what several endpoints share
 * @returns 48 bits of a hash, so that it is exact as a JavaScript number; two lanes that share one merely wait for each other
 */
export function laneKey(source: number | string, patientKey: string): number {
  return Number.parseInt(hash('sha256', `${source} ${patientKey}`, 'hex').slice(0, 12), 16);
}

export function slotOf(lane: number): number {
  return lane % slotCount;
}
