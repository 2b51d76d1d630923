/**
 * What is kept of a definition: the elements that validation reads. A snapshot of US Core has 150 KiB, of which 10 say
 * something here.
 */
import { Problem } from '../problem.ts';
import type { AnyResource } from '../types.ts';
import type { Definition } from './library.ts';

/** Types of what a package brings; all others are passed over. */
export const definitionTypes: ReadonlySet<string> = new Set(['StructureDefinition', 'ValueSet', 'CodeSystem']);

type Json = Record<string, unknown>;

const keptOfElement =
  /^(id|path|min|max|slicing|maxLength|contentReference|(fixed|pattern|minValue|maxValue)[A-Z]\w*)$/;

/** undefined for what constrains nothing: other types, new types, logical models. @throws Problem required, without a URL */
export function readDefinition(resource: AnyResource): Definition | undefined {
  const { resourceType, url } = resource;
  if (!definitionTypes.has(resourceType)) return undefined;
  if (resourceType === 'StructureDefinition' && resource['derivation'] !== 'constraint') return undefined;
  if (typeof url !== 'string' || url === '') {
    throw new Problem('required', `a ${resourceType} has no url`, { expression: `${resourceType}.url` });
  }
  const kept = pick(resource, ['resourceType', 'url', 'version', 'name']);
  if (resourceType === 'StructureDefinition') Object.assign(kept, profileOf(resource));
  if (resourceType === 'CodeSystem') Object.assign(kept, { content: resource['content'], concept: concepts(resource) });
  if (resourceType === 'ValueSet') {
    const expansion = resource['expansion'] as Json | undefined;
    Object.assign(kept, { compose: resource['compose'] });
    if (expansion !== undefined)
      Object.assign(kept, { expansion: { total: expansion['total'], contains: contains(expansion) } });
  }
  return kept as Definition;
}

function pick(from: Json, names: readonly string[]): Json {
  return Object.fromEntries(names.filter((name) => from[name] !== undefined).map((name) => [name, from[name]]));
}

function profileOf(resource: AnyResource): Json {
  const kept = pick(resource, ['type', 'kind', 'derivation', 'baseDefinition']);
  for (const view of ['differential', 'snapshot'] as const) {
    const elements = (resource[view] as { element?: unknown } | undefined)?.element;
    if (Array.isArray(elements)) kept[view] = { element: (elements as Json[]).map(elementOf) };
  }
  return kept;
}

function elementOf(element: Json): Json {
  const kept = Object.fromEntries(Object.entries(element).filter(([name]) => keptOfElement.test(name)));
  const list = (name: string): Json[] => (Array.isArray(element[name]) ? (element[name] as Json[]) : []);
  const types = list('type').map((type) => pick(type, ['code', 'profile', 'targetProfile']));
  if (types.length > 0) kept['type'] = types;
  const rules = list('constraint').map((rule) => pick(rule, ['key', 'severity', 'human', 'expression']));
  if (rules.length > 0) kept['constraint'] = rules;
  const binding = element['binding'] as Json | undefined;
  if (binding !== undefined) kept['binding'] = pick(binding, ['strength', 'valueSet']);
  return kept;
}

/** Codes and where they stand. */
function concepts(parent: Json): Json[] | undefined {
  if (!Array.isArray(parent['concept'])) return undefined;
  return (parent['concept'] as Json[]).map((concept) => {
    const property = (Array.isArray(concept['property']) ? (concept['property'] as Json[]) : []).filter(({ code }) =>
      /^(subsumedBy|parent)$/.test(String(code)),
    );
    const below = concepts(concept);
    return {
      code: concept['code'],
      ...(property.length > 0 ? { property } : {}),
      ...(below === undefined ? {} : { concept: below }),
    };
  });
}

function contains(parent: Json): Json[] | undefined {
  if (!Array.isArray(parent['contains'])) return undefined;
  return (parent['contains'] as Json[]).map((one) => ({
    ...pick(one, ['system', 'code', 'abstract']),
    ...(contains(one) === undefined ? {} : { contains: contains(one) }),
  }));
}
