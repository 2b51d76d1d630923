/**
 * What the audit trail costs a write and a read, in one process with one durable database, both ways in turns:
 * `node bench/audit.ts [seconds]`. Processor time is this process's and PostgreSQL's together; rates on a busy machine say little.
 *
 * A write followed by its row, as it was: two commits. A write together with its row: one.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAudit, type AuditEntry } from '../src/access/audit/audit.ts';
import { openDatabase } from '../src/db.ts';
import { startEmbedded } from '../src/db/embedded.ts';
import { migrate } from '../src/db/migrate.ts';
import { openGroupCommit, type Transact } from '../src/store/group-commit.ts';
import { givenPrincipal } from '../test/access/world.ts';
import { given } from '../test/given.ts';
import { processorTime } from './lib/processor-time.ts';

const seconds = Number(process.argv[2] ?? 5);
const rounds = 4;
const atOnce = 64;

const dataDir = await mkdtemp(join(tmpdir(), 'hub-bench-'));
const server = await startEmbedded({ dataDir });
await migrate(server.url);
const database = openDatabase({ url: server.url });
const trail = openDatabase({ url: server.url, poolMax: 1, pipelines: 1 });
const audit = openAudit(trail);
const clock = (): Date => new Date();
const alone: Transact<AuditEntry> = (work) => database.inTransaction(async (tx) => (await work(tx)).value);
const writers = {
  apart: openGroupCommit<AuditEntry>(alone, { clock }),
  together: openGroupCommit<AuditEntry>((work) => audit.inTransaction(database, work), { clock }),
};
const owner = 'Organization/a';
const patients = Array.from({ length: 500 }, (_, index) => `p${index}`);
await writers.apart.write(patients.map((id) => ({ kind: 'update', resource: given.patient({ id }), owner }) as const));
const principal = givenPrincipal();
const entryOf = (id: string | undefined, patient: string, interaction: string): AuditEntry => ({
  context: {
    principal,
    interaction,
    type: 'Observation',
    id,
    at: Date.now(),
    correlationId: 'c',
    address: '127.0.0.1',
  },
  patient,
  rows: 1,
  decidedBy: 'source',
  outcome: 'success',
});

const ways: Readonly<Record<string, (n: number) => Promise<unknown>>> = {
  'write, then its row': async (n) => {
    const patient = patients[n % patients.length] as string;
    const [written] = await writers.apart.write([{ kind: 'create', resource: given.observation({ patient }), owner }]);
    await audit.record([entryOf(written?.id, patient, 'create')]);
  },
  'write with its row': (n) => {
    const patient = patients[n % patients.length] as string;
    return writers.together.write(
      [{ kind: 'create', resource: given.observation({ patient }), owner }],
      ([written]) => [entryOf(written?.id, patient, 'create')],
    );
  },
  'the row of a read': (n) => audit.record([entryOf('o', patients[n % patients.length] as string, 'read')]),
};

const sums = new Map<string, { count: number; elapsed: number; processor: number }>();
for (let round = 0; round <= rounds; round++) {
  for (const [name, work] of Object.entries(ways)) {
    const measured = await drive(work);
    // The first round fills caches.
    if (round === 0) continue;
    const sum = sums.get(name) ?? { count: 0, elapsed: 0, processor: 0 };
    sums.set(name, {
      count: sum.count + measured.count,
      elapsed: sum.elapsed + measured.elapsed,
      processor: sum.processor + measured.processor,
    });
  }
}
for (const [name, { count, elapsed, processor }] of sums) {
  console.log(
    `${name.padEnd(22)}${(count / elapsed).toFixed(0).padStart(8)}/s${(processor / count).toFixed(0).padStart(8)} us`,
  );
}
await audit.close();
await Promise.all([database.close(), trail.close()]);
await server.stop();
await rm(dataDir, { recursive: true, force: true });

async function drive(
  work: (n: number) => Promise<unknown>,
): Promise<{ count: number; elapsed: number; processor: number }> {
  let count = 0;
  const startedAt = performance.now();
  const processorAt = await processorTime(process.pid);
  const end = startedAt + seconds * 1_000;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (performance.now() < end) await work(count++);
    }),
  );
  return {
    count,
    elapsed: (performance.now() - startedAt) / 1_000,
    processor: (await processorTime(process.pid)) - processorAt,
  };
}
