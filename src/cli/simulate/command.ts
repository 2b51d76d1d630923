/** `hub simulate`: synthetic hospitals that send to a running hub over MLLP. Exits 1 unless every message was accepted. */
import { connectMllp } from '../../hub/mllp-client.ts';
import { Problem } from '../../fhir/problem.ts';
import { isAccepted, sendSimulation, type SendSummary } from './send.ts';
import { simulate, simulatedHospitals } from './stream.ts';

export interface SimulateOptions {
  readonly hospitals: string;
  readonly rate: string;
  readonly count: string;
  readonly seed: string;
  readonly host: string;
  readonly port: string;
}

/** One connection each, and a hub takes 512 from one address. */
const hospitalsMax = 500;
/** A hub that restarts is waited for, one that is not there is reported soon: 0.1 + 0.2 + 0.4 + 0.8 + 1.6 s. */
const attemptsMax = 6;

export async function runSimulate(options: SimulateOptions): Promise<void> {
  const hospitals = simulatedHospitals(number(options.hospitals, '--hospitals', 1, hospitalsMax));
  const [host, port] = [options.host, number(options.port, '--port', 1, 65_535)];
  const summary = await sendSimulation({
    simulation: simulate({ seed: number(options.seed, '--seed', 0, 2 ** 31 - 1), hospitals }),
    count: number(options.count, '--count', 1, 1_000_000_000),
    rate: number(options.rate, '--rate', 0, 1_000_000),
    connect: () => connectMllp({ host, port, attemptsMax }),
  }).catch((cause: unknown) => {
    throw new Problem('transient', `nobody answers on ${host}:${port}`, {
      hint: 'Start a hub (hub serve), or name the MLLP port of a running one with --port.',
      cause,
    });
  });
  for (const line of describe(summary, hospitals.length)) console.log(line);
  if ([...summary.answers.keys()].some((code) => !isAccepted(code))) process.exitCode = 1;
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

function number(text: string, option: string, low: number, high: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < low || value > high) {
    throw new Problem('value', `${option} is not usable`, { hint: `Give a whole number from ${low} to ${high}.` });
  }
  return value;
}
