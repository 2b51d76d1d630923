/** What goes wrong at sources that the hub asks: answers cut in their middle, no tokens, wrong clocks, one second for everything, late commits. */
import { setTimeout as sleep } from 'node:timers/promises';
import { withRegistrar } from '../../src/cli/endpoint/registry.ts';
import { openLedger } from '../../src/cli/simulate/ledger.ts';
import type { Absence } from '../../src/cli/simulate/sources/absence.ts';
import { sourceName } from '../../src/cli/simulate/sources/crowd.ts';
import { registerSources } from '../../src/cli/simulate/sources/endpoints.ts';
import { baseOf, serveSources, type ServedRequest } from '../../src/cli/simulate/sources/server.ts';
import { Source, type Habits } from '../../src/cli/simulate/sources/source.ts';
import type { PullKind } from '../../src/ingest/contract.ts';
import { randomOf } from '../../src/cli/simulate/random.ts';
import type { Result } from '../lib/result.ts';
import type { FaultOptions } from './run.ts';
import { inSeconds, toResult, untilEqual } from './lib/watch.ts';
import { openWorld } from './lib/world.ts';

interface Scenario {
  readonly work: string;
  readonly kind?: PullKind;
  readonly sources?: number;
  readonly patients?: number;
  readonly habits?: (number: number) => Partial<Habits>;
  readonly tokenSeconds?: number;
  /** While the fault lasts: what a request gets instead of its answer. @param count of requests so far */
  readonly disturb?: (request: ServedRequest, count: number) => Absence | undefined;
  /** From now on it is one second for all of them. */
  readonly isOneSecond?: boolean;
}

const minuteMs = 60_000;
const clockMs = 5 * minuteMs;
/** Longer than a pull, so that what is written in one becomes visible in another. */
const lateMs = 10_000;
const cutEvery = 4;

export const scenarios: Readonly<Record<string, Scenario>> = {
  page: {
    work: 'network cut within a page',
    disturb: (_request, count) => (count % cutEvery === 0 ? 'cut' : undefined),
  },
  file: {
    work: 'network cut within a bulk file',
    kind: 'fhir-bulk',
    disturb: ({ path }, count) => (path.startsWith('$export-file') && count % 2 === 0 ? 'cut' : undefined),
  },
  tokens: {
    work: 'token server down',
    habits: () => ({ auth: 'client-secret' }),
    // So that the hub needs new ones while there are none.
    tokenSeconds: 10,
    disturb: ({ path }) => (path === 'token' ? 'failure' : undefined),
  },
  'remote-clock': {
    work: 'remote clocks 5 minutes ahead and behind',
    habits: (number) => ({ clockMs: number % 2 === 0 ? clockMs : -clockMs }),
  },
  second: { work: '10,000 resources with one lastUpdated second', sources: 1, patients: 1_429, isOneSecond: true },
  late: { work: `commits ${lateMs / 1000} s late`, habits: () => ({ lateMs }) },
};

/** Between two pulls of a source. */
const every = '10s';
const changesPerSecond = 10;
/** So long at the end something is wrong. What lasts longer is an outage, and the hub asks more and more seldom (breaker.ts). */
const faultMs = 10_000;
const seed = 81;
/** A fault is over after so long; it is well again within 30 s, or it is not. */
const waitMs = 60_000;
const usual: Habits = {
  manner: 'live',
  flapMs: minuteMs,
  clockMs: 0,
  hasHistory: false,
  isDeafToLastUpdated: false,
  lateMs: 0,
  auth: 'none',
  pageMax: 50,
};

export async function measureScenario(name: string, { seconds }: FaultOptions): Promise<Result[]> {
  const {
    work,
    kind = 'fhir-rest',
    sources: count = 10,
    patients = 20,
    habits,
    ...scenario
  } = scenarios[name] as Scenario;
  let [disturbed, isDisturbed] = [0, false];
  let requests = 0;
  const server = await serveSources({
    ...(scenario.tokenSeconds !== undefined && { tokenSeconds: scenario.tokenSeconds }),
    onRequest: (request) => {
      const absence = isDisturbed ? scenario.disturb?.(request, ++requests) : undefined;
      if (absence !== undefined) disturbed++;
      return absence;
    },
  });
  const world = await openWorld({ hubs: 1 });
  const ledger = openLedger(world.ledger);
  try {
    const sources = Array.from({ length: count }, (_, number) => {
      const own = sourceName(number);
      const source = new Source({
        seed,
        number,
        name: own,
        base: baseOf(server.port, own),
        // Every second one tells by its history; the others are asked for what changed.
        habits: { ...usual, hasHistory: number % 2 === 1, ...habits?.(number) },
        onVersion: (entry) => ledger.write(entry),
      });
      const now = Date.now();
      const second = Math.trunc(source.clock(now) / 1000) * 1000;
      source.addPatients(patients, now, scenario.isOneSecond ? second : source.clock(now));
      server.add(source);
      return source;
    });
    await withRegistrar(world.environment, async ({ database, options }) => {
      await registerSources(database, options({}), sources, { kind, every });
    });
    const before = await changeFor(seconds * 1000 - faultMs, sources, 0);
    isDisturbed = true;
    const changes = await changeFor(faultMs, sources, before);
    isDisturbed = false;
    await ledger.close();
    const { ms, report } = await untilEqual(world, waitMs);
    // A commit that is late is nobody's slowness.
    const recoveryMs = Math.max(ms - Math.max(...sources.map((source) => source.options.habits.lateMs)), 0);
    const what =
      scenario.disturb === undefined ? '' : `${disturbed} requests disturbed in the last ${faultMs / 1000} s; `;
    const note = `${count} sources, asked each ${every}, ${changes} changes in ${seconds} s; ${what}equal ${inSeconds(ms)} after the last change`;
    return [toResult({ work: `${work} (${kind})`, recoveryMs, report, note })];
  } finally {
    await world.close();
    await server.close();
  }
}

/** @param changes made before @returns those made in all */
async function changeFor(ms: number, sources: readonly Source[], before: number): Promise<number> {
  let changes = before;
  for (const until = performance.now() + ms; performance.now() < until; changes++) {
    const random = randomOf(seed, changes);
    const source = random.pick(sources);
    const kind = random.below(10);
    const index = random.below(source.resources.length);
    const canTell = source.options.habits.hasHistory;
    if (kind === 0) source.addPatients(1, Date.now());
    else if (kind > 1 || !canTell || !source.remove(index - (index % 7) + 4, Date.now()))
      source.change(index, Date.now());
    await sleep(1000 / changesPerSecond);
  }
  return changes;
}
