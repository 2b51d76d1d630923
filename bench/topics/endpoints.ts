/**
 * Thousands of endpoints of every kind on one machine: FHIR sources that are pulled, of which some hang for ever and some flap, and hospitals that
 * send over MLLP. What counts: each live source is asked at its slots, evenly; those that hang cost the others nothing; memory stays flat; and
 * the hub has what the ledger says.
 */
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectMllp } from '../../adapters/hl7v2/client.ts';
import { withRegistrar } from '../../src/cli/endpoint/registry.ts';
import { checkLedger, type CheckReport } from '../../src/cli/simulate/check/check.ts';
import { openLedger, type Ledger } from '../../src/cli/simulate/ledger.ts';
import { mishapsOf } from '../../src/cli/simulate/mishaps.ts';
import { sendSimulation } from '../../src/cli/simulate/send.ts';
import { crowdDefaults, openCrowd, type Crowd } from '../../src/cli/simulate/sources/crowd.ts';
import { registerSources } from '../../src/cli/simulate/sources/endpoints.ts';
import { serveSources } from '../../src/cli/simulate/sources/server.ts';
import { simulate, simulatedHospitals } from '../../src/cli/simulate/stream.ts';
import { openDatabase, type Database } from '../../src/db.ts';
import { sql } from '../../src/db/sql.ts';
import { addEndpoint } from '../../src/ingest/registry/change.ts';
import type { NewEndpoint } from '../../src/ingest/registry/description.ts';
import type { BenchOptions } from '../run.ts';
import { startHub, type HubProcess } from '../lib/hub-process.ts';
import { round, type Result } from '../lib/result.ts';

/** Of all endpoints: every twelfth sends HL7v2, every twelfth is a bulk server, the others are asked by REST. */
const mllpShare = 1 / 12;
const bulkShare = 1 / 12;
const hangingShare = 1 / 12;
const flappingShare = 1 / 36;
/** Of those that send, and of those that are asked, a second over all of them. */
const messageRate = 20;
const changesPerSecond = 5;
const seed = 91;
const sampleMs = 5_000;
const firstRoundMs = 900_000;
const startsRatioMax = 3;
/** A hub that has seen all it works with does not grow by more. */
const growthMax = 1.25;

export async function measure({ endpoints, minutes, every }: BenchOptions): Promise<Result[]> {
  const path = join(tmpdir(), `hub-endpoints-${process.pid}.ndjson`);
  const [hub, server] = [await startHub(), await serveSources()];
  const database = openDatabase({ url: hub.databaseUrl, pipelines: 1 });
  const ledger = openLedger(path);
  try {
    const senders = Math.round(endpoints * mllpShare);
    const count = endpoints - senders;
    const hanging = Math.round(endpoints * hangingShare);
    const flapping = Math.round(endpoints * flappingShare);
    const crowd = openCrowd(
      { ...crowdDefaults, seed, count, hanging, flapping, patients: 2, flapMs: 60_000 },
      server,
      Date.now(),
      (entry) => ledger.write(entry),
    );
    const registeredAt = performance.now();
    await register(hub, crowd, Math.round(endpoints * bulkShare), senders, every);
    const registering = (performance.now() - registeredAt) / 1000;
    const live = crowd.sources.filter((source) => source.options.habits.manner === 'live');
    const names = live.map((source) => source.options.name);
    // All at once is a new hub's first minutes; what counts is every other hour.
    await untilAskedOnce(database, names);
    const from = new Date();
    const [memory] = await Promise.all([
      sampleMemory(hub, minutes * 60_000),
      changeFor(minutes * 60, crowd),
      sendMessages(hub, ledger, senders, minutes * 60),
    ]);
    const until = new Date();
    // Outages end; then each of those that were away is asked once more, as the others are.
    for (const source of crowd.sources) source.isHealed = source.options.habits.manner === 'flaps';
    await ledger.close();
    const { ms, report } = await untilEqual(database, path, 4 * millisecondsOf(every) + 60_000);
    for (const line of report.findings) console.error(line);
    const starts = await startsPerSecond(database, from, until);
    const runs = await liveRuns(database, names, from, until, millisecondsOf(every));
    return [
      {
        work: `${endpoints} endpoints (${hanging} hang, ${flapping} flap), ${minutes} minutes, each asked every ${every}: starts a second, max to mean`,
        figure: round(starts.max / starts.mean),
        unit: 'x',
        target: startsRatioMax,
        isMaximum: true,
        note: `${round(starts.mean, 1)} and ${starts.max} a second, ${starts.count} runs; registered in ${round(registering, 0)} s`,
      },
      {
        work: 'live sources that were not asked at one of their slots',
        figure: runs.missed,
        unit: `of ${runs.expected}`,
        target: 0,
        isMaximum: true,
        p50Ms: round(runs.p50Ms, 0),
        p99Ms: round(runs.p99Ms, 0),
        note: 'milliseconds: from slot to start',
      },
      {
        work: 'memory of the hub, last quarter to second quarter',
        figure: round(memory.growth),
        unit: 'x',
        target: growthMax,
        isMaximum: true,
        note: `${Math.round(memory.before)} MB, then ${Math.round(memory.after)} MB`,
      },
      {
        work: 'differences from the ledger',
        figure: report.wrong,
        unit: '',
        target: 0,
        isMaximum: true,
        note: `${report.resources} resources, ${report.accepted} messages; equal ${round(ms / 1000, 0)} s after the last change`,
      },
    ];
  } finally {
    await database.close();
    await server.close();
    await hub.stop();
    await rm(path, { force: true });
  }
}

