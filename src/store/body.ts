/**
 * The stored text of a resource: `id` and `meta` are the store's, everything else is as it came. Numbers keep their
 * digits, because raw numbers (fhir/json.ts) are written back as they were read.
 */
import type { AnyResource } from '../fhir/types.ts';
import { divisible } from '../mapping/compile/target.ts';

/** @see https://hl7.org/fhir/R4/resource.html#Meta */
export function writeBody(resource: AnyResource, id: string, version: number, lastUpdated: Date): string {
  const { resourceType, meta } = resource;
  const { versionId: _versionId, lastUpdated: _lastUpdated, ...ownMeta } = meta ?? {};
  const storeMeta = { versionId: String(version), lastUpdated: lastUpdated.toISOString(), ...ownMeta };
  const body: AnyResource = { resourceType, id, meta: storeMeta };
  // By hand: taking the elements apart and together again copies them twice.
  for (const name in resource) if (!ownedByStore.has(name)) body[name] = resource[name];
  return JSON.stringify(body);
}

const ownedByStore = new Set(['resourceType', 'id', 'meta']);

/** Data types a choice element's name can end in. @see https://hl7.org/fhir/R4/formats.html#choice */
const choice =
  /^([a-z][A-Za-z]*?)(Base64Binary|Boolean|Canonical|Code|Date|DateTime|Decimal|Id|Instant|Integer|Markdown|Oid|PositiveInt|String|Time|UnsignedInt|Uri|Url|Uuid|Address|Age|Annotation|Attachment|CodeableConcept|Coding|ContactPoint|Count|Distance|Duration|HumanName|Identifier|Money|Period|Quantity|Range|Ratio|Reference|SampledData|Signature|Timing)$/;

/**
 * A draft laid over the stored state: top-level elements the draft lacks stay, a choice element `value[x]` is replaced
 * whatever its type was, and an element goes with its primitive sibling (`_birthDate`). Of a divisible element its parts
 * are laid over each other likewise.
 * @param removed names of elements the sender removed, or of parts of divisible ones (`period.end`)
 * @param isFollowing tells extensions that mirror one message and follow the draft: the stored ones go
 */
export function mergeElements(
  stored: AnyResource,
  draft: AnyResource,
  removed: readonly string[],
  isFollowing: (extensionUrl: string) => boolean,
): AnyResource {
  const replaced = new Set([...Object.keys(draft).map(groupOf), ...removed.map(groupOf)]);
  const kept = Object.entries(stored).filter(([name]) => !replaced.has(groupOf(name)));
  const merged: AnyResource = { ...Object.fromEntries(kept), ...draft, resourceType: stored.resourceType };
  for (const name of divisible) {
    if (stored[name] === undefined || removed.includes(name)) continue;
    const element = mergeParts(stored[name] as Parts, (draft[name] ?? {}) as Parts, partsOf(name, removed));
    if (Object.keys(element).length > 0) merged[name] = element;
    else delete merged[name];
  }
  const meta = { ...stored.meta, ...draft.meta };
  if (Object.keys(meta).length > 0) merged.meta = meta;
  const extension = mergeExtensions(extensionsOf(stored), extensionsOf(draft), isFollowing);
  if (extension.length > 0 && !removed.includes('extension')) merged['extension'] = extension;
  else delete merged['extension'];
  return inOrderOf(stored, merged);
}

/** What is said again in another order is the same, and makes no version. */
function inOrderOf(stored: AnyResource, merged: AnyResource): AnyResource {
  const ordered: AnyResource = { resourceType: merged.resourceType };
  for (const name in stored) if (name in merged) ordered[name] = merged[name];
  for (const name in merged) if (!(name in ordered)) ordered[name] = merged[name];
  return ordered;
}

type Parts = Record<string, unknown>;

function partsOf(name: string, removed: readonly string[]): string[] {
  return removed.filter((path) => path.startsWith(`${name}.`)).map((path) => path.slice(name.length + 1));
}

function mergeParts(stored: Parts, draft: Parts, removed: readonly string[]): Parts {
  const replaced = new Set([...Object.keys(draft), ...removed].map(groupOf));
  const kept = Object.entries(stored).filter(([name]) => !replaced.has(groupOf(name)));
  const merged: Parts = { ...Object.fromEntries(kept), ...draft };
  // R4 per-1: of a start and an end that exclude each other, what is said now holds.
  if (startsAfterEnd(merged)) return draft;
  return merged;
}

function startsAfterEnd({ start, end }: Parts): boolean {
  return typeof start === 'string' && typeof end === 'string' && Date.parse(end) < Date.parse(start);
}

/** `deceasedBoolean` and `deceasedDateTime` are one element; so are `birthDate` and `_birthDate`. */
function groupOf(name: string): string {
  const element = name.startsWith('_') ? name.slice(1) : name;
  return choice.exec(element)?.[1] ?? element;
}

interface Extension {
  readonly url?: unknown;
}

function extensionsOf(resource: AnyResource): Extension[] {
  const extension = resource['extension'];
  return Array.isArray(extension) ? (extension as Extension[]) : [];
}

function mergeExtensions(
  stored: readonly Extension[],
  draft: readonly Extension[],
  isFollowing: (url: string) => boolean,
): Extension[] {
  const replaced = new Set(draft.map(({ url }) => url));
  const kept = stored.filter(({ url }) => !replaced.has(url) && !isFollowing(String(url)));
  return [...kept, ...draft];
}
