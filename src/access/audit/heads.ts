/**
 * Signed statements of where every chain of the trail ended. Whoever owns the database can write a whole chain anew so that it
 * holds; not so that it ends where a statement says it did, without the key, which is not in the database. Each statement names
 * the digest of the one before it, and stands in a file beside the table, so that a statement that is gone is missed.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7515
 */
import { hash } from 'node:crypto';
import { appendFile } from 'node:fs/promises';
import { CompactSign, compactVerify, createLocalJWKSet, decodeJwt, type JWK } from 'jose';
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import type { SigningKeys } from '../token/keys.ts';

/** Shard, number of its last row, hash of that row. */
export type Head = readonly [shard: number, seq: number, hash: string];

export interface Statement {
  /** From 1, without a gap. */
  readonly number: number;
  /** ISO 8601. */
  readonly at: string;
  /** {@link digestOf} the statement before. */
  readonly previous: string;
  readonly heads: readonly Head[];
}

/** A statement with its signature, as it stands in table and file. */
export interface Signed {
  readonly number: number;
  readonly statement: string;
}

const type = 'audit-heads+jwt';
/** Before the first one. */
export const noStatement = '';

export function digestOf(statement: string): string {
  return hash('sha256', statement, 'hex');
}

/**
 * Signs where all chains end now. @returns undefined when none has grown since the last statement, or another process was
 * faster
 */
export async function signHeads(db: Tx, keys: SigningKeys, at: Date): Promise<Signed | undefined> {
  const [[last], ends] = await Promise.all([
    db.query<Signed>(sql`select number, statement from audit_head order by number desc limit 1`),
    db.query<{ shard: number; seq: number; hash: string }>(sql`
      select shard, last_seq as seq, encode(last_hash, 'hex') as hash from audit_shard where last_seq > 0 order by shard`),
  ]);
  const heads = ends.map(({ shard, seq, hash: end }): Head => [shard, seq, end]);
  if (heads.length === 0) return undefined;
  if (last !== undefined && JSON.stringify(decodeJwt(last.statement)['heads']) === JSON.stringify(heads)) {
    return undefined;
  }
  const content: Statement = {
    number: (last?.number ?? 0) + 1,
    at: at.toISOString(),
    previous: last === undefined ? noStatement : digestOf(last.statement),
    heads,
  };
  const statement = await new CompactSign(new TextEncoder().encode(JSON.stringify(content)))
    .setProtectedHeader({ alg: keys.alg, kid: keys.kid, typ: type })
    .sign(keys.signingKey);
  const written = await db.query(sql`
    insert into audit_head (number, at, statement) values (${content.number}, ${at}, ${statement})
    on conflict (number) do nothing returning number`);
  return written.length === 0 ? undefined : { number: content.number, statement };
}

/** One line of JSON. The file is only ever appended to; put it where the owner of the database cannot write. */
export async function appendToFile(path: string, { number, statement }: Signed): Promise<void> {
  await appendFile(path, `${JSON.stringify({ number, statement })}\n`, { mode: 0o600 });
}

/** @returns what it says, or why it cannot be believed */
export function openReader(keys: readonly JWK[]): (signed: Signed) => Promise<Statement | string> {
  const keyOf = createLocalJWKSet({ keys: [...keys] });
  return async ({ number, statement }) => {
    try {
      const { payload, protectedHeader } = await compactVerify(statement, keyOf, { algorithms: ['ES256'] });
      if (protectedHeader.typ !== type) return 'it is no statement about the trail';
      const content = JSON.parse(new TextDecoder().decode(payload)) as Statement;
      return content.number === number ? content : `it is the statement ${content.number}`;
    } catch (error) {
      const code = (error as { code?: string }).code;
      return code === 'ERR_JWKS_NO_MATCHING_KEY'
        ? 'no key that is known here signed it'
        : 'its signature does not hold';
    }
  };
}
