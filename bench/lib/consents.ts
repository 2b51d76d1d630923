/**
 * Consents of many patients: those of a few are written by the patients themselves through the facade; the rules that came
 * of them are copied to all others by one statement. A copy differs from what it is made of in patient, bucket and name alone,
 * and that is checked against the rules of patients who wrote the same.
 */
import type pg from 'pg';
import { consent, permit, post, token } from './facade.ts';
import { patientId } from './fill.ts';
import type { HubProcess } from './hub-process.ts';

const label = (code: string): object => ({ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code });
const classes = (...types: string[]): object[] =>
  types.map((code) => ({ system: 'http://hl7.org/fhir/resource-types', code }));
const payment = { purpose: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: 'HPAYMT' }] };

const assistant = permit('Organization/assistant');
const insurer = permit('Organization/insurer', payment);
const clinic = permit('Organization/clinic');
const others = [insurer, clinic];

/** What ten patients consent to: thirty rules of five recipients. All let the assistant see laboratory results. */
const habits: readonly (readonly object[])[] = [
  ...Array.from({ length: 5 }, () => [assistant, ...others]),
  // Except what is sensitive: one deny for the assistant, one for everybody.
  [permit('Organization/assistant', { provision: [{ type: 'deny', securityLabel: [label('PSY')] }] }), clinic],
  [assistant, insurer, { type: 'deny', securityLabel: [label('HIV')] }],
  // What is sensitive as well.
  [assistant, permit('Organization/assistant', { securityLabel: [label('PSY')] }), clinic],
  // Some classes only, and a class not.
  [permit('Organization/assistant', { class: classes('Observation', 'Patient') }), ...others],
  [permit('Organization/assistant', { provision: [{ type: 'deny', class: classes('Condition') }] }), insurer],
];

export const habitsCount = habits.length;

/** The first of the patients (`patientId`) write theirs; then everybody up to `patients` has the rules of one of them. @returns rules in all */
export async function consentAll(hub: HubProcess, database: pg.Client, patients: number): Promise<number> {
  const written = 2 * habits.length;
  for (let number = 0; number < written; number++) await write(hub, number, habits[number % habits.length] ?? []);
  await database.query(copy, [written, patients, habits.length, patientId(0).replace(/0$/, '')]);
  await verifyCopies(database, patients);
  const counted = await database.query<{ rules: number }>('select count(*)::int as rules from consent_rule');
  return counted.rows[0]?.rules ?? 0;
}

/** Further Consents of one patient. */
export async function write(hub: HubProcess, number: number, provisions: readonly object[]): Promise<void> {
  const id = patientId(number);
  const bearer = await token(hub, { preset: 'patient', patient: id });
  for (const provision of provisions) await post(hub, bearer, 'Consent', consent(id, provision));
}

/** $1 patients have written, up to $2 copy, by turns of $3 habits; $4 begins their ids. A Consent's id begins with its bucket (fhir/ids.ts). */
const copy = `
  insert into consent_rule
  select (jsonb_populate_record(template, jsonb_build_object('bucket', r.bucket, 'patient', r.id, 'origin', r.id,
    'consent_id', lpad(to_hex(r.bucket), 4, '0') || regexp_replace(md5(template.consent_id || r.id),
      '^.{4}(.{4})(.{4}).(.{3}).(.{3})(.{12}).*', '\\1-\\2-8\\3-a\\4-\\5')))).*
  from generate_series($1::int, $2::int - 1) number
  join resource r on r.id = $4 || number and r.patient = r.id
  join consent_rule template on template.patient = $4 || number % $3`;

/** Patients of one habit have one set of rules, whoever wrote them. */
async function verifyCopies(database: pg.Client, patients: number): Promise<void> {
  for (let habit = 0; habit < habits.length; habit++) {
    const copied = patients - habits.length + habit;
    const sets = await database.query(
      `select distinct jsonb_agg(to_jsonb(one) - 'bucket' - 'patient' - 'origin' - 'consent_id' order by to_jsonb(one) - 'consent_id')
       from consent_rule one where patient = any($1) group by patient`,
      [[habit, habit + habits.length, copied - (copied % habits.length) + habit].map(patientId)],
    );
    if (sets.rowCount !== 1) throw new Error(`the rules of habit ${habit} are copied wrongly`);
  }
}
