/**
 * A compartment as a condition: `Patient/x/Observation` finds the Observations that refer to the patient by one of the
 * parameters that R4 names for them.
 *
 * @see https://hl7.org/fhir/R4/compartmentdefinition.html
 */
import { compartmentDefinition, compartmentTypes } from '../definitions.ts';
import { idPattern } from '../ids.ts';
import { Problem } from '../problem.ts';
import type { CompartmentFilter, CompartmentMember } from '../search-request.ts';

export interface Compartment {
  readonly type: string;
  readonly id: string;
}

/** R4's name for the resource that a compartment is of. A Patient is of its own record, though R4 names its links alone. */
const self = '{def}';

/** Types that may be in it. @throws Problem not-supported for a type that has no compartments */
export function membersOf({ type }: Compartment): string[] {
  const members = compartmentDefinition(type);
  if (members === undefined) {
    throw new Problem('not-supported', 'the type has no compartments', {
      hint: `Compartments are those of ${compartmentTypes.join(', ')}.`,
    });
  }
  return Object.keys(members);
}

/** @throws Problem not-supported for a type that is never in the compartment; value for an id that cannot be */
export function compartmentFilter({ type, id }: Compartment, types: readonly string[]): CompartmentFilter {
  const members = membersOf({ type, id });
  const stranger = types.find((member) => !members.includes(member));
  if (stranger !== undefined) {
    throw new Problem('not-supported', `${stranger} is never in the compartment of a ${type}`, {
      hint: `Search ${stranger} by its own parameters.`,
    });
  }
  if (!idPattern.test(id)) throw new Problem('value', 'the compartment has no possible id');
  return {
    kind: 'compartment',
    param: { code: type, type: 'special', url: compartmentUrl(type) },
    id,
    members: groupsOf(type, types),
    includesFocus: types.includes(type) && (type === 'Patient' || paramsOf(type, type).includes(self)),
  };
}

function groupsOf(type: string, types: readonly string[]): CompartmentMember[] {
  const groups = Map.groupBy(types, (member) =>
    paramsOf(type, member)
      .filter((code) => code !== self)
      .join(),
  );
  return Array.from(groups, ([params, members]) => ({ types: members, params: params.split(',') })).filter(
    ({ params }) => params[0] !== '',
  );
}

function paramsOf(type: string, member: string): readonly string[] {
  return compartmentDefinition(type)?.[member] ?? [];
}

/** Canonical URL of the definition. */
export function compartmentUrl(type: string): string {
  return `http://hl7.org/fhir/CompartmentDefinition/${type.charAt(0).toLowerCase()}${type.slice(1)}`;
}
