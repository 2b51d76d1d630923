/**
 * The registry of sources. A hub keeps it in memory and reads it again when its revisions have grown, so that
 * `hub endpoint add` on one process is known to all within a second.
 */
import { isAbsolute } from 'node:path';
import type { Tx } from '../db.ts';
import { sql } from '../db/sql.ts';
import { Problem } from '../fhir/problem.ts';
import type { AckMode, BatchAck, Connection, Endpoint, EndpointKind, PoisonPolicy, Reach } from './contract.ts';

/** A new endpoint, as a person describes it. */
export interface NewEndpoint {
  readonly name: string;
  readonly kind: EndpointKind;
  readonly organization: string;
  readonly facilities: readonly string[];
  readonly port?: number;
  readonly folder?: string;
  readonly batchAck?: BatchAck;
  readonly charset?: string;
  readonly zone?: string;
  readonly ackMode?: AckMode;
  readonly poisonPolicy?: PoisonPolicy;
  /** SHA-256 of the client certificate, hex, colons allowed. */
  readonly certificate?: string;
  readonly addresses?: readonly string[];
}

/** Takes any facility; only for tests and single-source listeners. */
export const anyFacility = '*';

/**
 * @throws Problem value for a description that breaks a rule, conflict when the name is taken or another endpoint already
 *   takes a facility on the same way in
 */
export async function addEndpoint(db: Tx, endpoint: NewEndpoint): Promise<Endpoint> {
  const checked = check(endpoint);
  const others = await listEndpoints(db);
  if (others.some(({ name }) => name === checked.name)) {
    throw new Problem('conflict', `an endpoint named ${checked.name} exists`, { hint: 'Choose another name.' });
  }
  const rival = others.find((other) => other.isEnabled && isSameWay(other, checked) && sharesFacility(other, checked));
  if (rival !== undefined) {
    throw new Problem('conflict', `the endpoint ${rival.name} already takes that facility on the same listener`, {
      hint: 'Name other facilities, or give the endpoint a port, a certificate or an address of its own.',
    });
  }
  const rows = await db.query<EndpointRow>(sql`
    insert into endpoint (name, kind, organization, facilities, port, folder, batch_ack, charset, zone, ack_mode,
      poison_policy, certificate, addresses)
    values (${checked.name}, ${checked.kind}, ${checked.organization}, ${checked.facilities}::text[],
      ${checked.port ?? null}, ${checked.folder ?? null}, ${checked.batchAck ?? 'messages'}, ${checked.charset ?? null}, ${checked.zone ?? null}, ${checked.ackMode ?? 'auto'},
      ${checked.poisonPolicy ?? 'continue'}, ${checked.certificate ?? null}, ${checked.addresses ?? []}::text[])
    on conflict (name) do nothing
    returning *`);
  if (rows[0] === undefined) throw new Problem('conflict', `an endpoint named ${checked.name} exists`);
  return toEndpoint(rows[0]);
}

export async function listEndpoints(db: Tx): Promise<Endpoint[]> {
  const rows = await db.query<EndpointRow>(sql`select * from endpoint order by name`);
  return rows.map(toEndpoint);
}

export async function findEndpoint(db: Tx, name: string): Promise<Endpoint | undefined> {
  const rows = await db.query<EndpointRow>(sql`select * from endpoint where name = ${name}`);
  return rows[0] === undefined ? undefined : toEndpoint(rows[0]);
}

/** Endpoints are never deleted: their messages name them. @throws Problem not-found */
export async function setEndpointEnabled(db: Tx, name: string, isEnabled: boolean): Promise<void> {
  const rows = await db.query(sql`
    with revised as (select nextval('endpoint_revision') as revision)
    update endpoint set is_enabled = ${isEnabled}, revision = revised.revision
    from revised where name = ${name} returning id`);
  if (rows.length === 0) throw new Problem('not-found', `there is no endpoint named ${name}`);
}

