/**
 * What JWT, consent and audit cost: two hubs on one database of 100,000 patients and 300,000 consent rules, one as it runs, the
 * other put together without them (lib/ungated.ts), asked the same by turns. As in the speed table hub, PostgreSQL and load
 * share the machine, so what access costs is by how much the rate falls, load included: the same load for both, from a
 * process of its own. On a shared machine rates vary by half; beside it stands processor time of hub and PostgreSQL alone.
 *
 * And whether it grows with how many patients a recipient has the consent of.
 */
import { join } from 'node:path';
import pg from 'pg';
import type { BenchOptions } from '../run.ts';
import { consentAll, write } from '../lib/consents.ts';
import { headers, load, permit, resultOf, token, type Measured, type Requests } from '../lib/facade.ts';
import { codeOf, fill, patientId } from '../lib/fill.ts';
import { startHub, type HubProcess } from '../lib/hub-process.ts';
import { round, type Result } from '../lib/result.ts';

const patients = 100_000;
/** Each of these has results, which makes a thousand records; prime to the number of habits, so that all are among them. */
const eachWithResults = 99;
const results = 100;
const owner = 'Organization/laboratory';
/** The median of their ratios is what is said. */
const rounds = 5;
const overheadPercentMax = 25;
/** Two measurements of the same differ by as much. */
const growthMax = 1.1;
/** One client asks all of it: the limit is counted, and never reached. */
const limits = { HUB_RATE_CLIENT: '1000000' };
const recipients = { 'Organization/of-one': 1, 'Organization/of-some': 200 };

export async function measure({ seconds, keep }: BenchOptions): Promise<Result[]> {
  const hub = await startHub(limits, { dataDir: keep });
  const database = new pg.Client({ connectionString: hub.databaseUrl });
  let ungated: HubProcess | undefined;
  try {
    await database.connect();
    const filled = await prepare(hub, database);
    ungated = await startHub(limits, { beside: hub, preload: join(import.meta.dirname, '..', 'lib', 'ungated.ts') });
    await verifyUngated(hub, ungated, database);
    return [
      ...filled,
      ...(await compareWorks({ hub, ungated, database, seconds })),
      ...(await measureGrowth(hub, seconds)),
    ];
  } finally {
    await database.end();
    await ungated?.stop();
    await hub.stop();
  }
}

async function prepare(hub: HubProcess, database: pg.Client): Promise<Result[]> {
  const known = await database.query('select from consent_rule limit 1');
  if (known.rowCount === 1) return [];
  await fill({ url: hub.databaseUrl, from: 0, to: patients, owner, each: eachWithResults, results });
  const rules = await consentAll(hub, database, patients);
  for (const [recipient, count] of Object.entries(recipients)) {
    for (let number = 0; number < count; number++) await write(hub, number, [permit(recipient)]);
  }
  await database.query('vacuum analyze');
  await database.query('checkpoint');
  return [{ work: 'consent rules of 100,000 patients', figure: rules, unit: 'rules' }];
}

/** Who may not see a record sees it there, and nothing is written down: else the comparison is of something else. */
async function verifyUngated(hub: HubProcess, ungated: HubProcess, database: pg.Client): Promise<void> {
  const stranger = headers(await token(hub, { preset: 'ai', organization: 'Organization/stranger' }));
  const statusOf = async ({ fhirUrl }: HubProcess): Promise<number> =>
    (await fetch(`${fhirUrl}/Patient/${patientId(0)}`, { headers: stranger })).status;
  const recorded = async (): Promise<string> =>
    (await database.query<{ count: string }>('select count(*)::text as count from audit_entry')).rows[0]?.count ?? '';
  if ((await statusOf(hub)) !== 404) throw new Error('the hub shows a record to a stranger');
  const before = await recorded();
  if ((await statusOf(ungated)) !== 200) throw new Error('the hub without access refuses');
  if ((await recorded()) !== before) throw new Error('the hub without access records');
}

interface Comparison {
  readonly hub: HubProcess;
  readonly ungated: HubProcess;
  readonly database: pg.Client;
  readonly seconds: number;
}

