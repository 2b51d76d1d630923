/**
 * A Consent becomes rules when it is written, in the writer's transaction: from the next statement on they decide. A Consent
 * that is not `active` has no rules, so revoking is one update.
 *
 * Rules are spread over all source patients the person has at that moment. A record linked later is covered by the denies
 * that exist (they widen at the link) and not by the permits, until the person writes the Consent again.
 */
import type { Tx } from '../../db.ts';
import { sql, textArray } from '../../db/sql.ts';
import { ownBucket } from '../../fhir/ids.ts';
import { Problem } from '../../fhir/problem.ts';
import type { AnyResource } from '../../fhir/types.ts';
import { lockNames } from '../../store/lock.ts';
import { followReceivers } from '../erasure/receivers.ts';
import { answerRequest } from './ask.ts';
import { copyDaysOf, keepCopies } from './copy.ts';
import { refusal } from './element.ts';
import { compileRules, type Rule } from './rules.ts';
import type { Principal } from '../principal/principal.ts';
import { mayConsent } from '../proxy/standing.ts';

/** More rules on one patient than a person can oversee; each costs every read of that patient. */
const rulesPerPatientMax = 500;

export interface ConsentVersion {
  readonly id: string;
  readonly version: number;
  readonly resource: AnyResource;
}

/**
 * Replaces the rules of a Consent by those of this version. To be called in the transaction that writes it.
 * @throws Problem forbidden when the writer is not the patient; business-rule (422) with the FHIRPath of what cannot be enforced
 */
export async function compileConsent(tx: Tx, principal: Principal, consent: ConsentVersion): Promise<void> {
  const rules = compileRules(consent.resource);
  const origin = patientOf(consent.resource);
  await lockPatients(tx, [origin]);
  const patients = await linkedPatients(tx, origin);
  await requireWriter(tx, principal, patients);
  requirePerformer(principal, consent.resource, patients);
  await requireNoRelatives(tx, principal, { id: consent.id, rules });
  await endConsent(tx, consent.id);
  const { id, resource } = consent;
  const days = rules.length === 0 ? undefined : copyDaysOf(resource);
  await keepCopies(tx, { consentId: id, patient: origin, rules, days });
  await followReceivers(tx, { consentId: id, patient: origin, rules, days });
  if (rules.length === 0) return;
  await answerRequest(tx, { id, resource, rules, patients });
  await insertRules(tx, consent, origin, patients, rules);
  const [most] = await tx.query<{ count: number }>(sql`
    select count(*)::int as count from consent_rule where patient = any(${patients}::text[])
    group by patient order by 1 desc limit 1`);
  if ((most?.count ?? 0) > rulesPerPatientMax) {
    throw new Problem('too-costly', `a patient may have at most ${rulesPerPatientMax} consent rules`, {
      hint: 'Set Consents that are no longer needed to inactive.',
    });
  }
}

/** A Consent that is deleted: its rules end with it. To be called in the transaction that deletes it. */
export async function withdrawConsent(
  tx: Tx,
  principal: Principal,
  { id, patient }: { id: string; patient: string },
): Promise<void> {
  // A record that is linked at this moment would take the denies along.
  await lockPatients(tx, [patient]);
  await requireWriter(tx, principal, await linkedPatients(tx, patient));
  await requireNoRelatives(tx, principal, { id, rules: [] });
  await endConsent(tx, id);
  await keepCopies(tx, { consentId: id, patient, rules: [], days: undefined });
  await followReceivers(tx, { consentId: id, patient, rules: [], days: undefined });
}

/** Ends every rule of a Consent. */
async function endConsent(tx: Tx, consentId: string): Promise<void> {
  await tx.query(sql`delete from consent_rule where consent_id = ${consentId}`);
}

function patientOf(consent: AnyResource): string {
  const reference = (consent['patient'] as { reference?: unknown } | undefined)?.reference;
  const id = typeof reference === 'string' ? /^Patient\/([A-Za-z0-9\-.]{1,64})$/.exec(reference)?.[1] : undefined;
  if (id === undefined) throw refusal('Consent.patient', 'a Consent names its patient', 'Patient/ and the id.');
  return id;
}

/** LEAKS 31: nobody grants in another's name. The token's patient consents, or their proxy where that is allowed at this moment. */
export async function requireWriter(tx: Tx, { self, proxy }: Principal, patients: readonly string[]): Promise<void> {
  if (self === undefined || !patients.includes(self)) {
    throw new Problem('forbidden', 'only the patient writes a Consent', { expression: 'Consent.patient' });
  }
  if (proxy === undefined) return;
  const [row] = await tx.query<{ may: boolean | null }>(
    sql`select ${mayConsent(proxy, sql`${textArray(patients)}::text[]`)} as may`,
  );
  if (row?.may === true) return;
  throw new Problem('forbidden', 'this proxy does not write Consents for the patient', {
    hint: 'Parents do until the child decides; a caregiver needs a power of attorney for health care (HPOWATT).',
  });
}

