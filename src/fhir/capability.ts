/**
 * The CapabilityStatement, built from what the server is told it routes and from the parameters the search grammar reads, so it
 * can only say what is true.
 *
 * @see https://hl7.org/fhir/R4/capabilitystatement.html
 */
import { compartmentTypes } from './definitions.ts';
import { searchParams } from './params.ts';
import { compartmentUrl } from './search/compartment.ts';
import type { SearchParam } from './search-request.ts';
import { includesOf, isSearchable, revIncludesOf } from './search.ts';
import { resourceTypes, type AnyResource } from './types.ts';

/** @see https://hl7.org/fhir/R4/valueset-type-restful-interaction.html */
export type TypeInteraction =
  | 'read'
  | 'vread'
  | 'update'
  | 'patch'
  | 'delete'
  | 'history-instance'
  | 'history-type'
  | 'create'
  | 'search-type';

export type SystemInteraction = 'transaction' | 'batch' | 'search-system' | 'history-system';

export interface ServedOperation {
  readonly name: string;
  /** Canonical URL of the OperationDefinition. */
  readonly definition: string;
}

export interface ServedType {
  readonly interactions: readonly TypeInteraction[];
  readonly operations?: readonly ServedOperation[];
  /** Interactions that take a condition in the place of an id. */
  readonly conditional?: readonly TypeInteraction[];
  /** Canonical URLs of loaded profiles that it is validated by, when it names them. */
  readonly profiles?: readonly string[];
  /** Its search takes `_include` and `_revinclude`. */
  readonly includes?: boolean;
  /** Canonical URLs of the topics that one can subscribe to. */
  readonly topics?: readonly string[];
  /** Its search takes these parameters alone. */
  readonly searchParams?: ReadonlySet<string>;
}

export interface Capability {
  /** FHIR base URL without a slash at the end. */
  readonly base: string;
  readonly software: { readonly name: string; readonly version: string };
  /** FHIR instant of the build or start: when what is said here began to be true. */
  readonly date: string;
  /** What is routed for a type; undefined for a type that is not served. */
  readonly types: (type: string) => ServedType | undefined;
  readonly system?: readonly SystemInteraction[];
  /** Media types a patch may have. */
  readonly patchFormats?: readonly string[];
  readonly operations?: readonly ServedOperation[];
  /** Canonical URLs of the statements of guides that the server meets. */
  readonly instantiates?: readonly string[];
  /** Where notifications over a websocket are had. */
  readonly websocket?: string;
  /** `{base}/oauth/...` for SMART; omitted when the server has no authorization server to name. */
  readonly oauth?: Readonly<Record<string, string>>;
}

export function buildCapability(capability: Capability): AnyResource {
  const { base, software, date, system = [], operations = [] } = capability;
  const types = resourceTypes.flatMap((type) => {
    const served = capability.types(type);
    return served === undefined ? [] : [describeType(type, served)];
  });
  return {
    resourceType: 'CapabilityStatement',
    url: `${base}/metadata`,
    status: 'active',
    date,
    kind: 'instance',
    ...listed('instantiates', capability.instantiates ?? []),
    software,
    implementation: { description: software.name, url: base },
    fhirVersion: '4.0.1',
    format: ['application/fhir+json', 'json'],
    ...listed('patchFormat', capability.patchFormats ?? []),
    rest: [
      {
        ...listed('extension', capability.websocket === undefined ? [] : [websocketExtension(capability.websocket)]),
        mode: 'server',
        security: describeSecurity(capability.oauth),
        resource: types,
        ...listed(
          'interaction',
          system.map((code) => ({ code })),
        ),
        // FHIR R4 capabilitystatement.html: the CompartmentDefinitions that may be searched.
        ...listed('compartment', system.includes('search-system') ? compartmentUrls() : []),
        ...listed('operation', operations),
      },
    ],
  };
}

function compartmentUrls(): string[] {
  return compartmentTypes.map((type) => compartmentUrl(type));
}

/** FHIR JSON has no empty lists. */
function listed(name: string, items: readonly unknown[]): Record<string, unknown> {
  return items.length === 0 ? {} : { [name]: items };
}

function describeType(type: string, served: ServedType): object {
  const { conditional = [] } = served;
  const isSearched = served.interactions.includes('search-type');
  const params = isSearched
    ? [...searchParams(type).values()]
        .filter((param) => isSearchable(param) && param.isPartial !== true)
        .filter(({ code }) => served.searchParams?.has(code) ?? true)
    : [];
  return {
    ...listed('extension', (served.topics ?? []).map(topicExtension)),
    type,
    profile: `http://hl7.org/fhir/StructureDefinition/${type}`,
    ...listed('supportedProfile', served.profiles ?? []),
    interaction: served.interactions.map((code) => ({ code })),
    versioning: 'versioned-update',
    readHistory: served.interactions.includes('vread'),
    updateCreate: served.interactions.includes('update'),
    conditionalCreate: conditional.includes('create'),
    conditionalRead: served.interactions.includes('read') ? 'full-support' : 'not-supported',
    conditionalUpdate: conditional.includes('update'),
    conditionalDelete: conditional.includes('delete') ? 'multiple' : 'not-supported',
    ...(served.includes ? { searchInclude: includesOf(type), searchRevInclude: revIncludesOf(type) } : {}),
    ...listed('searchParam', params.map(describeParam)),
    ...listed('operation', served.operations ?? []),
  };
}

/** @see https://hl7.org/fhir/R4/extension-capabilitystatement-websocket.html */
function websocketExtension(valueUri: string): object {
  return { url: 'http://hl7.org/fhir/StructureDefinition/capabilitystatement-websocket', valueUri };
}

/** @see https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/StructureDefinition-capabilitystatement-subscriptiontopic-canonical.html */
function topicExtension(valueCanonical: string): object {
  const guide = 'http://hl7.org/fhir/uv/subscriptions-backport';
  return { url: `${guide}/StructureDefinition/capabilitystatement-subscriptiontopic-canonical`, valueCanonical };
}

function describeParam(param: SearchParam): object {
  return { name: param.code, definition: param.url, type: param.type };
}

/** @see http://hl7.org/fhir/smart-app-launch/conformance.html */
function describeSecurity(oauth: Capability['oauth']): object {
  const system = 'http://terminology.hl7.org/CodeSystem/restful-security-service';
  const service = [{ coding: [{ system, code: 'SMART-on-FHIR' }] }];
  if (oauth === undefined) return { cors: true, service };
  const uris = Object.entries(oauth).map(([url, valueUri]) => ({ url, valueUri }));
  const url = 'http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris';
  return { extension: [{ url, extension: uris }], cors: true, service };
}