async function register(hub: HubProcess, crowd: Crowd, bulk: number, senders: number, every: string): Promise<void> {
  const environment = { HUB_DATA_DIR: hub.dataDir, DATABASE_URL: hub.databaseUrl };
  await withRegistrar(environment, async ({ database, options }) => {
    // Which of them hang and flap is spread over all numbers, so each kind has its share.
    await registerSources(database, options({}), crowd.sources.slice(0, bulk), { kind: 'fhir-bulk', every });
    await registerSources(database, options({}), crowd.sources.slice(bulk), { kind: 'fhir-rest', every });
    for (const { facility, organization } of simulatedHospitals(senders)) {
      const endpoint: NewEndpoint = { name: facility, kind: 'hl7v2-mllp', organization, facilities: [facility] };
      await addEndpoint(database, endpoint, options({}));
    }
  });
}

async function untilAskedOnce(database: Database, names: readonly string[]): Promise<void> {
  for (const until = performance.now() + firstRoundMs; performance.now() < until;) {
    const [row] = await database.query<{ count: number }>(sql`
      select count(*)::int as count from endpoint e where e.name = any(${names}::text[])
        and exists (select from pull_run r where r.endpoint_id = e.id and r.outcome = 'done')`);
    if (row?.count === names.length) return;
    await sleep(sampleMs);
  }
  throw new Error('not every live source was asked');
}

async function changeFor(seconds: number, crowd: Crowd): Promise<void> {
  const startedAt = performance.now();
  for (let made = 0; ; made++) {
    const due = startedAt + (made * 1000) / changesPerSecond;
    if (due > startedAt + seconds * 1000) return;
    await sleep(Math.max(due - performance.now(), 0));
    crowd.changeSomewhere(Date.now());
  }
}

async function sendMessages(hub: HubProcess, ledger: Ledger, senders: number, seconds: number): Promise<void> {
  await sendSimulation({
    simulation: simulate({ seed, hospitals: simulatedHospitals(senders) }),
    seed,
    count: messageRate * seconds,
    rate: messageRate,
    mishaps: mishapsOf(1),
    connect: () => connectMllp({ host: '127.0.0.1', port: hub.mllpPort }),
    ledger,
  });
}

async function sampleMemory(hub: HubProcess, ms: number): Promise<{ before: number; after: number; growth: number }> {
  const samples: number[] = [];
  for (const until = performance.now() + ms; performance.now() < until;) {
    await sleep(sampleMs);
    samples.push(await hub.rssMb());
  }
  const quarter = (which: number): number =>
    Math.max(
      ...samples.slice(Math.floor((samples.length * which) / 4), Math.floor((samples.length * (which + 1)) / 4)),
    );
  const [before, after] = [quarter(1), quarter(3)];
  return { before, after, growth: after / before };
}

async function untilEqual(
  database: Database,
  path: string,
  waitMs: number,
): Promise<{ ms: number; report: CheckReport }> {
  const startedAt = performance.now();
  for (;;) {
    const report = await checkLedger(database, path);
    const ms = performance.now() - startedAt;
    if (report.wrong === 0 || ms > waitMs) return { ms, report };
    await sleep(sampleMs);
  }
}

async function startsPerSecond(
  database: Database,
  from: Date,
  until: Date,
): Promise<{ max: number; mean: number; count: number }> {
  const rows = await database.query<{ count: number }>(sql`
    select count(*)::int as count from pull_run where started_at >= ${from} and started_at < ${until}
    group by date_trunc('second', started_at)`);
  const count = rows.reduce((sum, row) => sum + row.count, 0);
  const seconds = (until.getTime() - from.getTime()) / 1000;
  return { max: Math.max(...rows.map((row) => row.count)), mean: count / seconds, count };
}

/** A slot that lies within the time, with room for the first and the last, has a run. */
async function liveRuns(
  database: Database,
  names: readonly string[],
  from: Date,
  until: Date,
  everyMs: number,
): Promise<{ expected: number; missed: number; p50Ms: number; p99Ms: number }> {
  const slots = Math.floor((until.getTime() - from.getTime()) / everyMs) - 1;
  const rows = await database.query<{ runs: number; lags: number[] }>(sql`
    select count(r.slot_at)::int as runs,
      coalesce(array_agg(extract(epoch from r.started_at - r.slot_at)::float8 * 1000) filter (where r.slot_at is not null), '{}') as lags
    from endpoint e left join pull_run r on r.endpoint_id = e.id and r.slot_at >= ${from} and r.slot_at < ${until}
      and r.outcome in ('done', 'more')
    where e.name = any(${names}::text[])
    group by e.id`);
  const lags = rows.flatMap((row) => row.lags).toSorted((a, b) => a - b);
  const at = (share: number): number => lags[Math.floor(lags.length * share)] ?? Number.NaN;
  const missed = rows.reduce((sum, { runs }) => sum + Math.max(slots - runs, 0), 0);
  return { expected: slots * names.length, missed, p50Ms: at(0.5), p99Ms: at(0.99) };
}

function millisecondsOf(every: string): number {
  const [, number = '', unit = 's'] = /^(\d+)([smh])$/.exec(every) ?? [];
  return Number(number) * ({ s: 1_000, m: 60_000, h: 3_600_000 }[unit] ?? Number.NaN);
}
