/**
 * What FHIR clients see of the registry: an Endpoint for each endpoint, and the Organization whose records it sends, where nobody has
 * written a better one. Both are the organization's own: seen by it, as all that it wrote.
 *
 * @see https://hl7.org/fhir/R4/endpoint.html
 */
import type { Endpoint as EndpointResource, Organization } from '@medplum/fhirtypes';
import { everything } from '../../store/visibility.ts';
import type { Tx } from '../../db.ts';
import { deriveId } from '../../fhir/ids.ts';
import type { AnyResource } from '../../fhir/types.ts';
import { commit } from '../../store/commit.ts';
import { readRows } from '../../store/read.ts';
import type { Write } from '../../store/row.ts';
import type { Endpoint, EndpointKind, EndpointState } from '../contract.ts';
import { isHl7 } from './description.ts';
import { readSharedSettings } from './settings.ts';

/** Where this hub is reached. */
export interface Places {
  /** Without a slash at the end. */
  readonly publicUrl: string;
  /** Of the shared MLLP listener. */
  readonly mllpPort: number;
  readonly isMllpTls: boolean;
}

/** Within the transaction that changes the endpoints. */
export async function publishEndpoints(
  tx: Tx,
  endpoints: readonly Endpoint[],
  places: Places,
  at: Date,
): Promise<void> {
  const owners = new Set(endpoints.map(({ organization }) => organization));
  const keys = Array.from(owners, (owner) => ({ type: 'Organization', id: idIn(owner) }));
  const held = await readRows(tx, everything('who has the names of organizations'), keys);
  const ownerOf = new Map(held.map(({ id, owner }) => [id, owner]));
  const writes = endpoints.flatMap((endpoint): Write[] => {
    const { organization: owner } = endpoint;
    const write: Write = { kind: 'draft', owner, resource: asResource(endpointResource(endpoint, places)) };
    // Of somebody else it is theirs to say.
    const isOurs = (ownerOf.get(idIn(owner)) ?? owner) === owner;
    return isOurs ? [organizationWrite(endpoint, idIn(owner)), write] : [write];
  });
  await commit(tx, writes, { at });
}

function idIn(organization: string): string {
  return organization.slice('Organization/'.length);
}

export function endpointResource(endpoint: Endpoint, places: Places): EndpointResource {
  const { name, kind, organization, state, config } = endpoint;
  const { title, contact } = readSharedSettings(config);
  return {
    resourceType: 'Endpoint',
    id: deriveId(undefined, [organization, 'Endpoint', name]),
    identifier: [{ system: `${places.publicUrl}/ops/endpoints`, value: name }],
    status: status[state],
    connectionType: connectionType(kind),
    name: title ?? name,
    managingOrganization: { reference: organization },
    ...(contact !== undefined && {
      contact: [{ system: contact.includes('@') ? 'email' : 'phone', value: contact }],
    }),
    payloadType: [{ text: isHl7(kind) ? 'HL7 v2' : 'FHIR' }],
    address: addressOf(endpoint, places),
  };
}

/** @see https://hl7.org/fhir/R4/valueset-endpoint-status.html `off`: no longer, or not yet, in use */
const status: Readonly<Record<EndpointState, EndpointResource['status']>> = {
  draft: 'off',
  testing: 'test',
  live: 'active',
  paused: 'suspended',
  retired: 'off',
};

/** @see http://terminology.hl7.org/CodeSystem/endpoint-connection-type */
function connectionType(kind: EndpointKind): EndpointResource['connectionType'] {
  if (kind === 'hl7v2-mllp') return { system: standardTypes, code: kind };
  if (kind.startsWith('fhir-')) return { system: standardTypes, code: 'hl7-fhir-rest' };
  return { system: ownTypes, code: kind };
}
const standardTypes = 'http://terminology.hl7.org/CodeSystem/endpoint-connection-type';
/** Transports that the standard has no code for. */
const ownTypes = 'https://health-record-hub.example/fhir/CodeSystem/endpoint-kind';

function addressOf({ name, kind, port, folder, config }: Endpoint, { publicUrl, mllpPort, isMllpTls }: Places): string {
  switch (kind) {
    case 'hl7v2-mllp':
      return `${isMllpTls ? 'mllps' : 'mllp'}://${new URL(publicUrl).hostname}:${port ?? mllpPort}`;
    case 'hl7v2-http':
      return `${publicUrl}/hl7v2`;
    case 'hl7v2-folder':
      return `file://${folder}`;
    case 'fhir-push':
      return `${publicUrl}/fhir-push/${name}`;
    case 'device-http':
      return `${publicUrl}/device/${name}`;
    default:
      return typeof config['base'] === 'string' && config['base'] !== '' ? config['base'] : publicUrl;
  }
}

function organizationWrite({ organization: owner, facilities, config }: Endpoint, id: string): Write {
  const { organizationName } = readSharedSettings(config);
  const named = facilities.filter((facility) => facility !== '*');
  const resource: Organization = {
    resourceType: 'Organization',
    id,
    active: true,
    name: organizationName ?? id,
    ...(named.length > 0 && { identifier: named.map((value) => ({ type: { text: 'MSH-4' }, value })) }),
  };
  const guessed = ['active', 'identifier', ...(organizationName === undefined ? ['name'] : [])];
  return { kind: 'draft', mode: 'merge', fallback: guessed, owner, resource: asResource(resource) };
}

/** The types of FHIR have no index signature, and a row is any resource. */
function asResource(resource: EndpointResource | Organization): AnyResource {
  return resource as unknown as AnyResource;
}
