/**
 * Which index layout: side tables or in-row arrays. Writes in batches and one by one, and the searches that patients'
 * records are read with. `node bench/layout.ts [rows]`; prints JSON lines and a table. Decision: docs/decisions/0001-index-layout.md.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startEmbedded } from '../src/db/embedded.ts';
import { codeOf, hash, nameOf, ownerOf, patientOf, sample, smallHash, types, type Sample } from './layout/data.ts';

const rows = Number(process.argv[2] ?? 300_000);
const rowsPerPatient = 300;
const patients = Math.max(1, Math.floor(rows / rowsPerPatient));
const batchRows = 500;
const measureMs = Number(process.env['MEASURE_MS'] ?? 4_000);

type Query = (n: number) => { text: string; values: unknown[] };
interface Layout {
  readonly name: string;
  readonly file: string;
  readonly extra?: string;
  insert(client: pg.ClientBase, batch: readonly Sample[]): Promise<unknown>;
  readonly queries: Readonly<Record<string, Query>>;
}

const common = (batch: readonly Sample[]): unknown[] => [
  batch.map((r) => r.bucket),
  batch.map((r) => r.type),
  batch.map((r) => r.id),
  batch.map((r) => r.lastUpdated),
  batch.map((r) => r.owner),
  batch.map((r) => r.patient),
  batch.map((r) => r.dateLow),
  batch.map((r) => r.dateHigh),
  batch.map((r) => r.body),
];
const columns = 'bucket, type, id, version, last_updated, owner, patient, date_low, date_high, body';
const arrays =
  '$1::int[], $2::smallint[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[], $9::text[]';

function forms(r: Sample): bigint[] {
  return [
    ...r.tokens.flatMap((t) => [
      hash(t.param, t.system, t.code),
      hash(t.param, '*', t.code),
      hash(t.param, t.system, '*'),
    ]),
    ...r.references.flatMap((t) => [hash(t.param, String(t.type), t.id), hash(t.param, '*', t.id)]),
    ...r.strings.flatMap((s) =>
      (r.type === types.Patient ? [1, 2, 3, 5, 8] : []).map((n) => hash(s.param, 'prefix', s.value.slice(0, n))),
    ),
    ...r.strings.map((s) => hash(s.param, 'exact', s.value)),
    ...new Set([...r.tokens, ...r.references, ...r.strings, ...r.ranges].map((t) => hash(t.param, '*', '*'))),
  ];
}
/** Only what a cross-patient search is likely to name: not status, category, compartment, presence. */
function keys(r: Sample): bigint[] {
  const wanted = new Set(['code', 'identifier']);
  return [
    ...r.tokens.filter((t) => wanted.has(t.param)).map((t) => hash(t.param, '*', t.code)),
    ...r.references
      .filter((t) => t.param === 'encounter' || t.param === 'based-on')
      .map((t) => hash(t.param, '*', t.id)),
    ...r.strings.flatMap((s) =>
      (r.type === types.Patient ? [1, 2, 3, 5, 8] : []).map((n) => hash(s.param, 'prefix', s.value.slice(0, n))),
    ),
  ];
}
const pgArray = (values: readonly (bigint | number | string)[]): string => `{${values.join(',')}}`;
const pgTexts = (values: readonly string[]): string => `{${values.map((v) => JSON.stringify(v)).join(',')}}`;

const at = (n: number) => patientOf((n * 7919) % patients);
const page = 'order by r.date_low desc, r.id desc';
const scope = 'r.bucket = $1 and r.patient = $2 and r.type = $3';

