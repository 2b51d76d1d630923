/**
 * R4's own code systems, value sets and maps, put into the tables by the first question that needs them: a hub whose clients
 * ask for no terminology never pays for it. 2 s once a database, 20,000 concepts.
 */
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Database, Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { terminologyDefinitions } from '../../fhir/definitions.ts';
import type { AnyResource } from '../../fhir/types.ts';
import { baseOwner } from './owners.ts';
import { removeAll, writeTerminology } from './write.ts';

/** Any fixed number: the key of the lock under which one process fills the tables. */
const lockKey = 7_242_025;

const ready = new WeakSet<Tx>();
let digest: string | undefined;

export async function ensureBase(db: Tx | Database): Promise<void> {
  if (ready.has(db)) return;
  digest ??= hash('sha256', readFileSync(terminologyDefinitions), 'base64url');
  if (!(await isFilled(db, digest))) {
    const wanted = digest;
    await ('inTransaction' in db ? db.inTransaction((tx) => fill(tx, wanted)) : fill(db, wanted));
  }
  if ('inTransaction' in db) ready.add(db);
}

async function isFilled(tx: Tx, wanted: string): Promise<boolean> {
  return (await tx.query(sql`select from terminology_base where digest = ${wanted}`)).length > 0;
}

async function fill(tx: Tx, wanted: string): Promise<void> {
  await tx.query(sql`select pg_advisory_xact_lock(${lockKey})`);
  if (await isFilled(tx, wanted)) return;
  await removeAll(tx, baseOwner);
  await tx.query(sql`delete from terminology_base`);
  const lastUpdated = new Date(0);
  const resources = readFileSync(terminologyDefinitions, 'utf8').trimEnd().split('\n');
  await writeTerminology(
    tx,
    resources.map((line) => ({ owner: baseOwner, resource: JSON.parse(line) as AnyResource, lastUpdated })),
  );
  await tx.query(sql`insert into terminology_base (digest) values (${wanted})`);
}
