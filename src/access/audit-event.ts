/**
 * The patient's own log: audit rows rendered as AuditEvent when they are read. For the patient (and the records linked to
 * them) and for nobody else.
 *
 * @see https://profiles.ihe.net/ITI/BALP/content.html
 * @see https://hl7.org/fhir/R4/auditevent.html
 */
import type { Tx } from '../db.ts';
import { raw, sql, type Sql } from '../db/sql.ts';
import type { AnyResource } from '../fhir/types.ts';
import { typeName } from '../fhir/types.ts';
import type { AuditRow } from './audit-chain.ts';
import { outcomes } from './audit.ts';
import type { Principal } from './principal.ts';
import { purposeCodesOf, purposeSystem } from './purpose.ts';

export interface AuditPage {
  readonly events: readonly AnyResource[];
  /** Position for the next page; nothing secret, and of use to the same patient only. */
  readonly next?: string;
}

export interface AuditQuery {
  /** Only this one of the person's source patients. */
  readonly patient?: string;
  readonly count: number;
  readonly cursor?: string;
}

const countMax = 1000;

/** Newest first. Empty for everybody but the patient: what third parties may not see is not there. */
export async function auditEventsOf(db: Tx, principal: Principal, query: AuditQuery): Promise<AuditPage> {
  if (principal.self === undefined) return { events: [] };
  const count = Math.min(Math.max(query.count, 1), countMax);
  const position = readCursor(query.cursor);
  const before =
    position === undefined
      ? raw('true')
      : sql`(at, shard, seq) < (to_timestamp(${position.at}::float8 / 1000), ${position.shard}::int, ${position.seq}::int8)`;
  const chosen = query.patient === undefined ? raw('true') : sql`patient = ${query.patient}`;
  const rows = await selectRows(db, sql`${isOwn(principal.self)} and ${chosen} and ${before}`, count + 1);
  const page = rows.slice(0, count);
  const last = page.at(-1);
  return {
    events: page.map(renderAuditEvent),
    ...(rows.length > count && last !== undefined ? { next: `${last.at}.${last.shard}.${last.seq}` } : {}),
  };
}

/** One event by the id it was listed under; undefined for others' and unknown ones alike. */
export async function auditEventOf(db: Tx, principal: Principal, id: string): Promise<AnyResource | undefined> {
  const [, shard, seq] = /^audit-(\d{1,9})-(\d{1,15})$/.exec(id) ?? [];
  if (principal.self === undefined || shard === undefined || seq === undefined) return undefined;
  const [row] = await selectRows(
    db,
    sql`${isOwn(principal.self)} and shard = ${Number(shard)} and seq = ${Number(seq)}`,
    1,
  );
  return row && renderAuditEvent(row);
}

function isOwn(self: string): Sql {
  return sql`patient = any(array(
    select ${self}::text union all
    select other.patient from person_member one join person_member other on other.person = one.person
    where one.patient = ${self} and other.patient <> ${self}))`;
}

async function selectRows(db: Tx, where: Sql, limit: number): Promise<AuditRow[]> {
  return db.query<AuditRow>(sql`
    select shard, seq, round(extract(epoch from at) * 1000)::int8 as at, client, subject, organization, purposes, interaction,
      type, resource_id as "resourceId", patient, rows, decided_by as "decidedBy", outcome, query, jti,
      correlation_id as "correlationId"
    from audit_event where ${where} order by at desc, shard desc, seq desc limit ${limit}`);
}

function readCursor(cursor: string | undefined): { at: number; shard: number; seq: number } | undefined {
  const [, at, shard, seq] = /^(\d{1,15})\.(\d{1,9})\.(\d{1,15})$/.exec(cursor ?? '') ?? [];
  return at === undefined ? undefined : { at: Number(at), shard: Number(shard), seq: Number(seq) };
}

const dicom = 'http://dicom.nema.org/resources/ontology/DCM';
const objectRole = 'http://terminology.hl7.org/CodeSystem/object-role';
const entityType = 'http://terminology.hl7.org/CodeSystem/audit-entity-type';
const restful = 'http://hl7.org/fhir/restful-interaction';
const hubDevice = { display: 'Health record hub' };

/** AuditEvent.action and the BALP profile of each interaction; what is none of these is an execution. */
const kinds: Readonly<Record<string, { action: string; profile: string }>> = {
  read: { action: 'R', profile: 'PatientRead' },
  vread: { action: 'R', profile: 'PatientRead' },
  'history-instance': { action: 'R', profile: 'PatientRead' },
  create: { action: 'C', profile: 'PatientCreate' },
  update: { action: 'U', profile: 'PatientUpdate' },
  patch: { action: 'U', profile: 'PatientUpdate' },
  delete: { action: 'D', profile: 'PatientDelete' },
};
const query = { action: 'E', profile: 'PatientQuery' };