function check(endpoint: NewEndpoint): NewEndpoint {
  const rules: [boolean, string, string][] = [
    [/^[A-Za-z0-9][\w.-]{0,63}$/.test(endpoint.name), 'name', 'letters, digits, dot, dash and underscore, at most 64'],
    [/^Organization\/[A-Za-z0-9.-]{1,64}$/.test(endpoint.organization), 'organization', 'Organization/<id>'],
    [
      endpoint.facilities.length > 0 && endpoint.facilities.every((f) => f !== ''),
      'facility',
      'at least one value of MSH-4',
    ],
    [endpoint.port === undefined || (endpoint.port > 0 && endpoint.port < 65_536), 'port', 'a number from 1 to 65535'],
    [
      (endpoint.kind === 'hl7v2-folder') === (endpoint.folder !== undefined) &&
        (endpoint.folder === undefined || isAbsolute(endpoint.folder)),
      'folder',
      'the absolute path of the directory to watch, for the kind hl7v2-folder and no other',
    ],
    [endpoint.zone === undefined || isZone(endpoint.zone), 'zone', 'an IANA zone such as Asia/Shanghai, or +08:00'],
  ];
  for (const [isMet, expression, rule] of rules) {
    if (!isMet) throw new Problem('value', `the ${expression} is not valid`, { expression, hint: `Give ${rule}.` });
  }
  const certificate = endpoint.certificate?.replaceAll(':', '').toLowerCase();
  if (certificate !== undefined && !/^[0-9a-f]{64}$/.test(certificate)) {
    throw new Problem('value', 'the certificate is not a fingerprint', {
      expression: 'certificate',
      hint: 'Give the SHA-256 fingerprint: openssl x509 -noout -fingerprint -sha256 -in client.pem',
    });
  }
  return { ...endpoint, certificate };
}

function isZone(zone: string): boolean {
  if (/^[+-](0\d|1[0-4]):[0-5]\d$/.test(zone)) return true;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone !== undefined;
  } catch {
    return false;
  }
}

function isSameWay(a: NewEndpoint, b: NewEndpoint): boolean {
  return (
    a.kind === b.kind &&
    a.port === b.port &&
    a.folder === b.folder &&
    a.certificate === b.certificate &&
    (a.addresses ?? []).toSorted().join() === (b.addresses ?? []).toSorted().join() &&
    // Over HTTP the caller's token names the organization.
    (a.kind !== 'hl7v2-http' || a.organization === b.organization)
  );
}

function sharesFacility(a: NewEndpoint, b: NewEndpoint): boolean {
  return a.facilities.some((facility) => b.facilities.includes(facility));
}

export interface Registry {
  byId(id: number): Endpoint | undefined;
  byName(name: string): Endpoint | undefined;
  all(): readonly Endpoint[];
  /** The endpoints a connection may speak for. */
  reach(connection: Connection): Reach;
  ports(): readonly number[];
  /** Directories of enabled endpoints. */
  folders(): readonly string[];
  /** Reads the registry again if it has changed; calls within a moment of each other share one look. */
  refresh(): Promise<void>;
  close(): void;
}

/** How late another process's change is seen when nothing asks for it. */
const checkMs = 1_000;
/** Between two looks: an unknown facility makes the registry look again, a stream of them not more often than this. */
const refreshMs = 100;

export async function openRegistry(db: Tx): Promise<Registry> {
  const registry = new EndpointRegistry(db);
  await registry.refresh();
  return registry;
}

class EndpointRegistry implements Registry {
  readonly #db: Tx;
  readonly #timer: NodeJS.Timeout;
  #revision = -1;
  #endpoints: readonly Endpoint[] = [];
  #byId = new Map<number, Endpoint>();
  #reaches = new Map<string, Reach>();
  #looking: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #lookedAt = 0;

  constructor(db: Tx) {
    this.#db = db;
    // Without the database the endpoints known so far stay in force; messages cannot be stored then anyway.
    this.#timer = setInterval(() => void this.refresh().catch(() => undefined), checkMs).unref();
  }

  byId(id: number): Endpoint | undefined {
    return this.#byId.get(id);
  }

  byName(name: string): Endpoint | undefined {
    return this.#endpoints.find((endpoint) => endpoint.name === name);
  }

