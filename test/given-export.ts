/** What every client of a bulk export does: ask until there is a manifest. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

/** Asked sooner than half a second after the last time, the hub says 429. */
const pauseMs = 550;

/**
 * @param ask where the export stands
 * @returns the first answer that is final: the manifest, or why there is none
 */
export async function untilExported<Answer extends { readonly status: number }>(
  ask: () => Promise<Answer>,
): Promise<Answer> {
  for (;;) {
    const answer = await ask();
    // 429: two that were half a second apart when they were sent need not be when they arrive.
    if (answer.status !== 202 && answer.status !== 429) return answer;
    await sleep(pauseMs);
  }
}

/** @returns the manifest */
export async function manifestOf<Answer extends { readonly status: number; readonly text: string }>(
  ask: () => Promise<Answer>,
): Promise<Answer> {
  const answer = await untilExported(ask);
  assert.equal(answer.status, 200, answer.text);
  return answer;
}
