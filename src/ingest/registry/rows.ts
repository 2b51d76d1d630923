/** The registry's table as objects. */
import type { Tx } from '../../db.ts';
import { raw, sql } from '../../db/sql.ts';
import type { AckMode, BatchAck, Endpoint, EndpointKind, EndpointState, PoisonPolicy } from '../contract.ts';
import type { Description } from './description.ts';
import { isOpen } from './states.ts';

export async function listEndpoints(db: Tx): Promise<Endpoint[]> {
  const rows = await db.query<EndpointRow>(sql`select * from endpoint order by name`);
  return rows.map(toEndpoint);
}

/** The endpoint of this name, and each that has one of its facilities or of these. */
export async function listAround(db: Tx, name: string, facilities: readonly string[]): Promise<Endpoint[]> {
  const rows = await db.query<EndpointRow>(sql`
    select * from endpoint
    where name = ${name} or facilities && (
      ${facilities}::text[] || array(select unnest(own.facilities) from endpoint own where own.name = ${name}))
    order by name`);
  return rows.map(toEndpoint);
}

export async function findEndpoint(db: Tx, name: string): Promise<Endpoint | undefined> {
  const rows = await db.query<EndpointRow>(sql`select * from endpoint where name = ${name}`);
  return rows[0] === undefined ? undefined : toEndpoint(rows[0]);
}

/** In their order; without those whose name is taken. */
export async function insertEndpoints(tx: Tx, descriptions: readonly Description[]): Promise<Endpoint[]> {
  const rows = await tx.query<EndpointRow>(sql`
    insert into endpoint (${columns})
    select ${columns} from jsonb_to_recordset(${toJson(descriptions)}::jsonb) as d (place int, ${types}) order by place
    on conflict (name) do nothing
    returning *`);
  return inOrder(descriptions, rows);
}

/** In their order; without those that are not there. */
export async function updateEndpoints(tx: Tx, descriptions: readonly Description[]): Promise<Endpoint[]> {
  const rows = await tx.query<EndpointRow>(sql`
    with revised as (
      select d.*, nextval('endpoint_revision') as revision
      from jsonb_to_recordset(${toJson(descriptions)}::jsonb) as d (${types}))
    update endpoint e set organization = d.organization, facilities = d.facilities, port = d.port, folder = d.folder,
      batch_ack = d.batch_ack, charset = d.charset, zone = d.zone, ack_mode = d.ack_mode, poison_policy = d.poison_policy,
      certificate = d.certificate, addresses = d.addresses, state = d.state, config = d.config, revision = d.revision
    from revised d where e.name = d.name returning e.*`);
  return inOrder(descriptions, rows);
}

const columns = raw(
  'name, kind, organization, facilities, port, folder, batch_ack, charset, zone, ack_mode, poison_policy, certificate, addresses, state, config',
);
const types =
  raw(`name text, kind text, organization text, facilities text[], port int, folder text, batch_ack text, charset text, zone text,
  ack_mode text, poison_policy text, certificate text, addresses text[], state text, config jsonb`);

function toJson(descriptions: readonly Description[]): string {
  return JSON.stringify(
    descriptions.map(({ batchAck, ackMode, poisonPolicy, ...same }, place) => {
      return { ...same, place, batch_ack: batchAck, ack_mode: ackMode, poison_policy: poisonPolicy };
    }),
  );
}

function inOrder(descriptions: readonly Description[], rows: readonly EndpointRow[]): Endpoint[] {
  const byName = new Map(rows.map((row) => [row.name, toEndpoint(row)]));
  return descriptions.flatMap(({ name }) => byName.get(name) ?? []);
}

export interface EndpointRow {
  id: number;
  name: string;
  kind: EndpointKind;
  organization: string;
  facilities: string[];
  port: number | null;
  folder: string | null;
  batch_ack: BatchAck;
  charset: string | null;
  zone: string | null;
  ack_mode: AckMode;
  poison_policy: PoisonPolicy;
  certificate: string | null;
  addresses: string[];
  state: EndpointState;
  config: Record<string, unknown>;
}

export function toEndpoint(row: EndpointRow): Endpoint {
  return {
    id: row.id,
    name: row.name,
    kind: row.kind,
    organization: row.organization,
    facilities: row.facilities,
    port: row.port ?? undefined,
    folder: row.folder ?? undefined,
    batchAck: row.batch_ack,
    charset: row.charset ?? undefined,
    zone: row.zone ?? undefined,
    ackMode: row.ack_mode,
    poisonPolicy: row.poison_policy,
    certificate: row.certificate ?? undefined,
    addresses: row.addresses,
    state: row.state,
    isEnabled: isOpen(row.state),
    config: row.config,
  };
}
