/**
 * What watching costs: 3,600 endpoints that send all the time, in rounds as the hub makes them, and an archive that is learned from at the start.
 * And what it is worth: false alarms, and how soon a loss is noticed, of random sources of four kinds.
 */
import { openDatabase, type Database } from '../../src/db.ts';
import { sql } from '../../src/db/sql.ts';
import { openRegistry } from '../../src/ingest/endpoint.ts';
import {
  endWeek,
  limitOf,
  newRhythm,
  recordGap,
  recordHour,
  slotAtWeight,
  slotsPerHour,
  weigh,
} from '../../src/watch/rhythm.ts';
import { startWatching } from '../../src/watch/watch.ts';
import { startHub } from '../lib/hub-process.ts';
import { round, type Result } from '../lib/result.ts';
import type { BenchOptions } from '../run.ts';

const endpoints = 3_600;
const archive = 1_000_000;
/** Messages of one round, 15 s: 3,600 a second. */
const ofRound = 54_000;
const rounds = 8;

export async function measure(_options: BenchOptions): Promise<Result[]> {
  return [...(await cost()), ...worth()];
}

async function cost(): Promise<Result[]> {
  // No role that watches: the rounds are made here.
  const hub = await startHub({ HUB_LOG_LEVEL: 'error', HUB_ROLES: 'api' });
  const database = openDatabase({ url: hub.databaseUrl });
  try {
    await database.query(sql`
      insert into endpoint (name, kind, organization, facilities)
      select 'e' || n, 'hl7v2-mllp', 'Organization/o' || n, array['F' || n] from generate_series(1, ${endpoints}::int) n`);
    const registry = await openRegistry(database);
    let now = new Date();
    // Three weeks in a million messages, then what comes in rounds.
    for (let from = 0; from < archive; from += 100_000)
      await fill(database, {
        from,
        count: 100_000,
        start: new Date(now.getTime() - 1_814_400_000),
        seconds: 1_814_400,
        of: archive,
      });
    await database.query(sql`analyze message`);
    const watch = await startWatching({
      database,
      endpoints: () => registry.all(),
      worker: 'bench',
      settleMs: 0,
      tickMs: 3_600_000,
      now: () => now,
    });
    const started = performance.now();
    await watch.evaluate();
    const catchUp = (performance.now() - started) / 1_000;
    const times: number[] = [];
    for (let n = 0; n < rounds; n++) {
      await fill(database, { from: archive + n * ofRound, count: ofRound, start: now, seconds: 15, of: ofRound });
      now = new Date(now.getTime() + 15_000);
      const before = performance.now();
      await watch.evaluate();
      times.push(performance.now() - before);
    }
    times.sort((a, b) => a - b);
    const [size] = await database.query<{ bytes: number }>(sql`
      select pg_total_relation_size('feed') + pg_total_relation_size('feed_rhythm') as bytes`);
    await watch.close();
    registry.close();
    return [
      {
        work: `watch: ${archive.toLocaleString('en')} archived messages of ${endpoints} endpoints learned from`,
        figure: round(catchUp, 1),
        unit: 's',
      },
      {
        work: `watch: a round, every 15 s, at ${ofRound / 15} messages/s of ${endpoints} endpoints`,
        figure: Math.round(times[rounds / 2] ?? 0),
        unit: 'ms',
        note: `slowest of ${rounds}: ${Math.round(times.at(-1) ?? 0)} ms`,
      },
      { work: 'watch: its tables', figure: round((size?.bytes ?? 0) / endpoints / 1_024, 1), unit: 'kB an endpoint' },
    ];
  } finally {
    await database.close();
    await hub.stop();
  }
}

interface Fill {
  readonly from: number;
  readonly count: number;
  readonly start: Date;
  readonly seconds: number;
  readonly of: number;
}

async function fill(database: Database, { from, count, start, seconds, of }: Fill): Promise<void> {
  const offset = from % of;
  await database.query(sql`
    insert into message (lane_key, endpoint_id, slot, status, received_at, processed_at, control_id, type, facility, digest, raw)
    select n, 1 + n % ${endpoints}::int, n % 256, 1, at, at + interval '50 ms', 'B' || (${from}::int + n), 'ADT^A01', 'F',
      sha256(n::text::bytea), ''
    from (
      select n, ${start}::timestamptz + (${offset}::int + n) * ${seconds}::float8 / ${of}::float8 * interval '1 second' as at
      from generate_series(0, ${count}::int - 1) n
    ) made`);
}

const slotsPerDay = 24 * slotsPerHour;
const weeks = 20;
const perKind = 25;

type Source = (slot: number) => number;
const hourOfDay = (slot: number): number => Math.floor(slot / slotsPerHour) % 24;
const isDay = (slot: number): boolean => hourOfDay(slot) < 12;
/** The chance that something comes in a slot, and the slot of the day in which it is lost. */
const sources: readonly [name: string, source: Source, lostAt: number][] = [
  ['a large hospital', (slot) => (isDay(slot) ? 0.99 : 0.9), 36],
  ['a small hospital', (slot) => (isDay(slot) ? 0.6 : 0.1), 36],
  ['a practice', (slot) => (Math.floor(slot / slotsPerDay) % 7 < 5 && hourOfDay(slot) < 10 ? 0.5 : 0), 12],
  ['a batch a day', (slot) => (hourOfDay(slot) === 2 && slot % slotsPerHour < 2 ? 1 : 0), 26],
];

function worth(): Result[] {
  return sources.map(([name, source, lostAt]) => {
    const runs = Array.from({ length: perKind }, (_, seed) => watchOver(source, lostAt, seed + 1));
    const hours = runs.map((run) => run.hours).toSorted((a, b) => a - b);
    const alarms = runs.reduce((sum, run) => sum + run.alarms, 0);
    return {
      work: `silence of ${name}: noticed after (median)`,
      figure: round(hours[Math.floor(perKind / 2)] ?? 0, 1),
      unit: 'h',
      note: `at most ${round(hours.at(-1) ?? 0, 1)} h; ${alarms} false alarms in ${perKind * weeks} weeks`,
    };
  });
}

function watchOver(source: Source, lostAt: number, seed: number): { readonly alarms: number; readonly hours: number } {
  const rhythm = newRhythm();
  const start = 2_900 * 7 * slotsPerDay;
  const end = start + weeks * 7 * slotsPerDay;
  let [state, last, busy, alarms, isAlarming] = [seed, start - 1, 0, 0, false];
  for (let slot = start; slot < end; slot++) {
    // Numerical Recipes, 2nd edition, section 7.1.
    state = (state * 1_664_525 + 1_013_904_223) >>> 0;
    if (state / 4_294_967_296 < source(slot)) {
      if (!isAlarming) recordGap(rhythm, weigh(rhythm, last + 1, slot));
      [last, isAlarming] = [slot, false];
      busy++;
    }
    if ((slot + 1) % slotsPerHour === 0) {
      recordHour(rhythm, Math.floor(slot / slotsPerHour), busy);
      busy = 0;
    }
    if ((slot + 1) % (7 * slotsPerDay) === 0) endWeek(rhythm, (slot + 1) / (7 * slotsPerDay), true);
    if (slot - last < 3 || isAlarming) continue;
    const limit = limitOf(rhythm);
    if (limit === undefined || weigh(rhythm, last + 1, slot + 1) <= limit) continue;
    isAlarming = true;
    alarms++;
  }
  const from = end + slotsPerDay + lostAt;
  const at = slotAtWeight(rhythm, from, limitOf(rhythm) ?? Infinity) ?? Infinity;
  return { alarms, hours: (at + 1 - from) / slotsPerHour };
}
