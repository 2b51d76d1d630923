/** `hub simulate`: synthetic hospitals that send to a running hub. Exits 1 unless every message that is whole was accepted. */
import { connectMllp } from '../../hub/mllp-client.ts';
import { Problem } from '../../fhir/problem.ts';
import type { Hospital } from './hospitals.ts';
import { openLedger } from './ledger.ts';
import { folderLine, httpLine } from './lines.ts';
import { mishapsOf, withClocksOff } from './mishaps.ts';
import { numberOption } from './numbers.ts';
import { sendSimulation, type Line, type SendPlan, type SendSummary } from './send.ts';
import { simulate, simulatedHospitals } from './stream.ts';
import { openTokens } from './tokens.ts';

export interface SimulateOptions {
  readonly hospitals: string;
  readonly rate: string;
  readonly count: string;
  readonly from: string;
  readonly seed: string;
  readonly host: string;
  readonly port: string;
  readonly via: string;
  readonly url: string;
  readonly folder?: string;
  readonly organization?: string;
  readonly mishaps: string;
  readonly clocksOff: string;
  readonly start?: string;
  readonly ledger?: string;
}

/** One connection each, and a hub takes 512 from one address. */
const hospitalsMax = 500;
/** A hub that restarts is waited for, one that is not there is reported soon: 0.1 + 0.2 + 0.4 + 0.8 + 1.6 s. */
const attemptsMax = 6;
const countMax = 1_000_000_000;

export async function runSimulate(options: SimulateOptions, environment: NodeJS.ProcessEnv): Promise<void> {
  const seed = numberOption(options.seed, '--seed', 0, 2 ** 31 - 1);
  const clocksOff = numberOption(options.clocksOff, '--clocks-off', 0, 100);
  const some = simulatedHospitals(numberOption(options.hospitals, '--hospitals', 1, hospitalsMax));
  const hospitals = withClocksOff(some, seed, clocksOff);
  const { connect, place } = await wayOf(options, environment);
  const ledger = options.ledger === undefined ? undefined : openLedger(options.ledger);
  const plan: SendPlan = {
    simulation: simulate({ seed, hospitals, ...(options.start && { startAt: startOf(options.start) }) }),
    seed,
    from: numberOption(options.from, '--from', 0, countMax),
    count: numberOption(options.count, '--count', 1, countMax),
    rate: numberOption(options.rate, '--rate', 0, 1_000_000),
    mishaps: mishapsOf(numberOption(options.mishaps, '--mishaps', 0, 100)),
    connect,
    ...(ledger && { ledger }),
  };
  let summary: SendSummary;
  try {
    summary = await sendSimulation(plan);
  } catch (cause) {
    throw new Problem('transient', `nobody answers on ${place}`, {
      hint: 'Start a hub (hub serve), or name the address of a running one with --port or --url.',
      cause,
    });
  } finally {
    await ledger?.close();
  }
  for (const line of describe(summary, hospitals.length)) console.log(line);
  if (summary.firstRefusal !== undefined) process.exitCode = 1;
}

type Way = { readonly connect: (hospital: Hospital) => Line; readonly place: string };

/** @throws Problem value, required */
async function wayOf(options: SimulateOptions, environment: NodeJS.ProcessEnv): Promise<Way> {
  if (options.via === 'mllp') {
    const [host, port] = [options.host, numberOption(options.port, '--port', 1, 65_535)];
    return { connect: () => connectMllp({ host, port, attemptsMax }), place: `${host}:${port}` };
  }
  if (options.via === 'http') {
    const tokens = await openTokens(environment);
    const { url } = options;
    return {
      connect: ({ organization }) => httpLine(url, () => tokens(options.organization ?? organization)),
      place: url,
    };
  }
  if (options.via === 'folder') {
    const { folder } = options;
    if (folder === undefined) throw new Problem('required', '--folder says where the files are left');
    const startedAt = Date.now();
    return { connect: (hospital) => folderLine(folder, hospital, startedAt), place: folder };
  }
  throw new Problem('value', '--via is none the simulator knows', { hint: 'One of mllp, http, folder.' });
}

/** @throws Problem value */
function startOf(text: string): Date {
  const at = text === 'now' ? new Date() : new Date(text);
  if (!Number.isNaN(at.getTime())) return at;
  throw new Problem('value', '--start is no instant', { hint: 'Write it as 2026-01-31T08:00:00Z, or now.' });
}

function describe({ sent, answers, firstRefusal, seconds, latencyMs }: SendSummary, hospitals: number): string[] {
  const counts = [...answers].map(([code, count]) => `${count} ${code}`).join(', ');
  const lines = [
    `${sent} messages from ${hospitals} hospitals in ${seconds.toFixed(1)} s (${Math.round(sent / seconds)}/s), ` +
      `answered after ${latencyMs.p50.toFixed(1)} ms (median), ${latencyMs.p99.toFixed(1)} ms (p99): ${counts}`,
  ];
  if (firstRefusal !== undefined) {
    lines.push(
      'The first one that was not accepted:',
      firstRefusal,
      "Simulated hospitals are named SIM0001, SIM0002, ... in MSH-4; to let the hub take them all: hub endpoint add simulated --kind hl7v2-mllp --organization Organization/simulated --facility '*'",
    );
  }
  return lines;
}
