/**
 * Growth: what a patient's searches take with 100,000 resources and with `--resources` (two million unless said otherwise), for
 * patients spread over all of them. They walk one prefix of one index, so what grows is its depth and what falls out of memory.
 */
import pg from 'pg';
import type { BenchOptions } from '../run.ts';
import { grantAll, headers, load, token, type Measured, type Requests } from '../lib/facade.ts';
import { codeOf, fill, patientId, resultsPerPatient } from '../lib/fill.ts';
import { startHub, type HubProcess } from '../lib/hub-process.ts';
import { round, type Result } from '../lib/result.ts';

const resourcesBefore = 100_000;
/** Patients asked for at each size. */
const sample = 200;
/** Few enough that the cores are not what a request waits for. */
const connections = 4;
/** The median of several: p99 of a shared machine is that of its worst second. */
const rounds = 5;
/** Until the hub's code is compiled: else the first size would pay for it. By count, because a busy machine does less in a second. */
const warm = { requestsMax: 4_000, seconds: 60 };
const owner = 'Organization/growth';

export async function measure({ seconds, resources }: BenchOptions): Promise<Result[]> {
  const hub = await startHub();
  const database = new pg.Client({ connectionString: hub.databaseUrl });
  try {
    await database.connect();
    const sizes = [resourcesBefore, resources].map((size) => Math.ceil(size / (resultsPerPatient + 1)));
    const results: Result[] = [];
    const p99: Record<string, number[]> = {};
    const granted = new Set<number>();
    let from = 0;
    for (const to of sizes) {
      const perSecond = await fill({ url: hub.databaseUrl, from, to, owner });
      from = to;
      await database.query('vacuum analyze');
      await database.query('checkpoint');
      const count = await database.query<{ count: number }>('select count(*)::int as count from resource');
      const size = (count.rows[0]?.count ?? 0).toLocaleString('en');
      results.push({ work: `fill to ${size} resources`, figure: round(perSecond, 0), unit: '/s' });
      const patients = Array.from({ length: sample }, (_, n) => Math.floor((n * to) / sample));
      await grantAll(hub, patients.filter((number) => !granted.has(number)).map(patientId));
      for (const number of patients) granted.add(number);
      for (const [work, requests] of Object.entries(await requestsOf(hub, patients))) {
        await load(hub, requests, { ...warm, connections });
        const runs: Measured[] = [];
        for (let run = 0; run < rounds; run++) {
          runs.push(await load(hub, requests, { seconds: seconds / rounds, connections }));
        }
        const median = runs.toSorted((a, b) => a.p99Ms - b.p99Ms)[Math.floor(rounds / 2)] as Measured;
        (p99[work] ??= []).push(median.p99Ms);
        results.push({
          work: `${work}, ${size} resources`,
          figure: round(median.perSecond, 0),
          unit: '/s',
          p50Ms: median.p50Ms,
          p99Ms: median.p99Ms,
          micros: median.micros,
          ...(Object.keys(median.statuses).join() === '200'
            ? {}
            : { note: `VOID: ${JSON.stringify(median.statuses)}` }),
        });
      }
    }
    for (const [work, [before = Number.NaN, after = Number.NaN]] of Object.entries(p99)) {
      results.push({
        work: `growth of p99: ${work}`,
        figure: round(after / before),
        unit: 'times',
        target: 1.5,
        isMaximum: true,
      });
    }
    const bytes = await database.query<{ mb: number }>(
      `select round(pg_database_size(current_database()) / 2^20)::int as mb`,
    );
    results.push({ work: 'database', figure: bytes.rows[0]?.mb ?? Number.NaN, unit: 'MB' });
    return results;
  } finally {
    await database.end();
    await hub.stop();
  }
}

async function requestsOf(hub: HubProcess, patients: readonly number[]): Promise<Record<string, Requests>> {
  const ai = await token(hub, { preset: 'ai', organization: 'Organization/assistant' });
  const get = (query: string): Requests[number] => ({
    method: 'GET',
    path: `/fhir/R4/Observation?${query}`,
    headers: headers(ai),
  });
  return {
    'search by patient, 20 a page': patients.map((number) => get(`patient=Patient/${patientId(number)}&_count=20`)),
    'latest 5 by code': patients.map((number) =>
      get(`patient=Patient/${patientId(number)}&code=http://loinc.org%7C${codeOf(number)}&_sort=-date&_count=5`),
    ),
    'results of a year': patients.map((number) =>
      get(`patient=Patient/${patientId(number)}&date=ge2020-06-01&date=lt2021-06-01&_count=20`),
    ),
  };
}
