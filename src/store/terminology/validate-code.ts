/**
 * Whether a code is one of a code system, or of a value set.
 *
 * @see https://hl7.org/fhir/R4/valueset-operation-validate-code.html
 * @see https://hl7.org/fhir/R4/codesystem-operation-validate-code.html
 */
import { plannedAnew, sql } from '../../db/sql.ts';
import { foldString } from '../../fhir/fold.ts';
import type { AnyResource } from '../../fhir/types.ts';
import { membersOf } from './compose.ts';
import { findConcept, type StoredConcept } from './hierarchy.ts';
import { find, requireSystem, type Library } from './library.ts';

export interface Coding {
  readonly system?: string | undefined;
  readonly version?: string | undefined;
  readonly code?: string | undefined;
  readonly display?: string | undefined;
}

export interface Verdict {
  readonly isValid: boolean;
  /** Of the first valid coding. */
  readonly display?: string | undefined;
  /** What is wrong; empty when nothing is. */
  readonly messages: readonly string[];
}

/** Whether codes that only group others count. */
export interface ValidateOptions {
  readonly isAbstractAllowed: boolean;
}

/** @throws Problem not-supported when the code system is not loaded */
export async function validateInSystem(
  library: Library,
  coding: Coding & { readonly system: string },
  options: ValidateOptions,
): Promise<Verdict> {
  const system = await requireSystem(library, coding.system, coding.version);
  const concept = await findConcept(library, system, coding.code ?? '');
  if (concept === undefined)
    return { isValid: false, messages: [`'${coding.code}' is not a code of ${coding.system}`] };
  return judge(concept, coding, concept.display, options);
}

/** Valid when one of the codings is. @throws Problem not-supported when that cannot be told without codes that are not loaded */
export async function validateInValueSet(
  library: Library,
  valueSet: AnyResource,
  codings: readonly Coding[],
  options: ValidateOptions,
): Promise<Verdict> {
  const messages: string[] = [];
  for (const coding of codings) {
    const verdict = await validateMember(library, valueSet, coding, options);
    if (verdict.isValid) return verdict;
    messages.push(...verdict.messages);
  }
  return { isValid: false, messages: codings.length === 0 ? ['there is no code'] : messages };
}

async function validateMember(
  library: Library,
  valueSet: AnyResource,
  coding: Coding,
  options: ValidateOptions,
): Promise<Verdict> {
  const { system, version, code } = coding;
  if (system === undefined || code === undefined)
    return { isValid: false, messages: ['the coding has no system or no code'] };
  const { query, isInactiveIncluded } = await membersOf(library, valueSet, { system });
  const found = await find(library, 'CodeSystem', { url: system, version });
  const concept = found === undefined || found.concepts === 0 ? undefined : await findConcept(library, found, code);
  // As the code system writes it, when case does not count.
  const [member] = await library.db.query<{ display: string | null }>(
    plannedAnew(
      sql`select m.display from (${query}) m where m.system = ${system} and m.code = ${concept?.code ?? code} limit 1`,
    ),
  );
  const { url: name = 'the value set' } = valueSet as { url?: string };
  if (member === undefined) return { isValid: false, messages: [`'${code}' of ${system} is not in ${name}`] };
  if (concept?.is_inactive === true && isInactiveIncluded === false) {
    return { isValid: false, messages: [`'${code}' of ${system} is not for current use, as ${name} requires`] };
  }
  return judge(concept, coding, member.display ?? concept?.display ?? null, options);
}

function judge(
  concept: StoredConcept | undefined,
  { code, display: said }: Coding,
  display: string | null,
  { isAbstractAllowed }: ValidateOptions,
): Verdict {
  const messages: string[] = [];
  if (concept?.is_abstract === true && !isAbstractAllowed) messages.push(`'${code}' only groups other codes`);
  if (said !== undefined && !isDisplay(said, display, concept))
    messages.push(`the display of '${code}' is '${display}'`);
  return { isValid: messages.length === 0, ...(display === null ? {} : { display }), messages };
}

/** Any designation is a name of the concept; case, width and accents do not count. */
function isDisplay(said: string, display: string | null, concept: StoredConcept | undefined): boolean {
  const names = [display, concept?.display, ...(concept?.designations ?? []).map(({ value }) => value)];
  const known = names.filter((name) => name !== null && name !== undefined);
  return known.length === 0 || known.some((name) => foldString(name) === foldString(said));
}
