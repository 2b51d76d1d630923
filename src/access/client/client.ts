/**
 * Clients of the hub's own issuer, as the operator registers them: who they act for, why they may ask, what for, and by
 * which keys they are known. A running hub knows a change with the next token it issues, and for tokens it issued before
 * within a second (registry.ts).
 */
import type { Database, Tx } from '../../db.ts';
import { sql, textArray } from '../../db/sql.ts';
import { idPattern } from '../../fhir/ids.ts';
import { Problem } from '../../fhir/problem.ts';
import { lockNames } from '../../store/lock.ts';
import { parseClientKeys, type ClientKey } from './keys.ts';
import { readNetworks } from './network.ts';
import type { OperatorRole } from '../principal/operator.ts';
import { purpose, purposeBit, purposeCodes, purposeCodesOf } from '../principal/purpose.ts';
import { scopeParts, scopesMax } from './scope-grant.ts';
import { clientLock } from '../token/sending.ts';

export const clientKinds = ['ai', 'payment', 'hospital'] as const;
export type ClientKind = (typeof clientKinds)[number];

export interface Client {
  readonly issuer: string;
  readonly id: string;
  readonly kind: string;
  readonly organization?: string;
  /** Bits of principal/purpose.ts. */
  readonly purposes: number;
  readonly scopes?: readonly string[];
  readonly keys?: readonly ClientKey[];
  readonly isActive?: boolean;
  /** Of an app (oauth/app.ts). */
  readonly name?: string;
  readonly redirectUris?: readonly string[];
  readonly isDpopBound?: boolean;
  /** CIDR; none: from anywhere. */
  readonly networks?: readonly string[];
}

/** A client that may ask for tokens: a service with its organization and keys, or an app, which has no organization. */
export interface ActiveClient extends Omit<Required<Client>, 'organization' | 'isActive'> {
  readonly organization: string | undefined;
  /** None: a public app. */
  readonly keys: readonly ClientKey[];
  /** The id of the key that signed its assertion. */
  readonly provenBy?: string;
}

/** What `hub client add` was told. */
export interface ClientRequest {
  readonly issuer: string;
  readonly id: string;
  readonly kind: string;
  readonly organization: string;
  readonly purposes: readonly string[];
  /** Separated by spaces. */
  readonly scope: string;
  /** JSON. */
  readonly jwks: string;
  readonly networks?: readonly string[];
}

/**
 * LEAKS 32: a purpose is no key that anybody may cut. PATRQT is the patient's own; an emergency is a hospital's; the
 * minimum that a payer sees hangs on HPAYMT, so a payer has no other.
 */
const isPurposeOf: Readonly<Record<ClientKind, (bit: number) => boolean>> = {
  ai: (bit) => (bit & (purpose.patientRequest | purpose.emergency | purpose.payment)) === 0,
  payment: (bit) => bit === purpose.payment,
  hospital: (bit) => bit !== purpose.patientRequest,
};

/** @throws Problem value, required, code-invalid, structure, duplicate */
export function readClient({
  issuer,
  id,
  kind,
  organization,
  purposes,
  scope,
  jwks,
  networks = [],
}: ClientRequest): Client {
  // So that a Consent can name it: Device/ID.
  if (!idPattern.test(id)) throw wrong('ID', 'a client id has 1 to 64 letters, digits, dots and dashes');
  const known = clientKinds.find((one) => one === kind);
  if (known === undefined) throw wrong('--kind', '--kind is none the hub knows', `One of ${clientKinds.join(', ')}.`);
  const [type, organizationId = '', ...rest] = organization.split('/');
  if (type !== 'Organization' || !idPattern.test(organizationId) || rest.length > 0) {
    throw wrong('--organization', 'the organization is no reference', 'Organization/x');
  }
  return {
    issuer,
    id,
    kind: known,
    organization,
    purposes: readPurposes(purposes, known),
    scopes: readScopes(scope),
    keys: parseClientKeys(jwks),
    networks: readNetworks(networks),
  };
}

function readPurposes(codes: readonly string[], kind: ClientKind): number {
  if (codes.length === 0) throw new Problem('required', 'a client has a --purpose', { expression: '--purpose' });
  const fitting = purposeCodes.filter((code) => isPurposeOf[kind](purposeBit(code) as number));
  return codes.reduce((bits, code) => {
    const bit = fitting.includes(code) ? purposeBit(code) : undefined;
    if (bit !== undefined) return bits | bit;
    throw new Problem('code-invalid', `--purpose is none that a client of the kind ${kind} may have`, {
      expression: '--purpose',
      hint: `One of ${fitting.join(', ')}.`,
    });
  }, 0);
}

function readScopes(text: string): string[] {
  const scopes = [...new Set(text.split(/\s+/).filter((scope) => scope !== ''))];
  if (
    scopes.length > 0 &&
    scopes.length <= scopesMax &&
    scopes.every((scope) => scopeParts(scope, 'system') !== undefined)
  ) {
    return scopes;
  }
  throw wrong(
    '--scope',
    `--scope holds 1 to ${scopesMax} SMART v2 scopes of the form system/Type.cruds`,
    'For example "system/Patient.rs system/Observation.rs".',
  );
}

function wrong(expression: string, diagnostics: string, hint?: string): Problem {
  return new Problem('value', diagnostics, { expression, ...(hint === undefined ? {} : { hint }) });
}

