/** Whether the element that a rule writes to exists in FHIR R4: a misspelt path would make every resource invalid. */
import { propertiesOf, typeDefinition } from '../../fhir/definitions.ts';

/**
 * @param path as a rule's `to`: `Patient.identifier[].type`
 * @returns what is wrong, or undefined
 */
export function elementProblem(path: string): string | undefined {
  const [root = '', ...names] = path.replaceAll(/\[\d*\]/g, '').split('.');
  if (typeDefinition(root) === undefined) return `R4 has no type ${root}`;
  let type = root;
  for (const name of names) {
    const property = propertiesOf(type)?.get(name);
    if (property === undefined) return `R4 has no element ${name} in ${type}`;
    ({ type } = property);
  }
  return undefined;
}
