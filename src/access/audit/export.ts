/**
 * The trail as AuditEvents, whole or of a time, each with its place in its chain: for whoever keeps it elsewhere, or investigates. Of all
 * patients, so it is an operator's command and no request.
 */
import type { Tx } from '../../db.ts';
import { raw, sql, type Sql } from '../../db/sql.ts';
import { Problem } from '../../fhir/problem.ts';
import type { AnyResource } from '../../fhir/types.ts';
import type { StoredRow } from './chain.ts';
import { lastOfBlock } from './entries.ts';
import { renderAuditEvent } from './event.ts';
import { readPage } from './pages.ts';

/** Shard, number and hash of the row: with them an exported event is held against the chain. */
export const chainExtension = 'https://health-record-hub.example/fhir/StructureDefinition/audit-chain';

export interface ExportOptions {
  readonly since?: Date;
  /** Not included. */
  readonly until?: Date;
  /** FHIR base URL of the hub. */
  readonly base: string;
}

/** Chain by chain, in the order of each. What is recorded meanwhile is not in it. */
export async function* exportAudit(db: Tx, { since, until, base }: ExportOptions): AsyncGenerator<AnyResource> {
  const [from, to] = [since?.getTime() ?? Number.NEGATIVE_INFINITY, until?.getTime() ?? Number.POSITIVE_INFINITY];
  const within = (begin: string, end: string): Sql =>
    sql`${since === undefined ? raw('true') : sql`${raw(end)} >= ${since}`} and ${until === undefined ? raw('true') : sql`${raw(begin)} < ${until}`}`;
  const chains = await db.query<{ shard: number; first: number; last: number }>(sql`
    select shard, min(first) as first, max(last) as last from (
      select shard, seq as first, seq as last from audit_event where ${within('at', 'at')}
      union all
      select shard, first, ${lastOfBlock} from audit_block where ${within('at_from', 'at_to')}
    ) written group by shard order by shard`);
  for (const { shard, first, last } of chains) {
    for (let after = first - 1; after < last;) {
      const rows = await readPage(db, shard, after);
      for (const row of rows) {
        if (Number.isNaN(row.at)) throw unreadable(row);
        if (row.seq <= last && row.at >= from && row.at < to)
          yield { ...renderAuditEvent(row, base), extension: [placeOf(row)] };
      }
      after = rows.at(-1)?.seq ?? last;
    }
  }
}

function unreadable({ shard, seq }: StoredRow): Problem {
  return new Problem('exception', `row ${seq} of shard ${shard} is not what was written`, {
    hint: 'Run hub audit verify.',
  });
}

function placeOf({ shard, seq, hash }: StoredRow): object {
  return {
    url: chainExtension,
    extension: [
      { url: 'shard', valueInteger: shard },
      // Beyond 2^31, which an integer of R4 ends at.
      { url: 'seq', valueString: String(seq) },
      { url: 'hash', valueString: hash },
    ],
  };
}
