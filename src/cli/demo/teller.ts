/** Tells the story on a plain terminal: a line a step, with the time since the start. Words carry everything, colour nothing. */
import { Problem } from '../../fhir/problem.ts';

export interface Teller {
  chapter(title: string): void;
  /** Runs a step and prints what it returns; further lines are set under the first. @throws Problem when the step is not as told */
  step(work: () => Promise<string>): Promise<void>;
  say(line?: string): void;
}

export function openTeller(print: (line: string) => void, now: () => number): Teller {
  const startedAt = now();
  return {
    chapter: (title) => {
      print('');
      print(title);
    },
    step: async (work) => {
      const [first, ...more] = (await work()).split('\n');
      print(`${((now() - startedAt) / 1000).toFixed(1).padStart(6)} s  ${first}`);
      for (const line of more) print(`          ${line}`);
    },
    say: (line = '') => print(line),
  };
}

/** @throws Problem exception: the demo found the hub to be other than it tells */
export function verify(isSo: boolean, expectation: string, found: unknown): void {
  if (isSo) return;
  throw new Problem('exception', `not as told: ${expectation}; found ${JSON.stringify(found)}`);
}
