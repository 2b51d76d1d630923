/**
 * The input of an operation, whichever way it came: in the URL, or in a Parameters resource, or as the one resource that the
 * operation is about with the rest in the URL.
 *
 * @see https://hl7.org/fhir/R4/operations.html#request
 */
import { parseDate, type DateInterval } from '../../fhir/dates.ts';
import { parseReceivedJson } from '../../fhir/json.ts';
import { Problem } from '../../fhir/problem.ts';
import { localizeReferences } from '../../fhir/reference.ts';
import type { AnyResource } from '../../fhir/types.ts';
import { checkContentType, resourceMediaTypes } from '../incoming.ts';
import type { Call } from '../interaction.ts';
import { HttpProblem } from '../respond.ts';

export interface InputOptions {
  /** Names that mean something to the operation. Absent: any, because they are search parameters and read elsewhere. */
  readonly allowed?: readonly string[];
  /** The parameter that a body which is no Parameters resource stands for; absent: the body must be one. */
  readonly resource?: string;
}

/** One parameter: a text from the URL or of a primitive, the element for other data types, a resource, or parts. */
interface Given {
  readonly name: string;
  readonly value: unknown;
}

/** More than any operation takes; a longer list is a mistake or an attack. */
const parametersMax = 1_000;

/** Read by everybody who answers. */
const silent = new Set(['_format', '_pretty']);

export class OperationInput {
  readonly #given: readonly Given[];

  constructor(given: readonly Given[]) {
    this.#given = given;
  }

  /** Names in order, for the trail: `$everything?start&_type`. */
  namesOf(operation: string): string {
    const names = [...new Set(this.#given.map(({ name }) => name))];
    return names.length === 0 ? `$${operation}` : `$${operation}?${names.join('&')}`;
  }

  /** Every value of the parameter, as it came. */
  all(name: string): unknown[] {
    return this.#given.filter((one) => one.name === name).map(({ value }) => value);
  }

  /** The one value. @throws Problem invalid when there are several */
  one(name: string): unknown {
    const [value, ...more] = this.all(name);
    if (more.length > 0) throw new Problem('invalid', `${name} may stand once`, { expression: name });
    return value;
  }

  /** The one value, of a primitive type. @throws Problem value for anything else */
  text(name: string): string | undefined {
    const value = this.one(name);
    return value === undefined ? undefined : textOf(name, value);
  }

  /** All values of a list that may be repeated, or separated by commas. */
  list(name: string): string[] {
    return this.all(name)
      .flatMap((value) => textOf(name, value).split(','))
      .map((text) => text.trim())
      .filter((text) => text !== '');
  }

  /** @throws Problem value for anything but true or false */
  flag(name: string): boolean | undefined {
    const text = this.text(name);
    if (text === undefined || text === 'true' || text === 'false')
      return text === undefined ? undefined : text === 'true';
    throw new Problem('value', `${name} is true or false`, { expression: name });
  }

  /** A whole number within bounds. @throws Problem value */
  number(name: string, { min, max }: { readonly min: number; readonly max: number }): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min) return Math.min(value, max);
    throw new Problem('value', `${name} is a whole number from ${min} on`, { expression: name });
  }

  /** Name and value of every primitive parameter, in order: what a search is made of. */
  pairs(): [string, string][] {
    return this.#given.map(({ name, value }) => [name, textOf(name, value)]);
  }
}

/** A date of the input, as the interval it names. A `+` that was not escaped arrives as a space. @throws Problem value */
export function dateOf(input: OperationInput, name: string): DateInterval | undefined {
  const text = input.text(name);
  if (text === undefined) return undefined;
  try {
    return parseDate(text.replace(/ (?=\d\d:\d\d$)/, '+'));
  } catch (cause) {
    throw new Problem('value', `${name} is no FHIR date`, {
      expression: name,
      hint: 'Write 2024-03-31 or 2024-03-31T08:00:00Z.',
      cause,
    });
  }
}

function textOf(name: string, value: unknown): string {
  if (typeof value === 'string' && !value.includes('\0')) return value;
  if (typeof value === 'boolean' || typeof value === 'number') return String(value);
  throw new Problem('value', `${name} is no text of a primitive type`, { expression: name });
}

/**
 * @throws Problem structure for a body that is none; not-supported for parameters the operation does not have, unless the
 *   caller wants lenient handling
 */
export async function readInput(call: Call, { allowed, resource }: InputOptions = {}): Promise<OperationInput> {
  const { incoming, facade } = call;
  const given: Given[] = [...new URLSearchParams(incoming.query)].map(([name, value]) => ({ name, value }));
  const body = incoming.method === 'POST' ? await incoming.text() : '';
  if (body !== '') {
    checkContentType(incoming.headers, resourceMediaTypes);
    given.push(...readBody(body, facade.base, resource));
  }
  if (given.length > parametersMax) {
    throw new Problem('too-costly', `an operation takes at most ${parametersMax} parameters`);
  }
  const meant = given.filter(({ name }) => !silent.has(name));
  const known = allowed === undefined ? meant : meant.filter(({ name }) => allowed.includes(name));
  const unknown = meant.find((one) => !known.includes(one));
  if (unknown !== undefined && !/handling=lenient/.test(String(incoming.headers['prefer'] ?? ''))) {
    throw new HttpProblem(400, 'not-supported', 'the operation does not have this parameter', {
      expression: /^[\w:.-]{1,64}$/.test(unknown.name) ? unknown.name : '(parameter)',
      hint: `It takes ${allowed?.join(', ')}; with Prefer: handling=lenient others are ignored.`,
    });
  }
  return new OperationInput(known);
}

function readBody(body: string, base: string, resourceName: string | undefined): Given[] {
  const content = parseReceivedJson(body) as AnyResource | null;
  if (typeof content !== 'object' || content === null || typeof content.resourceType !== 'string') {
    throw new Problem('structure', 'the body is no resource', { hint: 'Send a Parameters resource.' });
  }
  localizeReferences(content, base);
  if (content.resourceType === 'Parameters') return readParameters(content);
  if (resourceName !== undefined) return [{ name: resourceName, value: content }];
  throw new HttpProblem(400, 'invalid', 'the body is no Parameters resource', { expression: 'resourceType' });
}

/** @see https://hl7.org/fhir/R4/parameters.html */
function readParameters(parameters: AnyResource): Given[] {
  const list = parameters['parameter'] ?? [];
  if (!Array.isArray(list)) throw new Problem('structure', 'not a list', { expression: 'Parameters.parameter' });
  return list.map((parameter: Record<string, unknown> | null, index): Given => {
    const expression = `Parameters.parameter[${index}]`;
    if (typeof parameter !== 'object' || parameter === null || typeof parameter['name'] !== 'string') {
      throw new Problem('required', 'a parameter has a name', { expression: `${expression}.name` });
    }
    const values = Object.keys(parameter).filter((key) => /^(value[A-Z]\w*|resource|part)$/.test(key));
    const [key, ...more] = values;
    // FHIR R4 parameters.html inv-1: a value, a resource or parts, one of them.
    if (key === undefined || more.length > 0 || parameter[key] === null) {
      throw new Problem('invariant', 'a parameter has one of value, resource and part', { expression });
    }
    return { name: parameter['name'], value: parameter[key] };
  });
}
