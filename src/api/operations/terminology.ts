/**
 * What the terminology operations share: whom they serve, from what, and how codes come in and go out.
 *
 * No patient's data is in a code system, so no Consent is asked: whoever has a whole read scope for the type is served, from
 * what the operator loaded, from R4's own definitions and from what their own organization wrote (docs/terminology.md).
 */
import { randomUUID } from 'node:crypto';
import { requireWholeScope } from '../../access/principal/scope.ts';
import type { Tx } from '../../db.ts';
import { idPattern } from '../../fhir/ids.ts';
import { Problem } from '../../fhir/problem.ts';
import { splitCanonical, type TerminologyType } from '../../fhir/terminology.ts';
import type { AnyResource } from '../../fhir/types.ts';
import { validate } from '../../fhir/validate.ts';
import { findValueSet } from '../../store/terminology/compose.ts';
import { find, openLibrary, type Found, type Library } from '../../store/terminology/library.ts';
import type { Coding } from '../../store/terminology/validate-code.ts';
import type { Call, Level, Plan, Result } from '../interaction.ts';
import { HttpProblem, ProblemList } from '../respond.ts';
import { readInput, type OperationInput } from './input.ts';
import type { OperationInteraction } from './operation.ts';

export interface TerminologyOperation {
  readonly type: TerminologyType;
  readonly name: string;
  readonly levels: readonly Level[];
  /** Names of the parameters. */
  readonly allowed: readonly string[];
  /** The parameter that a body which is no Parameters resource stands for. */
  readonly resource?: string;
  /** @returns the resource that is answered */
  answer(library: Library, input: OperationInput, call: Call): Promise<object>;
}

export function terminologyOperation(operation: TerminologyOperation): OperationInteraction {
  const { type, name, levels, allowed, resource } = operation;
  return {
    code: 'operation',
    operation: { name, definition: `http://hl7.org/fhir/OperationDefinition/${type}-${name}`, levels, types: [type] },
    isWrite: false,
    prepare: async (call): Promise<Plan> => {
      requireWholeScope(call.principal, type, 'r');
      const input = await readInput(call, { allowed, ...(resource && { resource }) });
      return {
        query: input.namesOf(name),
        run: async (tx: Tx): Promise<Result> => {
          const library = await openLibrary(tx, call.principal.organization);
          const body = JSON.stringify(await operation.answer(library, input, call));
          return { answer: { status: 200, body }, shown: [{ patient: undefined, decidedBy: 'internal:terminology' }] };
        },
      };
    },
  };
}

/** The resource an instance-level call is about, or the one that a parameter names. @throws HttpProblem 404 */
export async function named(
  library: Library,
  type: TerminologyType,
  { id, url, version }: { id?: string; url?: string | undefined; version?: string | undefined },
): Promise<Found | undefined> {
  if (id === undefined || id === '') {
    if (url === undefined) return undefined;
    const canonical = splitCanonical(url);
    const name = { url: canonical.url, version: version ?? canonical.version };
    return (await (type === 'ValueSet' ? findValueSet(library, name) : find(library, type, name))) ?? unknown(type);
  }
  // What cannot be an id names nothing, and may not even be text that the database takes.
  return (idPattern.test(id) ? await find(library, type, { id }) : undefined) ?? unknown(type);
}

function unknown(type: TerminologyType): never {
  throw new HttpProblem(404, 'not-found', `there is no such ${type} for this caller`, {
    hint: 'What is loaded: [base]/metadata?mode=terminology.',
  });
}

/** A resource that was sent along. @throws ProblemList unless it is valid R4 of this type */
export function resourceIn(input: OperationInput, name: string, type: TerminologyType): AnyResource | undefined {
  const resource = input.one(name) as AnyResource | undefined;
  if (resource === undefined) return undefined;
  const problems = validate(resource);
  if (problems.length > 0) throw new ProblemList(problems);
  if (resource.resourceType === type) return resource;
  throw new Problem('value', `${name} is a ${type}`, { expression: name });
}

/**
 * The code that is asked about: `code` and `system`, or `coding`, or the codings of `codeableConcept`.
 * @throws Problem required, when there is none
 */
export function codingsIn(input: OperationInput, versionName: string): Coding[] {
  const concept: { coding?: unknown } | undefined = object(input, 'codeableConcept');
  if (concept !== undefined) {
    const { coding = [] } = concept;
    if (Array.isArray(coding)) return coding.map((one) => readCoding(one, 'codeableConcept'));
    throw new Problem('value', 'coding is a list', { expression: 'codeableConcept.coding' });
  }
  const coding = object(input, 'coding');
  if (coding !== undefined) return [readCoding(coding, 'coding')];
  const code = input.text('code');
  if (code === undefined) {
    throw new Problem('required', 'there is no code to look at', {
      expression: 'code',
      hint: 'Send code and system, or coding, or codeableConcept.',
    });
  }
  const [system, version, display] = [input.text('system'), input.text(versionName), input.text('display')];
  return [{ system, version, code, display }];
}

function object(input: OperationInput, name: string): object | undefined {
  const value = input.one(name);
  if (value === undefined || (typeof value === 'object' && value !== null)) return value;
  throw new Problem('value', `${name} is not of a primitive type`, { expression: name, hint: 'Send it by POST.' });
}

/** @throws Problem value unless the parts are text */
export function readCoding(value: unknown, expression: string): Coding {
  const { system, version, code, display } = (value ?? {}) as Record<string, unknown>;
  const parts = [system, version, code, display];
  if (parts.every((part) => part === undefined || typeof part === 'string')) return value as Coding;
  throw new Problem('value', 'not a Coding', { expression });
}

export type Parameter = readonly [name: string, value: Readonly<Record<string, unknown>> | undefined];

/** A Parameters resource; a parameter whose value is undefined is left out. */
export function parameters(list: readonly Parameter[]): object {
  return {
    resourceType: 'Parameters',
    parameter: list.flatMap(([name, value]) => (value === undefined ? [] : [{ name, ...value }])),
  };
}

export function valueString(text: string | null | undefined): { valueString: string } | undefined {
  return text === null || text === undefined || text === '' ? undefined : { valueString: text };
}

export function newIdentifier(): string {
  return `urn:uuid:${randomUUID()}`;
}