export function renderAuditEvent(row: AuditRow): AnyResource {
  const { action, profile } = kinds[row.interaction] ?? query;
  const purposes = purposeCodesOf(row.purposes).map((code) => ({ coding: [{ system: purposeSystem, code }] }));
  const at = new Date(row.at).toISOString();
  return {
    resourceType: 'AuditEvent',
    id: `audit-${row.shard}-${row.seq}`,
    meta: {
      versionId: '1',
      lastUpdated: at,
      profile: [`https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.${profile}`],
    },
    type: {
      system: 'http://terminology.hl7.org/CodeSystem/audit-event-type',
      code: 'rest',
      display: 'RESTful Operation',
    },
    subtype: [
      ...(profile === 'PatientQuery' ? [{ system: restful, code: 'search' }] : []),
      { system: restful, code: row.interaction },
    ],
    action,
    recorded: at,
    outcome: String(row.outcome),
    outcomeDesc: describe(row),
    ...(purposes.length === 0 ? {} : { purposeOfEvent: purposes }),
    agent: agentsOf(row, action, purposes),
    source: { observer: hubDevice },
    entity: entitiesOf(row, profile),
  };
}

/** Plain words for the portal, and for whoever reads the raw log. */
function describe({ outcome, rows, decidedBy, interaction, query: asked }: AuditRow): string {
  if (outcome === outcomes.failed) return 'failed';
  if (outcome === outcomes.refused) return 'nothing was shown';
  const how = interaction === 'operation' ? (asked?.split('?', 1)[0] ?? interaction) : interaction;
  const what = `${rows} ${rows === 1 ? 'record' : 'records'} (${how})`;
  return decidedBy === null ? what : `${what}, allowed by ${decidedBy}`;
}

/** BALP: data flows from the source to the destination; on a read the hub is the source, on a write the client. */
function agentsOf(row: AuditRow, action: string, purposes: readonly object[]): object[] {
  const isRead = action === 'R' || action === 'E';
  const role = (isSource: boolean): object => ({
    coding: [
      isSource
        ? { system: dicom, code: '110153', display: 'Source Role ID' }
        : { system: dicom, code: '110152', display: 'Destination Role ID' },
    ],
  });
  const client = row.client ?? 'unknown';
  const agents: object[] = [
    { type: role(isRead), who: hubDevice, requestor: false },
    { type: role(!isRead), who: { identifier: { value: client }, display: client }, requestor: row.subject === null },
  ];
  if (row.subject !== null) {
    agents.push({
      type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code: 'IRCP' }] },
      who: /^[A-Z][A-Za-z]+\/\S+$/.test(row.subject)
        ? { reference: row.subject }
        : { identifier: { value: row.subject }, display: row.subject },
      requestor: true,
      // BALP: the id of the token that authorized it.
      ...(row.jti === null ? {} : { policy: [`urn:jti:${encodeURIComponent(row.jti)}`] }),
      ...(purposes.length === 0 ? {} : { purposeOfUse: purposes }),
    });
  }
  if (row.organization !== null) {
    agents.push({
      type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-RoleClass', code: 'PROV' }] },
      who: { reference: row.organization },
      requestor: false,
    });
  }
  return agents;
}

function entitiesOf(row: AuditRow, profile: string): object[] {
  const object = (what: object, role: string, display: string): object => ({
    what,
    type: { system: entityType, code: '2', display: 'System Object' },
    role: { system: objectRole, code: role, display },
  });
  const entities: object[] = [];
  if (row.patient !== null) {
    entities.push({
      what: { reference: `Patient/${row.patient}` },
      type: { system: entityType, code: '1', display: 'Person' },
      role: { system: objectRole, code: '1', display: 'Patient' },
    });
  }
  const type = row.type === null ? undefined : typeName(row.type);
  if (profile === 'PatientQuery') {
    // Names only: the values asked for are not kept.
    const isOperation = row.query?.startsWith('$') ?? false;
    const asked = `${type ?? ''}${isOperation ? '/' : '?'}${row.query ?? ''}`;
    entities.push({ ...object({ display: asked }, '24', 'Query'), query: Buffer.from(asked).toString('base64') });
  } else if (type !== undefined && row.resourceId !== null) {
    entities.push(object({ reference: `${type}/${row.resourceId}` }, '4', 'Domain Resource'));
  }
  const [, consent, version] = /^consent:([^/]+)\/(\d+)$/.exec(row.decidedBy ?? '') ?? [];
  if (consent !== undefined) {
    entities.push({
      ...object({ reference: `Consent/${consent}/_history/${version}` }, '4', 'Domain Resource'),
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
