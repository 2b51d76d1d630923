/** Header values of a rest-hook, kept sealed and bound to their Subscription, so that no row serves another. */
import type { SealedColumn } from '../../access/secrets/rotate.ts';
import type { Sealer } from '../../access/secrets/seal.ts';
import type { Header } from '../../fhir/subscription/headers.ts';

/** @param id of the Subscription */
export function sealHeaders(headers: readonly Header[], id: string, sealer: Sealer): string | undefined {
  return headers.length === 0 ? undefined : sealer.seal(JSON.stringify(headers), ownerOf(id));
}

/** @throws Error when it was sealed by a key that is gone, or for another Subscription */
export function openHeaders(sealed: string | undefined, id: string, sealer: Sealer): Header[] {
  if (sealed === undefined) return [];
  const text = sealer.open(sealed, ownerOf(id));
  if (text === undefined) throw new Error('the header values do not open');
  return JSON.parse(text) as Header[];
}

const ownerOf = (id: string): string => `subscription ${id}`;

export const sealedHeaders: SealedColumn = {
  what: 'header values of subscriptions',
  table: 'subscription',
  column: 'headers',
  boundTo: ownerOf,
};
