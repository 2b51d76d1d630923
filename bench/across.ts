/**
 * Searches across references on a store of some 100,000 resources: what each takes and how PostgreSQL goes about it.
 * `node bench/across.ts [patients] [--explain TEXT]` prints a table, or the plan of the queries that contain the text.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { visibility } from '../src/access/predicate/predicate.ts';
import type { Principal } from '../src/access/principal/principal.ts';
import { purpose } from '../src/access/principal/purpose.ts';
import { parseScopes } from '../src/access/principal/scope.ts';
import { openDatabase, type Database } from '../src/db.ts';
import { startEmbedded } from '../src/db/embedded.ts';
import { migrate } from '../src/db/migrate.ts';
import { render } from '../src/db/sql.ts';
import { parseSearch } from '../src/fhir/search.ts';
import type { AnyResource } from '../src/fhir/types.ts';
import { commit } from '../src/store/commit.ts';
import { selectIncluded } from '../src/store/search/include.ts';
import { compartmentsOf } from '../src/store/search.ts';
import { compilePage, selectPage } from '../src/store/select.ts';
import type { VisibilityOf } from '../src/store/visibility.ts';

const [count = '400', option, wanted = ''] = process.argv.slice(2);
const patients = Number(count);
const [encounters, results, practitioners] = [20, 10, 200];
const owner = 'Organization/bench';

const reference = (to: string): object => ({ reference: to });
const act = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';

function* population(): Generator<AnyResource[]> {
  yield Array.from({ length: practitioners }, (_, n) => ({
    resourceType: 'Practitioner',
    id: `dr-${n}`,
    name: [{ family: `Doctor${n}` }],
  }));
  for (let p = 0; p < patients; p++) {
    const batch: AnyResource[] = [
      {
        resourceType: 'Patient',
        id: `p-${p}`,
        identifier: [{ system: 'urn:mrn', value: `mrn-${p}` }],
        name: [{ family: `Family${p % 97}`, given: ['Wei'] }],
        generalPractitioner: [reference(`Practitioner/dr-${p % practitioners}`)],
      },
    ];
    for (let e = 0; e < encounters; e++) {
      const encounter = `e-${p}-${e}`;
      batch.push({
        resourceType: 'Encounter',
        id: encounter,
        status: 'finished',
        class: { system: act, code: e % 5 === 0 ? 'IMP' : 'AMB' },
        subject: reference(`Patient/p-${p}`),
        participant: [{ individual: reference(`Practitioner/dr-${(p + e) % practitioners}`) }],
        period: { start: `20${String(10 + (e % 15))}-03-01T08:00:00Z` },
      });
      for (let o = 0; o < results; o++) batch.push(observation(p, e, o));
    }
    yield batch;
  }
}

/** Sized like a result of a converted ORU^R01: 1.1 kB. */
function observation(p: number, e: number, o: number): AnyResource {
  const n = (p * encounters + e) * results + o;
  return {
    resourceType: 'Observation',
    id: `o-${p}-${e}-${o}`,
    status: 'final',
    category: [
      { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'laboratory' }] },
    ],
    code: {
      coding: [
        {
          system: 'http://loinc.org',
          code: n === 4711 ? 'rare' : `${1000 + (n % 40)}-1`,
          display: 'A laboratory test of the bench',
        },
        { system: 'urn:bench:local', code: `L${n % 40}`, display: 'Its local name' },
      ],
      text: `Laboratory test ${n % 40}`,
    },
    subject: reference(`Patient/p-${p}`),
    encounter: reference(`Encounter/e-${p}-${e}`),
    effectiveDateTime: `20${String(10 + (e % 15))}-03-01T0${o % 10}:00:00Z`,
    performer: [
      reference(`Practitioner/dr-${n % practitioners}`),
      { reference: owner, display: 'Bench hospital laboratory' },
    ],
    valueQuantity: { value: (n % 997) / 10, unit: 'mmol/L', system: 'http://unitsofmeasure.org', code: 'mmol/L' },
    referenceRange: [{ low: { value: 3.9, unit: 'mmol/L' }, high: { value: 6.1, unit: 'mmol/L' }, text: '3.9 - 6.1' }],
    note: [{ text: 'Specimen slightly haemolysed. '.repeat(4) }],
  };
}

