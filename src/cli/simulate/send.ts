/**
 * Sends a simulation: a connection per hospital, on which it waits for each answer before the next message, as hospital
 * engines do. Messages go out in the order of the stream, at most `rate` a second over all hospitals.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { MllpClient } from '../../hub/mllp-client.ts';
import type { Simulation } from './stream.ts';

export interface SendPlan {
  readonly simulation: Simulation;
  readonly count: number;
  /** Messages a second; 0: as fast as the answers come. */
  readonly rate: number;
  readonly connect: () => MllpClient;
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
  readonly client: MllpClient;
  tail: Promise<void>;
  backlog: number;
}

/** Unanswered messages that may wait for one slow hospital before the others wait too. */
const backlogMax = 16;

/** @throws Problem transient when a message stays without any answer; the rest is not sent then */
export async function sendSimulation({ simulation, count, rate, connect }: SendPlan): Promise<SendSummary> {
  const lanes = new Map<string, Lane>();
  const answers = new Map<string, number>();
  const latencies: number[] = [];
  let firstRefusal: string | undefined;
  const failures: unknown[] = [];
  const startedAt = performance.now();

  for (let number = 0; number < count && failures.length === 0; number++) {
    if (rate > 0) await sleep(Math.max(startedAt + (number * 1000) / rate - performance.now(), 0));
    const { hospital, bytes } = simulation.messageAt(number);
    const lane = laneOf(hospital.facility);
    if (lane.backlog >= backlogMax) await lane.tail;
    lane.backlog++;
    lane.tail = lane.tail.then(() => send(lane, bytes));
  }
  await Promise.all([...lanes.values()].map(({ tail }) => tail));
  const seconds = (performance.now() - startedAt) / 1000;
  for (const { client } of lanes.values()) await (failures.length === 0 ? client.close() : client.destroy());
  if (failures.length > 0) throw failures[0];
  latencies.sort((a, b) => a - b);
  return { sent: latencies.length, answers, firstRefusal, seconds, latencyMs: { p50: at(0.5), p99: at(0.99) } };

  function laneOf(facility: string): Lane {
    let lane = lanes.get(facility);
    if (lane === undefined) {
      lane = { client: connect(), tail: Promise.resolve(), backlog: 0 };
      lanes.set(facility, lane);
    }
    return lane;
  }

  async function send(lane: Lane, bytes: Buffer): Promise<void> {
    lane.backlog--;
    if (failures.length > 0) return;
    const sentAt = performance.now();
    try {
      const { code, bytes: answer } = await lane.client.send(bytes);
      latencies.push(performance.now() - sentAt);
      answers.set(code, (answers.get(code) ?? 0) + 1);
      if (!isAccepted(code)) firstRefusal ??= answer.toString('utf8').replaceAll('\r', '\n').trim();
    } catch (error) {
      failures.push(error);
    }
  }

  function at(quantile: number): number {
    return latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * quantile))] ?? 0;
  }
}

/** AA in original mode, CA in enhanced mode: the message is the hub's now. */
export function isAccepted(code: string): boolean {
  return code === 'AA' || code === 'CA';
}