/** @param index what the GIN index stands on: the few `keys`, all `tokens`, or none */
function inRow(name: string, index: 'keys' | 'tokens' | 'none'): Layout {
  const cross = index === 'tokens' ? 'tokens' : 'keys';
  const codeForm = (code: string) => (index === 'tokens' ? hash('code', 'loinc', code) : hash('code', '*', code));
  return {
    name,
    file: 'in-row.sql',
    extra: {
      keys: '',
      none: 'drop index resource_keys',
      tokens: 'drop index resource_keys; create index resource_tokens on resource using gin (tokens)',
    }[index],
    insert: (client, batch) =>
      client.query({
        name: `insert-${name}`,
        text: `insert into resource (${columns}, tokens, strings, range_keys, range_lows, range_highs, keys)
          select b, t, i, 1, u, o, p, dl, dh, body, k::bigint[], s::text[], rk::bigint[], rl::float8[], rh::float8[], x::bigint[]
          from unnest(${arrays}, $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[])
          as v(b, t, i, u, o, p, dl, dh, body, k, s, rk, rl, rh, x)`,
        values: [
          ...common(batch),
          batch.map((r) => pgArray(forms(r))),
          batch.map((r) => pgTexts(r.strings.map((s) => `${s.param}=${s.value}`))),
          batch.map((r) => pgArray(r.ranges.map((x) => hash(x.param, x.unit)))),
          batch.map((r) => pgArray(r.ranges.map((x) => x.low))),
          batch.map((r) => pgArray(r.ranges.map((x) => x.high))),
          batch.map((r) => (index === 'keys' ? pgArray(keys(r)) : null)),
        ],
      }),
    queries: {
      'latest 5 by code': (n) => ({
        text: `select r.body from resource r where ${scope} and $4::bigint = any(r.tokens) ${page} limit 5`,
        values: [at(n).bucket, at(n).id, types.Observation, String(hash('code', 'loinc', codeOf(n * 2)))],
      }),
      'page of a patient': (n) => ({
        text: `select r.body from resource r where ${scope} ${page} limit 20`,
        values: [at(n).bucket, at(n).id, types.Observation],
      }),
      'encounters from a date': (n) => ({
        text: `select r.body from resource r where ${scope} and r.date_low >= $4::timestamptz ${page} limit 20`,
        values: [at(n).bucket, at(n).id, types.Encounter, '2023-01-01T00:00:00Z'],
      }),
      'value above, of a patient': (n) => ({
        text: `select r.body from resource r where ${scope} and exists (
          select from unnest(r.range_keys, r.range_highs) v(k, high) where k = $4::bigint and high > $5::float8) ${page} limit 20`,
        values: [at(n).bucket, at(n).id, types.Observation, String(hash('value-quantity', 'mmol/L')), 900],
      }),
      ...(index === 'none'
        ? {}
        : {
            'patient by identifier': (n: number) => ({
              text: `select r.body from resource r where r.type = $1 and r.${cross} @> array[$2::bigint] order by r.id limit 20`,
              values: [
                types.Patient,
                String(
                  index !== 'tokens' ? hash('identifier', '*', at(n).id) : hash('identifier', 'national', at(n).id),
                ),
              ],
            }),
            'patient by name': (n: number) => ({
              text: `select r.body from resource r where r.type = $1 and r.${cross} @> array[$2::bigint]
                and exists (select from unnest(r.strings) s where starts_with(s, $3::text)) order by r.id limit 20`,
              values: [
                types.Patient,
                String(hash('name', 'prefix', nameOf(n % patients).slice(0, 8))),
                `name=${nameOf(n % patients).slice(0, 9)}`,
              ],
            }),
            'code of a hospital': (n: number) => ({
              text: `select r.body from resource r where r.type = $1 and r.owner = $2 and r.${cross} @> array[$3::bigint]
                order by r.last_updated desc, r.id desc limit 20`,
              values: [types.Observation, ownerOf(n), String(codeForm(codeOf(n * 2 + 1)))],
            }),
          }),
    },
  };
}

const has = (table: string, where: string) =>
  `exists (select from ${table} x where x.bucket = r.bucket and x.type = r.type and x.id = r.id and ${where})`;

