/** RelatedPersons that were written: whom they may act for (access/proxy/), and by which identifiers they are known as somebody. */
import { recordProxies } from '../access/proxy/record.ts';
import type { Tx } from '../db.ts';
import { parseJson } from '../fhir/json.ts';
import type { AnyResource } from '../fhir/types.ts';
import type { Written } from '../store/row.ts';
import { nationalIdsOf } from './national-id.ts';

/**
 * To be called in the transaction that writes them.
 * @param isTrusted the writer's word is enough: see `isTrustedSource`
 */
export async function followRelated(
  tx: Tx,
  written: readonly Written[],
  { isTrusted }: { readonly isTrusted: boolean },
): Promise<void> {
  const people = new Map<string, Written>();
  for (const one of written) {
    if (one.type !== 'RelatedPerson' || one.outcome === 'unchanged' || one.outcome === 'absent') continue;
    people.set(one.id, one);
  }
  const states = Array.from(people.values(), ({ id, version, isDeleted, body }) => {
    const resource: AnyResource = isDeleted ? { resourceType: 'RelatedPerson' } : (parseJson(body) as AnyResource);
    return { id, version, resource, identifiers: nationalIdsOf(resource).map(({ hash }) => hash) };
  });
  await recordProxies(tx, states, { isTrusted });
}
