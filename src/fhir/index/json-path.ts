/**
 * The paths of a search parameter as PostgreSQL's SQL/JSON paths, for values that the index does not keep as they are: tokens
 * and references are hashes there, which have no order.
 *
 * @see https://www.postgresql.org/docs/15/functions-json.html#FUNCTIONS-SQLJSON-PATH
 */
import { propertiesOf } from '../definitions.ts';
import { parsePath, type Step } from './path.ts';
import type { SearchParam } from '../search-request.ts';

/** What of a value is compared with another: its code before its system, as people read it. */
const tails: Record<string, string> = {
  CodeableConcept: '.coding.code',
  Coding: '.code',
  Identifier: '.value',
  ContactPoint: '.value',
  Reference: '.reference',
  Resource: '.id',
};

/**
 * Paths (lax mode: arrays are entered) to the texts by which values of a parameter are sorted.
 * @returns undefined when the expression is outside the compiled subset (path.ts)
 */
export function sortPaths({ expression }: SearchParam, type: string): string[] | undefined {
  const alternatives = expression === undefined ? undefined : parsePath(expression, type);
  return alternatives?.flatMap(({ steps }) => [...follow(steps, type, '$')]);
}

function* follow(steps: readonly Step[], type: string, path: string): Generator<string> {
  const [step, ...rest] = steps;
  if (step === undefined) {
    const tail = tails[type];
    if (tail !== undefined || /^[a-z]/.test(type)) yield path + (tail ?? '');
    return;
  }
  switch (step.kind) {
    case 'child':
      for (const property of propertiesOf(type)?.values() ?? []) {
        if (property.name === step.name || property.elementName === `${step.name}[x]`) {
          yield* follow(rest, property.type, `${path}.${quote(property.name)}`);
        }
      }
      break;
    case 'type':
      if (step.name === type) yield* follow(rest, type, path);
      break;
    case 'index':
      yield* follow(rest, type, `${path}[${step.at}]`);
      break;
    case 'equals':
      yield* follow(rest, type, `${path} ? (@.${quote(step.name)} == ${quote(step.value)})`);
      break;
    case 'resolves':
      if (type === 'Reference') {
        yield* follow(rest, type, `${path} ? (@.reference starts with ${quote(`${step.type}/`)})`);
      }
      break;
  }
}

function quote(text: string): string {
  return JSON.stringify(text);
}
