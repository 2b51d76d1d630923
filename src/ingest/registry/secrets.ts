/**
 * What an endpoint proves itself with at its source: passwords, keys, client secrets. Sealed as one text, bound to the endpoint, so
 * that a row moved to another does not open; shown to nobody, only their names are.
 */
import type { Sealer } from '../../access/secrets/seal.ts';
import type { SealedColumn } from '../../access/secrets/rotate.ts';
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { Problem } from '../../fhir/problem.ts';

export type Secrets = Readonly<Record<string, string>>;

const boundTo = (id: string | number): string => `endpoint-secret:${id}`;

export const sealedEndpointSecrets: SealedColumn = {
  what: 'secrets of endpoints',
  table: 'endpoint_secret',
  column: 'sealed',
  boundTo,
};

/** A private key with its chain of certificates is some kilobytes. */
const secretCharsMax = 65_536;

/** Names of the secrets an endpoint has. */
export async function secretNames(db: Tx, endpointId: number): Promise<string[]> {
  const [row] = await db.query<{ names: string[] }>(
    sql`select names from endpoint_secret where id = ${String(endpointId)}`,
  );
  return row?.names ?? [];
}

/** Of many endpoints, by id. */
export async function allSecretNames(db: Tx, endpointIds: readonly number[]): Promise<Map<number, string[]>> {
  const rows = await db.query<{ id: string; names: string[] }>(
    sql`select id, names from endpoint_secret where id = any(${endpointIds.map(String)}::text[])`,
  );
  return new Map(rows.map(({ id, names }) => [Number(id), names]));
}

/** @throws Problem exception when they were sealed by a key that is gone */
export async function readSecrets(db: Tx, sealer: Sealer, endpointId: number): Promise<Secrets> {
  const [row] = await db.query<{ sealed: string }>(
    sql`select sealed from endpoint_secret where id = ${String(endpointId)}`,
  );
  if (row === undefined) return {};
  const text = sealer.open(row.sealed, boundTo(endpointId));
  if (text !== undefined) return JSON.parse(text) as Secrets;
  throw new Problem('exception', 'the secrets of the endpoint do not open', {
    hint: 'Restore secret-keys.json from its backup, or give them anew: hub endpoint set NAME --secret ...',
  });
}

/**
 * Within the transaction that changes the endpoint.
 * @param given by name; null takes one away @returns the names there are then
 * @throws Problem value
 */
export async function writeSecrets(
  tx: Tx,
  sealer: Sealer,
  endpointId: number,
  given: Readonly<Record<string, string | null>>,
): Promise<string[]> {
  for (const [name, value] of Object.entries(given)) checkSecret(name, value);
  // Those that are replaced anyway need not open.
  const before = (await secretNames(tx, endpointId)).every((name) => name in given)
    ? {}
    : await readSecrets(tx, sealer, endpointId);
  const after = Object.fromEntries(
    Object.entries({ ...before, ...given }).filter((entry): entry is [string, string] => entry[1] !== null),
  );
  const names = Object.keys(after).toSorted();
  const id = String(endpointId);
  if (names.length === 0) await tx.query(sql`delete from endpoint_secret where id = ${id}`);
  else {
    await tx.query(sql`
      insert into endpoint_secret (id, sealed, names)
      values (${id}, ${sealer.seal(JSON.stringify(after), boundTo(endpointId))}, ${names}::text[])
      on conflict (id) do update set sealed = excluded.sealed, names = excluded.names`);
  }
  return names;
}

function checkSecret(name: string, value: string | null): void {
  const isNamed = /^[A-Za-z][\w-]{0,63}$/.test(name);
  if (isNamed && (value === null || (value !== '' && value.length <= secretCharsMax))) return;
  throw new Problem('value', 'the secret is not valid', {
    expression: 'secret',
    hint: `A name of letters, digits, dashes, and 1 to ${secretCharsMax} characters.`,
  });
}
