/**
 * Clients of the hub's own issuer, as the operator registers them: who they act for, why they may ask, what for, and by
 * which keys they are known. A running hub knows a change with the next token it issues, and for tokens it issued before
 * within a second (registry.ts).
 */
import type { Tx } from '../db.ts';
import { sql, textArray } from '../db/sql.ts';
import { idPattern } from '../fhir/ids.ts';
import { Problem } from '../fhir/problem.ts';
import { parseClientKeys, type ClientKey } from './client-keys.ts';
import { purpose, purposeBit, purposeCodes, purposeCodesOf } from './purpose.ts';
import { scopesMax, systemScope } from './scope-grant.ts';

export const clientKinds = ['ai', 'payment', 'hospital'] as const;
export type ClientKind = (typeof clientKinds)[number];

export interface Client {
  readonly issuer: string;
  readonly id: string;
  readonly kind: string;
  readonly organization?: string;
  /** Bits of purpose.ts. */
  readonly purposes: number;
  readonly scopes?: readonly string[];
  readonly keys?: readonly ClientKey[];
  readonly isActive?: boolean;
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
export function readClient({ issuer, id, kind, organization, purposes, scope, jwks }: ClientRequest): Client {
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
  if (scopes.length > 0 && scopes.length <= scopesMax && scopes.every((scope) => systemScope(scope) !== undefined)) {
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
  const { issuer, id, kind, organization, purposes, scopes = [], keys, isActive = true } = client;
  await db.query(sql`
    insert into client (issuer, id, kind, organization, purposes, scopes, keys, is_active)
    values (${issuer}, ${id}, ${kind}, ${organization ?? null}, ${purposes}, ${textArray(scopes)}::text[],
      ${keys === undefined ? null : JSON.stringify(keys)}::jsonb, ${isActive})
    on conflict (issuer, id) do update set kind = excluded.kind, organization = excluded.organization,
      purposes = excluded.purposes, scopes = excluded.scopes, keys = excluded.keys, is_active = excluded.is_active,
      updated_at = excluded.updated_at`);
}

/** From now on it gets no token; those it has are refused within a second. @throws Problem not-found */
export async function disableClient(db: Tx, issuer: string, id: string): Promise<void> {
  const rows = await db.query(sql`
    update client set is_active = false, updated_at = now() where issuer = ${issuer} and id = ${id} returning id`);
  if (rows.length === 0) throw unknown();
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
}

const columns = sql`issuer, id, kind, organization, purposes, scopes, keys, is_active as "isActive"`;

/** A client that may ask for tokens; undefined when it is unknown, disabled or has no keys here. */
export async function findClient(db: Tx, issuer: string, id: string): Promise<Required<Client> | undefined> {
  const [row] = await db.query<ClientRow>(sql`
    select ${columns} from client where issuer = ${issuer} and id = ${id} and is_active`);
  if (row === undefined || row.keys === null || row.organization === null) return undefined;
  return { ...row, organization: row.organization, keys: row.keys };
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

function readable({ purposes, scopes, keys, isActive, ...row }: ClientRow): object {
  return {
    ...row,
    purposes: purposeCodesOf(purposes),
    scope: scopes.join(' '),
    keys: (keys ?? []).map(({ kid, alg }) => ({ kid, alg })),
    isActive,
  };
}

function unknown(): Problem {
  return new Problem('not-found', 'there is no such client of this issuer', { hint: 'hub client list names them.' });
}
