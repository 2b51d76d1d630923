/**
 * Requests whose sender could not be established: on record, but so few a minute that nobody fills the trail with them; the rest of a minute
 * is one row that says how many there were. Recorded behind the answer, which shows nothing and waits for nothing.
 */
import type { Audit, AuditContext } from './audit.ts';

export type Stranger = Pick<AuditContext, 'type' | 'query' | 'correlationId' | 'address'>;

export interface Strangers {
  refused(stranger: Stranger): void;
}

export interface StrangersOptions {
  readonly audit: Audit;
  readonly now: () => number;
  /** The trail cannot be written. */
  readonly failed: (error: unknown) => void;
  readonly perMinuteMax?: number;
}

/** Of a process: enough to see that somebody tries, and where from. */
const perMinuteMaxDefault = 20;
const minuteMs = 60_000;

export function openStrangers({ audit, now, failed, perMinuteMax = perMinuteMaxDefault }: StrangersOptions): Strangers {
  let minute = 0;
  let count = 0;
  const record = (stranger: Stranger): void => {
    const context = { interaction: 'unauthenticated', ...stranger, at: now() };
    audit.record([{ context, rows: 0, outcome: 'refused' }]).catch(failed);
  };
  return {
    refused: (stranger) => {
      const current = Math.trunc(now() / minuteMs);
      if (current !== minute) {
        // Told when the next one comes: until then it is in the metrics alone.
        if (count > perMinuteMax) record({ query: `and ${count - perMinuteMax} more in one minute` });
        [minute, count] = [current, 0];
      }
      if (++count <= perMinuteMax) record(stranger);
    },
  };
}