/** The performer is who the token says: the patient, who need not be named, or the proxy, who must be. */
function requirePerformer({ proxy }: Principal, consent: AnyResource, patients: readonly string[]): void {
  const performers: unknown = consent['performer'] ?? [];
  const isListed = (allowed: readonly string[]): boolean =>
    Array.isArray(performers) &&
    performers.every((one) => allowed.includes(String((one as { reference?: unknown } | null)?.reference)));
  if (proxy === undefined) {
    if (isListed(patients.map((patient) => `Patient/${patient}`))) return;
    throw refusal('Consent.performer', 'the performer of a Consent is its patient');
  }
  const name = `RelatedPerson/${proxy.relatedPerson}`;
  if (isListed([name]) && (performers as unknown[]).length > 0) return;
  throw refusal('Consent.performer', 'the performer of this Consent is the proxy who writes it', `Name ${name}.`);
}

/** What proxies see of the record, or may not, is said by the patient alone, and taken back by the patient alone. */
async function requireNoRelatives(
  tx: Tx,
  { proxy }: Principal,
  { id, rules }: { readonly id: string; readonly rules: readonly Rule[] },
): Promise<void> {
  if (proxy === undefined) return;
  const before = await tx.query<{ recipient: string }>(sql`
    select distinct recipient from consent_rule where consent_id = ${id}`);
  if (![...rules, ...before].some(({ recipient }) => recipient.startsWith('RelatedPerson/'))) return;
  throw new Problem('forbidden', 'only the patient says what proxies see of their record', {
    expression: 'Consent.provision',
  });
}

/** Read after the lock: who belongs to the person cannot change before this transaction ends. */
async function linkedPatients(tx: Tx, patient: string): Promise<string[]> {
  const rows = await tx.query<{ patient: string }>(sql`
    select other.patient from person_member one join person_member other on other.person = one.person
    where one.patient = ${patient}`);
  return [...new Set([patient, ...rows.map((row) => row.patient)])];
}

/**
 * Serialises what changes the rights of these patients: writing a Consent, linking, unlinking. Held until the transaction
 * ends, taken in one order everywhere.
 */
export async function lockPatients(tx: Tx, patients: readonly string[]): Promise<void> {
  await lockNames(
    tx,
    patients.map((patient) => `patient ${patient}`),
  );
}

async function insertRules(
  tx: Tx,
  consent: ConsentVersion,
  origin: string,
  patients: readonly string[],
  rules: readonly Rule[],
): Promise<void> {
  const rows = patients.flatMap((patient) =>
    rules.map((rule, index) => ({
      bucket: ownBucket(patient),
      patient,
      consent_id: consent.id,
      rule: index,
      version: consent.version,
      origin,
      is_deny: rule.isDeny,
      recipient: rule.recipient,
      purposes: rule.purposes,
      types: rule.types,
      codes: rule.codes?.map(String),
      labels: rule.labels,
      data_from: rule.data && timestamp(rule.data.from),
      data_to: rule.data && timestamp(rule.data.to),
      valid_from: timestamp(rule.valid.from),
      valid_to: timestamp(rule.valid.to),
      sources: rule.sources,
      instances: rule.instances,
    })),
  );
  await tx.query(sql`
    insert into consent_rule select * from jsonb_populate_recordset(null::consent_rule, ${JSON.stringify(rows)}::jsonb)`);
}

function timestamp(epochMs: number): string {
  if (epochMs === Number.POSITIVE_INFINITY) return 'infinity';
  return epochMs === Number.NEGATIVE_INFINITY ? '-infinity' : new Date(epochMs).toISOString();
}

/** Denies hold for the whole person: each one of these patients gets those of the others. Permits stay where they are. */
export async function spreadDenies(tx: Tx, patients: readonly string[]): Promise<void> {
  const targets = patients.map((patient) => ({ patient, bucket: ownBucket(patient) }));
  await tx.query(sql`
    insert into consent_rule
    select target.bucket, target.patient, recipient, consent_id, rule, version, origin, is_deny, purposes, types, codes, labels,
      data_from, data_to, valid_from, valid_to, sources, instances
    from consent_rule deny, jsonb_to_recordset(${JSON.stringify(targets)}::jsonb) as target (patient text, bucket int)
    where deny.patient = deny.origin and deny.patient = any(${patients}::text[]) and deny.is_deny
      and target.patient <> deny.patient
    on conflict do nothing`);
}

/** After an unlink: what one side consented to says nothing about the other side's records. */
export async function separateRules(tx: Tx, one: readonly string[], other: readonly string[]): Promise<void> {
  await tx.query(sql`
    delete from consent_rule
    where (patient = any(${one}::text[]) and origin = any(${other}::text[]))
       or (patient = any(${other}::text[]) and origin = any(${one}::text[]))`);
}
