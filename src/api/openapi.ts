/**
 * The OpenAPI document, made from the table of routes and from the search parameters the grammar reads, as the
 * CapabilityStatement is: for tools that know HTTP and not FHIR. Each type has a path of its own, because each has its own
 * search; below it the type is a parameter.
 *
 * @see https://spec.openapis.org/oas/v3.1.0
 */
import type { Capability } from '../fhir/capability.ts';
import { searchParams } from '../fhir/params.ts';
import { isSearchable } from '../fhir/search.ts';
import { renderedParams } from './audit-event.ts';
import { resourceTypes } from '../fhir/types.ts';
import { formMediaTypes } from './incoming.ts';
import type { Interaction } from './interaction.ts';
import { patchFormats } from './write/patch.ts';
import { fixedTypes, type Route } from './routes.ts';

type Server = Pick<Capability, 'base' | 'software'>;
type Json = Readonly<Record<string, unknown>>;

/** Read without a token. */
const openPaths: Readonly<Record<string, string>> = {
  '/metadata': 'What the server does: CapabilityStatement, or with mode=terminology TerminologyCapabilities',
  '/.well-known/smart-configuration': 'Where tokens come from',
  '/openapi.json': 'This document',
};

export function buildOpenApi({ base, software }: Server, routes: readonly Route[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const [path, summary] of Object.entries(openPaths)) paths[path] = { get: openDocument(path, summary) };
  for (const route of routes) {
    for (const { path, type } of placesOf(route)) {
      (paths[path] ??= {})[route.method] = describe(route, path, type);
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: `${software.name}: FHIR R4`,
      version: software.version,
      description:
        'The FHIR R4 (4.0.1) REST API. Each answer is what the token, its scope and the Consents of the patients allow.',
    },
    externalDocs: { url: 'https://hl7.org/fhir/R4/http.html' },
    servers: [{ url: base }],
    security: [{ token: [] }],
    paths,
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
      parameters: Object.fromEntries([...fixed, ...searched()]),
      schemas,
      responses: {
        problem: {
          description: 'What is wrong, and what to do about it',
          content: { 'application/fhir+json': { schema: schemaOf('OperationOutcome') } },
        },
      },
    },
  };
}

/** A route of a type has a path for each type, unless the type has routes of its own. */
function placesOf({ path }: Route): { path: string; type?: string }[] {
  if (path !== '/:type') return [{ path: path.replaceAll(/:(\w+)/g, '{$1}') }];
  return resourceTypes.filter((type) => !fixedTypes.has(type)).map((type) => ({ path: `/${type}`, type }));
}

function openDocument(path: string, summary: string): object {
  const content = { 'application/json': { schema: { type: 'object' } } };
  return {
    operationId: nameOf('get', path),
    summary,
    security: [],
    responses: { 200: { description: summary, content } },
  };
}

function describe({ method, interaction }: Route, path: string, type: string | undefined): object {
  const { code, operation } = interaction;
  return {
    operationId: nameOf(method, path),
    summary: operation === undefined ? `${code}${type === undefined ? '' : ` of ${type}`}` : `$${operation.name}`,
    tags: [operation === undefined ? code : 'operation'],
    ...(operation === undefined ? {} : { externalDocs: { url: operation.definition } }),
    parameters: parametersOf(method, interaction, path, type).map((key) => ({
      $ref: `#/components/parameters/${key}`,
    })),
    ...bodyOf(method, interaction, path),
    responses: responsesOf(method, interaction),
  };
}

/** `get_Patient_id_history`: unique, and a name in every language that clients are generated in. */
function nameOf(method: string, path: string): string {
  const words = path
    .replace(/\*$/, 'all')
    .split(/[^A-Za-z0-9]+/)
    .filter((word) => word !== '');
  return [method, ...words].join('_');
}

function parametersOf(method: string, interaction: Interaction, path: string, type: string | undefined): string[] {
  const { code, operation } = interaction;
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => `path-${name}`);
  return [
    ...inPath,
    ...common,
    ...(operation === undefined ? ofCode(code, method, type) : []),
    ...(interaction.isConditional && method !== 'post' ? paramsOf(type) : []),
  ];
}

const common = ['_format', '_pretty'];
const parts = ['_summary', '_elements'];
const results = ['_sort', '_count', '_total', '_include', '_revinclude', '_has', '_list', '_filter'];

function ofCode(code: Interaction['code'], method: string, type: string | undefined): string[] {
  switch (code) {
    case 'read':
    case 'vread':
      return [...parts, 'If-None-Match', 'If-Modified-Since'];
    case 'history-instance':
    case 'history-type':
    case 'history-system':
      return [...parts, '_count', '_since', '_at', 'Prefer'];
    case 'search-type':
      return [...parts, ...results, 'Prefer', ...(method === 'get' ? paramsOf(type) : [])];
    case 'search-system':
      return [...parts, ...results, '_type', 'Prefer'];
    case 'create':
      return ['If-None-Exist', 'Prefer'];
    case 'update':
    case 'patch':
    case 'delete':
      return ['If-Match', 'Prefer'];
    default:
      return ['Prefer'];
  }
}

/** The search parameters of a type, but those that stand in every search. */
function paramsOf(type: string | undefined): string[] {
  if (type === undefined) return [];
  return [...searchParams(type).values()]
    .filter((param) => isSearchable(param) && !results.includes(param.code))
    .filter(({ code }) => renderedParams.get(type)?.has(code) ?? true)
    .map((param) => keyOf(param.code, param.type));
}

const keyOf = (code: string, type: string): string => `search-${code}-${type}`;

