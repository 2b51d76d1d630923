/**
 * An account of each leaf of a message: *lost*, when its Bundle does not say it; *beside*, when only the hub's extensions do
 * (`hl7v2-unmapped` for what no rule took, `hl7v2-original` for a text as it was sent); *typed*, when an element that a rule
 * chose says it. A value that was kept beside is beside, though the same text may stand elsewhere by chance.
 */
import type { AnyResource } from '../../src/fhir/types.ts';
import { originalUrl, unmappedUrl } from '../../src/mapping/values/extensions.ts';
import type { Hl7Message } from '../../src/mapping/message.ts';
import { entriesOf } from './faults.ts';
import { BundleText, foldSpace, keptAs, leavesOf, type Form, type Leaf, type Translations } from './kept.ts';

export interface Entry {
  readonly leaf: Leaf;
  /** How it is kept; undefined: lost. */
  readonly form?: Form;
  readonly isTyped: boolean;
}

export function* accountOf(
  message: Hl7Message,
  bundle: AnyResource,
  whole: BundleText,
  translations: Translations,
): Generator<Entry> {
  const typed = new BundleText(withoutOwnExtensions(bundle));
  const beside = besideOf(bundle);
  for (const leaf of leavesOf(message)) {
    if (leaf.segment === 'MSH') continue;
    if (takeOne(beside, keyOf(leaf.position, leaf.text))) yield { leaf, form: 'same', isTyped: false };
    else {
      const form = keptAs(leaf, typed, translations);
      yield { leaf, form: form ?? keptAs(leaf, whole, translations), isTyped: form !== undefined };
    }
  }
}

/** What the hub's own extensions do not say. */
export function withoutOwnExtensions(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((item) => !isOwn(item)).map(withoutOwnExtensions);
  if (typeof value !== 'object' || value === null || 'rawJSON' in value) return value;
  return Object.fromEntries(Object.entries(value).map(([name, held]) => [name, withoutOwnExtensions(held)]));
}

function isOwn(item: unknown): boolean {
  const url = typeof item === 'object' && item !== null && 'url' in item ? item.url : undefined;
  return url === unmappedUrl || url === originalUrl;
}

interface KeptBeside {
  readonly url: string;
  readonly extension?: readonly { readonly url: string; readonly valueString?: string }[];
}

/** Position and text of what no rule took -> how often. */
function besideOf(bundle: AnyResource): Map<string, number> {
  const found = new Map<string, number>();
  for (const { resource } of entriesOf(bundle)) {
    for (const { url, extension = [] } of (resource?.['extension'] ?? []) as KeptBeside[]) {
      if (url !== unmappedUrl) continue;
      for (const { url: position, valueString = '' } of extension) {
        const key = keyOf(position, foldSpace(valueString));
        found.set(key, (found.get(key) ?? 0) + 1);
      }
    }
  }
  return found;
}

/** `PID-3~2.5` and `PID-3.5` are the same here; a field that is one component is its first. */
function keyOf(position: string, text: string): string {
  const [field = '', component = '1', subcomponent = '1'] = position.replace(/~\d+/, '').split('.');
  return `${field}.${component}.${subcomponent} ${text}`;
}

function takeOne(counts: Map<string, number>, key: string): boolean {
  const count = counts.get(key) ?? 0;
  if (count > 0) counts.set(key, count - 1);
  return count > 0;
}