const sideTables: Layout = {
  name: 'side tables',
  file: 'side-tables.sql',
  insert: async (client, batch) => {
    const key = batch.map((r) => [r.bucket, r.type, r.id] as const);
    const explode = <T>(pick: (r: Sample) => readonly T[]) =>
      batch.flatMap((r, i) => pick(r).map((item) => [key[i]!, item] as const));
    const keyed = (list: readonly (readonly [readonly [number, number, string], unknown])[]) => [
      list.map(([k]) => k[0]),
      list.map(([k]) => k[1]),
      list.map(([k]) => k[2]),
    ];
    const [tokens, references, strings, ranges] = [
      explode((r) => r.tokens),
      explode((r) => r.references),
      explode((r) => r.strings),
      explode((r) => r.ranges),
    ];
    const put = (table: string, casts: string, values: unknown[]) =>
      client.query({
        name: table,
        text: `insert into ${table} select * from unnest($1::int[], $2::smallint[], $3::text[], ${casts})`,
        values,
      });
    await client.query({
      name: 'resource',
      text: `insert into resource (${columns}) select b, t, i, 1, u, o, p, dl, dh, body from unnest(${arrays}) as v(b, t, i, u, o, p, dl, dh, body)`,
      values: common(batch),
    });
    await put('token_index', '$4::int[], $5::bigint[], $6::bigint[]', [
      ...keyed(tokens),
      tokens.map(([, t]) => smallHash(t.param)),
      tokens.map(([, t]) => String(hash(t.system))),
      tokens.map(([, t]) => String(hash(t.code))),
    ]);
    await put('reference_index', '$4::int[], $5::smallint[], $6::text[]', [
      ...keyed(references),
      references.map(([, t]) => smallHash(t.param)),
      references.map(([, t]) => t.type),
      references.map(([, t]) => t.id),
    ]);
    await put('string_index', '$4::int[], $5::text[]', [
      ...keyed(strings),
      strings.map(([, t]) => smallHash(t.param)),
      strings.map(([, t]) => t.value),
    ]);
    await put('range_index', '$4::int[], $5::bigint[], $6::float8[], $7::float8[]', [
      ...keyed(ranges),
      ranges.map(([, t]) => smallHash(t.param)),
      ranges.map(([, t]) => String(hash(t.unit))),
      ranges.map(([, t]) => t.low),
      ranges.map(([, t]) => t.high),
    ]);
  },
  queries: {
    'latest 5 by code': (n) => ({
      text: `select r.body from resource r where ${scope} and ${has('token_index', 'x.param = $4 and x.code = $5::bigint and x.system = $6::bigint')} ${page} limit 5`,
      values: [
        at(n).bucket,
        at(n).id,
        types.Observation,
        smallHash('code'),
        String(hash(codeOf(n * 2))),
        String(hash('loinc')),
      ],
    }),
    'page of a patient': (n) => ({
      text: `select r.body from resource r where ${scope} ${page} limit 20`,
      values: [at(n).bucket, at(n).id, types.Observation],
    }),
    'encounters from a date': (n) => ({
      text: `select r.body from resource r where ${scope} and r.date_low >= $4::timestamptz ${page} limit 20`,
      values: [at(n).bucket, at(n).id, types.Encounter, '2023-01-01T00:00:00Z'],
    }),
    'value above, of a patient': (n) => ({
      text: `select r.body from resource r where ${scope} and ${has('range_index', 'x.param = $4 and x.unit = $5::bigint and x.high > $6::float8')} ${page} limit 20`,
      values: [at(n).bucket, at(n).id, types.Observation, smallHash('value-quantity'), String(hash('mmol/L')), 900],
    }),
    'patient by identifier': (n) => ({
      text: `select r.body from resource r join token_index x using (bucket, type, id) where x.param = $2 and x.code = $3::bigint and x.type = $1 order by r.id limit 20`,
      values: [types.Patient, smallHash('identifier'), String(hash(at(n).id))],
    }),
    'patient by name': (n) => ({
      text: `select r.body from resource r join string_index x using (bucket, type, id)
        where x.param = $2 and x.value >= $3 and x.value < $4 and x.type = $1 order by r.id limit 20`,
      values: [
        types.Patient,
        smallHash('name'),
        nameOf(n % patients).slice(0, 9),
        `${nameOf(n % patients).slice(0, 9)}\u{10ffff}`,
      ],
    }),
    'code of a hospital': (n) => ({
      text: `select r.body from resource r where r.type = $1 and r.owner = $2 and ${has('token_index', 'x.param = $3 and x.code = $4::bigint')}
        order by r.last_updated desc, r.id desc limit 20`,
      values: [types.Observation, ownerOf(n), smallHash('code'), String(hash(codeOf(n * 2 + 1)))],
    }),
  },
};

interface Timing {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Processor time of the database's backends for one operation: what a busy machine leaves comparable. */
  readonly databaseUs: number;
}

