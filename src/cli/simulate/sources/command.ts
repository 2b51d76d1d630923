/** `hub simulate sources`: FHIR servers on loopback that the hub pulls from, until SIGINT or SIGTERM or for a time. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Problem } from '../../../fhir/problem.ts';
import { withRegistrar } from '../../endpoint/registry.ts';
import { openLedger, type ResourceEntry } from '../ledger.ts';
import { numberOption } from '../numbers.ts';
import { crowdDefaults, openCrowd, type Crowd } from './crowd.ts';
import { registerSources, type SourceKind } from './endpoints.ts';
import { openPusher } from './push.ts';
import { serveSources } from './server.ts';
import type { Source } from './source.ts';

export interface SourcesCommandOptions {
  readonly sources: string;
  readonly serve: string;
  readonly seed: string;
  readonly patients: string;
  readonly hanging: string;
  readonly flapping: string;
  readonly clocksOff: string;
  readonly changes: string;
  readonly seconds: string;
  readonly quiet: string;
  readonly register?: string;
  readonly every: string;
  readonly url: string;
  readonly ledger?: string;
}

const sourcesMax = 10_000;
const patientsMax = 10_000;
const secondsMax = 86_400;
const second = 1_000;
/** Changes are spread over each second in so many steps. */
const stepMs = 50;

export async function runSimulateSources(
  options: SourcesCommandOptions,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  const count = numberOption(options.sources, '--sources', 1, sourcesMax);
  const changes = numberOption(options.changes, '--changes', 0, 10_000);
  const seconds = numberOption(options.seconds, '--seconds', 0, secondsMax);
  const quiet = numberOption(options.quiet, '--quiet', 0, secondsMax);
  const kind = kindOf(options.register);
  const server = await serveSources({ port: numberOption(options.serve, '--serve', 0, 65_535) });
  const ledger = options.ledger === undefined ? undefined : openLedger(options.ledger);
  /** What was there before the hub knew of it is sent first. */
  const changed: { source: Source; entry: ResourceEntry }[] = [];
  try {
    const crowd = openCrowd(
      {
        ...crowdDefaults,
        seed: numberOption(options.seed, '--seed', 0, 2 ** 31 - 1),
        count,
        patients: numberOption(options.patients, '--patients', 1, patientsMax),
        hanging: numberOption(options.hanging, '--hanging', 0, count),
        flapping: numberOption(options.flapping, '--flapping', 0, count),
        clocksOff: numberOption(options.clocksOff, '--clocks-off', 0, 100),
      },
      server,
      Date.now(),
      (entry, source) => {
        ledger?.write(entry);
        if (kind === 'fhir-push') changed.push({ source, entry });
      },
    );
    const pusher = openPusher(options.url);
    console.log(`${count} sources: http://127.0.0.1:${server.port}/sim-fhir-0001/fhir and so on`);
    if (kind !== undefined) await register(crowd, kind, options.every, environment);
    const ended = new AbortController();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ended.abort());
    const sendChanged = (): void => {
      for (const { source, entry } of changed.splice(0)) pusher.push(source, entry);
    };
    sendChanged();
    await changeFor(seconds, ended.signal, changes, (now) => {
      crowd.changeSomewhere(now);
      sendChanged();
    });
    await pusher.settle();
    await sleep(quiet * second, undefined, { signal: ended.signal }).catch(() => undefined);
  } finally {
    await ledger?.close();
    await server.close();
  }
}

async function register(crowd: Crowd, kind: SourceKind, every: string, environment: NodeJS.ProcessEnv): Promise<void> {
  await withRegistrar(environment, async ({ database, options }) => {
    const added = await registerSources(database, options({ note: 'hub simulate' }), crowd.sources, { kind, every });
    console.log(`${added} of them are endpoints of the hub now, asked each ${every}`);
  });
}

/** @throws Problem value */
function kindOf(text: string | undefined): SourceKind | undefined {
  if (text === undefined || text === 'fhir-rest' || text === 'fhir-bulk' || text === 'fhir-push') return text;
  throw new Problem('value', '--register is none the simulator knows', { hint: 'fhir-rest, fhir-bulk or fhir-push.' });
}

/** @param seconds 0: until the signal */
async function changeFor(
  seconds: number,
  signal: AbortSignal,
  perSecond: number,
  change: (now: number) => unknown,
): Promise<void> {
  const startedAt = performance.now();
  for (let made = 0; !signal.aborted;) {
    const passed = (performance.now() - startedAt) / second;
    if (seconds > 0 && passed >= seconds) return;
    for (; made < passed * perSecond; made++) change(Date.now());
    await sleep(stepMs, undefined, { signal }).catch(() => undefined);
  }
}
