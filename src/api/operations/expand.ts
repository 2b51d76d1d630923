/** ValueSet/$expand: the codes of a value set, whole or in pages. @see https://hl7.org/fhir/R4/valueset-operation-expand.html */
import { Problem } from '../../fhir/problem.ts';
import type { Designation } from '../../fhir/terminology.ts';
import type { AnyResource } from '../../fhir/types.ts';
import { expand as expandValueSet, expansionMax, type Expansion, type Member } from '../../store/terminology/expand.ts';
import type { OperationInput } from './input.ts';
import { named, newIdentifier, resourceIn, terminologyOperation } from './terminology.ts';

export const expand = terminologyOperation({
  type: 'ValueSet',
  name: 'expand',
  levels: ['type', 'instance'],
  // Expansions here are flat and hold no post-coordinated codes, whatever the `exclude...` say.
  allowed: (
    'url valueSet valueSetVersion filter offset count activeOnly displayLanguage includeDesignations includeDefinition ' +
    'excludeNested excludePostCoordinated'
  ).split(' '),
  resource: 'valueSet',
  answer: async (library, input, { incoming, facade }) => {
    const wanted = readWanted(input);
    const sent = resourceIn(input, 'valueSet', 'ValueSet');
    const name = { id: incoming.id, url: input.text('url'), version: input.text('valueSetVersion') };
    const valueSet = sent ?? (await named(library, 'ValueSet', name))?.header;
    if (valueSet === undefined) {
      throw new Problem('required', 'no value set is named', { expression: 'url', hint: 'Send url or valueSet.' });
    }
    const expansion = await expandValueSet(library, valueSet, wanted);
    return render(valueSet, expansion, wanted, new Date(facade.now()));
  },
});

type Wanted = ReturnType<typeof readWanted>;

function readWanted(input: OperationInput) {
  return {
    filter: input.text('filter'),
    offset: input.number('offset', { min: 0, max: 999_999_999 }) ?? 0,
    count: input.number('count', { min: 0, max: expansionMax }),
    activeOnly: input.flag('activeOnly'),
    displayLanguage: input.text('displayLanguage'),
    includeDesignations: input.flag('includeDesignations') ?? false,
    includeDefinition: input.flag('includeDefinition') ?? false,
  };
}

function render(valueSet: AnyResource, { total, members }: Expansion, wanted: Wanted, at: Date): object {
  const { compose, expansion: _expansion, ...header } = valueSet;
  const isPaged = wanted.count !== undefined || wanted.offset > 0;
  return {
    ...header,
    ...(wanted.includeDefinition && compose !== undefined ? { compose } : {}),
    expansion: {
      identifier: newIdentifier(),
      timestamp: at.toISOString(),
      total,
      ...(isPaged ? { offset: wanted.offset } : {}),
      ...listed('parameter', parametersOf(wanted, members)),
      ...listed(
        'contains',
        members.map((member) => contains(member, wanted)),
      ),
    },
  };
}

/** FHIR JSON has no empty arrays. */
function listed(name: string, list: readonly object[]): object {
  return list.length === 0 ? {} : { [name]: list };
}

/** R4 valueset-definitions.html#ValueSet.expansion.parameter: what was asked, and which versions answered. */
function parametersOf(
  { filter, count, offset, activeOnly, displayLanguage, ...more }: Wanted,
  members: readonly Member[],
): object[] {
  const versions = new Set(
    members.filter(({ version }) => version !== null).map(({ system, version }) => `${system}|${version}`),
  );
  return [
    ...(filter === undefined ? [] : [{ name: 'filter', valueString: filter }]),
    ...(count === undefined ? [] : [{ name: 'count', valueInteger: count }]),
    ...(offset === 0 ? [] : [{ name: 'offset', valueInteger: offset }]),
    ...(activeOnly === undefined ? [] : [{ name: 'activeOnly', valueBoolean: activeOnly }]),
    ...(displayLanguage === undefined ? [] : [{ name: 'displayLanguage', valueCode: displayLanguage }]),
    ...(more.includeDesignations ? [{ name: 'includeDesignations', valueBoolean: true }] : []),
    ...Array.from(versions, (version) => ({ name: 'version', valueUri: version })),
  ];
}

function contains(member: Member, { displayLanguage, includeDesignations }: Wanted): object {
  const { system, version, code, isAbstract, isInactive, designations } = member;
  const display = displayIn(displayLanguage, member.display, designations);
  return {
    system,
    ...(isAbstract ? { abstract: true } : {}),
    ...(isInactive ? { inactive: true } : {}),
    ...(version === null ? {} : { version }),
    code,
    ...(display === null ? {} : { display }),
    ...(includeDesignations && designations !== null ? { designation: designations } : {}),
  };
}

/** In the language that is wanted, or one of its dialects; as the code system says otherwise. */
export function displayIn(
  language: string | undefined,
  display: string | null,
  designations: readonly Designation[] | null,
): string | null {
  if (language === undefined) return display;
  const wanted = language.toLowerCase();
  const names = (designations ?? []).filter((one) => one.language !== undefined);
  const exact = names.find((one) => one.language?.toLowerCase() === wanted);
  const dialect = names.find((one) => one.language?.toLowerCase().startsWith(`${wanted}-`));
  return (exact ?? dialect)?.value ?? display;
}