const queries: readonly (readonly [type: string, query: string])[] = [
  ['Observation', 'patient=p-7&_count=20'],
  ['Observation', 'patient=p-7&encounter.class=IMP&_count=20'],
  ['Observation', 'patient=p-7&encounter.class=NONE&_count=20'],
  ['Observation', 'patient=p-7&performer:Practitioner.name=doctor7&_count=20'],
  ['Observation', 'patient.identifier=urn:mrn|mrn-7&_count=20'],
  ['Observation', 'patient.identifier=urn:mrn|mrn-7&code=1007-1&_count=20'],
  ['Observation', 'patient.name=family7&_count=20'],
  ['Observation', 'encounter.class=NONE&_count=20'],
  ['Observation', 'encounter.date=2012-03-01&encounter.class=IMP&_count=20'],
  ['Observation', 'performer:Practitioner.name=doctor17&_count=20'],
  ['Observation', 'code=rare&encounter.class=AMB&_count=20'],
  ['Patient', '_has:Observation:patient:code=rare&_count=20'],
  ['Patient', '_has:Observation:patient:code=1007-1&_count=20'],
  ['Patient', 'identifier=urn:mrn|mrn-7&_has:Observation:patient:code=1007-1'],
  ['Encounter', '_has:Observation:encounter:code=rare&_count=20'],
  ['Encounter', 'patient=p-7&_has:Observation:encounter:code=1007-1&_count=20'],
  ['Practitioner', '_has:Encounter:participant:patient.identifier=urn:mrn|mrn-7'],
  ['Observation', 'patient=p-7&_count=20&_include=Observation:encounter&_include=Observation:patient'],
  ['Observation', 'patient=p-7&_count=20&_include=*'],
  ['Patient', '_id=p-7&_revinclude=Observation:patient&_revinclude=Encounter:patient'],
  ['Encounter', 'patient=p-7&_revinclude=Observation:encounter'],
  ['Practitioner', '_id=dr-17&_revinclude=Observation:performer'],
];

const source: Principal = {
  issuer: 'bench',
  subject: 'bench',
  clientId: 'bench',
  jti: 'bench',
  expiresAt: Date.now() + 3_600_000,
  isOperator: false,
  organization: owner,
  scopes: parseScopes('system/*.rs'),
  purposes: purpose.treatment,
};

async function fill(database: Database): Promise<number> {
  let rows = 0;
  for (const batch of population()) {
    await database.inTransaction((tx) =>
      commit(
        tx,
        batch.map((resource) => ({ kind: 'update', resource, owner })),
        { at: new Date() },
      ),
    );
    rows += batch.length;
  }
  return rows;
}

const dataDir = await mkdtemp(join(tmpdir(), 'hub-bench-'));
const embedded = await startEmbedded({ dataDir, isDurable: false });
try {
  await migrate(embedded.url);
  const database = openDatabase({ url: embedded.url });
  const rows = await fill(database);
  const client = new pg.Client({ connectionString: embedded.url });
  await client.connect();
  await client.query('vacuum analyze');
  await client.query('set plan_cache_mode = force_generic_plan');
  console.log(`${rows} resources\n\n| search | ms | matches | included |\n|---|---|---|---|`);
  const seal = { key: new Uint8Array(32), boundTo: '' };
  for (const [type, query] of queries) {
    const request = parseSearch(type, query, { handling: 'strict', base: 'http://x', now: Date.now() });
    const compartments = compartmentsOf(request, new Map());
    const visible = visibility(source, {
      interaction: 's',
      types: [type],
      ...(compartments && { patients: compartments }),
    });
    const visibilityOf: VisibilityOf = (types) => visibility(source, { interaction: 's', types });
    if (option === '--explain') {
      if (!query.includes(wanted)) continue;
      const { text, values } = render(compilePage(visible, request, { seal, visibilityOf }).statement);
      await client.query(`prepare bench as ${text}`);
      const plan = await client.query(
        `explain (analyze, costs off) execute bench(${values.map((value) => client.escapeLiteral(Array.isArray(value) ? `{${value.join(',')}}` : String(value))).join(', ')})`,
      );
      console.log(`\n${type}?${query}\n${plan.rows.map((row) => row['QUERY PLAN']).join('\n')}`);
      await client.query('deallocate bench');
      continue;
    }
    const took: number[] = [];
    let [matches, included] = [0, 0];
    for (let run = 0; run < 5; run++) {
      const started = performance.now();
      const page = await database.inSnapshot(async (tx) => {
        const found = await selectPage(tx, visible, request, { seal, visibilityOf });
        const { rows: brought } = await selectIncluded(tx, visibilityOf, found.rows, request.includes);
        return { found, brought };
      });
      took.push(performance.now() - started);
      [matches, included] = [page.found.rows.length, page.brought.length];
    }
    console.log(`| ${type}?${query} | ${took.toSorted((a, b) => a - b)[2]?.toFixed(1)} | ${matches} | ${included} |`);
  }
  await client.end();
  await database.close();
} finally {
  await embedded.stop();
  await rm(dataDir, { recursive: true, force: true });
}
