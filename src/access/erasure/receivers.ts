/** Until when each recipient of a Consent may see, kept beside its rules: what asking for deletion goes by (ask.ts). */
import type { Tx } from '../../db.ts';
import { sql, textArray } from '../../db/sql.ts';
import type { Rule } from '../consent/rules.ts';

interface Permitted {
  readonly consentId: string;
  /** Consent.patient. */
  readonly patient: string;
  readonly rules: readonly Rule[];
  /** How long copies may be kept; undefined: not said. */
  readonly days: number | undefined;
}

/**
 * After a Consent was written or has ended (no rules), in the transaction that did it. Whom it no longer names ends now; whom it
 * names again is not asked any more.
 */
export async function followReceivers(tx: Tx, { consentId, patient, rules, days }: Permitted): Promise<void> {
  const ends = new Map<string, number>();
  for (const { isDeny, recipient, valid } of rules) {
    // A proxy reads as the person does, and is asked for nothing.
    if (isDeny || recipient.startsWith('RelatedPerson/')) continue;
    ends.set(recipient, Math.max(ends.get(recipient) ?? Number.NEGATIVE_INFINITY, valid.to));
  }
  const until = Array.from(ends.values(), (end) => (Number.isFinite(end) ? new Date(end).toISOString() : 'infinity'));
  const named = textArray([...ends.keys()]);
  await tx.query(sql`
    update consent_receiver set ends_at = statement_timestamp()
    where consent_id = ${consentId} and ends_at > statement_timestamp() and recipient <> all(${named}::text[])`);
  if (ends.size === 0) return;
  await tx.query(sql`
    insert into consent_receiver as known (consent_id, recipient, patient, kept_days, ends_at)
    select ${consentId}, recipient, ${patient}, ${days ?? null}::int, ends_at::timestamptz
    from unnest(${named}::text[], ${textArray(until)}::text[]) as v (recipient, ends_at)
    on conflict (consent_id, recipient) do update set patient = excluded.patient, kept_days = excluded.kept_days,
      ends_at = excluded.ends_at,
      asked_at = case when excluded.ends_at > statement_timestamp() then null else known.asked_at end`);
}
