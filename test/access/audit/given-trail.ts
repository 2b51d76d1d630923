/** A trail in a database of its own, and as a hub of before there were blocks would have left it: each row by itself. */
import { openAudit, type Audit, type AuditEntry } from '../../../src/access/audit/audit.ts';
import { packBlock, type Unplaced } from '../../../src/access/audit/block.ts';
import { genesis, storedColumns, type StoredRow } from '../../../src/access/audit/chain.ts';
import { readLog, type LogPosition, type LogQuery } from '../../../src/access/audit/log.ts';
import type { Database, Tx } from '../../../src/db.ts';
import { raw, sql } from '../../../src/db/sql.ts';
import { givenDatabase } from '../../given.ts';
import { givenPrincipal, givenSelf } from '../world.ts';

/** When the first access was. */
export const start = Date.parse('2026-01-02T03:04:05.678Z');

export interface GivenTrail {
  readonly url: string;
  readonly database: Database;
  readonly audit: Audit;
  /** All that is on record, chain by chain. */
  entries(): Promise<StoredRow[]>;
  close(): Promise<void>;
}

export async function givenTrail(): Promise<GivenTrail> {
  const given = await givenDatabase();
  const { url, database } = given;
  const audit = openAudit(database);
  return {
    url,
    database,
    audit,
    entries: () => database.query<StoredRow>(sql`select ${storedColumns} from audit_entry order by shard, seq`),
    close: async () => {
      await audit.close();
      await given.close();
    },
  };
}

/** @param more of what was asked */
export const entryOf = (patient: string | undefined, minute: number, more: object = {}): AuditEntry => ({
  context: {
    principal: givenPrincipal(),
    interaction: 'read',
    type: 'Observation',
    at: start + minute * 60_000,
    ...more,
  },
  ...(patient === undefined ? {} : { patient }),
  rows: 1,
  decidedBy: 'source',
  outcome: 'success',
});

/** Of a block, where only these matter. */
export interface GivenAccess {
  readonly at: number;
  readonly patient: string;
  readonly interaction?: string;
}

/** Thousands of commits of one chain, at once. */
export async function writeBlocks(db: Tx, blocks: readonly (readonly GivenAccess[])[], shard = 9): Promise<void> {
  let end = { shard, seq: 0, hash: genesis };
  const packed = blocks.map((accesses) => {
    const block = packBlock(
      end,
      accesses.map((access) => ({ ...plain, ...access })),
    );
    const first = end.seq + 1;
    end = { shard, seq: block.seq, hash: block.hash };
    return { ...block, first, hashes: block.hashes.toString('hex') };
  });
  await db.query(sql`
    insert into audit_block (shard, first, at_from, at_to, patients, entries, hashes)
    select ${shard}::int, first, to_timestamp("atFrom" / 1000), to_timestamp("atTo" / 1000), patients::text[], entries, decode(hashes, 'hex')
    from jsonb_to_recordset(${JSON.stringify(packed)}::jsonb)
      as block (first int8, "atFrom" float8, "atTo" float8, patients text, entries text, hashes text)`);
}

const plain: Omit<Unplaced, 'at' | 'patient'> = {
  client: 'ai',
  subject: 'ai',
  organization: 'Organization/ai',
  purposes: 1,
  interaction: 'read',
  type: null,
  resourceId: null,
  rows: 1,
  decidedBy: 'source',
  outcome: 0,
  query: null,
  jti: null,
  correlationId: null,
  address: null,
  version: null,
  reason: null,
};

/** Of the patient p1, page by page to the end. */
export async function readPages(database: Database, query: LogQuery): Promise<StoredRow[][]> {
  const pages: StoredRow[][] = [];
  let after: LogPosition | undefined;
  do {
    const page = await readLog(database, givenSelf('p1'), { ...query, after });
    pages.push([...page.rows]);
    after = page.next;
  } while (after !== undefined);
  return pages;
}

const columns = `shard, seq, at, client, subject, organization, purposes, interaction, type, resource_id, patient, rows, decided_by, outcome,
  query, jti, correlation_id, address, version, reason, hash`;

export async function asOfBefore(database: Database): Promise<void> {
  await database.query(raw(`insert into audit_event (${columns}) select ${columns} from audit_entry`));
  await database.query(raw('delete from audit_block'));
}
