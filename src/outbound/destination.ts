/**
 * outbound/ is what the hub sends to hospitals: HL7v2 messages built from FHIR (build/), where they go (destination.ts), the
 * queue that keeps each until it is answered (queue.ts), and the sender that works it off (sender.ts). How bytes reach a
 * hospital is the transport's, which hub/ gives.
 */
import type { Tx } from '../db.ts';
import { sql } from '../db/sql.ts';
import { Problem } from '../fhir/problem.ts';
import type { Party } from './build/message.ts';
import { versionOf } from './versions.ts';

/** What happens after a refusal: the destination stands still until a person decides, or goes on with the next. */
export type RefusalPolicy = 'stop' | 'park';

export interface Destination {
  readonly id: number;
  readonly name: string;
  /** `Organization/x`, who receives: what is sent from the store passes the visibility of this organization. */
  readonly organization: string;
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
  /** MSH-12. */
  readonly version: string;
  /** MSH-18, as a name of HL70211. */
  readonly charset: string;
  readonly sender: Party;
  readonly receiver: Party;
  readonly ackMode: 'original' | 'enhanced';
  readonly refusalPolicy: RefusalPolicy;
  readonly isEnabled: boolean;
}

/** A new destination, as a person describes it. */
export interface NewDestination extends Partial<Omit<Destination, 'id' | 'name' | 'organization' | 'host' | 'port'>> {
  readonly name: string;
  readonly organization: string;
  readonly host: string;
  readonly port: number;
  readonly receiver: Party;
}

/** What hospitals' interface engines take most. */
const versionDefault = '2.5.1';
const charsetDefault = 'UNICODE UTF-8';
export const senderDefault: Party = { application: 'HUB', facility: 'HUB' };

/** Processes share the destinations by these: equals the rows of `destination_slot`. */
export const slotCount = 64;

export function slotOf(destinationId: number): number {
  return destinationId % slotCount;
}

/** @throws Problem value for a description that breaks a rule, not-supported for a version, conflict when the name is taken */
export async function addDestination(db: Tx, wanted: NewDestination): Promise<Destination> {
  checkDestination(wanted);
  const sender = wanted.sender ?? senderDefault;
  const [row] = await db.query<DestinationRow>(sql`
    insert into destination (name, organization, host, port, is_tls, version, charset, sending_application,
      sending_facility, receiving_application, receiving_facility, ack_mode, refusal_policy)
    select ${wanted.name}, ${wanted.organization}, ${wanted.host}, ${wanted.port}::int, ${wanted.isTls ?? false}::boolean,
      ${wanted.version ?? versionDefault}, ${wanted.charset ?? charsetDefault}, ${sender.application}, ${sender.facility},
      ${wanted.receiver.application}, ${wanted.receiver.facility}, ${wanted.ackMode ?? 'original'},
      ${wanted.refusalPolicy ?? 'stop'}
    -- People name both with the same commands.
    where not exists (select from endpoint where name = ${wanted.name})
    on conflict (name) do nothing
    returning *`);
  if (row !== undefined) return toDestination(row);
  throw new Problem('conflict', `an endpoint named ${wanted.name} exists`, {
    hint: `Choose another name, or change it: hub endpoint set ${wanted.name}`,
  });
}

export async function listDestinations(db: Tx): Promise<Destination[]> {
  return (await db.query<DestinationRow>(sql`select * from destination order by name`)).map(toDestination);
}

/** @throws Problem not-found */
export async function findDestination(db: Tx, name: string): Promise<Destination> {
  const [row] = await db.query<DestinationRow>(sql`select * from destination where name = ${name}`);
  if (row !== undefined) return toDestination(row);
  throw new Problem('not-found', `there is no destination named ${name}`, { hint: 'List them: hub endpoint list' });
}

/** What is queued waits while it is off. @throws Problem not-found */
export async function setDestinationEnabled(db: Tx, name: string, isEnabled: boolean): Promise<Destination> {
  await db.query(sql`update destination set is_enabled = ${isEnabled}::boolean where name = ${name}`);
  return findDestination(db, name);
}

export async function isDestination(db: Tx, name: string): Promise<boolean> {
  return (await db.query(sql`select from destination where name = ${name}`)).length > 0;
}

/** @throws Problem value for a description that breaks a rule, not-supported for a version */
export function checkDestination(wanted: NewDestination): void {
  versionOf(wanted.version ?? versionDefault);
  const { receiver, sender = senderDefault } = wanted;
  const parties = [receiver.application, receiver.facility, sender.application, sender.facility];
  const rules: [boolean, string, string][] = [
    [/^[A-Za-z0-9][\w.-]{0,63}$/.test(wanted.name), 'name', 'letters, digits, dot, dash and underscore, at most 64'],
    [/^Organization\/[A-Za-z0-9.-]{1,64}$/.test(wanted.organization), 'organization', 'Organization/<id>'],
    [/^[A-Za-z0-9.:-]{1,253}$/.test(wanted.host), 'host', 'a host name or an address'],
    [Number.isInteger(wanted.port) && wanted.port > 0 && wanted.port < 65_536, 'port', 'a number from 1 to 65535'],
    [parties.every((name) => name !== '' && name.length <= partyCharsMax), 'facility', 'names of 1 to 180 characters'],
  ];
  for (const [isMet, expression, rule] of rules) {
    if (!isMet) throw new Problem('value', `the ${expression} is not valid`, { expression, hint: `Give ${rule}.` });
  }
}

/** MSH-3 to MSH-6 have 180 characters (HL7 v2.3.1) or more. */
const partyCharsMax = 180;

export interface DestinationRow {
  id: number;
  name: string;
  organization: string;
  host: string;
  port: number;
  is_tls: boolean;
  version: string;
  charset: string;
  sending_application: string;
  sending_facility: string;
  receiving_application: string;
  receiving_facility: string;
  ack_mode: Destination['ackMode'];
  refusal_policy: RefusalPolicy;
  is_enabled: boolean;
}

export function toDestination(row: DestinationRow): Destination {
  return {
    id: row.id,
    name: row.name,
    organization: row.organization,
    host: row.host,
    port: row.port,
    isTls: row.is_tls,
    version: row.version,
    charset: row.charset,
    sender: { application: row.sending_application, facility: row.sending_facility },
    receiver: { application: row.receiving_application, facility: row.receiving_facility },
    ackMode: row.ack_mode,
    refusalPolicy: row.refusal_policy,
    isEnabled: row.is_enabled,
  };
}
