/**
 * Is this a valid R4 resource: structure, cardinality, primitives, references, required bindings, invariants, narrative without
 * active markup, nothing unknown; and what the profiles that it names ask, where they are loaded. The checks are in validation/.
 *
 * @see https://hl7.org/fhir/R4/validation.html
 */
import { Problem } from './problem.ts';
import { typeCode, type AnyResource } from './types.ts';
import type { Context, Depth, Finding } from './validation/finding.ts';
import { noProfiles, type Profiles } from './validation/profiles.ts';
import { checkResource } from './validation/structure.ts';

export type { Finding } from './validation/finding.ts';
export type { Profiles } from './validation/profiles.ts';

/** All that is wrong with a resource, each with its FHIRPath expression; empty for a valid one. */
export function validate(resource: unknown, profiles: Profiles = noProfiles): Problem[] {
  return examine(resource, { profiles, depth: 'errors' }).map(({ code, message, hint, path }) => {
    return new Problem(code as Problem['code'], message, { expression: path, ...(hint === undefined ? {} : { hint }) });
  });
}

export interface Examination {
  readonly profiles?: Profiles;
  /** `all`: also warnings and what is only worth knowing. */
  readonly depth: Depth;
  /** Profiles to check beside those the resource names. */
  readonly against?: readonly string[];
}

/** What there is to say of a resource; `path` is the whole FHIRPath expression. */
export function examine(resource: unknown, { profiles = noProfiles, depth, against = [] }: Examination): Finding[] {
  const type = (resource as AnyResource | null | undefined)?.resourceType;
  if (typeof type !== 'string' || typeCode(type) === undefined) {
    return [
      { severity: 'error', code: 'structure', message: 'resourceType names no R4 resource', path: 'resourceType' },
    ];
  }
  const root = resource as AnyResource;
  const context: Context = {
    resource: root,
    root,
    containedIds: undefined,
    findings: [],
    errors: 0,
    notes: 0,
    profiles,
    bundle: type === 'Bundle' ? root : undefined,
    entries: undefined,
    conformance: undefined,
  };
  try {
    checkResource(root, context, depth);
    if (context.errors === 0) for (const url of against) profiles.check(url, depth)?.(root, context);
  } catch (error) {
    // A rule that would look at too much: the resource is refused, not half checked.
    if (!(error instanceof Problem)) throw error;
    return [{ severity: 'error', code: error.code, message: error.message, path: type }];
  }
  const findings = context.findings.map((finding) => ({ ...finding, path: `${type}${finding.path}` }));
  // An element and its slice, two profiles of one base: the same rule is said once.
  return [...new Map(findings.map((finding) => [`${finding.path} ${finding.message}`, finding])).values()];
}

/** @throws Problem the first of what is wrong, naming the others' number */
export function assertValid(resource: unknown): asserts resource is AnyResource {
  const [first, ...others] = validate(resource);
  if (first === undefined) return;
  if (others.length === 0) throw first;
  throw new Problem(first.code, `${first.message} (and ${others.length} more)`, {
    expression: [first, ...others].flatMap((problem) => problem.expression),
  });
}
