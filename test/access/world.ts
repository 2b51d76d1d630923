/** Principals and rows of the access tests. A test names what matters to it. */
import assert from 'node:assert/strict';
import type { Tx } from '../../src/db.ts';
import { sql } from '../../src/db/sql.ts';
import { containsRecord } from '../../src/fhir/index/entry.ts';
import { tokenForms } from '../../src/fhir/hash.ts';
import { ownBucket } from '../../src/fhir/ids.ts';
import { typeCode, type AnyResource } from '../../src/fhir/types.ts';
import { compileConsent } from '../../src/access/consent/write.ts';
import { visibility, type VisibilityRequest } from '../../src/access/predicate/predicate.ts';
import type { Principal } from '../../src/access/principal/principal.ts';
import { purposeBit } from '../../src/access/principal/purpose.ts';
import { parseScopes } from '../../src/access/principal/scope.ts';

export interface PrincipalOverrides extends Partial<Omit<Principal, 'scopes' | 'purposes'>> {
  readonly scope?: string;
  readonly purpose?: readonly string[];
}

export function givenPrincipal({
  scope = 'system/*.cruds',
  purpose = ['TREAT'],
  ...rest
}: PrincipalOverrides = {}): Principal {
  return {
    issuer: 'https://hub.test',
    subject: 'ai',
    clientId: 'ai',
    jti: 'jti-1',
    expiresAt: Date.now() + 60_000,
    isOperator: false,
    organization: 'Organization/ai',
    ...rest,
    scopes: parseScopes(scope),
    purposes: purpose.reduce((bits, code) => bits | (purposeBit(code) ?? 0), 0),
  };
}

export function givenSelf(patient: string, overrides: PrincipalOverrides = {}): Principal {
  return givenPrincipal({
    subject: patient,
    clientId: 'portal',
    organization: undefined,
    fhirUser: `Patient/${patient}`,
    patient,
    self: patient,
    scope: 'patient/*.cruds',
    purpose: ['PATRQT'],
    ...overrides,
  });
}

export interface GivenRow {
  readonly id: string;
  readonly type?: string;
  readonly patient?: string | null;
  readonly otherPatients?: readonly string[];
  readonly owner?: string;
  readonly labels?: number;
  /** ISO; absent: undated. */
  readonly from?: string;
  readonly to?: string;
  /** `code`, system and code of a token. */
  readonly tokens?: readonly (readonly [string, string, string])[];
  /** Types of what it contains of a record. */
  readonly contains?: readonly string[];
}

/** A row of `resource` with just the columns the predicate reads. */
export async function givenRow(db: Tx, row: GivenRow): Promise<void> {
  const patient = row.patient === undefined ? 'p1' : row.patient;
  const tokens = (row.tokens ?? []).flatMap(([param, system, code]) => tokenForms({ param, system, code }).map(String));
  if (row.contains !== undefined)
    tokens.push(String(containsRecord), ...row.contains.map((type) => String(typeCode(type))));
  await db.query(sql`
    insert into resource (bucket, type, id, version, last_updated, owner, patient, other_patients, labels, clinical_from,
      clinical_to, tokens, body)
    values (${ownBucket(patient ?? row.id)}, ${typeCode(row.type ?? 'Observation')}, ${row.id}, 1, now(),
      ${row.owner ?? 'Organization/hospital'}, ${patient}, ${row.otherPatients ?? null}::text[], ${row.labels ?? 0},
      ${row.from ?? null}::timestamptz, ${row.to ?? row.from ?? null}::timestamptz, ${tokens}::bigint[], '{}')`);
}

/** The ids this principal sees, with what decided: by the expressions and by the join, which must say the same. */
export async function seenBy(
  db: Tx,
  principal: Principal,
  request: VisibilityRequest = { interaction: 's' },
): Promise<Record<string, string>> {
  const visible = visibility(principal, request);
  const rows = await db.query<{ id: string; decided: string }>(sql`
    select id, ${visible.decidedBy('r')} as decided from resource r where ${visible.where('r')} order by id`);
  const { join, where, decidedBy } = visible.decided('r');
  const joined = await db.query<{ id: string; decided: string }>(sql`
    select id, ${decidedBy} as decided from resource r ${join} where ${where} order by id`);
  assert.deepEqual(joined, rows);
  return Object.fromEntries(rows.map(({ id, decided }) => [id, decided]));
}

export async function idsSeenBy(db: Tx, principal: Principal, request?: VisibilityRequest): Promise<string[]> {
  return Object.keys(await seenBy(db, principal, request));
}

const privacy = { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] };
const reason = 'http://terminology.hl7.org/CodeSystem/v3-ActReason';

export function purposes(...codes: readonly string[]): object[] {
  return codes.map((code) => ({ system: reason, code }));
}

export function recipient(reference = 'Organization/ai'): object {
  return {
    role: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code: 'IRCP' }] },
    reference: { reference },
  };
}

export function custodian(reference: string): object {
  return {
    role: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code: 'CST' }] },
    reference: { reference },
  };
}

export function classes(...types: readonly string[]): object[] {
  return types.map((code) => ({ system: 'http://hl7.org/fhir/resource-types', code }));
}

/** A permit of everything ordinary to the AI for treatment; `rule` replaces elements, undefined removes them. */
export function permitTo(rule: object = {}): object {
  return { type: 'permit', actor: [recipient()], purpose: purposes('TREAT'), ...rule };
}

export function givenConsent(provision: object, overrides: object = {}): AnyResource {
  return {
    resourceType: 'Consent',
    status: 'active',
    scope: privacy,
    category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
    patient: { reference: 'Patient/p1' },
    policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'OPTIN' }] },
    provision,
    ...overrides,
  };
}

/** Writes the rules of a Consent as its patient does. */
export async function consents(
  tx: Tx,
  provision: object,
  { id = 'c1', version = 1, ...overrides }: { id?: string; version?: number; [element: string]: unknown } = {},
): Promise<void> {
  const resource = givenConsent(provision, overrides);
  const patient = (resource['patient'] as { reference: string }).reference.slice('Patient/'.length);
  await compileConsent(tx, givenSelf(patient), { id, version, resource });
}