/** Ticks of 10 ms (USER_HZ), all of a process's threads. @see proc(5), /proc/pid/stat fields 14 and 15 */
async function cpuUs(pids: readonly number[]): Promise<number> {
  const stats = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/stat`, 'utf8')));
  const ticks = stats.map((stat) => stat.slice(stat.lastIndexOf(')') + 2).split(' '));
  return ticks.reduce((sum, fields) => sum + (Number(fields[11]) + Number(fields[12])) * 10_000, 0);
}

/** Repeats `work` on each lane until the time is over, or `countMax` are done. */
async function drive(
  pids: readonly number[],
  work: (n: number, lane: number) => Promise<unknown>,
  { lanes = 8, countMax = Number.POSITIVE_INFINITY, each = 1 } = {},
): Promise<Timing> {
  const took: number[] = [];
  const [started, cpuBefore] = [performance.now(), await cpuUs(pids)];
  let n = 0;
  const isOver = (): boolean =>
    n >= countMax || (countMax === Number.POSITIVE_INFINITY && performance.now() - started > measureMs);
  await Promise.all(
    Array.from({ length: lanes }, async (_, lane) => {
      while (!isOver()) {
        const begun = performance.now();
        await work(n++, lane);
        took.push(performance.now() - begun);
      }
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  const databaseUs = Math.round(((await cpuUs(pids)) - cpuBefore) / took.length / each);
  took.sort((a, b) => a - b);
  const percentile = (share: number) => Number((took[Math.floor(took.length * share)] ?? 0).toFixed(2));
  const perSecond = Math.round((took.length * each) / seconds);
  return { perSecond, p50Ms: percentile(0.5), p99Ms: percentile(0.99), databaseUs };
}

async function measure(url: string, layout: Layout): Promise<Record<string, Timing>> {
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  const database = `layout_${layout.name.replace(/\W/g, '_').toLowerCase()}`;
  await admin.query(`create database ${database}`);
  await admin.end();
  const pool = new pg.Pool({ connectionString: url.replace(/\/postgres$/, `/${database}`), max: 16 });
  await pool.query(await readFile(join(import.meta.dirname, 'layout', layout.file), 'utf8'));
  if (layout.extra) await pool.query(layout.extra);
  const clients = await Promise.all(Array.from({ length: 16 }, () => pool.connect()));
  const pids = await Promise.all(
    clients.map(async (client) => {
      const { rows: backends } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
      return backends[0]!.pid;
    }),
  );
  const insert = async (lane: number, batch: readonly Sample[]): Promise<void> => {
    const client = clients[lane]!;
    await client.query('begin');
    await layout.insert(client, batch);
    await client.query('commit');
  };
  const result: Record<string, Timing> = {};
  result[`write, ${batchRows} a commit, 2 clients`] = await drive(
    pids,
    (n, lane) =>
      insert(
        lane,
        Array.from({ length: batchRows }, (_, i) => sample(n * batchRows + i, patients)),
      ),
    { lanes: 2, countMax: rows / batchRows, each: batchRows },
  );
  result['write, one a commit, 16 clients'] = await drive(
    pids,
    (n, lane) => insert(lane, [sample(rows + batchRows * 2 + n, patients)]),
    { lanes: 16 },
  );
  await clients[0]!.query('vacuum analyze');
  for (const [name, query] of Object.entries(layout.queries)) {
    result[name] = await drive(pids, (n, lane) => clients[lane]!.query({ name, ...query(n) }));
  }
  const size = await clients[0]!.query<{ mb: number }>(
    'select (pg_database_size(current_database()) / 1048576)::int as mb',
  );
  console.log(JSON.stringify({ layout: layout.name, rows, sizeMb: size.rows[0]!.mb, ...result }));
  for (const client of clients) client.release();
  await pool.end();
  return result;
}

const dataDir = await mkdtemp(join(tmpdir(), 'hub-layout-'));
const postgres = await startEmbedded({ dataDir });
const layouts = [
  sideTables,
  inRow('in-row', 'keys'),
  inRow('in-row, GIN on all tokens', 'tokens'),
  inRow('in-row, no GIN', 'none'),
];
const results: Record<string, Record<string, Timing>> = {};
try {
  for (const layout of layouts) {
    results[layout.name] = await measure(postgres.url, layout);
  }
} finally {
  await postgres.stop();
  await rm(dataDir, { recursive: true, force: true });
}
const work = Object.keys(results[layouts[0]!.name]!);
console.log(`\n| work | ${layouts.map((l) => l.name).join(' | ')} |\n|---|${layouts.map(() => '---').join('|')}|`);
for (const name of work) {
  const cell = (t: Timing | undefined) => (t ? `${t.databaseUs} us, ${t.perSecond}/s, p99 ${t.p99Ms} ms` : '-');
  console.log(`| ${name} | ${layouts.map((l) => cell(results[l.name]![name])).join(' | ')} |`);
}
