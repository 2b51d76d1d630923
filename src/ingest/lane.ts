/** Lanes: messages of one source about one patient keep their order; different lanes are processed side by side. */
import { hash } from 'node:crypto';

/**
 * Parts into which the lanes are divided for workers. Enough for some dozens of workers to share evenly, few enough that
 * looking into each for waiting messages stays cheap. Equals the rows of `lane_slot`.
 */
export const slotCount = 256;

/** 48 bits of a hash, so that it is exact as a JavaScript number; two lanes that share one merely wait for each other. */
export function laneKey(endpointId: number, patientKey: string): number {
  return Number.parseInt(hash('sha256', `${endpointId} ${patientKey}`, 'hex').slice(0, 12), 16);
}

export function slotOf(lane: number): number {
  return lane % slotCount;
}
