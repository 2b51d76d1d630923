/**
 * A page of a type's history: the newest state of each resource in it, deletions among them.
 *
 * @see https://hl7.org/fhir/R4/http.html#history
 */
import { Problem } from '../../../src/fhir/problem.ts';
import type { Pulled } from '../../../src/ingest/contract.ts';
import type { FhirSource } from '../ask.ts';
import { deletionOf, pulledOf, type Page, type PageEntry } from '../bundle.ts';

export async function changesOf(source: FhirSource, page: Page, type: string): Promise<Pulled[]> {
  const changes = new Map<string, Pulled>();
  for (const entry of page.entries) {
    const change = await changeOf(source, entry, type);
    if (change === undefined) continue;
    const held = changes.get(change.id);
    // "Sorted with oldest versions last": of equal times the first is the newer one.
    if (held === undefined || isLater(change, held)) changes.set(change.id, change);
  }
  // In the order in which it happened.
  return [...changes.values()].toReversed();
}

function isLater(one: Pulled, than: Pulled): boolean {
  return one.updatedAt !== undefined && than.updatedAt !== undefined && one.updatedAt > than.updatedAt;
}

async function changeOf(source: FhirSource, entry: PageEntry, type: string): Promise<Pulled | undefined> {
  const { text, method, etag, lastModified } = entry;
  if (method?.toUpperCase() !== 'DELETE' && text !== undefined) {
    const pulled = pulledOf(text);
    return pulled?.type === type ? pulled : undefined;
  }
  const id = idOf(entry, type);
  if (id === undefined) return undefined;
  // A deletion without a time could stand before or after what is said beside it: the source is asked how it is now.
  if (lastModified === undefined) return readNow(source, type, id);
  return deletionOf(type, id, { version: /^(?:W\/)?"(.+)"$/.exec(etag ?? '')?.[1], updatedAt: lastModified });
}

function idOf({ url, fullUrl }: PageEntry, type: string): string | undefined {
  const pattern = new RegExp(`(?:^|/)${type}/([A-Za-z0-9\\-.]{1,64})(?:/_history/[A-Za-z0-9\\-.]{1,64})?$`);
  return pattern.exec(url ?? '')?.[1] ?? pattern.exec(fullUrl ?? '')?.[1];
}

/** A resource as it is, or that it is gone: what the source says is neither 404 nor 410 is a Problem. */
export async function readNow(source: FhirSource, type: string, id: string): Promise<Pulled | undefined> {
  try {
    const { text } = await source.read(`${type}/${encodeURIComponent(id)}`);
    const pulled = pulledOf(text);
    if (pulled?.type === type && pulled.id === id) return pulled;
    throw new Problem('transient', 'the source answers a read with another resource');
  } catch (error) {
    const isGone = error instanceof Problem && (error.code === 'not-found' || error.code === 'deleted');
    if (!isGone) throw error;
    return deletionOf(type, id, { updatedAt: source.serverNow() });
  }
}
