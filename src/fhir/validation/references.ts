/**
 * What a reference may say. Whether its target exists is not asked here: hospitals send what they have, in the order they have
 * it, so a reference may dangle (docs/validation.md); that a Patient exists is the store's rule.
 *
 * @see https://hl7.org/fhir/R4/references.html
 */
import { readReference, type ParsedReference } from '../reference.ts';
import type { AnyResource } from '../types.ts';
import { report, type Check, type Context, type Depth } from './finding.ts';

type Json = Record<string, unknown>;

/** Format and target are asked of the same text, one after the other. */
let latest: { text: string; parsed: ParsedReference | undefined } = { text: '', parsed: undefined };

function read(text: string): ParsedReference | undefined {
  if (latest.text !== text) latest = { text, parsed: readReference(text) };
  return latest.parsed;
}

export function checkReferenceFormat(reference: Json, context: Context, depth: Depth): void {
  const { reference: text, type } = reference;
  if (typeof text !== 'string') return;
  const parsed = read(text);
  if (parsed === undefined) {
    return report(context, 'value', 'a reference is Type/id, an absolute URL, or #id', {
      path: '.reference',
      hint: 'A reference by search is resolved in a transaction alone.',
    });
  }
  // FHIR R4 references.html#type: the type says what the reference points to.
  if (depth === 'all' && typeof type === 'string' && parsed.type !== undefined && !type.endsWith(parsed.type)) {
    report(context, 'value', 'the type is not that of the reference', { path: '.type', severity: 'warning' });
  }
}

/** The element's own list of target types; what an absolute URL or a URN points to may not show. */
export function compileTarget(targets: readonly string[]): Check {
  const message = `this element refers to ${targets.join(', ')}`;
  return (value, context) => {
    const type = typeOfTarget(value as Json, context);
    if (type !== undefined && !targets.includes(type)) report(context, 'value', message, { path: '.reference' });
  };
}

function typeOfTarget({ reference: text }: Json, context: Context): string | undefined {
  const parsed = typeof text === 'string' ? read(text) : undefined;
  return parsed?.fragment === undefined ? parsed?.type : containedNamed(parsed.fragment, context)?.resourceType;
}

/** How many contained resources are looked through for one reference; no resource that people write has more. */
const lookedThroughMax = 1_000;

/** The contained resource a fragment names; `#` is the container itself. */
export function containedNamed(fragment: string, { root }: Context): AnyResource | undefined {
  if (fragment === '') return root;
  const { contained } = root;
  if (!Array.isArray(contained) || contained.length > lookedThroughMax) return undefined;
  return (contained as (AnyResource | null)[]).find((resource) => resource?.id === fragment) ?? undefined;
}

/** FHIR R4 references.html#contained: a fragment names one resource. */
export function checkContainedIds(contained: unknown, context: Context): void {
  if (!Array.isArray(contained)) return;
  const seen = new Set<unknown>();
  contained.forEach((resource: { id?: unknown } | null, at) => {
    if (seen.has(resource?.id) && resource?.id !== undefined)
      report(context, 'structure', 'another contained resource has this id', { path: `.contained[${at}].id` });
    seen.add(resource?.id);
  });
}
