/** ConceptMap/$translate: what a code is elsewhere. @see https://hl7.org/fhir/R4/conceptmap-operation-translate.html */
import { Problem } from '../../fhir/problem.ts';
import type { Found, Library } from '../../store/terminology/library.ts';
import {
  isTranslation,
  translate as translateCode,
  type Dependency,
  type Match,
} from '../../store/terminology/translate.ts';
import type { Coding } from '../../store/terminology/validate-code.ts';
import type { OperationInput } from './input.ts';
import {
  codingsIn,
  named,
  parameters,
  readCoding,
  terminologyOperation,
  valueString,
  type Parameter,
} from './terminology.ts';

export const translate = terminologyOperation({
  type: 'ConceptMap',
  name: 'translate',
  levels: ['type', 'instance'],
  allowed:
    'url conceptMapVersion code system version coding codeableConcept source target targetsystem dependency reverse'.split(
      ' ',
    ),
  answer: async (library, input, { incoming }) => {
    const name = { id: incoming.id, url: input.text('url'), version: input.text('conceptMapVersion') };
    const map = await named(library, 'ConceptMap', name);
    const matches: Match[] = [];
    for (const coding of codingsIn(input, 'version')) matches.push(...(await matchesOf(library, map, coding, input)));
    const isTranslated = matches.some(isTranslation);
    return parameters([
      ['result', { valueBoolean: isTranslated }],
      ['message', isTranslated ? undefined : valueString('no map has a translation of this code')],
      ...matches.map(render),
    ]);
  },
});

async function matchesOf(
  library: Library,
  map: Found | undefined,
  coding: Coding,
  input: OperationInput,
): Promise<Match[]> {
  const { code } = coding;
  if (code === undefined) return [];
  return translateCode(library, {
    map,
    coding: { ...coding, code },
    source: input.text('source'),
    target: input.text('target'),
    targetSystem: input.text('targetsystem'),
    dependencies: input.all('dependency').map(readDependency),
    isReverse: input.flag('reverse') ?? false,
  });
}

function readDependency(value: unknown): Dependency {
  const parts = Array.isArray(value) ? (value as Record<string, unknown>[]) : [];
  const element = parts.find((part) => part?.['name'] === 'element')?.['valueUri'];
  const concept = parts.find((part) => part?.['name'] === 'concept')?.['valueCodeableConcept'];
  const { coding = [] } = (concept ?? {}) as { coding?: unknown[] };
  if (typeof element === 'string' && Array.isArray(coding)) {
    return { property: element, codings: coding.map((one) => readCoding(one, 'dependency.concept')) };
  }
  throw new Problem('value', 'a dependency has an element and a concept', { expression: 'dependency' });
}

function render({ equivalence, concept, comment: _comment, product = [], map }: Match): Parameter {
  return [
    'match',
    {
      part: [
        { name: 'equivalence', valueCode: equivalence },
        ...(concept === undefined ? [] : [{ name: 'concept', valueCoding: concept }]),
        ...product.map(({ property, system, value, display }) => ({
          name: 'product',
          part: [
            { name: 'element', valueUri: property },
            {
              name: 'concept',
              valueCoding: { ...(system && { system }), code: value, ...(display && { display }) },
            },
          ],
        })),
        ...(map === '' ? [] : [{ name: 'source', valueUri: map }]),
      ],
    },
  ];
}
