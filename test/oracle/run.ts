/** Many random worlds on one hub after the other, several at a time; a world that disagrees is made smaller by fast-check. */
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { sql } from '../../src/db/sql.ts';
import { purpose } from '../../src/access/principal/purpose.ts';
import { givenHub, type GivenHub, type HubResponse } from '../given-hub.ts';
import { randomWorld, type RandomWorld } from './generate.ts';
import { Questions } from './ask.ts';
import { emergencyOf, writeWorld } from './write.ts';

/** Worlds on one hub, those of shrinking included: searches without a patient look at all rows there are. */
const slotsMax = 60;
/** At a time. */
const lanesMax = 4;

export interface Outcome {
  readonly sets: number;
  readonly answers: number;
  /** Of these, how many showed something. */
  readonly shown: number;
  /** For each world that disagrees: the seed, the smallest one found, and where it differs. */
  readonly failures: readonly string[];
}

export interface Options {
  readonly sets: number;
  readonly seed: number;
  /** Find the smallest world that disagrees; false: say which did, at once. */
  readonly isShrinking?: boolean;
  readonly report?: (done: number) => void;
}

export async function runSets({ sets, seed, isShrinking = true, report = () => undefined }: Options): Promise<Outcome> {
  const hubs = new Hubs();
  const tally = { sets: 0, answers: 0, shown: 0 };
  const check = async (random: RandomWorld): Promise<void> => {
    const differences = await hubs.use(async (hub, slot) => {
      const { world, callers } = await writeWorld(hub, random, slot);
      const asked = await Promise.all(
        callers.map(async (caller) => {
          const questions = new Questions(hub, world, caller);
          await questions.askAll();
          return { questions, caller };
        }),
      );
      for (const { questions } of asked) {
        tally.answers += questions.count;
        tally.shown += questions.shown;
      }
      return asked.flatMap(({ questions, caller }) =>
        questions.differences.map((line) => `${JSON.stringify(caller.asking)}\n    ${line}`),
      );
    });
    report(++tally.sets);
    if (differences.length > 0) throw new Error(`\n  ${differences.join('\n  ')}`);
  };
  const lanes = Array.from({ length: Math.min(lanesMax, sets) }, (_, lane) => lane);
  try {
    const results = await Promise.all(
      lanes.map((lane) =>
        fc.check(fc.asyncProperty(randomWorld, check), {
          numRuns: Math.ceil((sets - lane) / lanes.length),
          seed: seed + lane,
          includeErrorInReport: true,
          endOnFailure: !isShrinking,
        }),
      ),
    );
    const failures = results
      .filter(({ failed }) => failed)
      .map((result) => fc.defaultReportMessage(result) ?? 'failed');
    return { ...tally, failures };
  } finally {
    await hubs.close();
  }
}

/** One hub until its slots are used up, then another; a hub is closed when the last world on it was looked at. */
class Hubs {
  #current: { hub: Promise<GivenHub>; slots: number; users: number } | undefined;
  #closing: Promise<void>[] = [];

  async use<T>(run: (hub: GivenHub, slot: number) => Promise<T>): Promise<T> {
    const current = (this.#current ??= { hub: openHub(), slots: 0, users: 0 });
    const slot = current.slots++;
    current.users++;
    if (current.slots === slotsMax) this.#current = undefined;
    try {
      return await run(await current.hub, slot);
    } finally {
      current.users--;
      if (current !== this.#current && current.users === 0) this.#closing.push(current.hub.then((hub) => hub.close()));
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#closing, this.#current?.hub.then((hub) => hub.close())]);
  }
}

async function openHub(): Promise<GivenHub> {
  const hub = await givenHub();
  const slots = Array.from({ length: slotsMax }, (_, slot) => emergencyOf(slot));
  for (const { client, organization } of slots) {
    await hub.database.query(sql`
      insert into client (issuer, id, kind, organization, purposes)
      values (${hub.url}, ${client}, 'hospital', ${organization}, ${purpose.emergency})`);
  }
  // A running hub knows a registration within a second.
  await sleep(1_100);
  return { ...hub, send: (...request) => sendInTurn(() => hub.send(...request)) };
}

/** Of all requests of this process; more would wait in the hub, for a connection to the database, until it gives up. */
const sendingMax = 32;
let sending = 0;
const waiting: (() => void)[] = [];
/** "Ours, and to be sent again" (503) is no answer to a question. */
const againMax = 10;

async function sendInTurn(send: () => Promise<HubResponse>): Promise<HubResponse> {
  if (sending >= sendingMax) await new Promise<void>((resolve) => waiting.push(resolve));
  else sending++;
  try {
    for (let again = 1; ; again++) {
      const answer = await send();
      if (answer.status !== 503 || again === againMax) return answer;
      await sleep(200 * again);
    }
  } finally {
    const next = waiting.shift();
    if (next === undefined) sending--;
    else next();
  }
}