/** Registers a client, or replaces its registration: so keys are rotated and a disabled client comes back. */
export async function registerClient(db: Tx, client: Client): Promise<void> {
  await requireUnrevoked(db, client);
  const { issuer, id, kind, organization, purposes, scopes = [], keys, isActive = true } = client;
  const { name = null, redirectUris = [], isDpopBound = false, networks = [] } = client;
  await db.query(sql`
    insert into client (issuer, id, kind, organization, purposes, scopes, keys, is_active, name, redirect_uris, is_dpop_bound, networks)
    values (${issuer}, ${id}, ${kind}, ${organization ?? null}, ${purposes}, ${textArray(scopes)}::text[],
      ${keys === undefined ? null : JSON.stringify(keys)}::jsonb, ${isActive}, ${name},
      ${textArray(redirectUris)}::text[], ${isDpopBound}, ${textArray(networks)}::text[])
    on conflict (issuer, id) do update set kind = excluded.kind, organization = excluded.organization,
      purposes = excluded.purposes, scopes = excluded.scopes, keys = excluded.keys, is_active = excluded.is_active,
      name = excluded.name, redirect_uris = excluded.redirect_uris, is_dpop_bound = excluded.is_dpop_bound, networks = excluded.networks,
      updated_at = excluded.updated_at`);
}

/** A key that was taken back is known to somebody else. @throws Problem value */
async function requireUnrevoked(db: Tx, { issuer, id, keys = [] }: Client): Promise<void> {
  const rows = await db.query(sql`
    select from client where issuer = ${issuer} and id = ${id} and revoked_keys && ${textArray(keys.map(({ kid }) => kid))}::text[]`);
  if (rows.length === 0) return;
  throw new Problem('value', 'a key with this kid was revoked', {
    expression: 'keys',
    hint: 'Make another key, with another kid.',
  });
}

/**
 * Takes back one key of a client: no assertion of it is good from now on, and tokens obtained by it are refused within a second.
 * A client without keys would need none, so it is disabled with its last one.
 * @throws Problem not-found
 */
export async function revokeClientKey(
  db: Tx,
  { issuer, id, kid }: { issuer: string; id: string; kid: string },
): Promise<void> {
  const rows = await db.query(sql`
    update client set
      keys = (select coalesce(jsonb_agg(key), '[]') from jsonb_array_elements(keys) key where key ->> 'kid' <> ${kid}),
      is_active = is_active and exists (select from jsonb_array_elements(keys) key where key ->> 'kid' <> ${kid}),
      revoked_keys = array_append(revoked_keys, ${kid}::text), updated_at = now()
    where issuer = ${issuer} and id = ${id} and keys @> ${JSON.stringify([{ kid }])}::jsonb returning id`);
  if (rows.length === 0) {
    throw new Problem('not-found', 'the client has no such key', { hint: 'hub client show ID names its keys.' });
  }
}

/** From now on it gets no token, and is told nothing more; tokens it has are refused within a second. @throws Problem not-found */
export async function disableClient(db: Database, issuer: string, id: string): Promise<void> {
  await db.inTransaction(async (tx) => {
    await lockNames(tx, [clientLock(issuer, id)]);
    const rows = await tx.query(sql`
      update client set is_active = false, updated_at = now() where issuer = ${issuer} and id = ${id} returning id`);
    if (rows.length === 0) throw unknown();
  });
}

interface ClientRow {
  issuer: string;
  id: string;
  kind: string;
  organization: string | null;
  purposes: number;
  scopes: string[];
  keys: ClientKey[] | null;
  isActive: boolean;
  name: string | null;
  redirectUris: string[];
  isDpopBound: boolean;
  networks: string[];
  revokedKeys: string[];
  operatorRole: OperatorRole | null;
}

const columns = sql`issuer, id, kind, organization, purposes, scopes, keys, is_active as "isActive", name,
  redirect_uris as "redirectUris", is_dpop_bound as "isDpopBound", networks, revoked_keys as "revokedKeys",
  ops_role as "operatorRole"`;

/** A client that may ask for tokens; undefined when it is unknown, disabled, or a service without keys here. */
export async function findClient(db: Tx, issuer: string, id: string): Promise<ActiveClient | undefined> {
  if (!idPattern.test(id)) return undefined;
  const [row] = await db.query<ClientRow>(sql`
    select ${columns} from client where issuer = ${issuer} and id = ${id} and is_active`);
  if (row === undefined || (row.kind !== 'app' && (row.keys === null || row.organization === null))) return undefined;
  const { isActive: _isActive, revokedKeys: _revoked, operatorRole: _role, organization, keys, name, ...rest } = row;
  return { ...rest, organization: organization ?? undefined, keys: keys ?? [], name: name ?? row.id };
}

/** A client as the operator reads it: keys by their ids. */
export async function showClient(db: Tx, issuer: string, id: string): Promise<object> {
  const [row] = await db.query<ClientRow>(sql`select ${columns} from client where issuer = ${issuer} and id = ${id}`);
  if (row === undefined) throw unknown();
  return readable(row);
}

export async function listClients(db: Tx): Promise<object[]> {
  return (await db.query<ClientRow>(sql`select ${columns} from client order by issuer, id`)).map(readable);
}

function readable({ purposes, scopes, keys, isActive, name, redirectUris, isDpopBound, ...row }: ClientRow): object {
  const { networks, revokedKeys, operatorRole, ...rest } = row;
  return {
    ...rest,
    ...(row.kind === 'app' ? { name, redirectUris, isDpopBound } : {}),
    purposes: purposeCodesOf(purposes),
    scope: scopes.join(' '),
    keys: (keys ?? []).map(({ kid, alg }) => ({ kid, alg })),
    ...(networks.length === 0 ? {} : { networks }),
    ...(revokedKeys.length === 0 ? {} : { revokedKeys }),
    ...(operatorRole === null ? {} : { operatorRole }),
    isActive,
  };
}

function unknown(): Problem {
  return new Problem('not-found', 'there is no such client of this issuer', { hint: 'hub client list names them.' });
}
