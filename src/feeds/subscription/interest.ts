/**
 * Which changes a subscription may be interested in, as types and buckets: the sieve that every change goes through, two index
 * look-ups wide. It decides nothing; whether an event is one is asked when it is told (evaluate.ts).
 */
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { ownBucket } from '../../fhir/ids.ts';
import type { SearchRequest } from '../../fhir/search.ts';
import type { SubscriptionRequest } from '../../fhir/subscription/request.ts';
import { parseTrigger, type Trigger, type TriggerOptions } from '../../fhir/subscription/trigger.ts';
import { typeCode } from '../../fhir/types.ts';
import { samePerson, samePersons } from '../../identity/link.ts';
import { compartmentsOf, patientsNamed } from '../../store/search.ts';
import type { Aliases } from '../../store/params/reference.ts';

/** Of every type, of every patient and of none. */
const anyType = 0;
const anyBucket = -1;

/** A search of a Subscription, parsed, with the records it names: those of the person, as they are linked at this moment. */
export interface Search {
  readonly request: SearchRequest;
  readonly aliases: Aliases;
  /** Source patients in whose records every match is; undefined: anywhere. */
  readonly patients: readonly string[] | undefined;
}

export async function searchOf(
  tx: Tx,
  trigger: Extract<Trigger, { kind: 'search' }>,
  options: TriggerOptions,
): Promise<Search> {
  const request = parseTrigger(trigger, options);
  const aliases = await samePersons(tx, patientsNamed(request));
  return { request, aliases, patients: compartmentsOf(request, aliases) };
}

/** Brings the rows of this subscription up to date: with what it asks for, and with who is linked to whom. */
export async function replaceInterests(
  tx: Tx,
  id: string,
  { triggers }: Pick<SubscriptionRequest, 'triggers'>,
  options: TriggerOptions,
): Promise<void> {
  const found = await Promise.all(triggers.map((trigger) => interestsOf(tx, trigger, options)));
  const distinct = new Map(found.flat().map((one) => [`${one.type}/${one.bucket}`, one]));
  const all = [...distinct.values()];
  await tx.query(sql`delete from subscription_interest where subscription = ${id}`);
  await tx.query(sql`
    insert into subscription_interest (subscription, type, bucket)
    select ${id}, * from unnest(${all.map(({ type }) => type)}::smallint[], ${all.map(({ bucket }) => bucket)}::int[])`);
}

interface Interest {
  readonly type: number;
  readonly bucket: number;
}

async function interestsOf(tx: Tx, trigger: Trigger, options: TriggerOptions): Promise<Interest[]> {
  if (trigger.kind === 'search') {
    const { patients } = await searchOf(tx, trigger, options);
    return bucketsOf(patients).map((bucket) => ({ type: typeCode(trigger.type) as number, bucket }));
  }
  const patients = trigger.patient === undefined ? undefined : await samePerson(tx, trigger.patient);
  const types = trigger.types?.map((type) => typeCode(type) as number) ?? [anyType];
  return bucketsOf(patients).flatMap((bucket) => types.map((type) => ({ type, bucket })));
}

function bucketsOf(patients: readonly string[] | undefined): number[] {
  return patients === undefined ? [anyBucket] : [...new Set(patients.map(ownBucket))];
}
