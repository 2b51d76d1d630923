/** Waiting for what is to become so: never for a time after which it should be, which a slower machine does not keep. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Well below `timeout` of .mocharc.json, so that what is missing is said. Met by what never happens, not by what takes its time. */
const untilMsMax = 110_000;
const pollMs = 10;

type Condition = () => boolean | Promise<boolean>;

/**
 * @param what is waited for; without it the condition speaks for itself
 * @param state is asked in the end for what is so instead
 * @throws Error that says what did not become so
 */
export async function until(what: string, isTrue: Condition, state: () => unknown = () => ''): Promise<void> {
  const deadline = performance.now() + untilMsMax;
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error(`still waiting for: ${what} ${String(await state())}`);
    await sleep(pollMs);
  }
}
