/** Destinations as they are written in the file of `hub endpoint export`, and from there into the table: all of them or none. */
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import type { Database, Tx } from '../db.ts';
import { sql } from '../db/sql.ts';
import { Problem } from '../fhir/problem.ts';
import type { Path, Table } from '../fhir/yaml-table.ts';
import { addDestination, checkDestination, listDestinations, senderDefault, type Destination } from './destination.ts';

const party = z.strictObject({ application: z.string(), facility: z.string() });
const shape = z.strictObject({
  name: z.string(),
  organization: z.string(),
  host: z.string(),
  port: z.number(),
  receiver: party,
  sender: party.default(senderDefault),
  isTls: z.boolean().default(false),
  version: z.string().default('2.5.1'),
  charset: z.string().default('UNICODE UTF-8'),
  ackMode: z.enum(['original', 'enhanced']).default('original'),
  refusalPolicy: z.enum(['stop', 'park']).default('stop'),
  isEnabled: z.boolean().default(true),
});

export type WrittenDestination = z.output<typeof shape>;

/** @throws Problem invalid naming file and line */
export function readDestinations(table: Table): WrittenDestination[] {
  if (table.get(['destinations']) === undefined) return [];
  return table.list(['destinations']).map((path: Path) => {
    const read = shape.safeParse(table.get(path));
    if (read.success) return read.data;
    const [issue] = read.error.issues;
    return table.fail(path, `${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`.trim());
  });
}

/** What is as it would be anyway is left out. */
export async function describeDestinations(db: Tx): Promise<Record<string, unknown>[]> {
  return (await listDestinations(db)).map((destination) => {
    const { name, organization, host, port, receiver } = destination;
    const usual = shape.parse({ name, organization, host, port, receiver }) as Record<string, unknown>;
    const needed = new Set(['name', 'organization', 'host', 'port', 'receiver']);
    return Object.fromEntries(
      Object.entries(destination).filter(
        ([key, value]) => key !== 'id' && (needed.has(key) || !isDeepStrictEqual(value, usual[key])),
      ),
    );
  });
}

export interface ImportedDestination {
  readonly name: string;
  readonly kind: 'hl7v2-mllp-out';
  readonly outcome: 'added' | 'changed' | 'unchanged';
  /** Names of what changes. */
  readonly changes: readonly string[];
}

/** @throws Problem value, not-supported, conflict */
export async function planDestinations(db: Tx, wanted: readonly WrittenDestination[]): Promise<ImportedDestination[]> {
  const known = new Map((await listDestinations(db)).map((one) => [one.name, one]));
  return wanted.map((one) => {
    checkDestination(one);
    const before = known.get(one.name);
    const changes = changesOf(before, one);
    const outcome = before === undefined ? 'added' : changes.length === 0 ? 'unchanged' : 'changed';
    return { name: one.name, kind: 'hl7v2-mllp-out', outcome, changes };
  });
}

function changesOf(before: Destination | undefined, after: WrittenDestination): string[] {
  const was = before as Record<string, unknown> | undefined;
  return Object.entries(after).flatMap(([name, value]) => (isDeepStrictEqual(was?.[name], value) ? [] : [name]));
}

export async function importDestinations(
  database: Database,
  wanted: readonly WrittenDestination[],
): Promise<ImportedDestination[]> {
  return database.inTransaction(async (tx) => {
    const planned = await planDestinations(tx, wanted);
    for (const [index, { outcome }] of planned.entries()) {
      const one = wanted[index] as WrittenDestination;
      if (outcome === 'added') await addDestination(tx, one);
      if (outcome !== 'unchanged') await update(tx, one);
    }
    return planned;
  });
}

async function update(tx: Tx, one: WrittenDestination): Promise<void> {
  const rows = await tx.query(sql`
    update destination set organization = ${one.organization}, host = ${one.host}, port = ${one.port}::int,
      is_tls = ${one.isTls}::boolean, version = ${one.version}, charset = ${one.charset},
      sending_application = ${one.sender.application}, sending_facility = ${one.sender.facility},
      receiving_application = ${one.receiver.application}, receiving_facility = ${one.receiver.facility},
      ack_mode = ${one.ackMode}, refusal_policy = ${one.refusalPolicy}, is_enabled = ${one.isEnabled}::boolean
    where name = ${one.name} returning id`);
  if (rows.length === 0) throw new Problem('not-found', `there is no destination named ${one.name}`);
}
