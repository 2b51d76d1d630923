/**
 * What a source sends is not always R4 as it is written. What the hub cannot hold is refused; what it can is kept and told: an
 * element that R4 does not have goes beside, a narrative that could harm a reader goes, and a rule that is broken is an issue.
 *
 * Stricter would be simpler: but a hospital's record with one wrong code is worth more than none.
 */
import { mendReferences } from '../../src/fhir/narrative.ts';
import { prune } from '../../src/fhir/prune.ts';
import { isRawNumber } from '../../src/fhir/json.ts';
import { Problem } from '../../src/fhir/problem.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { examine, type Finding } from '../../src/fhir/validate.ts';
import type { MappedMessage } from '../../src/ingest/contract.ts';
import { keepUnmapped, takeOut, type Unmapped } from './unmapped.ts';

export interface Tolerated {
  readonly unmapped: readonly Unmapped[];
  readonly issues: MappedMessage['issues'];
}

/** Validation tells 50 errors at once; a resource that has more unknown elements than this many rounds hold is not R4. */
const roundsMax = 8;
const unknownElement = 'no such element in R4';

/** In place. @throws Problem structure for what has another shape than its type: a list where one value stands, a text for an object */
export function tolerate(resource: AnyResource): Tolerated {
  dropNulls(resource);
  prune(resource);
  mendNarratives(resource);
  const unmapped: Unmapped[] = [];
  for (let round = 0; round < roundsMax; round++) {
    const findings = examine(resource, { depth: 'errors' });
    const unknown = findings.filter(({ message }) => message === unknownElement);
    const taken = unknown.flatMap((finding) => takeUnknown(resource, finding));
    unmapped.push(...taken);
    const isHarmful = findings.some(({ path }) => path.endsWith('.text.div')) && dropNarratives(resource);
    if (taken.length > 0 || isHarmful) {
      prune(resource);
      continue;
    }
    refuse(findings);
    return { unmapped, issues: findings.map(issueOf) };
  }
  throw new Problem('structure', 'too many elements that R4 does not have', { expression: resource.resourceType });
}

function takeUnknown(resource: AnyResource, { path }: Finding): Unmapped[] {
  const below = path.slice(resource.resourceType.length);
  const value = takeOut(resource, below);
  return value === undefined ? [] : [keepUnmapped(resource, below.slice(1), value)];
}

/** Of a broken shape nothing can be indexed, compared or protected. */
function refuse(findings: readonly Finding[]): void {
  const broken = findings.find(({ code }) => code === 'structure');
  if (broken === undefined) return;
  throw new Problem('structure', broken.message, {
    expression: broken.path,
    ...(broken.hint === undefined ? {} : { hint: broken.hint }),
  });
}

function issueOf({ code, path, message }: Finding): MappedMessage['issues'][number] {
  return { severity: 'warning', code, position: path.replaceAll(/\[\d+\]/g, ''), diagnostics: message };
}

/** HTML where R4 has XHTML: said the same, with the references that XML has. */
function mendNarratives(resource: AnyResource): void {
  for (const one of withNarrative(resource)) {
    const text = one['text'] as { div?: unknown };
    if (typeof text?.div === 'string') text.div = mendReferences(text.div);
  }
}

/** The resource and what it contains. */
function withNarrative(resource: AnyResource): AnyResource[] {
  const contained = Array.isArray(resource['contained']) ? (resource['contained'] as AnyResource[]) : [];
  return [resource, ...contained].filter((one) => one?.['text'] !== undefined);
}

function dropNarratives(resource: AnyResource): boolean {
  const found = withNarrative(resource);
  for (const one of found) delete one['text'];
  return found.length > 0;
}

/** JSON's null is no value of an element; in a list of primitives it keeps a place. */
function dropNulls(value: unknown): void {
  if (typeof value !== 'object' || value === null || isRawNumber(value)) return;
  if (Array.isArray(value)) return value.forEach(dropNulls);
  const object = value as Record<string, unknown>;
  for (const [name, held] of Object.entries(object)) {
    if (held === null) delete object[name];
    else dropNulls(held);
  }
}
