/** Many requests at once against one hub; the first of each kind of failure, made as small as it goes, as a line for the shell. */
import fc from 'fast-check';
import { requests, type FuzzRequest } from './requests.ts';
import { isSame, twinOf } from './twins.ts';
import { wrongWith } from './verdict.ts';
import type { FuzzAnswer, FuzzWorld } from './world.ts';

/** A round is short enough to show that it goes on; after it the world is as in the beginning. */
const roundRequests = 1_000;
const atOnce = 16;
/** Of hub, client and generator together, which are one process here, beside what that held before. The heap is what a hub of a small machine has. */
const memoryBytesMax = 1_200_000_000;
/** Different failures that are made small: each costs some hundred requests. */
const shrunkMax = 5;

export interface RunOptions {
  readonly total: number;
  readonly seed: number;
  /** After each round. */
  readonly report?: (progress: Progress) => void;
}

export interface Progress {
  readonly done: number;
  readonly byStatus: ReadonlyMap<number, number>;
  readonly slowest: { readonly ms: number; readonly curl: string };
  readonly memoryBytes: number;
}

interface Failure {
  readonly request: FuzzRequest;
  readonly index: number;
  readonly seed: number;
  readonly reason: string;
}

/** @returns a text for each failure; none when every property held */
export async function fuzz(world: FuzzWorld, { total, seed, report }: RunOptions): Promise<string[]> {
  const byStatus = new Map<number, number>();
  let slowest = { ms: 0, curl: '' };
  const beforeBytes = process.memoryUsage.rss();
  for (let done = 0, round = 0; done < total; round++) {
    const numRuns = Math.min(roundRequests, total - done);
    const drawn = fc.sample(requests, { numRuns, seed: seed + round });
    const suspects: Failure[] = [];
    const queue = drawn.entries();
    const work = async (): Promise<void> => {
      for (const [index, request] of queue) {
        const began = performance.now();
        const { reason, status } = await judge(world, request);
        const ms = performance.now() - began;
        if (ms > slowest.ms) slowest = { ms, curl: curlOf(world.url, request) };
        byStatus.set(status, (byStatus.get(status) ?? 0) + 1);
        if (reason !== undefined) suspects.push({ request, index, seed: seed + round, reason });
      }
    };
    await Promise.all(Array.from({ length: atOnce }, work));
    done += numRuns;
    const memoryBytes = process.memoryUsage.rss() - beforeBytes;
    report?.({ done, byStatus, slowest, memoryBytes });
    const failures = await confirmed(world, suspects);
    const logged = world.takeErrors();
    if (failures.length > 0 || logged.length > 0) return [...(await shrunk(world, failures)), ...logged];
    if (memoryBytes > memoryBytesMax) return [`seed ${seed + round}: the process holds ${memoryBytes} bytes`];
    await world.restore();
  }
  return [];
}

async function judge(world: FuzzWorld, request: FuzzRequest): Promise<{ reason: string | undefined; status: number }> {
  try {
    const answer = await world.ask(request);
    const reason = wrongWith(request, answer) ?? (await tellsHidden(world, request, answer));
    return { reason, status: answer.status };
  } catch (error) {
    return { reason: `no answer: ${String(error)}`, status: 0 };
  }
}

const differs = 'a hidden record is answered in another way than one that never was';

/** What may not be seen is not there: a read of it is answered as one of what never was, to the letter (LEAKS 21). */
async function tellsHidden(world: FuzzWorld, request: FuzzRequest, answer: FuzzAnswer): Promise<string | undefined> {
  const twin = twinOf(request);
  return twin === undefined || isSame(answer, await world.ask(twin)) ? undefined : differs;
}

/** While others write, two answers of a history may differ by themselves. Asked alone, what tells of the hidden still does. */
async function confirmed(world: FuzzWorld, suspects: readonly Failure[]): Promise<Failure[]> {
  const failures: Failure[] = [];
  for (const one of suspects) {
    if (one.reason !== differs || (await judge(world, one.request)).reason !== undefined) failures.push(one);
  }
  return failures;
}

async function shrunk(world: FuzzWorld, failures: readonly Failure[]): Promise<string[]> {
  const kinds = [...new Map(failures.toReversed().map((one) => [one.reason, one])).values()].slice(0, shrunkMax);
  const texts: string[] = [];
  for (const { index, seed, reason } of kinds) {
    const property = fc.asyncProperty(requests, async (request) => (await judge(world, request)).reason === undefined);
    // The same arbitrary, seed and place as of the sample above: the same request.
    const result = await fc.check(property, { seed, path: String(index), numRuns: 1 });
    const smallest = result.counterexample?.[0];
    const drawn = fc.sample(requests, { seed, numRuns: index + 1 })[index] as FuzzRequest;
    texts.push(
      smallest === undefined
        ? `seed ${seed}, request ${index}: ${reason}; not when it is sent alone:\n${curlOf(world.url, drawn)}`
        : `seed ${seed}, request ${index}: ${reason}\n${curlOf(world.url, smallest)}`,
    );
  }
  return texts;
}

/** The token stands in the environment, by the name of who has it. */
export function curlOf(url: string, { principal, method, url: path, headers, body }: FuzzRequest): string {
  const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
  const lines = Object.entries(headers).map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`);
  const sent = body === undefined ? [] : ['--data-binary @-'];
  const command = [
    `curl -sS -i -X ${method} -H "authorization: Bearer $${principal}"`,
    ...lines,
    ...sent,
    quoted(`${url}${path}`),
  ].join(' ');
  if (body === undefined) return command;
  const text = body.toString();
  const isText = Buffer.from(text).equals(body) && !/[^\x20-\x7e]/.test(text);
  return `${isText ? `printf %s ${quoted(text)}` : `base64 -d <<< ${body.toString('base64')}`} | ${command}`;
}