function* searched(): Generator<[string, Json]> {
  for (const resourceType of resourceTypes) {
    for (const { code, type } of searchParams(resourceType).values()) {
      yield [keyOf(code, type), query(code, `A search parameter of type ${type}`, true)];
    }
  }
}

/** Repeated parameters are all to hold. @see https://hl7.org/fhir/R4/search.html#combining */
function query(name: string, description: string, isRepeated = false): Json {
  const text = { type: 'string' };
  return {
    name,
    in: 'query',
    description,
    schema: isRepeated ? { type: 'array', items: text } : text,
    ...(isRepeated ? { style: 'form', explode: true } : {}),
  };
}

const header = (name: string, description: string): Json => ({
  name,
  in: 'header',
  description,
  schema: { type: 'string' },
});
const inPath = (name: string, schema: Json): [string, Json] => [
  `path-${name}`,
  { name, in: 'path', required: true, schema },
];
const idSchema = { type: 'string', pattern: '^[A-Za-z0-9\\-.]{1,64}$' };

const fixed: readonly (readonly [string, Json])[] = [
  inPath('type', { type: 'string', enum: resourceTypes }),
  inPath('compartment', { type: 'string' }),
  ...['id', 'focus', 'version'].map((name) => inPath(name, idSchema)),
  ['_format', query('_format', 'json; overrides Accept')],
  ['_pretty', query('_pretty', 'true: printed to be read')],
  ['_summary', query('_summary', 'true, text, data, false; of a search also count')],
  ['_elements', query('_elements', 'Elements to answer, separated by commas')],
  ['_sort', query('_sort', 'Search parameters, each with - before it for descending, separated by commas')],
  ['_count', query('_count', 'Resources of a page')],
  ['_total', query('_total', 'none, estimate or accurate')],
  ['_include', query('_include', 'Type:parameter: what is referred to', true)],
  ['_revinclude', query('_revinclude', 'Type:parameter: what refers to it', true)],
  ['_has', { ...query('_has', 'Name it _has:Type:reference:parameter'), allowEmptyValue: true }],
  ['_list', query('_list', 'What the List of this id holds')],
  ['_filter', query('_filter', 'An expression over the search parameters')],
  ['_type', query('_type', 'Types, separated by commas')],
  ['_since', query('_since', 'Versions made at or after it')],
  ['_at', query('_at', 'Versions current at some time within it')],
  ['If-Match', header('If-Match', 'W/"3": only if that is the current version')],
  ['If-None-Match', header('If-None-Match', 'W/"3": 304 if that is the current version')],
  ['If-Modified-Since', header('If-Modified-Since', '304 unless it has changed since')],
  ['If-None-Exist', header('If-None-Exist', 'A search: only if it finds nothing')],
  ['Prefer', header('Prefer', 'return=minimal, representation or OperationOutcome; handling=strict or lenient')],
];

function bodyOf(method: string, { code, operation }: Interaction, path: string): object {
  if (method === 'get' || method === 'delete') return {};
  const body = (schema: string, types: readonly string[]): object => ({
    requestBody: { required: operation === undefined, content: contentOf(types, schema) },
  });
  if (path.endsWith('/_search')) return body('Form', formMediaTypes);
  if (code === 'patch') return body('Patch', patchFormats);
  if (operation !== undefined) return body('Parameters', ['application/fhir+json']);
  return body(code === 'transaction' || code === 'batch' ? 'Bundle' : 'Resource', ['application/fhir+json']);
}

function contentOf(types: readonly string[], schema: string): object {
  return Object.fromEntries(types.map((type) => [type, { schema: schemaOf(schema) }]));
}

function schemaOf(name: string): object {
  return { $ref: `#/components/schemas/${name}` };
}

function responsesOf(method: string, { code, operation, accepts = [] }: Interaction): object {
  const isBundle = /^(search|history|transaction|batch)/.test(code);
  const content = contentOf(['application/fhir+json', ...accepts], isBundle ? 'Bundle' : 'Resource');
  const status = code === 'create' ? 201 : method === 'delete' ? 204 : 200;
  const done = { description: 'Done', ...(status === 204 ? {} : { content }) };
  return {
    [status]: done,
    ...(code === 'update' ? { 201: { ...done, description: 'Created' } } : {}),
    ...(code === 'read' || code === 'vread' ? { 304: { description: 'Not modified' } } : {}),
    ...(operation?.name === 'export' ? { 202: { description: 'Begun: Content-Location says where to look' } } : {}),
    default: { $ref: '#/components/responses/problem' },
  };
}

/** R4 has a JSON Schema of 3.6 MB (https://hl7.org/fhir/R4/fhir.schema.json.zip); here is what carries them. */
const schemas = {
  Resource: {
    type: 'object',
    required: ['resourceType'],
    properties: { resourceType: { type: 'string' }, id: { type: 'string' }, meta: { type: 'object' } },
    externalDocs: { url: 'https://hl7.org/fhir/R4/resourcelist.html' },
  },
  Bundle: resourceSchema('Bundle', { type: { type: 'string' }, entry: { type: 'array', items: { type: 'object' } } }),
  Parameters: resourceSchema('Parameters', { parameter: { type: 'array', items: { type: 'object' } } }),
  OperationOutcome: resourceSchema('OperationOutcome', { issue: { type: 'array', items: { type: 'object' } } }),
  Patch: { description: 'JSON Patch (RFC 6902), or Parameters of a FHIRPath Patch' },
  Form: { type: 'object', additionalProperties: true },
};

function resourceSchema(name: string, properties: Json): object {
  return {
    type: 'object',
    required: ['resourceType'],
    properties: { resourceType: { const: name }, ...properties },
    externalDocs: { url: `https://hl7.org/fhir/R4/${name.toLowerCase()}.html` },
  };
}
