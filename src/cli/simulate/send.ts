/**
 * Sends a simulation: a line per hospital, on which it waits for each answer before the next message, as hospital
 * engines do. Messages go out in the order of the stream, at most `rate` a second over all hospitals.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Hospital } from './hospitals.ts';
import type { Ledger, MessageEntry } from './ledger.ts';
import { lettersAt, noMishaps, type Letter, type Mishaps } from './mishaps.ts';
import type { Simulation } from './stream.ts';

/** How a hospital reaches the hub: an MLLP connection, HTTP, a folder. */
export interface Line {
  /** Resolves with the answer, whatever it says. @throws Problem transient when there was none */
  send(message: Uint8Array): Promise<{ readonly code: string; readonly bytes: Buffer }>;
  close(): Promise<void>;
  /** Breaks without a word. */
  destroy(): void;
}

export interface SendPlan {
  readonly simulation: Simulation;
  readonly count: number;
  /** Number of the first message: a simulation may be sent in parts. */
  readonly from?: number;
  /** Messages a second; 0: as fast as the answers come. */
  readonly rate: number;
  readonly connect: (hospital: Hospital) => Line;
  /** Of the seed of the simulation. */
  readonly mishaps?: Mishaps;
  readonly seed?: number;
  readonly ledger?: Ledger;
}

export interface SendSummary {
  readonly sent: number;
  /** MSA-1 of the answers and how often each came. */
  readonly answers: ReadonlyMap<string, number>;
  /** The first answer that was no acceptance, as text. */
  readonly firstRefusal?: string;
  readonly seconds: number;
  /** Time from sending to answer, in milliseconds. */
  readonly latencyMs: { readonly p50: number; readonly p99: number };
}

interface Lane {
  client: Line;
  tail: Promise<void>;
  backlog: number;
}

/** Unanswered messages that may wait for one slow hospital before the others wait too. */
const backlogMax = 16;
/** Long enough to reach the hub, short enough that its answer often has not come. */
const cutOffMs = 3;

/** @throws Problem transient when a message stays without any answer; the rest is not sent then */
export async function sendSimulation(plan: SendPlan): Promise<SendSummary> {
  const { simulation, count, from = 0, rate, connect, mishaps = noMishaps, seed = 0, ledger } = plan;
  const lanes = new Map<string, Lane>();
  const answers = new Map<string, number>();
  const latencies: number[] = [];
  let firstRefusal: string | undefined;
  const failures: unknown[] = [];
  const startedAt = performance.now();

  for (let number = 0; number < count && failures.length === 0; number++) {
    if (rate > 0) await sleep(Math.max(startedAt + (number * 1000) / rate - performance.now(), 0));
    for (const letter of lettersAt(simulation, seed, from + number, mishaps)) {
      const lane = laneOf(letter.hospital);
      if (lane.backlog >= backlogMax) await lane.tail;
      lane.backlog++;
      lane.tail = lane.tail.then(() => send(lane, letter));
    }
  }
  await Promise.all([...lanes.values()].map(({ tail }) => tail));
  const seconds = (performance.now() - startedAt) / 1000;
  for (const { client } of lanes.values()) await (failures.length === 0 ? client.close() : client.destroy());
  if (failures.length > 0) throw failures[0];
  latencies.sort((a, b) => a - b);
  return { sent: latencies.length, answers, firstRefusal, seconds, latencyMs: { p50: at(0.5), p99: at(0.99) } };

  function laneOf(hospital: Hospital): Lane {
    let lane = lanes.get(hospital.facility);
    if (lane === undefined) {
      lane = { client: connect(hospital), tail: Promise.resolve(), backlog: 0 };
      lanes.set(hospital.facility, lane);
    }
    return lane;
  }

  async function send(lane: Lane, letter: Letter): Promise<void> {
    lane.backlog--;
    if (failures.length > 0) return;
    if (letter.isCutOff === true) await cutOff(lane, letter);
    const sentAt = performance.now();
    try {
      const { code, bytes: answer } = await lane.client.send(letter.bytes);
      ledger?.write(entryOf(letter, code));
      latencies.push(performance.now() - sentAt);
      answers.set(code, (answers.get(code) ?? 0) + 1);
      if (!isAccepted(code) && letter.isBroken !== true)
        firstRefusal ??= answer.toString('utf8').replaceAll('\r', '\n').trim();
    } catch (error) {
      failures.push(error);
    }
  }

  /** Sent, and the connection is gone before the answer: the hub may have it or not. */
  async function cutOff(lane: Lane, letter: Letter): Promise<void> {
    const broken = lane.client;
    const answer = broken.send(letter.bytes).catch(() => undefined);
    await Promise.race([answer, sleep(cutOffMs)]);
    broken.destroy();
    lane.client = connect(letter.hospital);
  }

  function at(quantile: number): number {
    return latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * quantile))] ?? 0;
  }
}

function entryOf(letter: Letter, answer: string): MessageEntry {
  const { hospital, controlId, digest, mrn, statement, isBroken } = letter;
  const entry = { what: 'message', facility: hospital.facility, controlId, digest, answer, mrn } as const;
  return { ...entry, ...(statement && { statement }), ...(isBroken && { isBroken }) };
}

/** AA in original mode, CA in enhanced mode: the message is the hub's now. Who leaves a file counts on it (lines.ts). */
export function isAccepted(code: string): boolean {
  return code === 'AA' || code === 'CA' || code === 'left';
}