async function compareWorks({ hub, ungated, database, seconds }: Comparison): Promise<Result[]> {
  const all: Result[] = [];
  for (const [work, requests] of Object.entries(await requestsOf(hub, database))) {
    const isLong = work.startsWith('$everything');
    const ask = async (of: HubProcess): Promise<Measured> =>
      load(of, requests, { seconds: seconds / rounds, ...(isLong ? { connections: 16 } : {}) });
    // The optimizer of V8 has settled after this.
    for (const one of [hub, ungated]) await load(one, requests, { seconds: 10, requestsMax: isLong ? 500 : 8_000 });
    const [on, off]: [Measured[], Measured[]] = [[], []];
    for (let turn = 0; turn < rounds; turn++) {
      on.push(await ask(hub));
      off.push(await ask(ungated));
    }
    all.push(
      resultOf(`${work}: JWT, consent and audit`, middle(on), { expected: '200' }),
      resultOf(`${work}: everything('bench')`, middle(off), { expected: '200' }),
      overhead(`${work}: overhead`, on, off, isLong ? undefined : overheadPercentMax),
    );
  }
  return all;
}

/** By how much more time a request takes of the whole machine, by the rates; of hub and PostgreSQL alone it is the note. */
function overhead(work: string, on: readonly Measured[], off: readonly Measured[], target: number | undefined): Result {
  const percents = (figure: (one: Measured) => number): number[] =>
    on.map((one, turn) => 100 * (figure(one) / figure(off[turn] as Measured) - 1));
  const byRate = percents(({ perSecond }) => 1 / perSecond);
  const processor = round(median(percents(microsOf)), 0);
  return {
    work,
    figure: round(median(byRate), 0),
    unit: '%',
    ...(target === undefined ? {} : { target, isMaximum: true }),
    note: `rounds ${byRate.map(Math.round).join(', ')}; processor time of hub and database ${processor} %`,
  };
}

async function requestsOf(hub: HubProcess, database: pg.Client): Promise<Record<string, Requests>> {
  const get = await asking(hub, 'Organization/assistant');
  const numbers = Array.from({ length: Math.ceil(patients / eachWithResults) }, (_, n) => n * eachWithResults);
  const observations = await database.query<{ id: string }>(
    'select id from resource where owner = $1 and patient <> id order by hashtext(id) limit 4000',
    [owner],
  );
  return {
    'read by id': observations.rows.map(({ id }) => get(`Observation/${id}`)),
    'search by patient, 20 a page': numbers.map((number) =>
      get(`Observation?patient=Patient/${patientId(number)}&_count=20`),
    ),
    'latest 5 by code': numbers.map((number) =>
      get(
        `Observation?patient=Patient/${patientId(number)}&code=http://loinc.org%7C${codeOf(number)}&_sort=-date&_count=5`,
      ),
    ),
    [`$everything, ${results + 1} entries`]: numbers.map((number) => get(`Patient/${patientId(number)}/$everything`)),
  };
}

async function asking(hub: HubProcess, organization: string): Promise<(path: string) => Requests[number]> {
  const bearer = await token(hub, { preset: 'ai', organization });
  return (path) => ({ method: 'GET', path: `/fhir/R4/${path}`, headers: headers(bearer) });
}

/** The same search of the same patient, by recipients who have the consent of one patient, of some, and of all. */
async function measureGrowth(hub: HubProcess, seconds: number): Promise<Result[]> {
  const kinds: { readonly work: string; readonly requests: Requests; readonly runs: Measured[] }[] = [];
  for (const [organization, count] of Object.entries({ ...recipients, 'Organization/assistant': patients })) {
    const get = await asking(hub, organization);
    kinds.push({
      work: `search, recipient with the consent of ${count.toLocaleString('en')}`,
      requests: [get(`Observation?patient=Patient/${patientId(0)}&_count=20`)],
      runs: [],
    });
  }
  for (let turn = 0; turn < rounds; turn++) {
    for (const { requests, runs } of kinds) runs.push(await load(hub, requests, { seconds: seconds / rounds }));
  }
  const [one, ...more] = kinds as [(typeof kinds)[number], ...typeof kinds];
  const growth = more.map(({ runs }) =>
    median(runs.map((run, turn) => microsOf(run) / microsOf(one.runs[turn] as Measured))),
  );
  return [
    ...kinds.map(({ work, runs }) => resultOf(work, middle(runs), { expected: '200' })),
    {
      work: 'growth with the number of consents',
      figure: round(Math.max(...growth)),
      unit: 'times',
      target: growthMax,
      isMaximum: true,
    },
  ];
}

/** Of hub and database together. */
function microsOf({ micros }: Measured): number {
  return micros.hub + micros.database;
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** The round whose processor time is the median. */
function middle(runs: readonly Measured[]): Measured {
  return runs.toSorted((one, other) => microsOf(one) - microsOf(other))[Math.floor(runs.length / 2)] as Measured;
}
