/**
 * A row of the audit trail as an AuditEvent of R4, in the shape of IHE's Basic Audit Log Patterns. A success names the profile that it
 * meets; the profiles are of successes alone.
 *
 * @see https://hl7.org/fhir/R4/auditevent.html
 * @see https://profiles.ihe.net/ITI/BALP/content.html
 */
import type { AnyResource } from '../../fhir/types.ts';
import { typeName } from '../../fhir/types.ts';
import { outcomes } from './audit.ts';
import { purposeCodesOf, purposeSystem } from '../principal/purpose.ts';
import type { AuditRow } from './chain.ts';
import { dicom, kindOf, type Coding, type Kind } from './kinds.ts';

const participation = 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType';
const objectRole = 'http://terminology.hl7.org/CodeSystem/object-role';
const entityType = 'http://terminology.hl7.org/CodeSystem/audit-entity-type';
const resourceType = 'http://hl7.org/fhir/resource-types';

/** A row, and of an emergency why the record was opened. */
export interface EventRow extends AuditRow {
  readonly emergency?: string | null;
}

/** @param base FHIR base URL of the hub that recorded it */
export function renderAuditEvent(row: EventRow, base: string): AnyResource {
  const kind = kindOf(row.interaction);
  const at = new Date(row.at).toISOString();
  const purposes = purposesOf(row);
  const profile = profileOf(row, kind);
  return {
    resourceType: 'AuditEvent',
    id: `audit-${row.shard}-${row.seq}`,
    meta: {
      versionId: '1',
      lastUpdated: at,
      ...(profile === undefined
        ? {}
        : { profile: [`https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.${profile}`] }),
    },
    type: kind.type,
    subtype: kind.subtype,
    action: kind.action,
    recorded: at,
    outcome: String(row.outcome),
    outcomeDesc: describe(row, kind),
    ...(purposes.length === 0 ? {} : { purposeOfEvent: purposes }),
    agent: agentsOf(row, kind, base),
    source: {
      site: base,
      observer: server(base),
      type: [
        {
          system: 'http://terminology.hl7.org/CodeSystem/security-source-type',
          code: '4',
          display: 'Application Server',
        },
      ],
    },
    ...listed('entity', entitiesOf(row, kind)),
  };
}

/** FHIR JSON has no empty lists. */
function listed(name: string, items: readonly object[]): object {
  return items.length === 0 ? {} : { [name]: items };
}

/** The profiles are of successes, and want an address and what it is about. */
function profileOf({ outcome, address, patient, resourceId }: AuditRow, { profile }: Kind): string | undefined {
  if (profile === undefined || outcome !== outcomes.success || address === null) return undefined;
  if (profile !== 'Query' && resourceId === null) return undefined;
  return `${patient === null ? '' : 'Patient'}${profile}`;
}

/** What it was for, as codes; and in the words of whoever asked, where they had to say. */
function purposesOf({ purposes, reason, emergency = null }: EventRow): object[] {
  const stated: object[] = purposeCodesOf(purposes).map((code) => ({ coding: [{ system: purposeSystem, code }] }));
  if (emergency !== null) {
    stated.push({ coding: [{ system: purposeSystem, code: 'BTG', display: 'break the glass' }], text: emergency });
  }
  if (reason !== null) stated.push({ text: reason });
  return stated;
}

/** Plain words for whoever reads the raw log. */
function describe({ outcome, rows, decidedBy, interaction, query: asked }: AuditRow, { profile }: Kind): string {
  if (outcome === outcomes.failed) return 'failed';
  if (outcome === outcomes.refused) return profile === undefined ? 'refused' : 'nothing was shown';
  if (profile === undefined) return decidedBy === null ? 'done' : `done, allowed by ${decidedBy}`;
  const how = interaction === 'operation' ? (asked?.split('?', 1)[0] ?? interaction) : interaction;
  const what = `${rows} ${rows === 1 ? 'record' : 'records'} (${how})`;
  return decidedBy === null ? what : `${what}, allowed by ${decidedBy.replaceAll(' ', ', ')}`;
}

const server = (base: string): object => ({ identifier: { value: base }, display: 'Health record hub' });

type Role = 'source' | 'destination' | 'application' | 'custodian';
const roles: Readonly<Record<Role, Coding>> = {
  source: { system: dicom, code: '110153', display: 'Source Role ID' },
  destination: { system: dicom, code: '110152', display: 'Destination Role ID' },
  application: { system: dicom, code: '110150', display: 'Application' },
  custodian: {
    system: 'http://terminology.hl7.org/CodeSystem/provenance-participant-type',
    code: 'custodian',
    display: 'Custodian',
  },
};

/**
 * BALP: what is read flows from the server to the client; a query and a write from the client to the server; a deletion is done
 * by an application to what the server has in custody.
 */
function rolesOf({ profile }: Kind): readonly [client: Role, server: Role] {
  if (profile === 'Read') return ['destination', 'source'];
  return profile === 'Create' || profile === 'Update' || profile === 'Query'
    ? ['source', 'destination']
    : ['application', 'custodian'];
}

