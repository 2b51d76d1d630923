/** CodeSystem/$lookup: what a code means. @see https://hl7.org/fhir/R4/codesystem-operation-lookup.html */
import { Problem } from '../../fhir/problem.ts';
import { findConcept, parentsAndChildren, type StoredConcept } from '../../store/terminology/hierarchy.ts';
import { requireSystem } from '../../store/terminology/library.ts';
import { HttpProblem } from '../respond.ts';
import { displayIn } from './expand.ts';
import { codingsIn, parameters, terminologyOperation, valueString, type Parameter } from './terminology.ts';

export const lookup = terminologyOperation({
  type: 'CodeSystem',
  name: 'lookup',
  levels: ['type'],
  allowed: ['code', 'system', 'version', 'coding', 'displayLanguage', 'property'],
  answer: async (library, input) => {
    const [{ system: url, version, code = '' } = {}] = codingsIn(input, 'version');
    if (url === undefined) throw new Problem('required', 'a code has a system', { expression: 'system' });
    const system = await requireSystem(library, url, version);
    const concept = await findConcept(library, system, code);
    if (concept === undefined) {
      throw new HttpProblem(404, 'not-found', 'the code system has no such code', { expression: 'code' });
    }
    const language = input.text('displayLanguage');
    const { name = url, title } = system.header as { name?: string; title?: string };
    const around = await parentsAndChildren(library, system, concept.code);
    const wanted = new Set(input.list('property'));
    return parameters([
      ['name', valueString(title ?? name)],
      ['version', valueString(system.version)],
      ['display', valueString(displayIn(language, concept.display, concept.designations) ?? concept.code)],
      ...(isWanted(wanted, 'designation') ? designationsOf(concept) : []),
      ...propertiesOf(concept, around)
        .filter(([code]) => isWanted(wanted, code))
        .map(([, part]): Parameter => ['property', { part }]),
    ]);
  },
});

/** R4: "If no properties are specified, the server chooses what to return": everything. */
function isWanted(wanted: ReadonlySet<string>, code: string): boolean {
  return wanted.size === 0 || wanted.has(code);
}

function designationsOf({ designations }: StoredConcept): Parameter[] {
  return (designations ?? []).map(({ language, use, value }) => [
    'designation',
    {
      part: [
        ...(language === undefined ? [] : [{ name: 'language', valueCode: language }]),
        ...(use === undefined ? [] : [{ name: 'use', valueCoding: use }]),
        { name: 'value', valueString: value },
      ],
    },
  ]);
}

interface Around {
  readonly parents: readonly string[];
  readonly children: readonly string[];
}

function propertiesOf(
  { definition, properties, is_inactive }: StoredConcept,
  { parents, children }: Around,
): [string, object[]][] {
  const part = (code: string, value: object): [string, object[]] => [
    code,
    [
      { name: 'code', valueCode: code },
      { name: 'value', ...value },
    ],
  ];
  const own = (properties ?? []).filter(({ code }) => !/^(parent|child|inactive)$/.test(code));
  return [
    ...(definition === null ? [] : [part('definition', { valueString: definition })]),
    part('inactive', { valueBoolean: is_inactive }),
    ...parents.map((code) => part('parent', { valueCode: code })),
    ...children.map((code) => part('child', { valueCode: code })),
    ...own.map(({ code, ...value }) => part(code, value)),
  ];
}
