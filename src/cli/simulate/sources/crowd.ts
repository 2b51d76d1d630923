/** Many sources at once: who has which habits, and what changes where. All of it follows from the seed. */
import { randomOf, type Random } from '../random.ts';
import { resourcesOfPatient } from './content.ts';
import type { ResourceEntry } from '../ledger.ts';
import { baseOf, type SourcesServer } from './server.ts';
import { Source, type Habits } from './source.ts';

export interface CrowdOptions {
  readonly seed: number;
  readonly count: number;
  /** Of them, how many hang for ever, and how many are away half of the time. */
  readonly hanging: number;
  readonly flapping: number;
  readonly flapMs: number;
  /** Of a hundred: clocks up to five minutes off, deaf to `_lastUpdated`, with `_history`, that want credentials. */
  readonly clocksOff: number;
  readonly deaf: number;
  readonly withHistory: number;
  readonly guarded: number;
  readonly lateMs: number;
  readonly pageMax: number;
  /** What each has at first. */
  readonly patients: number;
}

export const crowdDefaults: Omit<CrowdOptions, 'seed' | 'count'> = {
  hanging: 0,
  flapping: 0,
  flapMs: 60_000,
  clocksOff: 10,
  deaf: 5,
  withHistory: 50,
  guarded: 20,
  lateMs: 0,
  pageMax: 200,
  patients: 3,
};

/** Randomness beside that of messages and contents. */
const stream = 41;
const clockMsMax = 300_000;
/** How long ago the first records were written. */
const dayMs = 86_400_000;

export function sourceName(number: number): string {
  return `sim-fhir-${String(number + 1).padStart(4, '0')}`;
}

export interface Crowd {
  readonly sources: readonly Source[];
  /** Somewhere something new, something changed, or something gone. @returns the source */
  changeSomewhere(now: number): Source;
}

/** Enters them all into the server. */
export function openCrowd(
  options: CrowdOptions,
  server: SourcesServer,
  now: number,
  onVersion?: (entry: ResourceEntry, source: Source) => void,
): Crowd {
  const { seed, count, patients } = options;
  const sources = Array.from({ length: count }, (_, number) => {
    const name = sourceName(number);
    const base = baseOf(server.port, name);
    const source: Source = new Source({
      seed,
      number,
      name,
      base,
      habits: habitsOf(options, number),
      ...(onVersion && { onVersion: (entry) => onVersion(entry, source) }),
    });
    source.addPatients(patients, now - dayMs, source.clock(now - dayMs));
    server.add(source);
    return source;
  });
  let changes = 0;
  return {
    sources,
    changeSomewhere: (at) => {
      const random = randomOf(seed, changes++, stream);
      const source = random.pick(sources);
      changeSomething(source, random, at);
      return source;
    },
  };
}

/** Which sources hang and which flap is spread over all numbers, and exact in number. */
function habitsOf(options: CrowdOptions, number: number): Habits {
  const { seed, count, hanging, flapping } = options;
  const random = randomOf(seed, number, stream + 1);
  // A step that has no divisor in common with the count visits each place once.
  const place = (number * stepFor(count)) % count;
  const manner = place < hanging ? 'hangs' : place < hanging + flapping ? 'flaps' : 'live';
  const isOff = random.chance(options.clocksOff);
  const isDeafToLastUpdated = random.chance(options.deaf);
  return {
    manner,
    flapMs: options.flapMs,
    clockMs: isOff ? random.between(-clockMsMax, clockMsMax) : 0,
    isDeafToLastUpdated,
    hasHistory: random.chance(options.withHistory),
    lateMs: options.lateMs,
    auth: random.chance(options.guarded) ? random.pick(['basic', 'client-secret'] as const) : 'none',
    pageMax: options.pageMax,
  };
}

function stepFor(count: number): number {
  const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));
  for (let step = Math.floor(count * 0.618) || 1; ; step++) if (divisor(step, count) === 1) return step;
}

function changeSomething(source: Source, random: Random, now: number): void {
  const kind = random.below(10);
  const index = random.below(source.resources.length);
  if (kind === 0) return source.addPatients(1, now);
  // Without a history nobody learns that something is gone, but by asking for everything.
  const canTell = source.options.habits.hasHistory;
  if (kind === 1 && canTell && source.remove(index - (index % resourcesOfPatient) + 4, now)) return;
  source.change(index, now);
}