const typed = (role: Coding): object => ({ type: { coding: [role] } });

function agentsOf(row: EventRow, kind: Kind, base: string): object[] {
  const { client, subject, organization, jti, address } = row;
  const [ofClient, ofServer] = rolesOf(kind);
  const purposes = purposesOf(row);
  // A service that asks for itself is no user beside the client.
  const user = subject === client ? null : subject;
  // The id of the token, never the token. @see IHE BALP, UserOauthAgent
  const policy = jti === null ? {} : { policy: [`urn:ietf:params:oauth:jti:${encodeURIComponent(jti)}`] };
  const name = client ?? 'unknown';
  const agents: object[] = [
    {
      ...typed(roles[ofClient]),
      who: { identifier: { value: name }, display: name },
      requestor: user === null,
      ...(address === null ? {} : { network: { address, type: networkTypes.address } }),
      ...(user === null ? policy : {}),
      // A deletion's client bears no purpose by its profile; the event does.
      ...(user !== null || purposes.length === 0 || kind.profile === 'Delete' ? {} : { purposeOfUse: purposes }),
    },
    {
      ...typed(roles[ofServer]),
      who: server(base),
      requestor: false,
      network: { address: base, type: networkTypes.uri },
    },
  ];
  if (user !== null) {
    agents.push({
      ...typed({ system: participation, code: isWrite(kind) ? 'AUT' : 'IRCP' }),
      ...(user.startsWith('RelatedPerson/') ? { role: [onBehalf] } : {}),
      who: /^[A-Z][A-Za-z]+\/\S+$/.test(user) ? { reference: user } : { identifier: { value: user }, display: user },
      requestor: true,
      ...policy,
      ...(purposes.length === 0 ? {} : { purposeOfUse: purposes }),
    });
  }
  if (organization !== null) {
    agents.push({
      ...typed({ system: 'http://terminology.hl7.org/CodeSystem/v3-RoleClass', code: 'PROV' }),
      who: { reference: organization },
      requestor: false,
    });
  }
  return agents;
}

/** Of a proxy: whose agent they are says the entity that is the patient. @see https://hl7.org/fhir/R4/valueset-security-role-type.html */
const onBehalf = {
  coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-RoleClass', code: 'AGNT', display: 'agent' }],
  text: 'on behalf of the patient',
};

/** @see https://hl7.org/fhir/R4/valueset-network-type.html */
const networkTypes = { address: '2', uri: '5' };

function isWrite({ profile }: Kind): boolean {
  return profile === 'Create' || profile === 'Update' || profile === 'Delete';
}

function entitiesOf(row: AuditRow, kind: Kind): object[] {
  const entities: object[] = [];
  if (row.patient !== null) {
    entities.push({
      what: { reference: `Patient/${row.patient}` },
      type: { system: entityType, code: '1', display: 'Person' },
      role: { system: objectRole, code: '1', display: 'Patient' },
    });
  }
  const type = row.type === null ? undefined : typeName(row.type);
  const object = { type: { system: entityType, code: '2', display: 'System Object' } };
  if (kind.profile === 'Query' || (row.query !== null && kind.profile === undefined)) {
    // Names only: the values asked for are not kept.
    const isOperation = row.query?.startsWith('$') ?? false;
    const asked = kind.profile === undefined ? row.query : `${type ?? ''}${isOperation ? '/' : '?'}${row.query ?? ''}`;
    entities.push({
      ...object,
      role: { system: objectRole, code: '24', display: 'Query' },
      description: asked,
      query: Buffer.from(asked ?? '').toString('base64'),
    });
  }
  if (type !== undefined && row.resourceId !== null) {
    const version = row.version === null ? '' : `/_history/${row.version}`;
    entities.push({
      what: { reference: `${type}/${row.resourceId}${version}` },
      // BALP has one entity of this type; beside a query it is the query.
      ...(entities.some((entity) => 'query' in entity) ? { type: { system: resourceType, code: type } } : object),
      role: { system: objectRole, code: '4', display: 'Domain Resource' },
    });
  }
  for (const consent of consentsOf(row.decidedBy)) {
    entities.push({
      what: { reference: `Consent/${consent.id}/_history/${consent.version}` },
      // BALP, AuthZconsent.
      type: { system: resourceType, code: 'Consent', display: 'Consent' },
      role: { system: objectRole, code: '4', display: 'Domain Resource' },
      description: 'the Consent that allowed it',
    });
  }
  if (row.correlationId !== null) {
    entities.push({
      what: { identifier: { value: row.correlationId } },
      type: { system: 'https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType', code: 'XrequestId' },
    });
  }
  return entities;
}

/** The versions of Consents among what let something through (`auditEntries`). */
export function consentsOf(decidedBy: string | null): { readonly id: string; readonly version: number }[] {
  return (decidedBy?.split(' ') ?? []).flatMap((reason) => {
    const [, id, version] = /^consent:([^/]+)\/(\d+)$/.exec(reason) ?? [];
    return id === undefined ? [] : [{ id, version: Number(version) }];
  });
}
