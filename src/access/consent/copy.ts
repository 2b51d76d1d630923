/**
 * How long a recipient keeps copies of what a Consent allowed it to see: an extension of the Consent, and a row that erasure goes by.
 * Time runs from the end of the Consent, and from its revocation when that comes first.
 */
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import type { AnyResource } from '../../fhir/types.ts';
import { hubExtension } from '../../mapping/values/extensions.ts';
import { isElement, refusal } from './element.ts';
import type { Rule } from './rules.ts';

export const copyExtension = hubExtension('copies-kept');

/** Ten years: longer is for ever, and no promise. */
const daysMax = 3_650;
const ucum = 'http://unitsofmeasure.org';

/** Days; undefined: the Consent does not say. @throws Problem business-rule (422) for what is no number of days */
export function copyDaysOf(consent: AnyResource): number | undefined {
  const extensions: unknown = consent['extension'];
  if (!Array.isArray(extensions)) return undefined;
  const index = extensions.findIndex((one) => isElement(one) && one['url'] === copyExtension);
  if (index < 0) return undefined;
  const duration: unknown = (extensions[index] as { valueDuration?: unknown }).valueDuration;
  const { value, system, code } = isElement(duration) ? duration : {};
  if (
    system === ucum &&
    code === 'd' &&
    typeof value === 'number' &&
    Number.isInteger(value) &&
    value >= 0 &&
    value <= daysMax
  ) {
    return value;
  }
  throw refusal(
    `Consent.extension[${index}].valueDuration`,
    `copies are kept for a whole number of days, at most ${daysMax}`,
    `Write {"value": 30, "unit": "days", "system": "${ucum}", "code": "d"}.`,
  );
}

interface Kept {
  readonly consentId: string;
  readonly patient: string;
  readonly rules: readonly Rule[];
  readonly days: number | undefined;
}

/** After a Consent was written or has ended (no rules), in the transaction that did it. */
export async function keepCopies(tx: Tx, { consentId, patient, rules, days }: Kept): Promise<void> {
  const permits = rules.filter(({ isDeny }) => !isDeny);
  if (permits.length === 0) {
    await tx.query(sql`
      update consent_copy set erase_at = least(erase_at, statement_timestamp() + make_interval(days => kept_days))
      where consent_id = ${consentId}`);
    return;
  }
  if (days === undefined) {
    await tx.query(sql`delete from consent_copy where consent_id = ${consentId}`);
    return;
  }
  const end = Math.max(...permits.map(({ valid }) => valid.to));
  const until = Number.isFinite(end) ? new Date(end).toISOString() : 'infinity';
  const recipients = [...new Set(permits.map(({ recipient }) => recipient))];
  await tx.query(sql`
    insert into consent_copy (consent_id, patient, recipients, kept_days, erase_at)
    values (${consentId}, ${patient}, ${recipients}::text[], ${days}, ${until}::timestamptz + make_interval(days => ${days}::int))
    on conflict (consent_id) do update set patient = excluded.patient, recipients = excluded.recipients,
      kept_days = excluded.kept_days, erase_at = excluded.erase_at`);
}
