/**
 * SearchParameter resources that are written to the hub: which of them can be served, and why another cannot.
 *
 * @see https://hl7.org/fhir/R4/searchparameter.html
 */
import { searchParamDefinitions } from '../definitions.ts';
import { indexLeaf, type IndexContext } from './values.ts';
import { expressionFor } from '../params.ts';
import { compilePath } from './path.ts';
import { Problem } from '../problem.ts';
import type { SearchParamDefinition } from '../definitions/shape.ts';
import type { SearchParamType } from '../search-request.ts';
import { typeCode, type AnyResource } from '../types.ts';

/** Of one parameter. Each is read of every resource of the type that is written. */
const basesMax = 16;
/** R4's longest has 3,000 characters over 30 types; of one type, 300. */
const expressionCharsMax = 1_000;
/** As R4's own codes are: letters, digits and hyphens. A leading underscore is for parameters of every resource. */
const codePattern = /^[A-Za-z][A-Za-z0-9-]{0,63}$/;
const servedTypes = new Set<string>(['number', 'date', 'string', 'token', 'reference', 'quantity', 'uri']);

/**
 * @returns undefined for a parameter that is not in force (draft, retired)
 * @throws Problem business-rule, with the element that cannot be served
 */
export function readSearchParameter(resource: AnyResource): SearchParamDefinition | undefined {
  if (resource['status'] !== 'active') return undefined;
  const { code, type, url } = resource as { code?: unknown; type?: unknown; url?: unknown };
  const [expression, base, target] = [resource['expression'], resource['base'], resource['target']];
  if (typeof code !== 'string' || !codePattern.test(code)) {
    throw refusal('code', 'the code is no name of a search parameter', 'Letters, digits and hyphens, at most 64.');
  }
  if (typeof type !== 'string' || !servedTypes.has(type)) {
    throw refusal('type', 'parameters of this type cannot be added', `One of ${[...servedTypes].join(', ')}.`);
  }
  if (!Array.isArray(base) || base.length === 0 || base.length > basesMax || !base.every(isResourceType)) {
    throw refusal('base', 'the base is no list of resource types', `1 to ${basesMax} types, each by its name.`);
  }
  if (typeof expression !== 'string' || expression.length > expressionCharsMax) {
    throw refusal(
      'expression',
      'there is no expression to read',
      `FHIRPath of up to ${expressionCharsMax} characters.`,
    );
  }
  if (target !== undefined && !(Array.isArray(target) && target.every(isResourceType))) {
    throw refusal('target', 'the targets are no resource types', 'Each by its name.');
  }
  const definition: SearchParamDefinition = {
    code,
    type: type as SearchParamType,
    url: String(url),
    base,
    expression,
    ...(target === undefined ? {} : { target }),
  };
  for (const one of base) requireIndexable(definition, one);
  return definition;
}

function isResourceType(name: unknown): name is string {
  return typeof name === 'string' && typeCode(name) !== undefined;
}

function requireIndexable(definition: SearchParamDefinition, type: string): void {
  const { code, type: kind } = definition;
  if (searchParamDefinitions().some((known) => known.code === code && known.base.includes(type))) {
    throw refusal('code', `R4 has a parameter ${code} of ${type}`, 'Choose another code.');
  }
  const expression = expressionFor(definition, type);
  let leaves = 0;
  const visit = compilePath<IndexContext>(expression, type, type, (valueType, valueSet) => {
    const leaf = indexLeaf(code, kind, valueType, valueSet);
    if (leaf !== undefined) leaves++;
    return leaf;
  });
  if (visit === undefined) {
    throw refusal(
      'expression',
      `the expression is outside of what is indexed (${type})`,
      "Paths, |, as() and ofType(), where(name = 'value'), extension('url'), [0].",
    );
  }
  if (leaves === 0) {
    throw refusal(
      'expression',
      `the expression leads to no value of the type ${kind} (${type})`,
      'Begin with the name of each base, and check the type.',
    );
  }
}

function refusal(element: string, diagnostics: string, hint: string): Problem {
  return new Problem('business-rule', diagnostics, { expression: `SearchParameter.${element}`, hint });
}
