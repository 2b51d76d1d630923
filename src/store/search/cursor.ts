/**
 * The cursor of a `next` link: the sort keys of the last row of a page, sealed. Sealed so that a caller can neither read
 * nor make one; bound to the caller and the query, so that it serves nobody else and nothing else (LEAKS 5). It holds a
 * position and no result: who may see what is asked again on each page (LEAKS 6).
 */
import { createCipheriv, createDecipheriv, randomFillSync, type CipherKey } from 'node:crypto';
import { Problem } from '../../fhir/problem.ts';

export interface CursorSeal {
  /** 32 bytes, the same in every process of the hub; as a KeyObject, which is a fifth of the cost of bytes each time. */
  readonly key: CipherKey;
  /** Principal and query, as one text. */
  readonly boundTo: string;
}

export interface Position {
  /** As PostgreSQL writes them; null for a row without the value. */
  readonly keys: readonly (string | null)[];
  readonly id: string;
}

const algorithm = 'aes-256-gcm';
const ivBytes = 12;
const tagBytes = 16;
/** A position is a few keys and an id; anything longer is not ours. */
const cursorCharsMax = 4_000;

export function sealCursor({ keys, id }: Position, { key, boundTo }: CursorSeal): string {
  const iv = nextIv();
  const cipher = createCipheriv(algorithm, key, iv).setAAD(Buffer.from(boundTo));
  const text = cipher.update(JSON.stringify([id, ...keys]), 'utf8');
  // GCM holds nothing back: this only makes the tag.
  cipher.final();
  return Buffer.concat([iv, cipher.getAuthTag(), text]).toString('base64url');
}

/** Random bytes for the IVs of so many cursors at once: asking for 12 at a time was a third of the cost of a cursor. */
const ivPool = Buffer.alloc(ivBytes * 256);
let ivAt = ivPool.length;

/** Each is used once and copied before the pool is filled again. */
function nextIv(): Buffer {
  if (ivAt === ivPool.length) {
    randomFillSync(ivPool);
    ivAt = 0;
  }
  return ivPool.subarray(ivAt, (ivAt += ivBytes));
}

/** @throws Problem value for a cursor that was not sealed by us, for this caller and this query, with so many keys */
export function openCursor(cursor: string, keyCount: number, { key, boundTo }: CursorSeal): Position {
  try {
    if (cursor.length > cursorCharsMax) throw new Error('too long');
    const bytes = Buffer.from(cursor, 'base64url');
    const decipher = createDecipheriv(algorithm, key, bytes.subarray(0, ivBytes), { authTagLength: tagBytes })
      .setAAD(Buffer.from(boundTo))
      .setAuthTag(bytes.subarray(ivBytes, ivBytes + tagBytes));
    const text = Buffer.concat([decipher.update(bytes.subarray(ivBytes + tagBytes)), decipher.final()]);
    const [id, ...keys] = JSON.parse(text.toString()) as [string, ...(string | null)[]];
    if (keys.length !== keyCount) throw new Error('other sort keys');
    return { id, keys };
  } catch (cause) {
    throw new Problem('value', 'the page link is not valid for this search', {
      hint: 'Start again without the cursor; follow the next link as it was given.',
      cause,
    });
  }
}