  all(): readonly Endpoint[] {
    return this.#endpoints;
  }

  ports(): readonly number[] {
    const ports = this.#endpoints.flatMap(({ port, isEnabled }) => (isEnabled && port !== undefined ? [port] : []));
    return [...new Set(ports)];
  }

  folders(): readonly string[] {
    const folders = this.#endpoints.flatMap(({ folder, isEnabled }) =>
      isEnabled && folder !== undefined ? [folder] : [],
    );
    return [...new Set(folders)];
  }

  reach(connection: Connection): Reach {
    const { kind, port, folder, certificate, organization } = connection;
    const isAddressBound = this.#endpoints.some(({ addresses }) =>
      addresses.includes(plainAddress(connection.address)),
    );
    const address = isAddressBound ? plainAddress(connection.address) : '';
    const key = [kind, port, folder, certificate, organization, address].join(' ');
    let reach = this.#reaches.get(key);
    if (reach === undefined) {
      if (this.#reaches.size >= reachesMax) this.#reaches.clear();
      reach = reachOf(this.#endpoints, { ...connection, address });
      this.#reaches.set(key, reach);
    }
    return reach;
  }

  refresh(): Promise<void> {
    // A look that is under way may have begun before the change the caller hopes to see: only one to come is shared.
    this.#next ??= this.#lookNext();
    return this.#next;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #lookNext(): Promise<void> {
    await this.#looking.catch(() => undefined);
    const waitMs = this.#lookedAt + refreshMs - Date.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    this.#next = undefined;
    this.#lookedAt = Date.now();
    this.#looking = this.#look();
    await this.#looking;
  }

  async #look(): Promise<void> {
    // The sum, not the largest: of two changes at once, the one with the smaller revision may commit last.
    const [latest] = await this.#db.query<{ revision: number }>(
      sql`select coalesce(sum(revision), 0)::bigint as revision from endpoint`,
    );
    const revision = latest?.revision ?? 0;
    if (revision === this.#revision) return;
    const endpoints = await listEndpoints(this.#db);
    this.#endpoints = endpoints;
    this.#byId = new Map(endpoints.map((endpoint) => [endpoint.id, endpoint]));
    this.#reaches = new Map();
    this.#revision = revision;
  }
}

/** Connections that differ in what they may reach; each entry is small and rebuilt in microseconds. */
const reachesMax = 10_000;

/**
 * A connection whose certificate or address is bound to endpoints speaks for those only. Any other connection speaks for
 * the endpoints of its listener that are bound to none. A named facility goes before `*`.
 */
export function reachOf(endpoints: readonly Endpoint[], connection: Connection): Reach {
  const candidates = endpoints.filter(
    (endpoint) =>
      endpoint.isEnabled &&
      endpoint.kind === connection.kind &&
      endpoint.port === connection.port &&
      endpoint.folder === connection.folder &&
      (connection.kind !== 'hl7v2-http' || endpoint.organization === connection.organization) &&
      (endpoint.certificate === undefined || endpoint.certificate === connection.certificate) &&
      (endpoint.addresses.length === 0 || endpoint.addresses.includes(plainAddress(connection.address))),
  );
  const bound = candidates.filter(({ certificate, addresses }) => certificate !== undefined || addresses.length > 0);
  const reachable = bound.length > 0 ? bound : candidates;
  const byFacility = new Map<string, Endpoint>();
  for (const endpoint of reachable) for (const facility of endpoint.facilities) byFacility.set(facility, endpoint);
  const charsets = new Set(reachable.flatMap(({ charset }) => (charset === undefined ? [] : [charset])));
  return {
    find: (facility) =>
      // `*` in a message is a facility of that name, which nobody registers.
      (facility === anyFacility ? undefined : byFacility.get(facility)) ?? byFacility.get(anyFacility),
    charsets: [...charsets],
  };
}

/** IPv4 as IPv4, also where the socket is IPv6. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}

interface EndpointRow {
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
  is_enabled: boolean;
}

function toEndpoint(row: EndpointRow): Endpoint {
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
    isEnabled: row.is_enabled,
  };
}
