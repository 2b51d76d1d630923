/** The FHIR resources of the corpus: each validates or breaks a listed rule, and its index is what FHIRPath says. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { evaluate } from '../../src/fhir/fhirpath.ts';
import { parseJson, plainNumbers } from '../../src/fhir/json.ts';
import { searchParams } from '../../src/fhir/params.ts';
import { compilePath } from '../../src/fhir/index/path.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { validate } from '../../src/fhir/validate.ts';

/** Published resources that break a rule of R4, each with the rule. */
export const knownInvalid: Readonly<Record<string, string>> = {
  'ActivityDefinition/blood-tubes-supply': 'invariant ActivityDefinition.text.div',
  'ActivityDefinition/heart-valve-replacement': 'invariant ActivityDefinition.text.div',
  'DeviceMetric/example': 'value DeviceMetric.parent.reference',
  'MedicationRequest/medrx0301': 'value MedicationRequest.dispenseRequest.performer.reference',
  'Observation/clinical-gender': 'value Observation.performer[0].reference',
  'Questionnaire/qs1': 'required Questionnaire.item[0].item[0].linkId',
};

/**
 * In a transaction Bundle a reference may be a search (R4 http.html#trules), which a server resolves before it validates:
 * a copy with `Type?query` as `Type/resolved`, or the resource itself when it has none.
 */
function resolveConditional(resource: AnyResource): AnyResource {
  const text = JSON.stringify(resource);
  const resolved = text.replace(/"reference":"([A-Z]\w+)\?[^"]*"/g, '"reference":"$1/resolved"');
  return resolved === text ? resource : (parseJson(resolved) as AnyResource);
}

export interface FhirReport {
  readonly resources: number;
  readonly valid: number;
  /** Of the valid: those of transactions whose conditional references were resolved first. */
  readonly conditional: number;
  /** Known to break the rule that is listed. */
  readonly listed: number;
  readonly unexpected: readonly string[];
  readonly comparedValues: number;
  readonly indexDifferences: readonly string[];
}

export function runFhir(folder: string): FhirReport {
  const unexpected: string[] = [];
  const differences: string[] = [];
  let [resources, valid, conditional, listed, compared] = [0, 0, 0, 0, 0];
  for (const { resource, isEntry } of resourcesOf(folder)) {
    resources++;
    const name = `${resource.resourceType}/${resource.id}`;
    const candidate = isEntry ? resolveConditional(resource) : resource;
    if (candidate !== resource) conditional++;
    const [problem] = validate(candidate).map(({ code, expression }) => `${code} ${expression.join()}`);
    if (problem === undefined) valid++;
    else if (knownInvalid[name] === problem) listed++;
    else unexpected.push(`${name}: ${problem}`);
    const outcome = compareIndex(resource);
    compared += outcome.compared;
    differences.push(...outcome.differences);
  }
  return { resources, valid, conditional, listed, unexpected, comparedValues: compared, indexDifferences: differences };
}

function* resourcesOf(folder: string): Generator<{ resource: AnyResource; isEntry: boolean }> {
  for (const part of ['r4-examples', 'ips', 'synthea']) {
    for (const file of readdirSync(join(folder, part))) {
      const resource = parseJson(readFileSync(join(folder, part, file), 'utf8')) as AnyResource;
      if (part === 'r4-examples') yield { resource, isEntry: false };
      const entries =
        part === 'r4-examples' ? [] : ((resource['entry'] ?? [{ resource }]) as { resource: AnyResource }[]);
      for (const entry of entries) yield { resource: entry.resource, isEntry: true };
    }
  }
}

/** The engine resolves relative references alone: contained and absolute ones are outside the comparison. */
const isFar = (value: string): boolean => /"reference":"(#|https?:|urn:|[A-Z]\w+\?)/.test(value);

/** The values each parameter's closure visits, against those FHIRPath finds. */
export function compareIndex(resource: AnyResource): { compared: number; differences: string[] } {
  const type = resource.resourceType;
  const differences: string[] = [];
  let compared = 0;
  for (const { code, expression } of searchParams(type).values()) {
    if (expression === undefined) continue;
    const found: string[] = [];
    const visit = compilePath(expression, type, type, () => (value) => found.push(JSON.stringify(plainNumbers(value))));
    if (visit === undefined) continue;
    visit(resource, { root: resource });
    // The engine knows no Resource above the types.
    const oracle = evaluate(expression.replace(/^(Resource|DomainResource)\b/, type), type, resource, resource);
    const expected = oracle.map(({ value }) => JSON.stringify(value));
    const isResolving = expression.includes('resolve()');
    const sorted = (values: string[]): string =>
      values
        .filter((value) => !isResolving || !isFar(value))
        .sort()
        .join();
    if (sorted(found) !== sorted(expected)) differences.push(`${type}/${resource.id} ${code}`);
    compared += expected.length;
  }
  return { compared, differences };
}
